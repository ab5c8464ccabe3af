"""The card that is loaded carries the heartbeats too: they must come through whatever iperf3 does on the same wire."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.rig import claim_by_hand, free_ports, serving
from tests.fakes.scripted_deps import job
from tests.fakes.veth_host import VethHost, veth_host
from tests.machine.stages.test_network_real import through
from vetting import wire
from vetting.client import Client
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import TASTE, NetworkKnobs
from vetting.stages.network import Network

pytestmark = [pytest.mark.machine, pytest.mark.timeout(120)]

SLOW = ("root", "tbf", "rate", "100mbit", "burst", "64kb", "latency", "300ms")  # a port with a deep queue
BEAT_S = 0.25
SILENCE_S = 10.0  # the least that any profile forgives is 20 s


async def _beats(agent: Client, claimed: wire.ClaimReply) -> list[float]:
    """Seconds that each answer took, until cancelled."""
    took: list[float] = []
    try:
        while True:
            beat = wire.Heartbeat(
                boot_id="boot-one",
                seq=len(took) + 1,
                doing="running",
                stage=claimed.current_stage,
                attempt=claimed.attempt,
            )
            began = time.monotonic()
            await agent.insist("/api/agent/heartbeat", beat, wire.HeartbeatReply)
            took.append(time.monotonic() - began)
            await asyncio.sleep(BEAT_S)
    except asyncio.CancelledError:
        return took


def _slow(card: VethHost) -> None:
    """Both ends, so that each direction has a queue that iperf3 keeps full."""
    card.here("tc", "qdisc", "add", "dev", card.name, *SLOW)
    card.inside("tc", "qdisc", "add", "dev", card.peer, *SLOW)


async def test_heartbeats_come_through_the_very_card_that_iperf3_fills_in_both_directions(tmp_path: Path) -> None:
    with veth_host() as card:
        _slow(card)
        card.inside("ip", "link", "set", "lo", "up")
        settings = {"listen": card.server, "port": free_ports(1)[0], "data_dir": str(tmp_path / "serve" / "data")}
        program = ("ip", "netns", "exec", card.namespace, sys.executable, "-m", "vetting")
        async with serving(tmp_path / "serve", program=program, more={"server": settings}) as server:
            url = f"https://{card.server}:{settings['port']}"
            token = (server.data / "operator.token").read_text().strip()
            async with (
                Client(url, server.fingerprint, token=token) as operator,
                Client(url, server.fingerprint) as agent,
            ):
                await operator.call("/api/hosts", wire.HostEdit(name="wired"), wire.HostView)
                request = wire.StartRun(host="wired", profile="sprint", start_by="manual")
                started = await operator.call("/api/runs", request, wire.RunStarted)
                claimed = await claim_by_hand(agent, started.ticket, boot_id="boot-one")
                beating = asyncio.create_task(_beats(agent, claimed))
                knobs = replace(TASTE, network=NetworkKnobs(seconds=3, parallel=4))
                (tmp_path / "scratch").mkdir()
                deps = PlainDeps(replace(job(profile=knobs), **through(card, floor_mb_s=50)), tmp_path / "scratch")
                outcome = await Network().run(deps)
                beating.cancel()
                took = await beating
                view = await operator.get(f"/api/runs/{started.run_id}", wire.RunView)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    rates = {each.series.rpartition(".")[2]: each.value for each in outcome.measurements}
    assert rates["to_server"] > 50 and rates["from_server"] > 50  # the wire was full
    assert len(took) >= 10
    assert max(took) < SILENCE_S
    assert view.state == "InventoryCheck"
