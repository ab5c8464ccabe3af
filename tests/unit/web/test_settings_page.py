"""The settings: what is in force, how the programs do, and no secret of a channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import visiting
from vetting.config import Channel, Config
from vetting.domain.profiles import QUICK, SHIPPED
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.supervise import Health, Status
from vetting.web import knobs
from vetting.web.appliance import Appliance
from vetting.web.console import Console
from vetting.web.pages.settings import Settings, changed_since
from vetting.web.secrecy import masked
from vetting.web.site import console_of

CHANNEL = Channel(name="on-call", url="ntfys://ops:hunter2@ntfy.example/vetting-secret")


def with_a_channel(config: Config) -> Config:
    hasty = replace(QUICK, burn=replace(QUICK.burn, seconds=7))
    return replace(config, notify=(CHANNEL,), profiles={**config.profiles, "quick": hasty})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with staged(tmp_path_factory.mktemp("scene"), change=with_a_channel) as scene:
        yield scene


@pytest.mark.asyncio(loop_scope="module")
async def test_a_viewer_reads_everything_and_may_change_nothing(scene: Scene) -> None:
    async with visiting(scene, await scene.viewer()) as viewer:
        seen = await viewer.see("/settings")
        assert seen.status == 200
        for said in (
            "quick",
            "temp.*",
            "ntfys://•••@ntfy.example/•••",
            scene.server.certificate.fingerprint[:2].upper(),
        ):
            assert said in seen.text, said
        assert "hunter2" not in seen.raw
        assert "vetting-secret" not in seen.raw
        assert "Send a test" not in seen.text
        assert 'href="/tokens"' not in seen.raw
        assert "changed here" in seen.text
        assert "ships as 2\u00a0min\u00a000\u00a0s" in seen.raw
        assert "no host boots from this orchestrator (boot.http_port is 0" in seen.text


@pytest.mark.asyncio(loop_scope="module")
async def test_what_becomes_of_a_program_is_told(scene: Scene) -> None:
    told = scene.server.services.told
    told(Status("dnsmasq", Health.UP))
    told(Status("iperf3 on 5201", Health.GIVEN_UP, 5, "address already in <b>use</b>"))
    async with visiting(scene, await scene.operator()) as operator:
        seen = await operator.see("/settings")
        assert seen.text.index("iperf3 on 5201 ✗ Given up") < seen.text.index("dnsmasq ✓ Up")
        assert "address already in &lt;b&gt;use&lt;/b&gt;" in seen.raw
        assert "systemctl restart vetting" in seen.text
    told(Status("dnsmasq", Health.STOPPED))
    assert [one.name for one in scene.server.services.statuses()] == ["iperf3 on 5201"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_piece_that_lives_is_the_one_that_the_page_includes(scene: Scene) -> None:
    server = scene.server
    server.services.told(Status("dnsmasq", Health.UP))
    console = console_of_scene(scene)
    piece = await Settings(console).render(("services",))
    assert piece.startswith('<section hx-swap-oob="outerMorph" id="services"')
    assert "dnsmasq" in piece


def console_of_scene(scene: Scene) -> Console:
    server = scene.server
    return console_of(
        desk=server.desk, store=server.store, services=server.services, bus=Bus(), clock=scene.clock, config=scene.config,
        data=scene.data, fingerprint="ab" * 32, image_dir=scene.folder, appliance=Appliance(),
    )  # fmt: skip


def test_every_knob_has_its_words_and_no_words_are_without_a_knob() -> None:
    assert set(knobs.values(QUICK)) == set(knobs.WORDS)


def test_what_differs_from_what_ships_is_said_with_what_ships() -> None:
    changed = replace(QUICK, burn=replace(QUICK.burn, seconds=7))
    told = {knob.name: knob.cells[0] for knob in knobs.knobs({"quick": changed})}
    assert (told["burn.seconds"].value, told["burn.seconds"].changed) == ("7\u00a0s", "2\u00a0min\u00a000\u00a0s")
    assert [name for name, cell in told.items() if cell.changed] == ["burn.seconds"]
    assert all(not cell.changed for knob in knobs.knobs({"mine": changed}) for cell in knob.cells)


def test_times_are_told_of_every_profile_that_ships() -> None:
    told = {one.name: one for one in knobs.columns(SHIPPED)}
    assert told["quick"].planned_s < told["deep"].planned_s < told["soak"].planned_s
    assert told["taste"].shortfalls
    assert not told["quick"].shortfalls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ntfys://ntfy.example/vetting", "ntfys://ntfy.example/•••"),
        ("mailtos://mira:hunter2@mail.example:587?to=ops@example.org&pass=x", "mailtos://•••@mail.example:587/•••"),
        ("json://hooks.example", "json://hooks.example"),
        ("slack://TokenA/TokenB/TokenC", "slack://•••"),
        ("tgram://123456:secret/99", "tgram://•••"),
        ("mailto://mira:pass@word@mail.example", "mailto://•••@mail.example"),
        ("no address at all, a secret", "•••"),
        ("javascript:alert(1)", "•••"),
    ],
)
def test_a_channel_is_shown_without_what_opens_it(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_a_file_that_was_written_after_the_start_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "vetting.yaml"
    file.write_text("")
    at = file.stat().st_mtime
    assert changed_since(str(file), at - 1)
    assert not changed_since(str(file), at + 1)
    assert not changed_since(str(tmp_path / "gone"), at)
    assert not changed_since("", at)
