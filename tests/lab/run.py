"""One run in the rack: where it stands, and patience until it stands where the test wants it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.lab.host import Host
from tests.lab.waiting import InVain, until
from vetting import wire
from vetting.domain.outcome import ToolRun, Verdict
from vetting.domain.states import CLOSED, RunState

if TYPE_CHECKING:
    from tests.lab.orchestrator import Orchestrator

ENDS = {str(state) for state in CLOSED} | {str(RunState.FAILED), str(RunState.FAILED_HOLDING)}
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Run:
    id: int
    host: Host
    serve: Orchestrator
    ticket: str = ""
    last: wire.RunView | None = None
    knocked: str = ""  # what ssh said last
    retried: list[str] = field(default_factory=list)  # stages that could not be measured at first

    async def view(self) -> wire.RunView:
        found = await self.serve.view(self.id)
        assert found is not None, f"the orchestrator does not answer\n{self.serve.words()}"
        self.last = found
        return found

    async def reaches(self, *states: str, limit_s: float) -> wire.RunView:
        """Waits for one of these states. Raises InVain, at once where the run ended or was held elsewhere."""

        async def there() -> wire.RunView | None:
            view = await self.serve.view(self.id)
            if view is None:
                return None
            self.last = view
            if view.state in states:
                return view
            if (
                view.state in ENDS and view.state != RunState.FAILED
            ):  # Failed becomes FailedHolding once the host speaks
                raise InVain(f"run {self.id} is {view.state} instead of {' or '.join(states)}\n{self.words()}")
            return None

        found = await until(
            there, limit_s=limit_s, said=f"run {self.id} of {self.host.name} to be {' or '.join(states)}",
            context=self.words, every_s=LOOK_EVERY_S,
        )  # fmt: skip
        assert found is not None
        self.serve.figures.note(self)
        return found

    async def passes(self, *, limit_s: float, retries: int = 2) -> wire.RunView:
        """Waits for Completed. A stage that could not be measured (ERROR: it accuses the rack, never the host) is tried again as
        an operator would, so many times; a FAIL never is. Every attempt stands in the report."""
        while True:
            view = await self.reaches(RunState.COMPLETED, RunState.FAILED_HOLDING, limit_s=limit_s)
            if view.state == RunState.COMPLETED:
                return view
            if len(self.retried) >= retries or view.attempts[-1].verdict != Verdict.ERROR:
                raise InVain(f"run {self.id} did not pass\n{self.words()}")
            self.retried.append(f"{view.failed_stage}: {view.attempts[-1].reason}")
            await self.decides("retry", reason="an emulated host on cores that others load")

    async def held(self, *, limit_s: float) -> wire.RunView:
        return await self.reaches(RunState.FAILED_HOLDING, limit_s=limit_s)

    async def claimed(self, *, limit_s: float) -> wire.RunView:
        """The agent is at work, or further."""
        before = {"Queued", "WaitingReboot", "WaitingWoL", "WaitingPower", "Booting"}
        return await self.reaches(*(str(state) for state in RunState if str(state) not in before), limit_s=limit_s)

    async def decides(self, what: str, *, reason: str = "the lab decides", flags: tuple[str, ...] = ()) -> wire.RunView:
        """cancel, override, retry or release, as a person would."""
        because = wire.Because(reason=reason, flags=flags)
        return await self.serve.api.call(f"/api/runs/{self.id}/{what}", because, wire.RunView)

    async def shell(self, *command: str, limit_s: float = 90.0) -> ToolRun:
        """`vetting run ssh`: a command on the held host, with the key of its hold."""
        return await self.serve.cli("run", "ssh", str(self.id), "--", *command, limit_s=limit_s)

    async def entered(self, *command: str, limit_s: float = 90.0) -> str:
        """What a command on the held host says, once the host has opened its door."""

        async def said() -> ToolRun | None:
            told = await self.shell(*command)
            self.knocked = told.stderr.strip()
            return told if told.exit_code == 0 else None

        told = await until(
            said, limit_s=limit_s, said=f"the door of {self.host.name}", context=lambda: f"{self.knocked}\n{self.words()}",
            every_s=2.0,
        )  # fmt: skip
        return told.stdout

    async def artifacts(self) -> tuple[wire.ArtifactView, ...]:
        return await self.serve.api.get(f"/api/runs/{self.id}/artifacts", tuple[wire.ArtifactView, ...])

    async def artifact(self, number: int) -> bytes:
        return await self.serve.api.fetch(f"/api/runs/{self.id}/artifacts/{number}", limit_bytes=64 * 1024**2)

    def report(self) -> dict[str, Any]:
        return self.serve.report(self.id)

    def words(self) -> str:
        told = f"--- run {self.id}: not seen yet"
        if (view := self.last) is not None:
            told = "\n".join(
                (
                    f"--- run {self.id} of {view.host}: {view.state} {view.failed_stage} {view.reason}",
                    *(f"  {a.stage} {a.attempt}: {a.verdict or 'runs'} {a.reason}" for a in view.attempts),
                )
            )
        return f"{told}\n{self.serve.words()}"
