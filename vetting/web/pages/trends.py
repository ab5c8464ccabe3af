"""Whether a host gets worse from run to run: one figure a run of everything worth following, beside each other.

Figures come from what the stages concluded (throughput, requests, counters of drives) and from the highest of each family of
sensors. What grew, slowed down or got hotter since the run before is marked; nothing here is a verdict.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from vetting.domain.states import CLOSED
from vetting.store import measurements, peaks, runs

RUNS = 12  # newest that have ended
KEPT = 500  # runs whose figures are remembered
SLOWER, HOTTER_C, HUNGRIER = 0.10, 5.0, 0.10  # less, more degrees, more watts than in the run before: worth a look


class Group(StrEnum):
    HEAT = "Temperatures"
    POWER = "Power"
    NETWORK = "Network throughput"
    DISKS = "Disk throughput"
    REQUESTS = "Disk requests"
    DRIVES = "Drive counters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    group: Group
    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    run_id: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """`points`: oldest first. `worse`: what a person should look at, in words; empty where nothing is."""

    name: str
    unit: str
    points: tuple[Point, ...]
    worse: str = ""

    @property
    def last(self) -> Point:
        return self.points[-1]

    @property
    def before(self) -> Point | None:
        return self.points[-2] if len(self.points) > 1 else None

    @property
    def line(self) -> tuple[tuple[float, float], ...]:
        """The points in a box of 100 by 24, a little away from its edges."""
        values = [point.value for point in self.points]
        low, span = min(values), (max(values) - min(values)) or 1.0
        flat = max(values) == min(values)
        step = 92 / max(len(values) - 1, 1)
        return tuple(
            (round(4 + place * step, 1), 12.0 if flat else round(20 - 16 * (value - low) / span, 1))
            for place, value in enumerate(values)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendGroup:
    """`quiet`: how many counters are not shown one by one, for they stand at zero in every run."""

    group: Group
    trends: tuple[Trend, ...]
    quiet: int = 0

    @property
    def worse(self) -> int:
        return sum(bool(trend.worse) for trend in self.trends)


class TrendReader:
    """Remembers the figures of runs that are over: they never change."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[Figure, ...]] = OrderedDict()

    def of(self, host_id: int) -> tuple[TrendGroup, ...]:
        """Inside `Store.read`. Empty where no run of the host has ended with a figure."""
        over = [run.id for run in runs.listing(host_id=host_id, states=CLOSED, limit=RUNS)]
        return grouped({run_id: self._figures(run_id) for run_id in reversed(over)})

    def _figures(self, run_id: int) -> tuple[Figure, ...]:
        known = self._known.get(run_id)
        if known is None:
            known = self._known[run_id] = tuple(figures_of(run_id))
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known


def grouped(by_run: Mapping[int, Sequence[Figure]]) -> tuple[TrendGroup, ...]:
    """`by_run`: figures of each run, oldest run first."""
    points: dict[tuple[Group, str, str], list[Point]] = {}
    for run_id, figures in by_run.items():
        for one in figures:
            points.setdefault((one.group, one.name, one.unit), []).append(Point(run_id=run_id, value=one.value))
    newest = max(by_run, default=None)
    made: list[TrendGroup] = []
    for group in Group:
        trends = [
            Trend(name=name, unit=unit, points=tuple(told), worse=_worse(group, unit, told, newest))
            for (of, name, unit), told in points.items()
            if of is group
        ]
        shown = [one for one in trends if group is not Group.DRIVES or any(point.value for point in one.points)]
        shown.sort(key=lambda one: (not one.worse, one.name))
        if trends:
            made.append(TrendGroup(group=group, trends=tuple(shown), quiet=len(trends) - len(shown)))
    return tuple(made)


def _worse(group: Group, unit: str, points: Sequence[Point], newest: int | None) -> str:
    """Against the run before; of what the newest run did not measure nothing is said."""
    if len(points) < 2 or points[-1].run_id != newest:
        return ""
    was, now = points[-2].value, points[-1].value
    if group is Group.DRIVES:
        return f"grown by {now - was:g}" if now > was else ""
    if group is Group.HEAT:
        return f"{now - was:.0f} °C hotter" if now - was >= HOTTER_C else ""
    if not was > 0:
        return ""
    share = now / was - 1
    if group is Group.POWER:
        return f"{share:.0%} more" if share >= HUNGRIER else ""
    return f"{-share:.0%} slower" if -share >= SLOWER else ""


def figures_of(run_id: int) -> Iterator[Figure]:
    """Inside `Store.read`. Of a stage that ran more than once the last attempt speaks."""
    told: dict[tuple[Group, str, str], Figure] = {}
    for row in measurements.measurements_of(run_id):
        figure = _of_measurement(row.series, row.component, row.unit, row.value)
        if figure is not None:
            told[figure.group, figure.name, figure.unit] = figure
    yield from told.values()
    yield from _of_samples(run_id)


_REQUESTS = re.compile(r"disk\..+\.fio\.iops")
_SURFACE = re.compile(r"disk\..+\.surface\.(write|verify)\.1\.mean")
_NET = re.compile(r"net\.([^.]+)\.([^.]+)")
_PEAK_POWER = re.compile(r"psu\.(power\..+)\.max")
_COUNTER = re.compile(r"disk\.[^.]+\.([a-z_]+)")


def _of_measurement(series: str, component: str, unit: str, value: float) -> Figure | None:
    if not isfinite(value):
        return None
    part = component.partition(":")[2] or component
    if _REQUESTS.fullmatch(series):
        return Figure(group=Group.REQUESTS, name=part, unit="/s", value=value)
    if match := _SURFACE.fullmatch(series):
        return Figure(group=Group.DISKS, name=f"{part} {match[1]}", unit=unit, value=value)
    if (match := _NET.fullmatch(series)) and unit == "Mb/s" and match[2] != "link":
        return Figure(group=Group.NETWORK, name=f"{match[1]} {match[2].replace('_', ' ')}", unit=unit, value=value)
    if match := _PEAK_POWER.fullmatch(series):
        return Figure(group=Group.POWER, name=f"{match[1]} under load", unit=unit, value=value)
    if unit == "events" and (match := _COUNTER.fullmatch(series)):
        return Figure(group=Group.DRIVES, name=f"{part} {match[1].replace('_', ' ')}", unit="", value=value)
    return None


def _of_samples(run_id: int) -> Iterator[Figure]:
    """The highest of each family of temperature sensors: `temp.coretemp.package-id-0` is one of `coretemp`."""
    families: dict[str, float] = {}
    for series, value in peaks.highest(run_id, "temp.").items():
        family = series.split(".")[1]
        families[family] = max(value, families.get(family, value))
    for name, value in sorted(families.items()):
        yield Figure(group=Group.HEAT, name=f"{name}, highest", unit="C", value=value)
