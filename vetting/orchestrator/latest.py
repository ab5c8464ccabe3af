"""The hottest temperature that each run's host tells right now, for those who look at many hosts at once.

In memory alone: after a restart it is not known until the next samples come.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from vetting.clock import Clock

TEMPERATURES = "temp."
FRESH_S = 30.0  # an older one is none of now
MOST_RUNS = 2000
MOST_SERIES = 256  # of one run


@dataclass(frozen=True, slots=True)
class Hottest:
    series: str
    celsius: float


@dataclass(slots=True)
class _Warm:
    heard_at: float = 0.0
    series: dict[str, tuple[float, float]] = field(default_factory=dict)  # name -> (degrees, when)


class Latest:
    """Bounded: whoever was silent longest is forgotten, and so is a run that ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: OrderedDict[int, _Warm] = OrderedDict()

    def heard(self, run_id: int, names: Sequence[str], samples: Sequence[tuple[int, int, float]]) -> None:
        """Samples that are committed, each (index into names, when, value)."""
        warm = {number for number, name in enumerate(names) if name.startswith(TEMPERATURES)}
        told = {names[number]: value for number, _, value in samples if number in warm and math.isfinite(value)}
        if not told:
            return
        now = self._clock.monotonic()
        known = self._runs.pop(run_id, None) or _Warm()
        known.heard_at = now
        for name, value in told.items():
            if name in known.series or len(known.series) < MOST_SERIES:
                known.series[name] = (value, now)
        self._runs[run_id] = known
        while len(self._runs) > MOST_RUNS or self._stale(next(iter(self._runs.values())), now):
            self._runs.popitem(last=False)

    def hottest(self, run_id: int) -> Hottest | None:
        """None where no temperature came within the last half minute."""
        known, now = self._runs.get(run_id), self._clock.monotonic()
        if known is None or self._stale(known, now):
            return None
        fresh = [(value, name) for name, (value, at) in known.series.items() if now - at <= FRESH_S]
        value, name = max(fresh)
        return Hottest(name, value)

    def forget(self, run_id: int) -> None:
        """The run is over."""
        self._runs.pop(run_id, None)

    def _stale(self, warm: _Warm, now: float) -> bool:
        return now - warm.heard_at > FRESH_S
