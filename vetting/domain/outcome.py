"""What a stage concludes and what it can show for it: the same values for every stage.

FAIL accuses the host: it was measured and came up short. ERROR accuses us: it was not measured. They are different
verdicts from the first line on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How an attempt at a stage, or one component in it, ended."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"  # the agent or the host went away while it ran; it runs again as a new attempt
    MISSING = "MISSING"  # never reported

    @property
    def passed(self) -> bool:
        """True for PASS and SKIP alone."""
        return self in (Verdict.PASS, Verdict.SKIP)


class Severity(StrEnum):
    """How much a difference, breach or finding weighs. Only CRITICAL ends a stage."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work done of work present: 512 of 512 `MiB`, 2 of 2 `cpus`. `done` is what was really carried out and checked."""

    what: str
    done: float
    of: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One component in one stage. `component` is `kind:identity`: `disk:WD-1234`, `nic:eno1`, `gpu:GPU-…`, `cpu`, `memory`."""

    component: str
    verdict: Verdict
    reason: str = ""
    work: tuple[Work, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number that a stage concludes with (a live series goes through the sensor mux instead)."""

    series: str
    value: float
    unit: str
    component: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A counter read before and after; None is unreadable, which is UNKNOWN and never OK. The delta judges, not the value."""

    component: str
    name: str
    before: float | None
    after: float | None

    @property
    def delta(self) -> float | None:
        """Growth, or None where either reading is unknown."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something seen that a person should know, bound to a component as that person would order it."""

    severity: Severity
    component: str
    text: str
    source: str  # kernel log, sel, edac, watchdog, evidence …


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One program run to its end: what it was told and what it said. Times are seconds of the host's monotonic clock."""

    argv: tuple[str, ...]
    exit_code: int | None  # None: killed by a signal
    signal: int | None
    timed_out: bool
    started_s: float
    ended_s: float
    stdout: str
    stderr: str
    dropped_bytes: int = 0  # output beyond the cap, counted and not kept

    @property
    def elapsed_s(self) -> float:
        return self.ended_s - self.started_s

    @property
    def text(self) -> str:
        """Both streams, for tools that changed their mind about which one to use."""
        return self.stdout + "\n" + self.stderr

    @property
    def how_it_ended(self) -> str:
        if self.timed_out:
            return f"was killed at its deadline after {self.elapsed_s:.0f} s"
        if self.signal is not None:
            return f"was killed by signal {self.signal} after {self.elapsed_s:.0f} s"
        return f"exited {self.exit_code} after {self.elapsed_s:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRecord:
    """What the report keeps of a ToolRun; the whole output is the artifact named in `output`."""

    argv: tuple[str, ...]
    version: str
    exit_code: int | None
    signal: int | None
    timed_out: bool
    started_s: float
    ended_s: float
    excerpt: str  # last lines of the output, at most 4 KiB
    output: str = ""  # artifact name, empty where there was no output


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRef:
    """An uploaded file that a stage promises; the orchestrator checks that it has it, by checksum."""

    name: str
    media_type: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The conclusion of one attempt. A stage fills verdict, reason, cells, measurements, counters, findings and data;
    the agent's runner adds times, tools, artifacts and the ambient counters."""

    verdict: Verdict
    reason: str = ""
    cells: tuple[Cell, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    counters: tuple[Counter, ...] = ()
    findings: tuple[Finding, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)  # inventory, firmware snapshot, stage-specific summaries
    started_s: float = 0.0  # host's monotonic clock
    ended_s: float = 0.0
    tools: tuple[ToolRecord, ...] = ()
    artifacts: tuple[ArtifactRef, ...] = ()

    @property
    def passed(self) -> bool:
        return self.verdict.passed

    @property
    def elapsed_s(self) -> float:
        return self.ended_s - self.started_s

    @classmethod
    def ok(cls, reason: str = "", **parts: Any) -> Outcome:
        return cls(verdict=Verdict.PASS, reason=reason, **parts)

    @classmethod
    def fail(cls, reason: str, **parts: Any) -> Outcome:
        return cls(verdict=Verdict.FAIL, reason=reason, **parts)

    @classmethod
    def error(cls, reason: str, **parts: Any) -> Outcome:
        return cls(verdict=Verdict.ERROR, reason=reason, **parts)

    @classmethod
    def skip(cls, reason: str, **parts: Any) -> Outcome:
        return cls(verdict=Verdict.SKIP, reason=reason, **parts)

    @classmethod
    def of_cells(cls, cells: Sequence[Cell], **parts: Any) -> Outcome:
        """The worst cell speaks for the stage: any FAIL fails it, else any ERROR, else PASS, else (all skipped) SKIP.

        No cells at all is an ERROR: nothing was tested.
        """
        if not cells:
            return cls.error("no component was tested", **parts)
        for worst in (Verdict.FAIL, Verdict.ERROR, Verdict.MISSING, Verdict.INTERRUPTED, Verdict.CANCELLED):
            bad = [cell for cell in cells if cell.verdict is worst]
            if bad:
                verdict = worst if worst in (Verdict.FAIL, Verdict.CANCELLED) else Verdict.ERROR
                why = "; ".join(f"{cell.component}: {cell.reason}" for cell in bad)
                return cls(verdict=verdict, reason=why, cells=tuple(cells), **parts)
        if all(cell.verdict is Verdict.SKIP for cell in cells):
            why = "; ".join(f"{cell.component}: {cell.reason}" for cell in cells)
            return cls(verdict=Verdict.SKIP, reason=why, cells=tuple(cells), **parts)
        return cls(verdict=Verdict.PASS, cells=tuple(cells), **parts)

    def but(self, **changes: Any) -> Outcome:
        """A copy with some fields changed."""
        return replace(self, **changes)
