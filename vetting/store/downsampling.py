"""From a million samples to a chart's width without losing a peak: low and high of every stretch. Pure."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from vetting.store.rows import Bucket


def summary(values: Sequence[float]) -> tuple[float | None, float | None, float | None, int]:
    """Low, high, mean of what is a number, and how many were not one. All None where nothing was.

    The mean alone is None where an infinity is among them, or where it is too large to say.
    """
    total = math.nan
    if values and math.isfinite(total := sum(values)):  # the usual case: no infinity, nothing that is not a number
        return min(values), max(values), total / len(values), 0
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return None, None, None, len(values)
    return min(numbers), max(numbers), _mean(numbers), len(values) - len(numbers)


def _mean(numbers: Sequence[float]) -> float | None:
    if not all(map(math.isfinite, numbers)):
        return None
    try:
        return math.fsum(value / len(numbers) for value in numbers)
    except OverflowError:  # at the very end of the range the last rounding steps out of it
        return None


def buckets_of(
    at_ms: array[int], values: array[float], buckets: int, *, t0_ms: int | None = None, t1_ms: int | None = None
) -> list[Bucket]:
    """At most `buckets` stretches of equal length over [t0_ms, t1_ms]; those without a sample are left out.

    `at_ms` grows and lies within the window; without a window the samples' own first and last time are it.
    """
    if not at_ms or buckets < 1:
        return []
    first = at_ms[0] if t0_ms is None else t0_ms
    last = at_ms[-1] if t1_ms is None else t1_ms
    width_ms = max(1, -(-(last - first + 1) // buckets))
    made: list[Bucket] = []
    begin = bisect_left(at_ms, first)
    end = bisect_right(at_ms, last)
    while begin < end:
        start_ms = first + (at_ms[begin] - first) // width_ms * width_ms
        stop = bisect_left(at_ms, start_ms + width_ms, begin, end)
        low, high, mean, not_numbers = summary(values[begin:stop])
        made.append(
            Bucket(
                t0_ms=start_ms,
                t1_ms=start_ms + width_ms,
                low=low,
                high=high,
                mean=mean,
                count=stop - begin,
                not_numbers=not_numbers,
            )
        )
        begin = stop
    return made
