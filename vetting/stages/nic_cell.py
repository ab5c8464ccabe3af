"""One network card on its way through the stage: what was measured of it, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

from vetting.domain.hostspec import ExpectedNic
from vetting.domain.inventory import FoundNic
from vetting.domain.outcome import Cell, Counter, Finding, Measurement, Severity, Verdict, Work
from vetting.parsers.hwmon import slug


@dataclass
class NicCell:
    component: str
    name: str
    found: FoundNic | None = None
    pinned: ExpectedNic | None = None
    verdict: Verdict = Verdict.PASS
    reasons: list[str] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    by_the_way: bool = True  # whether all that it failed for is what it carried or lost

    def fail(self, verdict: Verdict, reason: str, *, by_the_way: bool = False) -> None:
        """FAIL outweighs ERROR; every reason is kept. `by_the_way`: a crowd between here and the server would explain it."""
        self.reasons.append(reason)
        self.by_the_way &= by_the_way or verdict is not Verdict.FAIL
        if self.verdict is not Verdict.FAIL:
            self.verdict = verdict

    def note(self, severity: Severity, text: str) -> None:
        self.findings.append(Finding(severity=severity, component=self.component, text=text, source="iperf3"))

    def measure(self, series: str, value: float, unit: str) -> None:
        if isfinite(value):
            name = f"net.{slug(self.name)}.{series}"
            self.measurements.append(Measurement(series=name, value=value, unit=unit, component=self.component))

    @property
    def cell(self) -> Cell:
        reason = "; ".join(self.reasons)
        return Cell(component=self.component, verdict=self.verdict, reason=reason, work=tuple(self.work))
