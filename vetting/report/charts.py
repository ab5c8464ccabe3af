"""Charts as geometry: where each line, label and mark of an inline SVG stands. The template draws them.

Each series is a band from the lowest to the highest sample of every stretch with the mean in it, so that a peak of one
sample among a million still shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from vetting.report.model import BreachShown, Curve, Curves, Report, ThresholdShown
from vetting.report.plane import TOP, Scale, steps
from vetting.report.text import UNITS, duration, number
from vetting.report.traces import Trace, together, trace

TRACES = 10  # drawn one by one in a chart; further series are one band together, and all stand in the legend
POINTS_IN_ALL = 30_000  # of all charts: about a megabyte of paths

TITLES = {
    "temp": "Temperatures",
    "power": "Power",
    "volt": "Voltages",
    "curr": "Currents",
    "fan": "Fans",
    "net": "Network",
    "disk": "Disks",
    "cpu": "Processor",
    "memory": "Memory",
    "gpu": "GPU",
    "psu": "Power supply",
    "edac": "Memory errors",
    "clock": "Clock",
}
FROM_ZERO = frozenset({"power", "fan", "net", "disk", "memory", "gpu", "edac"})  # where half as high means half as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    at: float  # x or y
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shade:
    """A stretch of the time axis: a stage's attempt, or a breach."""

    x: float
    width: float
    label: str
    title: str
    odd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    y: float
    label: str
    above: bool  # where the label stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the legend."""

    name: str
    place: int | None
    low: str
    mean: str
    high: str
    samples: int
    not_numbers: int
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    key: str
    title: str
    unit: str
    description: str
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    stages: tuple[Shade, ...]
    breach_spans: tuple[Shade, ...]
    breaches: tuple[Breach, ...]
    limits: tuple[Limit, ...]
    off_scale: tuple[str, ...]  # limits too far away to be drawn
    traces: tuple[Trace, ...]
    legend: tuple[Entry, ...]


def charts(report: Report) -> tuple[Chart, ...]:
    """One chart for each family and unit of series, thermals, power and throughput first."""
    if report.curves is None:
        return ()
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in report.curves.series:
        groups.setdefault(family_of(curve.name, curve.unit), []).append(curve)
    factor = _factor(groups.values())
    return tuple(_chart(key, groups[key], report, factor) for key in in_order(groups))


def family_of(name: str, unit: str) -> tuple[str, str]:
    """Series of one family and unit share a chart: what is measured, and in what."""
    return name.partition(".")[0], unit


def in_order(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The charts' order: families as `TITLES` has them, then by name."""
    order = {family: number for number, family in enumerate(TITLES)}
    return sorted(keys, key=lambda key: (order.get(key[0], len(order)), key))


def title_of(family: str, unit: str) -> str:
    """Temperatures, °C"""
    title = TITLES.get(family, family.capitalize())
    return f"{title}, {UNITS.get(unit, unit)}" if unit else title


def _factor(groups: Iterable[Sequence[Curve]]) -> int:
    """How many stretches are merged into one, so that many charts stay as small as few."""
    points = sum(sum(sorted((len(curve.points) for curve in group), reverse=True)[: TRACES + 1]) for group in groups)
    return max(1, math.ceil(points / POINTS_IN_ALL))


def _chart(key: tuple[str, str], group: list[Curve], report: Report, factor: int) -> Chart:
    family, unit = key
    curves = report.curves
    assert curves is not None
    names = {curve.name for curve in group}
    breaches = [one for one in report.breaches if one.series in names]
    rows = [row for row in report.thresholds if any(fnmatchcase(name, row.series) for name in names)]
    ranked = _ranked(group, {one.series for one in breaches})
    drawn, others = ranked[:TRACES], ranked[TRACES:]
    scale, off_scale = _scale(group, curves, rows, breaches, from_zero=family in FROM_ZERO)
    traces = [trace(curve.name, place, curve, scale, curves, factor) for place, curve in enumerate(drawn)]
    if others:
        rest = together(others)
        traces.insert(0, trace(f"{len(others)} further series", None, rest, scale, curves, factor))
    places = {curve.name: place for place, curve in enumerate(drawn)}
    title = title_of(family, unit)
    return Chart(
        key=f"{family}-{unit}",
        title=title,
        unit=unit,
        description=_description(title, group, breaches, curves),
        y_ticks=tuple(Tick(at=scale.y(value), label=number(value)) for value in steps(scale.low, scale.high)),
        x_ticks=tuple(_time_ticks(scale)),
        stages=tuple(_stages(report, scale)),
        breach_spans=tuple(_spans(breaches, scale)),
        breaches=tuple(_marks(breaches, {curve.name: curve for curve in group}, curves, scale)),
        limits=tuple(_limits(rows, scale)),
        off_scale=off_scale,
        traces=tuple(traces),
        legend=tuple(_entry(curve, places.get(curve.name), breaches) for curve in sorted(group, key=_highest)),
    )


def _highest(curve: Curve) -> tuple[float, str]:
    return (-(curve.high if curve.high is not None else -math.inf), curve.name)


def _ranked(group: list[Curve], broken: set[str]) -> list[Curve]:
    """Those that broke a limit first, then the highest first."""
    return sorted(group, key=lambda curve: (curve.name not in broken, *_highest(curve)))


def _scale(
    group: list[Curve], curves: Curves, rows: list[ThresholdShown], breaches: list[BreachShown], *, from_zero: bool
) -> tuple[Scale, tuple[str, ...]]:
    values = [value for curve in group for value in (curve.low, curve.high) if value is not None]
    values += [one.worst for one in breaches if one.worst is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    reach = max(high - low, abs(high), abs(low), 1e-9)  # a limit as far away as this still belongs into the picture
    limits = [row.limit for row in rows if row.limit is not None and low - reach <= row.limit <= high + reach]
    far = [row for row in rows if row.limit is not None and row.limit not in limits]
    low, high = min([low, *limits]), max([high, *limits])
    if 0 <= low <= (high - low) * 0.6 or (from_zero and low > 0):
        low = 0.0  # an axis from zero where it costs little
    margin = (high - low) * 0.06 or max(abs(high) * 0.05, 0.5)
    low, high = (low - margin if low != 0 else low), high + margin
    begin_ms, end_ms = curves.begin_at * 1000, curves.end_at * 1000
    scale = Scale(begin_ms=begin_ms, span_ms=max(end_ms - begin_ms, 1.0), low=low, high=high)
    return scale, tuple(f"{row.series} {row.op} {number(row.limit)}" for row in far)


TIME_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def _time_ticks(scale: Scale) -> Iterator[Tick]:
    span_s = scale.span_ms / 1000
    step_s = next((step for step in TIME_STEPS_S if span_s / step <= 8), 7 * 86400)
    at_s = 0
    while at_s <= span_s:
        label = f"{at_s // 3600}:{at_s % 3600 // 60:02d}:{at_s % 60:02d}"
        yield Tick(at=scale.x(scale.begin_ms + at_s * 1000), label=label)
        at_s += step_s


def _stages(report: Report, scale: Scale) -> Iterator[Shade]:
    number_of = {stage.name: place for place, stage in enumerate(report.stages, start=1)}
    attempts = sorted(
        ((one.started_at, stage.name, one) for stage in report.stages for one in stage.attempts), key=lambda row: row[0]
    )
    end_ms = scale.begin_ms + scale.span_ms
    for place, (started_at, name, one) in enumerate(attempts):
        ended_ms = end_ms if one.ended_at is None else one.ended_at * 1000
        if ended_ms <= scale.begin_ms or started_at * 1000 >= end_ms:
            continue
        x, right = scale.x(started_at * 1000), scale.x(ended_ms)
        again = f" #{one.attempt}" if one.attempt > 1 else ""
        label = name + again
        if len(label) * 7 > right - x:
            label = str(number_of[name]) if right - x > 14 else ""
        yield Shade(
            x=x, width=max(right - x, 0.5), label=label, title=f"{name}, attempt {one.attempt}", odd=bool(place % 2)
        )


def _spans(breaches: list[BreachShown], scale: Scale) -> Iterator[Shade]:
    for one in breaches:
        x, right = scale.x(one.first_at * 1000), scale.x(one.last_at * 1000)
        yield Shade(x=x, width=max(right - x, 1.5), label="", title=f"breach: {one.text}")


def _marks(breaches: list[BreachShown], by_name: dict[str, Curve], curves: Curves, scale: Scale) -> Iterator[Breach]:
    for one in breaches:
        at_ms = _worst_ms(one, by_name[one.series], curves)
        y = TOP + 6.0 if one.worst is None else scale.y(one.worst)
        yield Breach(x=scale.x(at_ms), y=max(y, TOP + 6.0), title=f"breach: {one.text}")


def _worst_ms(breach: BreachShown, curve: Curve, curves: Curves) -> float:
    """The stretch of the breach that comes nearest to its worst sample; the middle where there is none."""
    begin_ms, half_ms = curves.begin_at * 1000, curves.stretch_s * 500
    places = [
        (abs(value - breach.worst), begin_ms + at + half_ms)
        for at, low, high, _ in curve.points
        if breach.first_at * 1000 <= begin_ms + at + 2 * half_ms and begin_ms + at <= breach.last_at * 1000
        for value in (low, high)
        if value is not None and breach.worst is not None
    ]
    return min(places)[1] if places else (breach.first_at + breach.last_at) * 500


def _limits(rows: list[ThresholdShown], scale: Scale) -> Iterator[Limit]:
    seen: set[tuple[str, float]] = set()
    for row in rows:
        if row.limit is None or not scale.low <= row.limit <= scale.high or (row.op, row.limit) in seen:
            continue
        seen.add((row.op, row.limit))
        y = scale.y(row.limit)
        yield Limit(y=y, label=f"limit {row.op} {number(row.limit)} ({row.severity})", above=y - TOP > 16)


def _entry(curve: Curve, place: int | None, breaches: list[BreachShown]) -> Entry:
    return Entry(
        name=curve.name,
        place=place,
        low=number(curve.low),
        mean=number(curve.mean),
        high=number(curve.high),
        samples=curve.samples,
        not_numbers=curve.not_numbers,
        broken=any(one.series == curve.name for one in breaches),
    )


def _description(title: str, group: list[Curve], breaches: list[BreachShown], curves: Curves) -> str:
    highest = min(group, key=_highest)
    said = f"{title} of {len(group)} series over {duration(curves.end_at - curves.begin_at)}"
    if highest.high is not None:
        said += f"; the highest is {highest.name} with {number(highest.high, highest.unit)}"
    return said + (f"; {len(breaches)} breaches of limits" if breaches else "; no limit was broken")
