"""The reporter's life: a look now and then, patience with a server that is away, trouble told once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.installed_host import BOOT, InstalledHost
from vetting import wire
from vetting.client import Client, Unreachable, WrongServer
from vetting.domain.errors import NotAllowed
from vetting.reporter.loop import BEAT_S, LOOK_S, REJECTED_S, Reporter
from vetting.reporter.machine import Machine
from vetting.reporter.settings import Settings

SETTINGS = Settings(url="https://127.0.0.1:1", fingerprint="0" * 64, host="pve-07", token="t", order_key="0" * 64)


class Enough(Exception):
    """The script of a test is at its end."""


@dataclass
class Server:
    """Answers heartbeats from a script: a reply, or what goes wrong. At its end the test is over."""

    script: list[wire.ReporterReply | Exception]
    beats: list[wire.ReporterBeat] = field(default_factory=list)
    refusals: list[wire.ReporterRefusal] = field(default_factory=list)

    async def call(self, path: str, message: Any, answer: type) -> Any:
        if path.endswith("/refuse"):
            self.refusals.append(message)
            return wire.ReporterReply()
        if not self.script:
            raise Enough
        self.beats.append(message)
        reply = self.script.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


async def lived(machine: Machine, said: list[str], *script: wire.ReporterReply | Exception) -> tuple[Server, FakeClock]:
    server, clock = Server(list(script)), FakeClock()
    client = cast(Client, server)
    reporter = Reporter(settings=SETTINGS, client=client, machine=machine, clock=clock, boot_id=BOOT, say=said.append)
    with pytest.raises(Enough):
        async with asyncio.timeout(10):
            await reporter.run()
    return server, clock


FINE = wire.ReporterReply()


async def test_it_speaks_every_half_minute_and_looks_every_two(
    host: InstalledHost, machine: Machine, said: list[str]
) -> None:
    host.proxmox()
    server, clock = await lived(machine, said, *[FINE] * 9)
    assert clock.seconds - 1_000_000 == 9 * BEAT_S
    looks = [call for call in host.calls if call.startswith("pvesh get /cluster/status")]
    assert len(looks) == 1 + (9 * BEAT_S) // LOOK_S
    assert {(beat.boot_id, beat.allowed, beat.ways, beat.obstacles) for beat in server.beats} == {
        (BOOT, False, ("efi",), ())
    }
    assert said == []


async def test_a_permission_counts_at_the_next_heartbeat(
    host: InstalledHost, machine: Machine, said: list[str]
) -> None:
    host.allow()
    server, _ = await lived(machine, said, FINE)
    assert server.beats[0].allowed


async def test_a_server_that_is_away_is_asked_again_and_told_of_once(machine: Machine, said: list[str]) -> None:
    away = [Unreachable("no answer from the orchestrator (refused)")] * 4
    _, clock = await lived(machine, said, FINE, *away, FINE, FINE)
    assert said == ["no answer from the orchestrator (refused)", "the orchestrator answers again"]
    assert clock.seconds - 1_000_000 < 3 * BEAT_S + 2 + 4 + 8 + 16


@pytest.mark.parametrize("why", [NotAllowed("the token is not valid here"), WrongServer("not the pinned one")])
async def test_a_token_or_server_that_is_wrong_is_not_hammered(
    machine: Machine, said: list[str], why: Exception
) -> None:
    _, clock = await lived(machine, said, why, why)
    assert clock.seconds - 1_000_000 == 2 * REJECTED_S
    assert said == [str(why)]


async def test_an_order_that_cannot_be_read_is_refused_and_the_next_heartbeat_looks_again(
    host: InstalledHost, machine: Machine, said: list[str]
) -> None:
    host.proxmox()
    order = wire.ReporterReply(cmd="reboot_for_vetting", run_id=7, order="{}")
    server, _ = await lived(machine, said, order, FINE)
    assert [refusal.run_id for refusal in server.refusals] == [7]
    assert "not readable" in server.refusals[0].reasons[0]
    assert len([call for call in host.calls if call == "efibootmgr -v"]) == 2
    assert host.deeds == []


async def test_a_command_that_it_does_not_know_moves_nothing(
    host: InstalledHost, machine: Machine, said: list[str]
) -> None:
    host.allow()
    await lived(machine, said, wire.ReporterReply(cmd="power_off", run_id=7, order="{}"))
    assert host.deeds == []


async def test_many_obstacles_fit_into_a_message(host: InstalledHost, machine: Machine, said: list[str]) -> None:
    for number in range(300):
        host.process(1000 + number, "/usr/bin/kvm", "-id", str(number), "-name", "x" * 500)
    server, _ = await lived(machine, said, FINE)
    assert len(wire.encode(server.beats[0])) < 16 * 1024
