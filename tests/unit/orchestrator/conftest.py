"""An orchestrator on a real database with a clock that the test moves, and an agent that says what the test tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import honest
from tests.fakes.clock import FakeClock
from tests.fakes.office import CHEAP, Office, office_in
from vetting import wire
from vetting.config import Config
from vetting.domain.outcome import Outcome
from vetting.domain.profiles import Profile
from vetting.domain.states import RunState
from vetting.orchestrator import keys, passwords
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.intake import Intake
from vetting.orchestrator.iperf import IperfPool
from vetting.orchestrator.moves import Means
from vetting.orchestrator.people import People
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.reporting import Reporting
from vetting.orchestrator.views import Views
from vetting.orchestrator.witness import Witnesses
from vetting.stages import STAGES
from vetting.store import attempts, runs
from vetting.store.artifacts import Room
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, RunRow

BOOT = "boot-one"


@dataclass
class World:
    """Everything of an orchestrator but HTTP."""

    store: Store
    clock: FakeClock
    bus: Bus
    progress: Progress
    intake: Intake
    people: People
    views: Views
    means: Means
    config: Config
    room: Room
    reporting: Reporting
    boot_id: str = BOOT
    token: str = ""
    seq: int = 0
    claimed: wire.ClaimReply | None = field(default=None)

    async def started(self, **changes: Any) -> wire.RunStarted:
        """A run of the honest host, by hand: Booting, with a ticket."""
        if not await self.views.hosts():
            await self.people.add_host(wire.HostEdit(name="honest", macs=(honest.MAC,), spec=honest.SPEC), who="tester")
        request = wire.StartRun(
            **{"host": "honest", "profile": "sprint", "start_by": "manual", "confirm_serials": ("D1",), **changes}
        )
        return await self.progress.start(request, who="tester")

    async def claim(self, secret: str, *, peer: str = "", **changes: Any) -> wire.ClaimReply:
        message = wire.Claim(
            **{
                "protocol": wire.PROTOCOL, "agent_version": "test", "boot_id": self.boot_id,
                "identity": honest.IDENTITY, "live_image": True, **changes,
            }
        )  # fmt: skip
        self.claimed = await self.progress.claim(secret, message, peer=peer)
        self.token = self.claimed.token
        return self.claimed

    async def begun(self, **changes: Any) -> int:
        """A claimed run, in Inventory. Returns its number."""
        ticket = (await self.started(**changes)).ticket
        return (await self.claim(ticket)).run_id

    async def post(self, run_id: int, stage: str, attempt: int = 1, outcome: Outcome | None = None) -> wire.ResultReply:
        self.clock.pass_s(1.5)
        posted = wire.Result(
            boot_id=self.boot_id, stage=stage, attempt=attempt, outcome=outcome or honest.outcome(stage)
        )
        return await self.progress.result(run_id, posted)

    async def reach(self, run_id: int, stage: str) -> None:
        """Believed passes up to `stage`, which is then the open one."""
        for name in ("Inventory", "Firmware", "SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU"):
            if name == stage:
                return
            reply = await self.post(run_id, name)
            assert reply.verdict in ("PASS", "SKIP"), (name, reply.objections)

    async def beat(self, run_id: int, doing: str = "running", **changes: Any) -> wire.HeartbeatReply:
        self.seq += 1
        current = await self.open_attempt(run_id)
        said = {"stage": current.stage, "attempt": current.attempt} if current and doing == "running" else {}
        return await self.progress.heartbeat(
            run_id, wire.Heartbeat(**{"boot_id": self.boot_id, "seq": self.seq, "doing": doing, **said, **changes})
        )

    async def run(self, run_id: int) -> RunRow:
        return await self.store.read(lambda: runs.get(run_id))

    async def state(self, run_id: int) -> RunState:
        return (await self.run(run_id)).state

    async def open_attempt(self, run_id: int) -> AttemptRow | None:
        return await self.store.read(lambda: attempts.running(run_id))

    async def attempts(self, run_id: int, stage: str) -> list[AttemptRow]:
        found = await self.store.read(lambda: attempts.attempts_of(run_id))
        return [one for one in found if one.stage == stage]


def world_in(folder: Path, *profiles: Profile) -> World:
    """An orchestrator over a folder of its own. Its store is the caller's to close."""
    names = {profile.name: profile for profile in (honest.SPRINT, *profiles)}
    config = replace(Config(), profiles={**Config().profiles, **names})
    store = Store.open(folder / "vetting.db")
    clock, bus = FakeClock(), Bus()
    means = Means(
        config=config, stages=STAGES, signer=keys.ensure_signing_key(folder / "keys"), witnesses=Witnesses(clock)
    )
    room = Room(folder, quota_bytes=64 * honest.MIB)
    reporting = Reporting(store=store, room=room, data_dir=folder, clock=clock)
    iperf = IperfPool(ports=range(0), bind="127.0.0.1", clock=clock)
    progress = Progress(
        store=store, means=means, bus=bus, clock=clock, iperf=iperf, iperf_host="127.0.0.1", reporting=reporting
    )
    return World(
        store=store, clock=clock, bus=bus, progress=progress, means=means, config=config,
        room=room, reporting=reporting,
        intake=Intake(store=store, bus=bus, clock=clock, witnesses=means.witnesses, room=room),
        people=People(store=store, clock=clock, witnesses=means.witnesses, bus=bus), views=Views(store=store, clock=clock, reporting=reporting),
    )  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = world_in(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(passwords, "STRENGTH", CHEAP)
    opened = office_in(tmp_path)
    yield opened
    opened.store.close()
