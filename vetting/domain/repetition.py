"""How often the test that failed before a repair has to pass before the repair may be believed.

A fault that comes and goes shows itself at some rate under load: `failures` times in `load_s` seconds of the failing stage, in all
attempts since the host was last good. Were it still there, so much load would pass without it with the probability exp(-load x
failures / load_s). The test is repeated until that is at most one minus the confidence that was asked for. With a single failure
after t seconds that is the rule of three: 95 % asks for three times t without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, isfinite, log

from vetting.domain.states import ORCHESTRATOR_STAGES

LOOKS = frozenset({"Inventory", "Firmware", "SMART", *ORCHESTRATOR_STAGES})
"""Stages that look at a state and load nothing: looking once tells as much as looking often."""
LEAST_S = 1.0  # a failure that came at once came within a second
SURE = 0.999  # what is more is told as "more than": no estimate from a few failures is as good as that


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the failing test did before the repair. `attempts`: those that passed or failed; `load_s`: the time under load of
    all of them together; `run_id`, `reason`: of the newest failure."""

    stage: str
    run_id: int
    reason: str = ""
    failures: int
    attempts: int
    load_s: float

    @property
    def looks(self) -> bool:
        return self.stage in LOOKS

    @property
    def between_s(self) -> float:
        """Seconds of load from one failure to the next, as far as was seen."""
        return max(self.load_s, LEAST_S) / max(self.failures, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long a person is willing to wait for it: `times` passes of the stage at most, `seconds` of repetitions beyond the first."""

    times: int
    seconds: float


def needed_s(history: History, confidence: float) -> float:
    """Seconds of load without a failure that prove it; none for a stage that only looks."""
    return 0.0 if history.looks else -log(1 - confidence) * history.between_s


def reached(history: History, clean_s: float) -> float:
    """The confidence that so much load without a failure gives, 0 to 1."""
    if not (isfinite(clean_s) and clean_s > 0):
        return 0.0
    return 1.0 - exp(-clean_s / history.between_s)


def passes_needed(history: History, confidence: float, pass_s: float) -> int:
    """Passes of a stage that loads for `pass_s` seconds each; one at least."""
    if history.looks:
        return 1
    return max(1, ceil(needed_s(history, confidence) / max(pass_s, LEAST_S) - 1e-9))


def within(bounds: Bounds, pass_s: float) -> int:
    """Passes that the bounds leave room for; one at least, for a run makes that in any case."""
    return max(1, min(bounds.times, 1 + int(bounds.seconds // max(pass_s, LEAST_S))))


def proved(history: History, confidence: float, passes: Sequence[float]) -> bool:
    """Whether passes of so many seconds each, none failing, are enough."""
    return bool(passes) and (history.looks or sum(passes) >= needed_s(history, confidence) * (1 - 1e-9))


def once_more(history: History, confidence: float, bounds: Bounds, passes: Sequence[float]) -> bool:
    """Whether the stage is to be passed again: not enough yet, and within the bounds."""
    if not passes or proved(history, confidence, passes):
        return False
    return len(passes) < bounds.times and sum(passes[1:]) + max(passes[-1], LEAST_S) <= bounds.seconds


def percent(confidence: float) -> str:
    """95 %, 86 %, 99.9 %; rounded down, so that no figure promises more than was reached."""
    if confidence > SURE:
        return f"more than {SURE * 100:g} %"
    tenths = int(confidence * 1000 + 1e-6)
    return f"{tenths / 10:g} %" if tenths >= 990 or tenths < 10 else f"{tenths // 10} %"
