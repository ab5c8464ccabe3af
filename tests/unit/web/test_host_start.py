"""The start form: what it says beforehand is what the start is refused with, and nothing is erased that was not named."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.machines import Machine
from tests.browser.scene import SPRINT, Scene, staged
from tests.fakes.boot_image import lay_out
from tests.fakes.rig import free_ports
from tests.unit.web.visitor import Visitor, visiting
from vetting import wire
from vetting.config import Config
from vetting.domain.bmc import Bmc, BmcKind
from vetting.domain.errors import Conflict, Refusal
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.states import RunState
from vetting.orchestrator import stopping
from vetting.store import hosts, runs

pytestmark = pytest.mark.asyncio(loop_scope="module")
READY = wire.ReporterBeat(boot_id="b", version="1", allowed=True, ways=("efi",))
BMC = Bmc(kind=BmcKind.IPMI, address="192.0.2.9", user="vetting")


@dataclass
class Place:
    scene: Scene
    operator: Visitor
    viewer: Visitor
    image: Path
    count: int = 0

    async def host(self, **changes: Any) -> Machine:
        self.count += 1
        machine = Machine(self.count, f"start-{self.count}")
        await self.scene.add(machine)
        if changes:
            edit = {"name": machine.host, "macs": machine.macs, "spec": machine.spec, **changes}
            await self.scene.server.desk.people.edit_host(machine.host, wire.HostEdit(**edit), who="mira")
        return machine

    async def beat(self, machine: Machine, **changes: Any) -> None:
        host = await self.scene.server.desk.views.host(machine.host)
        told = wire.ReporterBeat(**{**{name: getattr(READY, name) for name in READY.__struct_fields__}, **changes})
        await self.scene.server.desk.progress.reporter_beat(host.id, told)

    async def refusal(self, machine: Machine, way: str, **changes: Any) -> str:
        """What the API answers a start with."""
        request = wire.StartRun(
            **{"host": machine.host, "profile": SPRINT.name, "non_destructive": True, "start_by": way, **changes}
        )
        async with self.scene.client() as client:
            with pytest.raises(Refusal) as refused:
                await client.call("/api/runs", request, wire.RunStarted)
        assert isinstance(refused.value, Conflict) or refused.value.http_status == 409
        return refused.value.message

    async def run_of(self, machine: Machine) -> Any:
        def look() -> Any:
            host = hosts.by_name(machine.host)
            assert host is not None
            return runs.newest_run_of_host(host.id)

        return await self.scene.server.store.read(look)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    image = lay_out(tmp_path_factory.mktemp("image"))

    def boots(config: Config) -> Config:
        boot = replace(config.boot, http_port=free_ports(1)[0], image_dir=str(image))
        return replace(config, boot=boot)

    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(tmp_path_factory.mktemp("start"), change=boots))
        operator = await stack.enter_async_context(visiting(scene, await scene.operator()))
        viewer = await stack.enter_async_context(visiting(scene, await scene.viewer()))
        yield Place(scene, operator, viewer, image)


def plain(text: str) -> str:
    """In one line, and with every age as the same one: the clock goes on between two questions."""
    return re.sub(r"\d+ s ago", "N s ago", " ".join(text.split()))


def way_said(page: str, way: str) -> str:
    """What stands beside one way, as a person reads it."""
    found = re.search(rf'<span id="start-way-{way}".*?\n</span>', page, re.DOTALL)
    assert found, way
    return plain(html.unescape(re.sub(r"<[^>]+>", " ", found[0])))


async def nothing(place: Place, machine: Machine) -> None:
    """The host as it was added."""


async def fell_silent(place: Place, machine: Machine) -> None:
    await place.beat(machine)
    place.scene.clock.skip(61)


async def not_allowed(place: Place, machine: Machine) -> None:
    await place.beat(machine, allowed=False)


async def busy(place: Place, machine: Machine) -> None:
    await place.beat(machine, obstacles=("3 guests run: <b>100</b>, 101", "quorum is at risk"))


async def no_way(place: Place, machine: Machine) -> None:
    await place.beat(machine, ways=())


async def awake(place: Place, machine: Machine) -> None:
    await place.beat(machine)


async def no_macs(place: Place, machine: Machine) -> None:
    edit = wire.HostEdit(name=machine.host, spec=machine.spec)
    await place.scene.server.desk.people.edit_host(machine.host, edit, who="mira")


async def a_run(place: Place, machine: Machine) -> None:
    place.scene.machines[machine.host] = machine
    await place.scene.queued(machine.host)
    await place.beat(machine)


async def lost(place: Place, machine: Machine) -> None:
    place.scene.machines[machine.host] = machine
    await place.scene.lost("SMART", machine.host)
    await place.beat(machine)


CASES = (
    (nothing, "reporter"), (fell_silent, "reporter"), (not_allowed, "reporter"), (busy, "reporter"), (no_way, "reporter"),
    (awake, "wol"), (no_macs, "wol"), (nothing, "power"), (a_run, "reporter"), (a_run, "manual"), (lost, "reporter"),
)  # fmt: skip


@pytest.mark.parametrize(("prepare", "way"), CASES, ids=lambda one: getattr(one, "__name__", one))
async def test_the_form_says_word_for_word_what_the_api_refuses_with(
    place: Place, prepare: Callable[[Place, Machine], Awaitable[None]], way: str
) -> None:
    machine = await place.host()
    await prepare(place, machine)
    path = f"/hosts/{machine.host}"
    said = plain(await place.refusal(machine, way))
    form = await place.operator.see(f"{path}/start")
    assert said in way_said(form.raw, way)
    assert re.search(rf'value="{way}" required[^>]* disabled', form.raw)
    if way == "reporter":
        page = await place.operator.see(path)
        assert "<b>100</b>" not in page.raw
        if prepare not in (a_run, lost):
            assert said in plain(page.text)
            assert re.search(r'<button class="primary" disabled aria-describedby="start-refused">Start a run', page.raw)
    sent = await place.operator.send(f"{path}/start", profile=SPRINT.name, start_by=way, non_destructive="yes")
    assert sent.status == 409
    assert said in plain(sent.text)


async def test_how_long_a_reporter_was_silent_is_told_with_the_line_that_helps(place: Place) -> None:
    machine = await place.host()
    await fell_silent(place, machine)
    assert re.search(r"was last heard 6\d s ago", (await place.operator.see(f"/hosts/{machine.host}/start")).text)
    assert "/register/quick.sh" in (await place.operator.see(f"/hosts/{machine.host}")).text


async def test_a_host_that_is_on_loses_its_power_only_where_that_is_said(place: Place) -> None:
    machine = await place.host(bmc=BMC, bmc_password="secret-of-bmc")
    await awake(place, machine)
    said = plain(await place.refusal(machine, "power"))
    form = await place.operator.see(f"/hosts/{machine.host}/start")
    assert "Only with its power cut" in way_said(form.raw, "power")
    assert said in way_said(form.raw, "power")
    assert "secret-of-bmc" not in form.raw
    typed = {"profile": SPRINT.name, "start_by": "power", "non_destructive": "yes"}
    sent = await place.operator.send(f"/hosts/{machine.host}/start", **typed)
    assert (sent.status, said in plain(sent.text)) == (409, True)
    sent = await place.operator.send(f"/hosts/{machine.host}/start", **typed, cut_power="yes")
    assert sent.status == 303
    run = await place.run_of(machine)
    assert (run.start_by, run.cut_power, run.non_destructive) == ("power", True, True)


async def test_stop_is_told_before_a_run_that_erases_is_booted_by_hand(place: Place) -> None:
    machine = await place.host()
    stop = place.scene.data / stopping.NAME
    stop.touch()
    try:
        said = plain(await place.refusal(machine, "manual", non_destructive=False, confirm_serials=machine.serials))
        form = await place.operator.see(f"/hosts/{machine.host}/start")
        assert "STOP is set: no run writes to a disk" in form.text
        assert "waits in the queue" in form.text
        told = way_said(form.raw, "manual")
        assert told == f"◐ Only non-destructive now {said}"
    finally:
        stop.unlink()


async def test_without_an_image_only_a_person_can_boot_it(place: Place) -> None:
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(place.scene.folder / "no-image"))
        visitor = await stack.enter_async_context(visiting(scene, await scene.operator()))
        machine = (await scene.hosts(1))[0]
        form = await visitor.see(f"/hosts/{machine.host}/start")
        async with scene.client() as client:
            with pytest.raises(Refusal) as refused:
                request = wire.StartRun(host=machine.host, profile="quick", non_destructive=True, start_by="wol")
                await client.call("/api/runs", request, wire.RunStarted)
        assert plain(refused.value.message) in way_said(form.raw, "wol")
        assert "Possible" in way_said(form.raw, "manual")


async def test_disks_are_erased_only_by_a_person_who_saw_them_and_typed_the_name(place: Place) -> None:
    machine = await place.host()
    await awake(place, machine)
    path = f"/hosts/{machine.host}/start"
    form = await place.operator.see(path)
    assert all(serial in form.text for serial in machine.serials)
    assert re.findall(r'name="serial" value="([^"]*)"', form.raw) == list(machine.serials)
    whole = [("profile", SPRINT.name), ("start_by", "reporter"), *(("serial", one) for one in machine.serials)]
    for typed in ("", "start", machine.host.upper(), f"{machine.host}x"):
        sent = await place.operator.send_all(path, [*whole, ("typed", typed)])
        assert sent.status == 400
        assert "type the host's name" in sent.text
        assert f'value="{typed}"' in sent.raw
    assert await place.run_of(machine) is None
    sent = await place.operator.send_all(path, [*whole, ("typed", machine.host)])
    assert sent.status == 303
    run = await place.run_of(machine)
    assert sent.headers["Location"] == f"/runs/{run.id}"
    assert (run.state, run.non_destructive, run.requested_by) == (RunState.QUEUED, False, "mira")


async def test_a_spec_that_changed_after_the_page_was_read_is_refused_and_has_to_be_confirmed_anew(
    place: Place,
) -> None:
    machine = await place.host()
    await awake(place, machine)
    path = f"/hosts/{machine.host}/start"
    more = replace(machine.spec, disks=(*machine.spec.disks, ExpectedDisk(serial="BOOTDISK")))
    await place.scene.server.desk.people.change_spec(machine.host, more, was=machine.spec, who="other")
    seen = [("serial", one) for one in machine.serials]
    sent = await place.operator.send_all(
        path, [("profile", SPRINT.name), ("start_by", "reporter"), ("typed", machine.host), *seen]
    )
    assert sent.status == 409
    assert "confirm exactly these serials" in sent.text
    assert "BOOTDISK" in sent.text
    assert re.search(r'id="typed" name="typed" value=""', sent.raw)
    assert await place.run_of(machine) is None
    for forged in ([], [("serial", "BOOTDISK")], [*seen, *seen]):
        sent = await place.operator.send_all(
            path, [("profile", SPRINT.name), ("start_by", "reporter"), ("typed", machine.host), *forged]
        )
        assert sent.status == 409
    assert await place.run_of(machine) is None


async def test_a_run_booted_by_hand_shows_its_ticket_once(place: Place) -> None:
    machine = await place.host()
    sent = await place.operator.send(
        f"/hosts/{machine.host}/start", profile=SPRINT.name, start_by="manual", non_destructive="yes"
    )
    assert sent.status == 200
    ticket = re.search(r'<span id="ticket">([^<]+)</span>', sent.raw)
    assert ticket
    run = await place.run_of(machine)
    assert run.state is RunState.BOOTING
    for path in (f"/hosts/{machine.host}", f"/runs/{run.id}", "/audit"):
        assert ticket[1] not in (await place.operator.see(path)).raw


async def test_a_host_whose_spec_names_no_disk_starts_without_typing(place: Place) -> None:
    machine = await place.host(spec=ExpectedSpec())
    await awake(place, machine)
    form = await place.operator.see(f"/hosts/{machine.host}/start")
    assert 'id="typed"' not in form.raw
    sent = await place.operator.send(f"/hosts/{machine.host}/start", profile=SPRINT.name, start_by="reporter")
    assert sent.status == 303


async def test_what_was_typed_is_still_there_when_it_is_refused(place: Place) -> None:
    machine = await place.host()
    sent = await place.operator.send(f"/hosts/{machine.host}/start", profile="deep", start_by="manual", cut_power="yes")
    assert sent.status in (400, 409)
    assert re.search(r'value="deep" required checked', sent.raw)
    assert re.search(r'value="manual" required checked', sent.raw)
    sent = await place.operator.send(f"/hosts/{machine.host}/start", profile="deep", non_destructive="yes")
    assert (sent.status, "choose how the host is started" in sent.text) == (400, True)


async def test_a_viewer_sees_neither_form_nor_button(place: Place) -> None:
    machine = await place.host(bmc=BMC, bmc_password="secret-of-bmc")
    await awake(place, machine)
    for path in ("/start", "/spec", "/edit", "/power", "/relearn", "/remove", "/reporter"):
        assert (await place.viewer.see(f"/hosts/{machine.host}{path}")).status == 403
        assert (await place.viewer.send(f"/hosts/{machine.host}{path}", reason="x")).status == 403
    host = await place.scene.server.desk.views.host(machine.host)
    assert (await place.viewer.see(f"/live?on=start/{host.id}&after=x")).status == 404
    page = await place.viewer.see(f"/hosts/{machine.host}")
    body = page.raw.partition("<main")[2].partition("</main>")[0]
    assert page.status == 200
    assert machine.serials[0] in page.text
    for mark in ("<button", "<form", 'class="button', "data-dialog", "/start", "/edit", "/spec"):
        assert mark not in body, mark
    assert "secret-of-bmc" not in page.raw
