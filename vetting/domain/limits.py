"""Judging samples against thresholds, one by one, with hysteresis: a breach opens, gets worse, closes.

Each threshold is kept as a closed interval of finite numbers, so that one chained comparison also catches NaN and
both infinities: they lie in no interval and count as bad.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache

from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import Severity
from vetting.domain.thresholds import Op, Threshold

SERIES_FAMILIES = ("temp", "power", "volt", "curr", "fan", "clock", "net", "disk", "cpu", "memory", "gpu", "psu")
"""First parts of the names that agents give to series; a threshold that can match none of them watches nothing."""

SERIES_CAP = 10_000  # names one host may bring; a real host has some hundred
_LARGEST = sys.float_info.max


class BreachChange(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"  # it got worse
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A series that broke its limit. Times are those that the samples came with."""

    series: str
    threshold: Threshold
    opened_at: float  # of the first bad sample, not of the one that made it a breach
    last_at: float
    worst: float  # the sample farthest outside; NaN is farther than any number
    bad_samples: int
    closed_at: float | None = None  # of the first good sample of those that ended it

    @property
    def text(self) -> str:
        row = self.threshold
        return f"{self.series} reached {self.worst:g}, limit {row.op} {row.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachEvent:
    change: BreachChange
    breach: Breach


_NOTHING: tuple[BreachEvent, ...] = ()


def bounds(threshold: Threshold) -> tuple[float, float]:
    """The closed interval of finite numbers that healthy samples lie in. A limit that is NaN makes it empty."""
    limit = float(threshold.limit)
    below, above = min(limit, _LARGEST), max(limit, -_LARGEST)
    match threshold.op:
        case Op.AT_MOST:
            return -_LARGEST, below
        case Op.BELOW:
            return -_LARGEST, math.nextafter(below, -math.inf)
        case Op.AT_LEAST:
            return above, _LARGEST
        case Op.ABOVE:
            return math.nextafter(above, math.inf), _LARGEST
        case Op.EQUALS:
            return limit, limit if math.isfinite(limit) else math.nan


@lru_cache(maxsize=512)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def covers(threshold: Threshold, series: str) -> bool:
    """Whether a threshold's glob covers a series, upper and lower case told apart."""
    return _compiled(threshold.series).match(series) is not None


def applies(threshold: Threshold, stage: str) -> bool:
    """Whether a threshold is in force during a stage."""
    return not threshold.stages or stage in threshold.stages


class _Watch:
    """One threshold on one series, and how it stands."""

    __slots__ = ("bad_run", "first_bad_at", "good_run", "good_since", "high", "hold", "low", "open", "row", "worst")

    def __init__(self, row: Threshold) -> None:
        self.row = row
        self.low, self.high = bounds(row)
        self.hold = max(1, row.hold_samples)
        self.bad_run = 0
        self.good_run = 0
        self.first_bad_at = 0.0
        self.good_since = 0.0
        self.worst = 0.0
        self.open: Breach | None = None

    def outside(self, value: float) -> float:
        """How far a bad value lies outside; infinite for what is no number."""
        distance = max(self.low - value, value - self.high)
        return distance if math.isfinite(distance) else math.inf

    def bad(self, series: str, value: float, at: float) -> tuple[BreachEvent, ...]:
        self.good_run = 0
        if self.bad_run == 0:
            self.first_bad_at = at
        worse = self.bad_run == 0 or self.outside(value) > self.outside(self.worst)
        if worse:
            self.worst = value
        self.bad_run += 1
        if self.open is not None:
            return self._went_on(value, at)
        if self.bad_run < self.hold:
            return _NOTHING
        self.open = Breach(
            series=series,
            threshold=self.row,
            opened_at=self.first_bad_at,
            last_at=at,
            worst=self.worst,
            bad_samples=self.bad_run,
        )
        return (BreachEvent(change=BreachChange.OPENED, breach=self.open),)

    def _went_on(self, value: float, at: float) -> tuple[BreachEvent, ...]:
        """Only what got worse is news; the count and the last time travel with the next event."""
        breach = self.open
        assert breach is not None
        worse = self.outside(value) > self.outside(breach.worst)
        worst = value if worse else breach.worst
        self.open = replace(breach, last_at=at, worst=worst, bad_samples=breach.bad_samples + 1)
        return (BreachEvent(change=BreachChange.UPDATED, breach=self.open),) if worse else _NOTHING

    def good(self, at: float) -> tuple[BreachEvent, ...]:
        self.bad_run = 0
        if self.open is None:
            return _NOTHING
        if self.good_run == 0:
            self.good_since = at
        self.good_run += 1
        return self.close(self.good_since) if self.good_run >= self.hold else _NOTHING

    def close(self, at: float) -> tuple[BreachEvent, ...]:
        breach, self.open = self.open, None
        self.bad_run = self.good_run = 0
        if breach is None:
            return _NOTHING
        return (BreachEvent(change=BreachChange.CLOSED, breach=replace(breach, closed_at=at)),)


class Judge:
    """Judges the samples of one run. Not for two threads at once."""

    def __init__(
        self, thresholds: Iterable[Threshold], *, stage: str = "", open_breaches: Iterable[Breach] = ()
    ) -> None:
        """`open_breaches` are those that were open when the orchestrator last stopped: they go on."""
        self._all = tuple(thresholds)
        self.stage = stage
        self._watches: dict[str, tuple[_Watch, ...]] = {}
        for breach in open_breaches:
            for watch in self._watches_of(breach.series):
                if watch.row == breach.threshold and breach.closed_at is None:
                    watch.open, watch.worst, watch.bad_run = breach, breach.worst, watch.hold

    def feed(self, series: str, value: float, at: float) -> Sequence[BreachEvent]:
        """Takes one sample; what opened, got worse or closed by it, nearly always nothing.

        Raises BadInput for the series after the first SERIES_CAP.
        """
        watches = self._watches.get(series)
        if watches is None:
            watches = self._watches_of(series)
        events: tuple[BreachEvent, ...] = _NOTHING
        for watch in watches:
            if watch.low <= value <= watch.high:
                if watch.bad_run or watch.open is not None:
                    events += watch.good(at)
            else:
                events += watch.bad(series, value, at)
        return events

    def enter(self, stage: str, at: float) -> Sequence[BreachEvent]:
        """Goes on to another stage. Breaches of thresholds that are not in force there are closed."""
        old, self.stage, self._watches = self._watches, stage, {}
        events: tuple[BreachEvent, ...] = _NOTHING
        for series, watches in old.items():
            staying = {id(watch.row): watch for watch in watches if applies(watch.row, stage)}
            for watch in watches:
                if id(watch.row) not in staying:
                    events += watch.close(at)
            rows = [row for row in self._all if applies(row, stage) and covers(row, series)]
            self._watches[series] = tuple(staying.get(id(row)) or _Watch(row) for row in rows)
        return events

    @property
    def open(self) -> tuple[Breach, ...]:
        """The breaches that are open now."""
        return tuple(watch.open for found in self._watches.values() for watch in found if watch.open is not None)

    def _watches_of(self, series: str) -> tuple[_Watch, ...]:
        if series in self._watches:
            return self._watches[series]
        if len(self._watches) >= SERIES_CAP:
            raise BadInput(f"more than {SERIES_CAP} series from one host; {series[:80]!r} and others are not judged")
        rows = (row for row in self._all if applies(row, self.stage) and covers(row, series))
        found = self._watches[series] = tuple(_Watch(row) for row in rows)
        return found


def unheard(thresholds: Iterable[Threshold], series_seen: Iterable[str], *, stage: str = "") -> tuple[Threshold, ...]:
    """The required thresholds, in force during `stage`, of which no series ever arrived."""
    seen = tuple(series_seen)
    return tuple(
        row
        for row in thresholds
        if row.required and (not stage or applies(row, stage)) and not any(covers(row, name) for name in seen)
    )


def seeded(shared: Iterable[Threshold], spec: ExpectedSpec) -> tuple[Threshold, ...]:
    """The thresholds of one run: the shared block, with the host's own highest temperature in place of `temp.*`."""
    rows = tuple(shared)
    if not spec.max_temp_c > 0:
        return rows
    own = [replace(row, limit=spec.max_temp_c) if row.series == "temp.*" else row for row in rows]
    if not any(row.series == "temp.*" for row in rows):
        own.append(Threshold(series="temp.*", op=Op.AT_MOST, limit=spec.max_temp_c))
    return tuple(own)


_PIECE = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


HOTTEST_LIMIT_C = 110.0  # no server part is healthy above it; a limit beyond is none


def weaknesses(thresholds: Iterable[Threshold]) -> tuple[str, ...]:
    """What these thresholds let pass that no vetting may, in words: heat that no required, critical limit watches."""
    watched = any(
        row.required
        and row.severity is Severity.CRITICAL
        and not row.stages
        and row.op in (Op.AT_MOST, Op.BELOW)
        and row.limit <= HOTTEST_LIMIT_C
        and covers(row, "temp.any.sensor")
        for row in thresholds
    )
    return () if watched else ("no critical limit was set on the temperatures (temp.*)",)


def could_match(glob: str, prefix: str) -> bool:
    """Whether a glob can match any series name that begins with `prefix` (names: lower case, digits, `._-`)."""
    pieces = _PIECE.findall(re.sub(r"\*+", "*", glob))
    for piece in pieces:
        if len(piece) == 1 and piece not in "*?" and not re.fullmatch(r"[a-z0-9._-]", piece):
            return False  # such a character is in no name
    places = {0}
    for letter in prefix:
        places |= {n + 1 for n in sorted(places) if n < len(pieces) and pieces[n] == "*"}
        places = {n if pieces[n] == "*" else n + 1 for n in places if n < len(pieces) and _takes(pieces[n], letter)}
    return any(n < len(pieces) for n in places)  # and something after the prefix


def _takes(piece: str, letter: str) -> bool:
    return piece == "*" or _compiled(piece).match(letter) is not None
