"""One of the loads of a burn: its verdict, its work and when it ran."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Cell, Measurement, ToolRun, Verdict, Work
from vetting.stages.fio_load import Rounds

T = TypeVar("T")


@dataclass
class Part:
    component: str
    verdict: Verdict = Verdict.PASS
    reasons: list[str] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)

    def fail(self, verdict: Verdict, reason: str) -> None:
        """FAIL outweighs ERROR; every reason is kept."""
        self.reasons.append(reason)
        if self.verdict is not Verdict.FAIL:
            self.verdict = verdict

    def ran(self, ran: ToolRun | Rounds | None) -> None:
        if ran is not None:
            self.windows.append((ran.started_s, ran.ended_s))

    def measure(self, series: str, value: float | None, unit: str) -> None:
        if value is not None:
            self.measurements.append(
                Measurement(series=f"burn.{series}", value=value, unit=unit, component=self.component)
            )

    @property
    def cell(self) -> Cell:
        return Cell(
            component=self.component, verdict=self.verdict, reason="; ".join(self.reasons), work=tuple(self.work)
        )


async def guarded(part: Part, work: Awaitable[T]) -> T | None:
    """A program that is missing is this part's ERROR and nobody else's."""
    try:
        return await work
    except ToolMissing as why:
        part.fail(Verdict.ERROR, str(why))
    return None
