"""An agent that lies over the real API: it posts a PASS of CPUStress for loads that never were, and none is believed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.fakes import honest
from vetting import serve, tryout, wire
from vetting.client import Client
from vetting.clock import SystemClock
from vetting.config import Config
from vetting.domain.outcome import Cell, Outcome, ToolRecord, Verdict, Work
from vetting.domain.profiles import CpuStressKnobs
from vetting.domain.states import RunState

pytestmark = pytest.mark.machine

CPU_S, RAM_S = 30, 30
KNOBS = CpuStressKnobs(cpu_s=CPU_S, ram_s=2 * RAM_S, core_s=0, ram_cover=0.0)
BOOT = "boot-of-the-liar"


class SteppedClock(SystemClock):
    """The machine's clock and the time that the test says has gone by beside it."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


@dataclass
class Liar:
    """Speaks the agent's protocol and says what it is told to say."""

    server: serve.Server
    client: Client
    clock: SteppedClock
    run_id: int

    async def post(self, stage: str, outcome: Outcome) -> wire.ResultReply:
        posted = wire.Result(boot_id=BOOT, stage=stage, attempt=1, outcome=outcome)
        return await self.client.call("/api/agent/result", posted, wire.ResultReply)

    async def beat_through(self, seconds: float) -> None:
        """Time goes by here too, with a heartbeat in each stretch of it."""
        for number in range(10):
            self.clock.ahead_s += seconds / 10
            beat = wire.Heartbeat(boot_id=BOOT, seq=number, doing="running", stage="CPUStress", attempt=1)
            await self.client.call("/api/agent/heartbeat", beat, wire.HeartbeatReply)


@contextlib.asynccontextmanager
async def lying(folder: Path) -> AsyncIterator[Liar]:
    """A run that honest words have brought to CPUStress."""
    profile = replace(honest.SPRINT, cpu_stress=KNOBS)
    config = replace(Config(), profiles={**Config().profiles, "sprint": profile})
    clock = SteppedClock()
    async with serve.running(tryout.on_loopback(config, folder / "data"), clock=clock, strict=True) as server:
        await server.desk.people.add_host(wire.HostEdit(name="honest", spec=honest.SPEC), who="tester")
        request = wire.StartRun(host="honest", profile="sprint", start_by="manual", confirm_serials=("D1",))
        started = await server.desk.progress.start(request, who="tester")
        async with Client(server.url, server.certificate.fingerprint) as client:
            client.token = started.ticket
            claim = wire.Claim(
                protocol=wire.PROTOCOL, agent_version="test", boot_id=BOOT, identity=honest.IDENTITY, live_image=True
            )
            client.token = (await client.call("/api/agent/claim", claim, wire.ClaimReply)).token
            liar = Liar(server, client, clock, started.run_id)
            for stage, following in (("Inventory", "Firmware"), ("Firmware", "SMART"), ("SMART", "CPUStress")):
                reply = await liar.post(stage, honest.outcome(stage))
                assert (reply.verdict, reply.next_stage) == ("PASS", following), reply.objections
            yield liar


def stress_ng(*words: str, at: float, lasts: float, exit_code: int = 0) -> ToolRecord:
    return ToolRecord(
        argv=("stress-ng", *words), version="0.15.06", exit_code=exit_code, signal=None, timed_out=False,
        started_s=at, ended_s=at + lasts, excerpt="successful run completed",
    )  # fmt: skip


def cells(cpus: int = 2, mib: int = 512) -> tuple[Cell, ...]:
    cpu = Work(what="cpus", done=cpus, of=2, unit="cpus")
    testers = (f"MiB tested by {tool}" for tool in ("stress-ng", "stressapptest"))
    memory = tuple(Work(what=what, done=mib, of=1024, unit="MiB") for what in testers)
    return (
        Cell(component="cpu", verdict=Verdict.PASS, work=(cpu,)),
        Cell(component="memory", verdict=Verdict.PASS, work=memory),
    )


def claimed(*tools: ToolRecord, lasted_s: float, **changes: object) -> Outcome:
    return replace(
        Outcome(verdict=Verdict.PASS, cells=cells(), tools=tools, started_s=100.0, ended_s=100.0 + lasted_s),
        **changes,  # type: ignore[arg-type]
    )


CPU = stress_ng("--cpu", "0", "--verify", at=100.0, lasts=CPU_S)
RAM = stress_ng("--vm", "1", "--verify", at=101.0 + CPU_S, lasts=RAM_S)
SAT = replace(
    stress_ng("-W", "-s", str(RAM_S), at=102.0 + CPU_S + RAM_S, lasts=RAM_S),
    argv=("stressapptest", "-W", "-s", str(RAM_S)),
)
WHOLE_S = CPU_S + 2 * RAM_S + 3.0
AT_ONCE = (
    stress_ng("--cpu", "0", "--verify", at=100.0, lasts=0.0),
    stress_ng("--vm", "1", "--verify", at=100.1, lasts=0.0),
)

# What is claimed, how long that takes by the orchestrator's clock, and a word of the objection.
LIES: dict[str, tuple[Callable[[], Outcome], float, str]] = {
    "a stress-ng that returned at once": (lambda: claimed(*AT_ONCE, lasted_s=0.2), 0.2, "it lasted 0.2 s by the host's clock"),
    "the full time, within a moment of ours": (lambda: claimed(CPU, RAM, SAT, lasted_s=WHOLE_S), 0.2, "by our clock"),
    "a stress-ng that returned at once in a stage that waited": (
        lambda: claimed(*AT_ONCE, lasted_s=WHOLE_S), WHOLE_S, "ran 0 s to a clean end"),
    "half of the time": (
        lambda: claimed(replace(CPU, ended_s=100.0 + CPU_S / 2), RAM, SAT, lasted_s=WHOLE_S), WHOLE_S, "ran 15 s to a clean end"),
    "no load at all": (lambda: claimed(lasted_s=WHOLE_S), WHOLE_S, "no run of stress-ng"),
    "a load that verified nothing": (
        lambda: claimed(stress_ng("--cpu", "0", at=100.0, lasts=CPU_S), RAM, SAT, lasted_s=WHOLE_S), WHOLE_S, "no run of stress-ng"),
    "a load that ended badly": (
        lambda: claimed(replace(CPU, exit_code=2), RAM, SAT, lasted_s=WHOLE_S), WHOLE_S, "ran 0 s to a clean end"),
    "a load that was killed": (
        lambda: claimed(replace(CPU, exit_code=None, signal=15), RAM, SAT, lasted_s=WHOLE_S), WHOLE_S, "ran 0 s to a clean end"),
    "memory beside the processors": (
        lambda: claimed(CPU, replace(RAM, started_s=100.0, ended_s=100.0 + RAM_S), lasted_s=WHOLE_S), WHOLE_S, "at the same time"),
    "one core of two": (lambda: claimed(CPU, RAM, SAT, lasted_s=WHOLE_S, cells=cells(cpus=1)), WHOLE_S, "cpus reached 1 of 2"),
    "no memory": (lambda: claimed(CPU, RAM, SAT, lasted_s=WHOLE_S, cells=cells(mib=0)), WHOLE_S, "which is no work"),
    "no word of the memory": (lambda: claimed(CPU, RAM, SAT, lasted_s=WHOLE_S, cells=cells()[:1]), WHOLE_S, "no result for memory"),
    "a skip": (
        lambda: claimed(lasted_s=0.1, verdict=Verdict.SKIP, reason="stress-ng is not installed", cells=()), 0.1, "may not be skipped"),
    "times that are no numbers": (
        lambda: claimed(replace(CPU, ended_s=1e300), RAM, SAT, lasted_s=1e300), WHOLE_S, "the host counted"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
async def test_a_pass_that_proves_nothing_is_refused_and_holds_the_run(folder: Path, lie: str) -> None:
    told, takes_s, word = LIES[lie]
    async with lying(folder) as liar:
        await liar.beat_through(takes_s)
        reply = await liar.post("CPUStress", told())
        view = await liar.server.desk.views.run(liar.run_id)
    assert (reply.verdict, reply.next_stage) == ("ERROR", ""), reply
    assert word in "; ".join(reply.objections)
    assert (view.state, view.failed_stage) == (RunState.FAILED_HOLDING, "CPUStress")
    assert "not believed" in view.attempts[-1].reason


async def test_the_same_agent_is_believed_where_its_figures_agree_with_ours(folder: Path) -> None:
    async with lying(folder) as liar:
        await liar.beat_through(WHOLE_S)
        reply = await liar.post("CPUStress", claimed(CPU, RAM, SAT, lasted_s=WHOLE_S))
    assert (reply.verdict, reply.next_stage) == ("PASS", "Storage"), reply.objections


async def test_a_refused_pass_stays_refused_however_often_it_is_posted(folder: Path) -> None:
    async with lying(folder) as liar:
        outcome = claimed(*AT_ONCE, lasted_s=0.2)
        first = await liar.post("CPUStress", outcome)
        assert await liar.post("CPUStress", outcome) == first
        view = await liar.server.desk.views.run(liar.run_id)
    assert first.verdict == "ERROR"
    assert [one.stage for one in view.attempts].count("CPUStress") == 1
    assert view.state == RunState.FAILED_HOLDING
