"""A repair as it was seeded into a run at its start: nothing that happens to earlier runs or to the configuration changes it later."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.repair import Repair
from vetting.domain.repairweight import Raised
from vetting.domain.repetition import Bounds, History


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOrder:
    """`before_run`: the run whose inventory this one is compared with, 0 where none looked into the host; `history`: the test
    that failed before, None where none did; `raised`: what this run tests harder than its profile says."""

    repair: Repair
    before_run: int = 0
    before_at: float = 0.0
    history: History | None = None
    bounds: Bounds
    raised: tuple[Raised, ...] = ()
