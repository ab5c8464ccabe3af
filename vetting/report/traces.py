"""Lines and bands of a chart: each series from the lowest to the highest of every stretch, with the mean in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vetting.report.model import Curve, Curves, Point
from vetting.report.plane import Scale

GAP_STRIDES = 4  # so many times the usual distance between samples is a gap in the line


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """`place` counts from 0 and chooses colour and dashes; None is the band of all further series together."""

    name: str
    place: int | None
    band: str
    line: str
    dots: str  # samples that stand alone


def trace(name: str, place: int | None, curve: Curve, scale: Scale, curves: Curves, factor: int) -> Trace:
    bands: list[str] = []
    lines: list[str] = []
    dots: list[str] = []
    stretch_ms = curves.stretch_s * 1000 * factor
    for run in _unbroken(merged(curve.points, factor), stretch_ms):
        tops = [(scale.x(scale.begin_ms + at + stretch_ms / 2), scale.y(high)) for at, _, high, _ in run]
        floors = [(scale.x(scale.begin_ms + at + stretch_ms / 2), scale.y(low)) for at, low, _, _ in run]
        means = [(scale.x(scale.begin_ms + at + stretch_ms / 2), scale.y(mean)) for at, _, _, mean in run]
        (lines if len(means) > 1 else dots).append(_path(means))
        if tops != floors:
            bands.append(_path([*tops, *reversed(floors)]) + "Z")
    return Trace(
        name=name, place=place, band="".join(bands), line="" if place is None else "".join(lines), dots="".join(dots)
    )


def merged(points: Sequence[Point], factor: int) -> Sequence[Point]:
    """`factor` stretches as one; lowest and highest stay what they are."""
    if factor <= 1:
        return points
    return [_merge(points[at : at + factor]) for at in range(0, len(points), factor)]


def _merge(some: Sequence[Point]) -> Point:
    lows = [low for _, low, _, _ in some if low is not None]
    highs = [high for _, _, high, _ in some if high is not None]
    means = [mean for _, _, _, mean in some if mean is not None]
    return (
        some[0][0],
        min(lows, default=None),
        max(highs, default=None),
        sum(means) / len(means) if means else None,
    )


Solid = tuple[int, float, float, float]


def _unbroken(points: Sequence[Point], stretch_ms: float) -> Iterator[list[Solid]]:
    """Runs of points without a gap between them: a line is never drawn over time that nobody measured."""
    solid: list[Solid] = []
    for at, low, high, mean in points:
        if low is not None and high is not None:
            solid.append((at, low, high, (low + high) / 2 if mean is None else mean))
    strides = sorted(after[0] - before[0] for before, after in pairwise(solid))
    usual_ms = strides[len(strides) // 2] if strides else stretch_ms
    longest_ms = max(usual_ms, stretch_ms) * GAP_STRIDES
    run: list[Solid] = []
    for point in solid:
        if run and point[0] - run[-1][0] > longest_ms:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _path(places: Sequence[tuple[float, float]]) -> str:
    if len(places) == 1:  # a dot: a round cap on a line without length
        x, y = places[0]
        return f"M{x:.1f} {y:.1f}h.01"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def together(others: Sequence[Curve]) -> Curve:
    """The band of several series: their lowest and highest at each time."""
    by_time: dict[int, list[Point]] = {}
    for curve in others:
        for point in curve.points:
            by_time.setdefault(point[0], []).append(point)
    first = others[0]
    points = tuple((at, *_merge(some)[1:]) for at, some in sorted(by_time.items()))
    return Curve(
        name="",
        unit=first.unit,
        samples=sum(curve.samples for curve in others),
        not_numbers=0,
        low=first.low,
        high=first.high,
        mean=first.mean,
        first_at=first.first_at,
        last_at=first.last_at,
        points=points,
    )
