"""The page of a host: everything that is known of it, kept up to date, and what an operator does to its record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from tests.browser.machines import Machine
from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Visitor, visiting
from vetting import wire
from vetting.domain.hostspec import FirmwarePin
from vetting.domain.inventory import FirmwareItem
from vetting.orchestrator.bus import News
from vetting.store import audit, hosts
from vetting.store.rows import HostRow
from vetting.web.pages.host import PIECES, HostFeed
from vetting.web.pages.host_firmware import pins_beside
from vetting.web.pages.start import StartFeed

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOSTILE = "<script>alert(1)</script>\u202egnp\x1b[31m" + "x" * 10_000
BEAT = wire.ReporterBeat(boot_id="b", version=HOSTILE, allowed=True, obstacles=(HOSTILE, "two"), ways=(HOSTILE,))


@dataclass
class Place:
    scene: Scene
    operator: Visitor
    viewer: Visitor

    async def row(self, name: str) -> HostRow | None:
        return await self.scene.server.store.read(lambda: hosts.by_name(name))

    async def last_deed(self) -> tuple[str, str, str]:
        rows = await self.scene.server.store.read(lambda: audit.entries(limit=1))
        return rows[0].what, rows[0].who, rows[0].why


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(tmp_path_factory.mktemp("host")))
        operator = await stack.enter_async_context(visiting(scene, await scene.operator()))
        viewer = await stack.enter_async_context(visiting(scene, await scene.viewer()))
        yield Place(scene, operator, viewer)


async def test_everything_known_of_a_host_stands_on_its_page(place: Place) -> None:
    machine = Machine(1, "known-1")
    await place.scene.add(machine)
    hand = await place.scene.claimed(machine.host)
    await hand.sample({"temp.coretemp.package-id-0": 81.5, "temp.drivetemp.sda": 40.0})
    await hand.reach("")
    await place.scene.cancelled("SMART", machine.host)
    page = await place.viewer.see(f"/hosts/{machine.host}")
    assert page.status == 200
    for said in (
        machine.identity.smbios_uuid, machine.identity.system_serial, machine.macs[1], machine.serials[0], "960\u00a0GB".replace("\u00a0", " "),
        "Passed, not vetted", "the wrong host", "Cancelled", "3.8a American Megatrends", "learned when it first claimed", "none on record",
        "erases it", "Never heard",
    ):  # fmt: skip
        assert said in page.text, said
    rows = re.findall(r'<th scope="row"><a href="/runs/(\d+)">', page.raw)
    assert rows == sorted(rows, key=int, reverse=True)
    assert "coretemp, highest" in page.text
    assert "81.5\u00a0°C" in page.raw
    assert (await place.viewer.see("/hosts/nobody")).status == 404


async def test_what_a_host_says_is_bounded_and_does_nothing(place: Place) -> None:
    machine = Machine(2, "hostile-1", model=HOSTILE)
    await place.scene.add(machine)
    await (await place.scene.claimed(machine.host)).reach("Firmware")
    host = await place.row(machine.host)
    assert host is not None
    await place.scene.server.desk.progress.reporter_beat(host.id, BEAT)
    for path in ("", "/start", "/spec", "/edit"):
        page = await place.operator.see(f"/hosts/{machine.host}{path}")
        assert page.status == 200
        assert "<script>alert" not in page.raw
        assert "\u202e" not in page.raw
        assert "\x1b" not in page.raw
        assert len(page.raw) < 120_000


async def test_pieces_are_renewed_by_what_concerns_the_host_and_by_nothing_else(place: Place) -> None:
    machine = Machine(3, "live-1")
    await place.scene.add(machine)
    host = await place.row(machine.host)
    assert host is not None
    feed = HostFeed(place.scene.server.console, host.id, operator=True)
    news = {kind: News(id=1, at=0.0, kind=kind, host_id=host.id) for kind in feed.kinds}
    assert set(feed.touched(news["host.seen"])) == {"host-state", "host-reporter"}
    assert set(feed.touched(news["host.changed"])) == set(PIECES)
    assert feed.touched(replace(news["host.changed"], host_id=host.id + 1)) == ()
    assert "host-runs" in feed.touched(News(id=1, at=0.0, kind="run.moved", run_id=7))
    rendered = await feed.render(PIECES)
    assert re.findall(r'id="(host-[a-z]+)" hx-swap-oob|<section hx-swap-oob="outerMorph" id="(host-[a-z]+)"', rendered)
    assert "<form" not in rendered
    assert "csrf" not in rendered
    viewer = await HostFeed(place.scene.server.console, host.id, operator=False).render(PIECES)
    assert "Start a run" not in viewer
    assert feed.key != replace(feed, operator=False).key
    start = await StartFeed(place.scene.server.console, host.id).render(("start-way-wol",))
    assert start.count("<span hx-swap-oob") == 1
    assert await replace(feed, host_id=4711).render(PIECES) == ""


async def test_a_reporter_and_a_changed_record_are_news(place: Place) -> None:
    machine = Machine(4, "news-1")
    await place.scene.add(machine)
    host = await place.row(machine.host)
    assert host is not None
    bus = place.scene.server.bus
    with bus.listen() as listener:
        await place.scene.server.desk.progress.reporter_beat(host.id, wire.ReporterBeat(boot_id="b", version="1"))
        await place.operator.send(
            f"/hosts/{machine.host}/edit", name=machine.host, macs=" ".join(machine.macs), note="n"
        )
        news = aiter(listener)
        told = [await anext(news) for _ in range(2)]
    assert [(one.kind, one.host_id) for one in told] == [("host.seen", host.id), ("host.changed", host.id)]


async def test_a_record_is_edited_and_its_spec_and_password_stay(place: Place) -> None:
    machine = Machine(5, "edit-1")
    await place.scene.add(machine)
    path = f"/hosts/{machine.host}/edit"
    typed = {"name": machine.host, "macs": "AA-BB-CC-00-00-05\n" + machine.macs[0], "note": "rack <3>", "bmc_kind": "ipmi", "bmc_address": "192.0.2.5", "bmc_user": "op", "bmc_efi": "yes"}  # fmt: skip
    refused = await place.operator.send(path, **typed)
    assert refused.status == 400
    assert "password" in refused.text
    assert 'value="192.0.2.5"' in refused.raw
    assert 'value="rack &lt;3&gt;"' in refused.raw
    assert (await place.operator.send(path, **typed, bmc_password="hunter2")).status == 303
    host = await place.row(machine.host)
    assert host is not None
    assert host.bmc is not None
    assert (host.macs, host.note, host.bmc_password) == (
        ("3c:ec:ef:00:05:00", "aa:bb:cc:00:00:05"),
        "rack <3>",
        "hunter2",
    )
    assert host.spec == machine.spec
    shown = await place.operator.see(path)
    assert "hunter2" not in shown.raw
    assert (await place.operator.send(path, **{**typed, "note": "again"})).status == 303
    host = await place.row(machine.host)
    assert host is not None
    assert (host.note, host.bmc_password) == ("again", "hunter2")
    moved = await place.operator.send(path, **{**typed, "bmc_address": "198.51.100.1"})
    assert moved.status == 400
    for wrong in (
        {"name": "UPPER CASE"},
        {"name": "new"},
        {"macs": "nonsense"},
        {"note": "a\nb"},
        {"bmc_kind": "telnet"},
    ):
        again = await place.operator.send(path, **{**typed, **wrong})
        assert again.status == 400, wrong
        assert "Nothing was changed" in again.text


async def test_the_line_for_the_reporter_is_shown_once_and_registers_the_host(place: Place) -> None:
    machine = Machine(6, "line-1")
    await place.scene.add(machine)
    path = f"/hosts/{machine.host}/reporter"
    before = await place.operator.see(path)
    assert "VETTING_CODE" not in before.raw
    shown = await place.operator.send(path)
    line = re.search(r"VETTING_CODE=(\S+) sh", shown.text)
    assert line
    assert "/register/quick.sh" in shown.text
    assert line[1] not in (await place.operator.see(path)).raw
    told = wire.Register(hostname="h", version="1", macs=(machine.macs[0],), smbios_uuid="")
    registered = await place.scene.server.desk.registering.register(line[1], told, peer="192.0.2.1")
    assert registered.host == machine.host


async def test_an_identity_is_forgotten_with_a_reason_and_a_host_removed_unless_a_run_is_active(place: Place) -> None:
    machine = Machine(7, "gone-1")
    await place.scene.add(machine)
    hand = await place.scene.running("SMART", machine.host)
    path = f"/hosts/{machine.host}"
    refused = await place.operator.send(f"{path}/relearn", reason="  ")
    assert (refused.status, "say why" in refused.text) == (400, True)
    assert (await place.operator.send(f"{path}/relearn", reason="new board")).status == 303
    assert await place.last_deed() == ("host.relearn", "mira", "new board")
    host = await place.row(machine.host)
    assert host is not None
    assert host.identity is None
    busy = await place.operator.see(f"{path}/remove")
    assert "Cancel or release it first" in busy.text
    assert "<textarea" not in busy.raw
    assert (await place.operator.send(f"{path}/remove", reason="x")).status == 409
    await place.scene.server.desk.progress.cancel(hand.run_id, who="mira", because=wire.Because(reason="x"))
    sent = await place.operator.send(f"{path}/remove", reason="sold")
    assert (sent.status, sent.headers["Location"]) == (303, "/")
    assert (await place.operator.see(path)).status == 404


async def test_power_is_asked_by_a_form_alone_and_what_is_missing_is_told(place: Place) -> None:
    machine = Machine(8, "power-1")
    await place.scene.add(machine)
    path = f"/hosts/{machine.host}/power"
    assert "No management controller is on record" in (await place.operator.see(path)).text
    sent = await place.operator.send(path)
    assert sent.status == 409
    assert await place.last_deed() == ("host.power_asked", "mira", "")


async def test_each_pin_stands_beside_what_was_found() -> None:
    pins = (
        FirmwarePin(component="bios", version="2", at_least=True),
        FirmwarePin(component="nvme", identifier="nvme:S1", version="7"),
        FirmwarePin(component="hba", version="1"),
    )
    items = (
        FirmwareItem(component="bios", identifier="system", version="1.9"),
        FirmwareItem(component="nvme", identifier="S1", version="7"),
        FirmwareItem(component="nic", identifier="aa", version="3"),
    )
    rows = {one.component: one for one in pins_beside(pins, items)}
    assert "expected at least 2" in rows["bios"].wrong
    assert (rows["nvme"].pinned, rows["nvme"].wrong) == ("7", "")
    assert rows["nic"].pinned == ""
    assert "no such part was found" in rows["hba"].wrong
    assert [one.wrong for one in pins_beside(pins, ())] == ["", "", ""]
