"""What the charts of a run draw: lines, limits, breaches and stages, bounded and clean, as the browser gets it. Pure.

The families, titles and limits are those of the report's charts. A line is drawn from the means, with a band from the
lowest to the highest of each stretch, so that a peak of one sample among millions still shows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from vetting.domain.limits import covers
from vetting.domain.thresholds import Op, Threshold
from vetting.report import text
from vetting.report.charts import FROM_ZERO, TITLES, TRACES, family_of, in_order, title_of
from vetting.store.rows import AttemptRow, BreachRow, SeriesRow
from vetting.web.chartgrid import Grid, Track
from vetting.web.chartshape import Breach, Chart, ChartData, Column, Limit, Line, Rest, Row, Stage

MOST_CHARTS = 24
POINTS_IN_ALL = 36_000  # of all lines drawn: some hundred kilobytes
FEWEST = 60
MOST_BREACHES = 100  # of a chart
MOST_STAGES = 200
NAME, UNIT = 120, 20  # characters
SIGNS = {"<=": "≤", ">=": "≥", "==": "=", "<": "<", ">": ">"}


def chart_data(
    run_id: int,
    grid: Grid,
    series: Sequence[SeriesRow],
    thresholds: Sequence[Threshold],
    breaches: Sequence[BreachRow],
    attempts: Sequence[AttemptRow],
    *,
    ended: bool,
    chosen: Collection[int] = (),
) -> ChartData:
    """Everything that the charts of a run show. `chosen`: the series that are drawn by themselves before all others."""
    groups = _groups(grid, series)
    keys = in_order(groups)
    shown = sorted(keys, key=lambda key: key[0] not in TITLES)[:MOST_CHARTS]  # families we know push others out
    drawn = sum(min(len(groups[key]), TRACES) for key in shown)
    stretches = max((len(track.counts) for track in grid.tracks.values()), default=1)
    factor = max(1, math.ceil(stretches / max(FEWEST, POINTS_IN_ALL // max(drawn, 1))))
    return ChartData(
        run=run_id,
        ended=ended,
        begin_ms=grid.begin_ms,
        end_ms=max(grid.end_ms, grid.begin_ms),
        stretch_ms=grid.stretch_ms * factor,
        stages=_stages(attempts),
        charts=[_chart(key, groups[key], grid, thresholds, breaches, factor, chosen) for key in keys if key in shown],
        series=len(series),
        samples=sum(sum(track.counts) for track in grid.tracks.values()),
        left_out=len(grid.left_out) + sum(len(groups[key]) for key in keys if key not in shown),
    )


def rows(grid: Grid, series: Sequence[SeriesRow], breaches: Sequence[BreachRow]) -> list[Row]:
    """Every series that is kept, in words; in each family those that broke a limit first, then the highest."""
    groups = _groups(grid, series)
    return [
        _row(one, grid.tracks[one.number], [text_of(row, one.unit) for row in breaches if row.series == one.name])
        for key in in_order(groups)
        for one in _ranked(groups[key], grid, {row.series for row in breaches}, ())
    ]


def text_of(row: BreachRow, unit: str) -> str:
    """A breach in words."""
    worst = row.worst if math.isfinite(row.worst) else None
    limit = f"{SIGNS[row.op]} {text.number(row.limit, unit[:UNIT])}"
    said = f"{row.series[:NAME]} reached {text.number(worst)}, limit {limit}"
    return text.clean(said, 2 * NAME)


def _groups(grid: Grid, series: Iterable[SeriesRow]) -> dict[tuple[str, str], list[SeriesRow]]:
    groups: dict[tuple[str, str], list[SeriesRow]] = {}
    for one in series:
        if one.number in grid.tracks:
            groups.setdefault(family_of(one.name, one.unit), []).append(one)
    return groups


def _ranked(
    group: Sequence[SeriesRow], grid: Grid, broken: set[str], thresholds: Sequence[Threshold]
) -> list[SeriesRow]:
    """Those that broke a limit first, then those that came nearest to one, then the highest."""

    def place(one: SeriesRow) -> tuple[bool, float, float, str]:
        track = grid.tracks[one.number]
        low, high = min(track.lows, default=math.inf), max(track.highs, default=-math.inf)
        room = min((_room(row, low, high) for row in thresholds if covers(row, one.name)), default=math.inf)
        return one.name not in broken, room, -high, one.name

    return sorted(group, key=place)


def _room(row: Threshold, low: float, high: float) -> float:
    """How far from a limit these values stayed, as a share of it."""
    if not math.isfinite(low) or not math.isfinite(row.limit):
        return math.inf
    match row.op:
        case Op.AT_MOST | Op.BELOW:
            distance = row.limit - high
        case Op.AT_LEAST | Op.ABOVE:
            distance = low - row.limit
        case _:  # equal to the limit and to nothing else
            distance = -max(abs(low - row.limit), abs(high - row.limit))
    return distance / max(abs(row.limit), 1.0)


def _chart(
    key: tuple[str, str],
    group: list[SeriesRow],
    grid: Grid,
    thresholds: Sequence[Threshold],
    breaches: Sequence[BreachRow],
    factor: int,
    chosen: Collection[int],
) -> Chart:
    family, unit = key
    names = {one.name for one in group}
    broken = [row for row in breaches if row.series in names]
    ranked = _ranked(group, grid, {row.series for row in broken}, thresholds)
    ranked.sort(key=lambda one: one.number not in chosen)
    lines = [(one, _merged(grid.tracks[one.number], factor)) for one in ranked[:TRACES]]
    others = ranked[TRACES:]
    rest = _together([grid.tracks[one.number] for one in others])
    merged_rest = _merged(rest, factor)
    heard = [
        any(counts) for counts in zip(*_even([line.counts for _, line in lines] + [merged_rest.counts]), strict=True)
    ]
    at = [place for place, any_here in enumerate(heard) if any_here]
    return Chart(
        key=text.clean(f"{family}-{unit}", NAME),
        title=text.clean(title_of(family, unit), NAME),
        unit=text.clean(text.UNITS.get(unit, unit), UNIT),
        from_zero=family in FROM_ZERO,
        at=at,
        lines=[_line(one, grid.tracks[one.number], line, at) for one, line in lines],
        rest=Rest(
            count=len(others),
            ids=[one.number for one in others],
            low=_column(merged_rest.lows, at),
            high=_column(merged_rest.highs, at),
        )
        if others
        else None,
        limits=list(_limits(thresholds, names, unit)),
        breaches=[_breach(row, unit) for row in broken[-MOST_BREACHES:]],
    )


def _even(columns: Sequence[Sequence[int]]) -> list[list[int]]:
    longest = max(map(len, columns))
    return [[*column, *[0] * (longest - len(column))] for column in columns]


def _merged(track: Track, factor: int) -> Track:
    """`factor` stretches as one; lowest and highest stay what they are."""
    if factor == 1:
        return track
    merged = Track()
    for begin in range(0, len(track.counts), factor):
        here = slice(begin, begin + factor)
        merged.lows.append(min(track.lows[here]))
        merged.highs.append(max(track.highs[here]))
        merged.sums.append(sum(track.sums[here]))
        merged.counts.append(sum(track.counts[here]))
    return merged


def _together(tracks: Sequence[Track]) -> Track:
    """The lowest and highest of several series at each time."""
    rest = Track()
    for track in tracks:
        rest.reach(len(track.counts))
        size = len(track.counts)
        rest.lows[:size] = type(rest.lows)("d", map(min, rest.lows[:size], track.lows))
        rest.highs[:size] = type(rest.highs)("d", map(max, rest.highs[:size], track.highs))
        rest.counts[:size] = type(rest.counts)("q", map(max, rest.counts[:size], track.counts))
    return rest


def _line(one: SeriesRow, whole: Track, line: Track, at: Sequence[int]) -> Line:
    numbers = sum(whole.counts)
    return Line(
        id=one.number,
        name=text.clean(one.name, NAME),
        low=_column(line.lows, at),
        high=_column(line.highs, at),
        mean=[_short(line.mean(place)) if place < len(line.counts) else None for place in at],
        least=_short(min(whole.lows)) if numbers else None,
        most=_short(max(whole.highs)) if numbers else None,
        last=_short(whole.last),
        last_ms=whole.last_ms,
    )


def _column(values: Sequence[float], at: Sequence[int]) -> Column:
    size = len(values)
    return [_short(values[place]) if place < size else None for place in at]


def _short(value: float | None) -> float | None:
    """Five figures are more than a chart can show, and a third of the bytes."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def _limits(thresholds: Sequence[Threshold], names: set[str], unit: str) -> Iterator[Limit]:
    """Each line once. A limit that holds for some of the chart's series alone says for which."""
    seen: set[tuple[str, float, tuple[str, ...]]] = set()
    for row in thresholds:
        covered = sum(covers(row, name) for name in names)
        if not covered or not math.isfinite(row.limit) or (row.op, row.limit, row.stages) in seen:
            continue
        seen.add((row.op, row.limit, row.stages))
        label = f"limit {SIGNS[row.op]} {text.number(row.limit, unit[:UNIT])}"
        if covered < len(names):
            label += f" for {row.series}"
        yield Limit(
            value=row.limit, label=text.clean(label, NAME), severity=str(row.severity), stages=row.stages[:MOST_STAGES]
        )


def _breach(row: BreachRow, unit: str) -> Breach:
    return Breach(
        series=text.clean(row.series, NAME),
        stage=row.stage,
        severity=str(row.severity),
        open=row.open,
        first_ms=int(row.first_at * 1000),
        last_ms=int(row.last_at * 1000),
        worst=_short(row.worst),
        text=text_of(row, unit),
    )


def _stages(attempts: Sequence[AttemptRow]) -> list[Stage]:
    return [
        Stage(
            name=text.clean(row.stage, 40),
            attempt=row.attempt,
            begin_ms=int(row.started_at * 1000),
            end_ms=None if row.ended_at is None else int(row.ended_at * 1000),
        )
        for row in attempts[-MOST_STAGES:]
    ]


def _row(one: SeriesRow, track: Track, breaches: Sequence[str]) -> Row:
    numbers = sum(track.counts)
    return Row(
        name=text.clean(one.name, NAME),
        title=text.clean(title_of(*family_of(one.name, one.unit)), NAME),
        unit=one.unit[:UNIT],
        low=_short(min(track.lows)) if numbers else None,
        mean=_short(sum(track.sums) / numbers) if numbers else None,
        high=_short(max(track.highs)) if numbers else None,
        last=_short(track.last),
        samples=numbers + track.not_numbers,
        not_numbers=track.not_numbers,
        breaches=tuple(breaches[:MOST_BREACHES]),
    )


def names_of(data: ChartData, series: Sequence[SeriesRow]) -> Mapping[str, int]:
    """Raw name -> id of every series that some chart shows, drawn or in the band of the rest."""
    shown = {line.id for chart in data.charts for line in chart.lines}
    shown |= {one for chart in data.charts if chart.rest for one in chart.rest.ids}
    return {one.name: one.number for one in series if one.number in shown}
