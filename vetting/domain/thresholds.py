"""Limits on measured series: judged sample by sample, with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vetting.domain.outcome import Severity


class Op(StrEnum):
    """The comparison that a healthy sample satisfies."""

    AT_MOST = "<="
    BELOW = "<"
    AT_LEAST = ">="
    ABOVE = ">"
    EQUALS = "=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`series` is a glob over series names; `hold_samples` bad samples in a row make a breach, as many good ones end it."""

    series: str
    op: Op
    limit: float
    severity: Severity = Severity.CRITICAL
    hold_samples: int = 3
    stages: tuple[str, ...] = ()  # empty: every stage
    required: bool = True  # a series that never arrives is an ERROR
