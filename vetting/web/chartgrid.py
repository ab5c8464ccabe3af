"""A run's samples on a grid of time: some hundred stretches of low, high and mean, to which new samples are added.

Columns of plain numbers, so that a soak of millions of samples is read once, and each further look costs what is new.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from vetting.store.samples import Points

STRETCHES = 600  # at most; one more, and all become twice as long
FINEST_MS = 1000
MOST_SERIES = 1000  # a host has some hundred; the report tells of all of them


@dataclass(slots=True)
class Track:
    """One series. A stretch without a number has a count of 0, and its low and high mean nothing."""

    lows: array[float] = field(default_factory=lambda: array("d"))
    highs: array[float] = field(default_factory=lambda: array("d"))
    sums: array[float] = field(default_factory=lambda: array("d"))
    counts: array[int] = field(default_factory=lambda: array("q"))
    not_numbers: int = 0
    last_ms: int = 0
    last: float | None = None  # None: it was not a number

    def reach(self, stretches: int) -> None:
        """Makes room for so many."""
        if (missing := stretches - len(self.counts)) > 0:
            self.lows.extend([math.inf] * missing)
            self.highs.extend([-math.inf] * missing)
            self.sums.extend([0.0] * missing)
            self.counts.extend([0] * missing)

    def put(self, stretch: int, values: array[float]) -> None:
        total, numbers = sum(values), values
        if not math.isfinite(total):
            numbers = array("d", filter(math.isfinite, values))
            self.not_numbers += len(values) - len(numbers)
            total = sum(numbers)
        if numbers:
            self.reach(stretch + 1)
            self.lows[stretch] = min(self.lows[stretch], min(numbers))
            self.highs[stretch] = max(self.highs[stretch], max(numbers))
            self.sums[stretch] += total
            self.counts[stretch] += len(numbers)

    def mean(self, stretch: int) -> float | None:
        """None where nothing was measured, or where it is too large to say."""
        count = self.counts[stretch]
        mean = self.sums[stretch] / count if count else math.nan
        return mean if math.isfinite(mean) else None

    def coarser(self) -> None:
        """Each two stretches become one."""
        self.reach(len(self.counts) + len(self.counts) % 2)
        self.lows = array("d", map(min, self.lows[::2], self.lows[1::2]))
        self.highs = array("d", map(max, self.highs[::2], self.highs[1::2]))
        self.sums = array("d", map(sum, zip(self.sums[::2], self.sums[1::2], strict=True)))
        self.counts = array("q", map(sum, zip(self.counts[::2], self.counts[1::2], strict=True)))


@dataclass(slots=True)
class Grid:
    begin_ms: int
    stretch_ms: int = FINEST_MS
    end_ms: int = 0  # of the last sample
    tracks: dict[int, Track] = field(default_factory=dict)  # by the number of the series
    left_out: set[int] = field(default_factory=set)  # series beyond the bound

    @classmethod
    def over(cls, points: Mapping[int, Points], *, begin_ms: int, end_ms: int) -> Grid:
        """A grid that is as fine as this time allows, with these samples on it."""
        begin_ms = begin_ms // FINEST_MS * FINEST_MS
        stretch_ms = FINEST_MS
        while (end_ms - begin_ms) // stretch_ms >= STRETCHES:
            stretch_ms *= 2
        grid = cls(begin_ms, stretch_ms)
        grid.add(points)
        return grid

    def add(self, points: Mapping[int, Points]) -> None:
        """Puts samples where they belong; those from before `begin_ms` are left out."""
        for number in sorted(points):
            one = points[number]
            if not one.at_ms:
                continue
            track = self.tracks.get(number)
            if track is None:
                if len(self.tracks) >= MOST_SERIES:
                    self.left_out.add(number)
                    continue
                track = self.tracks[number] = Track()
            self.end_ms = max(self.end_ms, one.at_ms[-1])
            while (self.end_ms - self.begin_ms) // self.stretch_ms >= STRETCHES:
                self.stretch_ms *= 2
                for each in self.tracks.values():
                    each.coarser()
            self._spread(track, one)

    def _spread(self, track: Track, points: Points) -> None:
        at_ms, begin = points.at_ms, bisect_left(points.at_ms, self.begin_ms)
        while begin < len(at_ms):
            stretch = (at_ms[begin] - self.begin_ms) // self.stretch_ms
            stop = bisect_left(at_ms, self.begin_ms + (stretch + 1) * self.stretch_ms, begin)
            track.put(stretch, points.values[begin:stop])
            begin = stop
        if at_ms[-1] >= track.last_ms:
            value = points.values[-1]
            track.last_ms, track.last = at_ms[-1], value if math.isfinite(value) else None
