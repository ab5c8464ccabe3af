"""A bench: a real orchestrator, one host of it, and a run of that host taken up by a real agent with real load programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fakes.rig import AgentProcess, ServeProcess, agent_of, attempts_at, run_view, serving, until
from vetting import wire
from vetting.client import Client
from vetting.domain.profiles import MIB, TASTE, CpuStressKnobs, Profile

TRIES = 6
TOO_BUSY = "stress-ng computed for"
STEP_S = 60.0  # for any one thing that should happen soon, on a busy machine


def brisk(*, load_s: int = 8, lost_after_s: int = 30) -> Profile:
    """Inventory, Firmware and SpecValidate, then CPUStress of twice `load_s`, then the report."""
    return replace(
        TASTE,
        name="brisk",
        cpu_stress=CpuStressKnobs(cpu_s=load_s, ram_s=load_s, core_s=0, ram_cap_bytes=256 * MIB, ram_cover=0.0),
        drop=("SMART", "Storage", "Network", "Burn", "GPU", "PSU"),
        lost_after_s=lost_after_s,
    )


@dataclass(slots=True)
class Bench:
    server: ServeProcess
    operator: Client
    agent: AgentProcess
    run_id: int

    async def view(self) -> wire.RunView:
        found = await until(lambda: run_view(self.operator, self.run_id), STEP_S, said="the run's state")
        assert found is not None
        return found

    async def until(self, what: Callable[[wire.RunView], bool], said: str, limit_s: float = STEP_S) -> wire.RunView:
        """The run as soon as it is so; says what it was instead."""
        last: wire.RunView | None = None

        async def looked() -> wire.RunView | None:
            nonlocal last
            last = await run_view(self.operator, self.run_id) or last
            return last if last is not None and what(last) else None

        try:
            found = await until(looked, limit_s, said=said)
        except AssertionError as vain:
            raise AssertionError(f"{vain}; the run is {last}; the agent said {self.said()[-1500:]}") from None
        assert found is not None
        return found

    async def until_loaded(self, attempt: int = 1) -> list[int]:
        """Waits until this attempt at CPUStress runs and its load works; the load's process ids."""
        await self.until(lambda view: len(attempts_at(view, "CPUStress")) >= attempt, "CPUStress")

        async def load() -> list[int]:
            found = self.agent.load("stress-ng")
            return found if len(found) > 1 else []  # a single one may only have been asked for its version

        return await until(load, STEP_S, said="stress-ng")

    async def until_said(self, words: str) -> None:
        async def said() -> bool:
            return words in self.said()

        await until(said, STEP_S, said=f"the agent to say {words!r}, it said {self.said()[-1000:]}")

    async def until_unloaded(self) -> None:
        async def idle() -> bool:
            return not self.agent.load("stress-ng")

        await until(idle, STEP_S, said="the end of stress-ng")

    def said(self) -> str:
        return self.agent.log.read_text(errors="replace") if self.agent.log.exists() else ""

    async def until_completed(self) -> list[str]:
        """The run's end, and the verdicts of CPUStress up to it.

        A load that got too little of this machine, because other tests had it, is an ERROR, as it should be; it is tried
        again until it gets enough.
        """
        for _ in range(TRIES):
            done = await self.until(lambda view: view.state in ("Completed", "FailedHolding"), "the run's end", 120)
            if done.state == "Completed":
                verdicts = attempts_at(done, "CPUStress")
                assert verdicts[-1] == "PASS"
                return [verdict for verdict in verdicts if verdict != "ERROR"]
            assert attempts_at(done, "CPUStress")[-1] == "ERROR", done
            assert TOO_BUSY in done.attempts[-1].reason, done
            await self.decide("retry")
        raise AssertionError(f"this machine was too busy for the load {TRIES} times in a row")

    async def decide(self, verb: str, reason: str = "by the test") -> wire.RunView:
        return await self.operator.call(f"/api/runs/{self.run_id}/{verb}", wire.Because(reason=reason), wire.RunView)


@asynccontextmanager
async def a_bench(folder: Path, profile: Profile, **how: Any) -> AsyncIterator[Bench]:
    async with serving(folder, profiles=(profile,), **how) as server, server.operator() as operator:
        await operator.call("/api/hosts", wire.HostEdit(name="bench"), wire.HostView)
        request = wire.StartRun(host="bench", profile=profile.name, start_by="manual")
        started = await operator.call("/api/runs", request, wire.RunStarted)
        async with agent_of(server, folder / "agent", started.ticket) as agent:
            yield Bench(server, operator, agent, started.run_id)
