"""The plane of a chart: its size, and how a time and a value become a place on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 290
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 32, 38


@dataclass(frozen=True, slots=True)
class Scale:
    """Time and value to the chart's coordinates."""

    begin_ms: float
    span_ms: float
    low: float
    high: float

    def x(self, at_ms: float) -> float:
        share = (at_ms - self.begin_ms) / self.span_ms
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def steps(low: float, high: float) -> Iterator[float]:
    """Round values, five or so."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)
    count = math.ceil(low / step)
    while count * step <= high:
        yield float(f"{count * step:.10g}")
        count += 1
