"""Network with the real iperf3: on loopback, and through a card of the test's own, at full speed, slow, and cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scripted_deps import job
from tests.fakes.veth_host import VethHost, loopback_server, veth_host
from vetting.domain.hostspec import ExpectedNic, ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, FoundNic, Inventory
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import TASTE, NetworkKnobs
from vetting.stages.network import Network

pytestmark = pytest.mark.machine

PORT = 15321


@pytest.fixture(scope="module")
def loopback() -> Iterator[int]:
    with loopback_server(PORT) as port:
        yield port


@pytest.fixture
def card() -> Iterator[VethHost]:
    with veth_host() as made:
        yield made


def deps_in(
    folder: Path, *, path: str = "", limit_s: float | None = None, seconds: int = 2, **changes: Any
) -> PlainDeps:
    scratch = folder / "scratch"
    scratch.mkdir()
    profile = replace(TASTE, network=NetworkKnobs(seconds=seconds, parallel=2))
    return PlainDeps(replace(job(profile=profile), **changes), scratch, path=path, limit_s=limit_s)


def through(card: VethHost, floor_mb_s: int = 0) -> dict[str, Any]:
    nic = FoundNic(name=card.name, mac=card.mac, driver="veth", link=True, speed_mb_s=10000)
    cpu = FoundCpu(model="x", sockets=1, cores=1, threads=1)
    return {
        "iperf_host": card.server,
        "iperf_port": card.port,
        "inventory": Inventory(identity=Identity(), cpu=cpu, memory_bytes=1, nics=(nic,)),
        "expected": ExpectedSpec(nics=(ExpectedNic(mac=card.mac, floor_mb_s=floor_mb_s),)),
    }


async def test_loopback_is_measured_and_called_so(tmp_path: Path, loopback: int) -> None:
    outcome = await Network().run(deps_in(tmp_path, iperf_port=loopback))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert outcome.cells[0].component == "nic:loopback"
    assert [each.done for each in outcome.cells[0].work] == [2, 2]


async def test_a_card_carries_both_ways_and_is_named(tmp_path: Path, card: VethHost) -> None:
    deps = deps_in(tmp_path, seconds=1, **through(card, floor_mb_s=100))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert outcome.cells[0].component == f"nic:{card.mac}"
    assert len(deps.argvs("iperf3")) == 4
    lost = {each.series.rpartition(".")[2]: each.value for each in outcome.measurements if "lost" in each.series}
    assert lost.keys() == {"to_server_lost", "from_server_lost"} and max(lost.values()) <= 0.5


@pytest.mark.parametrize("to_server", [True, False], ids=["to server", "from server"])
async def test_two_percent_of_loss_fails_the_card_in_the_direction_that_loses(
    tmp_path: Path, card: VethHost, monkeypatch: pytest.MonkeyPatch, to_server: bool
) -> None:
    """Every counter of the card stays at rest, the link is up at its speed, and TCP hides the loss from the throughput."""
    monkeypatch.setattr("vetting.stages.nic_loss.PAUSE_S", 0.01)
    monkeypatch.setattr("vetting.stages.nic_loss.TRIES", 2)
    card.loses(0.02, to_server=to_server)
    outcome = await Network().run(deps_in(tmp_path, seconds=1, **through(card, floor_mb_s=10)))
    assert outcome.verdict is Verdict.FAIL
    sick, sound = ("to server", "from server") if to_server else ("from server", "to server")
    assert f"{sick}, paced: a flow of" in outcome.reason and card.name in outcome.reason
    assert f"{sound}, paced" not in outcome.reason


async def test_a_path_that_falls_silent_while_the_link_stays_up_is_our_error(
    tmp_path: Path, card: VethHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The carrier tells whose fault it is: nothing comes back, and the card's own link was never gone."""
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("vetting.stages.iperf_load.CONNECT_MS", 300)
    deps = deps_in(tmp_path, seconds=2, limit_s=4, **through(card, floor_mb_s=100))
    testing = asyncio.create_task(Network().run(deps))
    await _begun(deps)
    card.loses(1.0, to_server=True)
    outcome = await asyncio.wait_for(testing, 60)
    assert outcome.verdict is Verdict.ERROR, outcome.reason


async def test_a_server_that_somebody_else_uses_is_waited_for(
    tmp_path: Path, card: VethHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 1.0)
    argv = ("iperf3", "-c", card.server, "-p", str(card.port), "-t", "2", "-b", "1M")
    somebody = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    await asyncio.sleep(0.3)
    deps = deps_in(tmp_path, seconds=1, **through(card, floor_mb_s=100))
    outcome = await Network().run(deps)
    await somebody.wait()
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("busy" in text for _, text in deps.logs)


async def test_a_server_that_is_killed_is_our_error_and_its_successor_is_asked_again(
    tmp_path: Path, card: VethHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 0.5)
    deps = deps_in(tmp_path, seconds=1, **through(card, floor_mb_s=100))
    testing = asyncio.create_task(Network().run(deps))
    await _begun(deps)
    card.kill_server()
    card.serve_again()
    outcome = await asyncio.wait_for(testing, 60)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("next try" in text for _, text in deps.logs)
    card.kill_server()
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 0.01)
    (tmp_path / "dead").mkdir()
    dead = await Network().run(deps_in(tmp_path / "dead", **through(card, floor_mb_s=100)))
    assert dead.verdict is Verdict.ERROR, dead.reason


async def _begun(deps: PlainDeps) -> None:
    for _ in range(200):
        if deps.progresses:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def test_a_card_slowed_to_a_hundred_megabits_fails(tmp_path: Path, card: VethHost) -> None:
    card.inside(
        "tc", "qdisc", "add", "dev", card.peer, "root", "tbf", "rate", "100mbit", "burst", "64kb", "latency", "50ms"
    )
    outcome = await Network().run(deps_in(tmp_path, seconds=1, **through(card, floor_mb_s=900)))
    assert outcome.verdict is Verdict.FAIL
    assert "from server:" in outcome.reason and "floor 900 Mb/s" in outcome.reason


async def test_a_link_cut_in_the_middle_fails_the_card_and_hangs_nobody(
    tmp_path: Path, card: VethHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("vetting.stages.iperf_load.CONNECT_MS", 300)
    deps = deps_in(tmp_path, seconds=2, limit_s=4, **through(card, floor_mb_s=100))
    testing = asyncio.create_task(Network().run(deps))
    await _begun(deps)
    card.inside("ip", "link", "set", card.peer, "down")
    outcome = await asyncio.wait_for(testing, 60)
    assert outcome.verdict is Verdict.FAIL
    assert "carrier_changes grew" in outcome.reason or "lost its link" in outcome.reason


async def test_a_port_on_which_nobody_serves_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vetting.stages.iperf_load.FIRST_PAUSE_S", 0.01)
    outcome = await Network().run(deps_in(tmp_path, iperf_port=1))
    assert outcome.verdict is Verdict.ERROR
    assert "unable to connect" in outcome.reason
