"""A chart hides no peak, draws over no gap, and shows its limits and breaches."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import records
from tests.unit.report.conftest import Gather
from vetting.report.charts import TRACES, Chart, charts
from vetting.report.model import Curve, Curves, Point, Report
from vetting.report.plane import HEIGHT, TOP
from vetting.report.traces import merged
from vetting.store import Store

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def places(path: str) -> list[tuple[float, float]]:
    numbers = [float(one) for one in NUMBER.findall(path.replace("h.01", ""))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def chart_of(report: Report, title: str) -> Chart:
    return next(chart for chart in charts(report) if chart.title.startswith(title))


def drawn(report: Report, *curves: Curve) -> Report:
    assert report.curves is not None
    end_at = report.curves.begin_at + 1000
    return replace(
        report, curves=Curves(begin_at=report.curves.begin_at, end_at=end_at, stretch_s=1.0, series=curves), breaches=()
    )


def curve(name: str, points: tuple[Point, ...], unit: str = "C") -> Curve:
    highs = [high for _, _, high, _ in points if high is not None]
    lows = [low for _, low, _, _ in points if low is not None]
    return Curve(
        name=name, unit=unit, samples=len(points), not_numbers=0, low=min(lows, default=None), high=max(highs, default=None),
        mean=None, first_at=0, last_at=1000, points=points,
    )  # fmt: skip


def test_one_hot_sample_among_thousands_reaches_its_height_in_the_chart(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    spike_s = 3000.0
    story.series(
        {"temp.cpu": ("C", lambda at: 104.0 if at == spike_s else 50.0)},
        begin_at=records.BEGIN,
        end_at=records.BEGIN + 20_000,
        every_s=0.5,
    )
    chart = chart_of(gather(story), "Temperatures")
    (trace,) = chart.traces
    ticks = {tick.label: tick.at for tick in chart.y_ticks}
    top = min(y for _, y in places(trace.band))
    per_degree = (ticks["80"] - ticks["100"]) / 20
    assert abs((ticks["100"] - top) / per_degree - 4.0) < 0.1
    assert chart.legend[0].high == "104"


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6)) | st.none(), min_size=1, max_size=60),
    st.integers(1, 9),
)
def test_merging_stretches_keeps_the_lowest_and_the_highest(
    pairs: list[tuple[float, float] | None], factor: int
) -> None:
    points: list[Point] = [
        (at, None, None, None) if pair is None else (at, pair[0], pair[0] + pair[1], pair[0])
        for at, pair in enumerate(pairs)
    ]
    after = merged(points, factor)
    for pick, extreme in ((1, min), (2, max)):
        kept = [value for row in after if (value := row[pick]) is not None]
        all_of = [value for row in points if (value := row[pick]) is not None]
        assert extreme(kept, default=None) == extreme(all_of, default=None)


def test_a_line_is_not_drawn_over_a_gap(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    points: tuple[Point, ...] = tuple((at * 1000, 40.0, 41.0, 40.5) for at in (*range(20), *range(500, 520)))
    (chart,) = charts(drawn(report, curve("temp.a", points)))
    assert chart.traces[0].line.count("M") == 2


def test_a_single_sample_is_a_dot(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    (chart,) = charts(drawn(report, curve("temp.a", ((5000, 40.0, 40.0, 40.0),))))
    assert chart.traces[0].dots.endswith("h.01")


def test_a_series_that_was_never_a_number_is_in_the_legend_and_breaks_nothing(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    (chart,) = charts(drawn(report, curve("temp.a", ((0, None, None, None),))))
    assert chart.traces[0].line == ""
    assert chart.legend[0].high == "not a number"


def test_further_series_are_drawn_together_and_named_each(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    chart = chart_of(report, "Temperatures")
    assert [trace.place for trace in chart.traces] == [None, *range(TRACES)]
    assert len(chart.legend) == 18
    assert chart.legend[0].name == "temp.coretemp.package-id-0"


def test_a_series_that_broke_its_limit_is_always_drawn_by_itself(store: Store, gather: Gather) -> None:
    report = gather(records.failed_hot(store))
    assert report.curves is not None
    hot = report.curves.series[0]
    hotter = tuple(replace(hot, name=f"temp.other-{number}", high=200.0 + number, low=100.0) for number in range(20))
    chart = chart_of(replace(report, curves=replace(report.curves, series=(hot, *hotter))), "Temperatures")
    assert hot.name in [trace.name for trace in chart.traces]
    assert next(entry for entry in chart.legend if entry.name == hot.name).broken


def test_limits_and_breaches_stand_in_the_chart(store: Store, gather: Gather) -> None:
    chart = chart_of(gather(records.failed_hot(store)), "Temperatures")
    assert [limit.label for limit in chart.limits] == ["limit <= 90 (critical)"]
    (mark,) = chart.breaches
    assert "97.4" in mark.title
    assert TOP <= mark.y < chart.limits[0].y < HEIGHT
    assert any(span.x <= mark.x <= span.x + span.width for span in chart.breach_spans)


def test_a_limit_far_away_is_named_and_does_not_flatten_the_curve(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    far = replace(report.thresholds[0], limit=1e6)
    chart = chart_of(replace(report, thresholds=(far,)), "Temperatures")
    assert chart.limits == ()
    assert "1\u202f000\u202f000" in chart.off_scale[0]


def test_stages_are_shaded_where_they_were(store: Store, gather: Gather) -> None:
    chart = chart_of(gather(records.vetted(store), closing=True), "Temperatures")
    labels = [shade.label for shade in chart.stages if shade.label]
    assert {"SMART", "CPUStress", "Storage", "Network", "Burn"} <= set(labels)
    assert all(left.x <= right.x for left, right in zip(chart.stages, chart.stages[1:], strict=False))


def test_a_hundred_series_of_many_families_stay_small(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    points: tuple[Point, ...] = tuple((at * 1000, at % 7 + 0.123, at % 7 + 9.456, at % 7 + 4.5) for at in range(360))
    many = tuple(curve(f"family{place % 25}.{place}", points) for place in range(400))
    paths = sum(len(trace.band) + len(trace.line) for chart in charts(drawn(report, *many)) for trace in chart.traces)
    assert paths < 1_500_000
