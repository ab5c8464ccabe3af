"""What the charts of a run draw: no peak is lost, no gap is drawn over, no name does harm, and nothing grows without bound."""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from tests.browser.scene import Scene, staged
from tests.fakes import records
from tests.unit.web.visitor import visiting
from vetting.domain.outcome import Severity
from vetting.domain.thresholds import Op, Threshold
from vetting.orchestrator.bus import News
from vetting.store import aging, samples
from vetting.store.rows import BreachRow, SeriesRow
from vetting.store.samples import Points
from vetting.web import chartdata, chartgrid, chartreader
from vetting.web.chartdata import chart_data
from vetting.web.chartgrid import Grid
from vetting.web.chartshape import Chart, ChartData
from vetting.web.console import Console
from vetting.web.pages import charts as pages_charts
from vetting.web.pages.charts import RunCharts

BEGIN_MS = 1_795_000_000_000
HOT = Threshold(series="temp.*", op=Op.AT_MOST, limit=90)


def points(values: Sequence[float], *, every_ms: int = 5000, after_ms: int = 0) -> Points:
    at_ms = array("q", (BEGIN_MS + after_ms + place * every_ms for place in range(len(values))))
    return Points(at_ms, array("d", values))


def drawn(
    named: dict[str, Points],
    *,
    thresholds: Sequence[Threshold] = (HOT,),
    breaches: Sequence[BreachRow] = (),
    unit: str = "C",
) -> ChartData:
    series = [SeriesRow(number=number, name=name, unit=unit) for number, name in enumerate(named)]
    last_ms = max(one.at_ms[-1] for one in named.values())
    grid = Grid.over(dict(enumerate(named.values())), begin_ms=BEGIN_MS, end_ms=last_ms)
    return chart_data(1, grid, series, thresholds, breaches, (), ended=False)


def breach(series: str, *, worst: float = 97.4, first_s: float = 60, last_s: float = 120) -> BreachRow:
    return BreachRow(
        id=1, run_id=1, stage="CPUStress", attempt=1, series=series, op=Op.AT_MOST, limit=90, severity=Severity.CRITICAL,
        first_at=BEGIN_MS / 1000 + first_s, last_at=BEGIN_MS / 1000 + last_s, worst=worst, samples=9, open=False,
    )  # fmt: skip


def only(data: ChartData) -> Chart:
    (chart,) = data.charts
    return chart


def finite(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None]


# --- numbers --------------------------------------------------------------------------------------------------------


def test_one_hot_sample_among_a_hundred_thousand_is_the_highest_of_its_stretch() -> None:
    values = [50.0] * 100_000
    values[71_234] = 104.5
    chart = only(drawn({"temp.cpu": points(values)}))
    assert len(chart.at) <= chartgrid.STRETCHES
    (line,) = chart.lines
    assert max(finite(line.high)) == line.most == 104.5
    assert max(finite(line.mean)) < 51


def test_a_grid_that_grows_says_the_same_as_one_that_was_made_at_once() -> None:
    values = [40 + place % 17 + (60 if place == 333 else 0) for place in range(4000)]
    at_once = Grid.over({0: points(values)}, begin_ms=BEGIN_MS, end_ms=BEGIN_MS + 3999 * 5000)
    grown = Grid(BEGIN_MS)
    for first in range(0, 4000, 3):
        grown.add({0: points(values[first : first + 3], after_ms=first * 5000)})
    assert grown.stretch_ms == at_once.stretch_ms
    one, other = grown.tracks[0], at_once.tracks[0]
    assert (one.lows, one.highs, one.counts, one.last) == (other.lows, other.highs, other.counts, other.last)
    assert one.sums == pytest.approx(other.sums)


def test_what_is_no_number_is_counted_and_drawn_nowhere() -> None:
    data = drawn({"temp.cpu": points([50, math.nan, math.inf, -math.inf, 52])})
    (line,) = only(data).lines
    assert finite(line.low) == [50, 52] and data.samples == 2
    grid = Grid.over({0: points([math.nan, math.nan])}, begin_ms=BEGIN_MS, end_ms=BEGIN_MS + 5000)
    (row,) = chartdata.rows(grid, [SeriesRow(number=0, name="temp.cpu", unit="C")], ())
    assert (row.samples, row.not_numbers, row.low, row.mean, row.last) == (2, 2, None, None, None)


def test_nothing_stands_where_nothing_was_measured() -> None:
    values = points([50.0] * 10)
    later = points([60.0] * 10, after_ms=600_000)
    both = Points(values.at_ms + later.at_ms, values.values + later.values)
    data = drawn({"temp.cpu": both})
    at = only(data).at
    assert len(at) == 20
    assert max(after - before for before, after in pairwise(at)) * data.stretch_ms > 500_000


def test_a_late_sample_from_before_the_begin_is_left_out_and_harms_nothing() -> None:
    grid = Grid(BEGIN_MS)
    grid.add({0: points([1.0, 2.0, 3.0], after_ms=-7000)})
    assert sum(grid.tracks[0].counts) == 1


# --- limits and breaches --------------------------------------------------------------------------------------------


def test_a_limit_stands_in_the_charts_that_it_covers_and_says_for_whom() -> None:
    nvme = Threshold(series="temp.nvme.*", op=Op.AT_MOST, limit=80, severity=Severity.WARNING)
    series = {"temp.cpu": points([50.0]), "temp.nvme.composite": points([40.0]), "fan.fan1": points([3000.0])}
    temps, fans = drawn(series, thresholds=(HOT, HOT, nvme)).charts
    assert [one.label for one in temps.limits] == ["limit ≤ 90\u00a0°C", "limit ≤ 80\u00a0°C for temp.nvme.*"]
    assert fans.limits == []


def test_a_limit_of_some_stages_says_which() -> None:
    (limit,) = only(
        drawn(
            {"temp.cpu": points([50.0])},
            thresholds=(Threshold(series="temp.*", op=Op.BELOW, limit=60, stages=("Burn",)),),
        )
    ).limits
    assert limit.stages == ("Burn",) and limit.label.startswith("limit < 60")


def test_whoever_broke_a_limit_is_drawn_before_hotter_ones() -> None:
    many = {f"temp.core-{place}": points([60.0 + place] * 30) for place in range(40)}
    chart = only(drawn(many, breaches=[breach("temp.core-0", worst=61.0)]))
    assert [line.name for line in chart.lines][:2] == ["temp.core-0", "temp.core-39"]
    assert len(chart.lines) == 10 and chart.rest is not None and chart.rest.count == 30
    assert min(finite(chart.rest.low)) == 61 and max(finite(chart.rest.high)) == 90
    (mark,) = chart.breaches
    assert mark.text == "temp.core-0 reached 61, limit ≤ 90\u00a0°C"
    assert (mark.first_ms - BEGIN_MS, mark.last_ms - BEGIN_MS, mark.worst) == (60_000, 120_000, 61.0)


def test_whoever_came_nearest_to_a_limit_of_its_own_is_drawn_before_hotter_ones() -> None:
    disk = Threshold(series="temp.drivetemp.*", op=Op.AT_MOST, limit=65, severity=Severity.WARNING)
    many = {f"temp.core-{place}": points([70.0 + place] * 3) for place in range(12)}
    chart = only(drawn({**many, "temp.drivetemp.sda": points([60.0] * 3)}, thresholds=(HOT, disk)))
    assert chart.lines[0].name == "temp.drivetemp.sda"


def test_a_breach_by_no_number_is_told_as_such() -> None:
    chart = only(drawn({"temp.cpu": points([50.0])}, breaches=[breach("temp.cpu", worst=math.nan)]))
    assert chart.breaches[0].worst is None and "reached not a number" in chart.breaches[0].text


# --- bounds ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flood() -> ChartData:
    """A host that makes names up: 4000 series in 3000 families, a week long."""
    names = [f"f{place % 3000}.x{place}" for place in range(3900)] + [f"temp.core-{place}" for place in range(100)]
    some = points([1.0 + place for place in range(200)], every_ms=3_000_000)
    return drawn(dict.fromkeys(reversed(names), some))


def test_made_up_families_push_no_known_one_out(flood: ChartData) -> None:
    assert flood.charts[0].title == "Temperatures, °C" and len(flood.charts) == chartdata.MOST_CHARTS
    assert flood.left_out == 4000 - sum(len(one.lines) + (one.rest.count if one.rest else 0) for one in flood.charts)


def test_many_series_make_a_chart_coarser_not_heavier(flood: ChartData) -> None:
    lines = [line for chart in flood.charts for line in chart.lines]
    assert sum(len(line.mean) for line in lines) <= chartdata.POINTS_IN_ALL
    assert len(msgspec.json.encode(flood)) < 1_000_000


def test_hostile_names_and_units_are_clean_and_short() -> None:
    name = "temp.\x1b[31m<script>alert(1)</script>\u202e" + "x" * 10_000
    data = drawn({name: points([50.0])}, unit="C\n\u2066" * 40, breaches=[breach(name)])
    said = [only(data).title, only(data).unit, only(data).key, only(data).lines[0].name]
    said += [one.label for one in only(data).limits] + [one.text for one in only(data).breaches]
    assert all(len(text) < 500 for text in said)
    assert not {"\x1b", "\u202e", "\u2066"} & set("".join(said))


# --- over HTTP ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


async def told(scene: Scene, story: records.Story) -> dict[str, Any]:
    async with visiting(scene, await scene.viewer()) as vic:
        return cast("dict[str, Any]", json.loads((await vic.see(f"/runs/{story.run_id}/series.json")).raw))


async def test_a_viewer_gets_the_charts_and_a_stranger_the_sign_in(scene: Scene) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    async with visiting(scene, await scene.viewer()) as vic, visiting(scene, None) as nobody:
        seen = await vic.see(f"/runs/{story.run_id}/series.json")
        assert (seen.status, seen.headers["Content-Type"]) == (200, "application/json")
        assert "no-store" in seen.headers["Cache-Control"]
        for path in ("series.json", "charts"):
            away = await nobody.see(f"/runs/{story.run_id}/{path}")
            assert away.status == 303 and away.headers["Location"].startswith("/sign-in")
        assert (await vic.see("/runs/999/series.json")).status == 404
        for query in ("from=1", "from=5&to=5", "from=-1&to=9", "from=9e9&to=9e99", f"from=1&to={'9' * 40}"):
            assert (await vic.see(f"/runs/{story.run_id}/series.json?{query}")).status == 400, query
    data = json.loads(seen.raw)
    assert data["charts"][0]["breaches"][0]["text"].endswith("reached 97.4, limit ≤ 90\u00a0°C")
    assert [one["name"] for one in data["stages"]][-1] == "CPUStress"


async def test_a_piece_of_the_time_is_finer_than_the_whole(scene: Scene) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    whole = await told(scene, story)
    begin_ms = whole["end_ms"] - 120_000
    async with visiting(scene, await scene.viewer()) as vic:
        seen = await vic.see(f"/runs/{story.run_id}/series.json?from={begin_ms}&to={whole['end_ms']}")
    piece = json.loads(seen.raw)
    assert piece["stretch_ms"] < whole["stretch_ms"]
    assert [line["id"] for line in piece["charts"][0]["lines"]] == [line["id"] for line in whole["charts"][0]["lines"]]
    assert len(piece["charts"][0]["at"]) == 25


async def test_what_came_since_is_in_the_next_answer_and_nothing_is_read_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    first = await told(scene, story)
    monkeypatch.setattr(samples, "everything", None)  # whoever needs it now fails
    steady = {"temp.coretemp.package-id-0": ("C", lambda at: 104.0), "disk.sda.read_mb_s": ("MB/s", lambda at: 512.0)}
    await asyncio.to_thread(
        story.series, steady, begin_at=first["end_ms"] / 1000 + 5, end_at=first["end_ms"] / 1000 + 30
    )
    second = await told(scene, story)
    assert second["samples"] == first["samples"] + 10
    assert second["charts"][0]["lines"][0]["most"] == 104.0
    assert "Disks, MB/s" in {chart["title"] for chart in second["charts"]}
    monkeypatch.undo()
    await scene.server.store.write(lambda: aging.compact(story.run_id, before_ms=2**53))
    assert await told(scene, story) == second


async def test_a_crowd_costs_two_readings(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    readings, real = [], chartreader._look

    def counted(run_id: int, kept: Any) -> chartreader.Drawn:
        readings.append(run_id)
        return real(run_id, kept)

    monkeypatch.setattr(chartreader, "_look", counted)
    reader = chartreader.ChartReader(scene.server.store)
    answers = await asyncio.gather(*(reader.read(story.run_id) for _ in range(50)))
    assert len(readings) == 2 and len({one.body for one in answers}) == 1


async def test_without_scripts_every_series_stands_in_a_table_with_its_breach(scene: Scene) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    async with visiting(scene, await scene.viewer()) as vic:
        text = (await vic.see(f"/runs/{story.run_id}/charts")).text
    assert (
        "temp.coretemp.package-id-0 ✗ breach temp.coretemp.package-id-0 reached 97.4, limit ≤ 90\u00a0°C"
        in text.replace(" °C", "\u00a0°C")
    )
    assert "power.psu1 Power, W 128.8" in text.replace("\u00a0W", "")


async def test_the_runs_page_does_not_wait_for_a_long_soak(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    story = await asyncio.to_thread(records.failed_hot, scene.server.store)
    async with visiting(scene, await scene.viewer()) as vic:
        assert "Every series as a table, as it was" in (await vic.see(f"/runs/{story.run_id}")).text
        monkeypatch.setattr(pages_charts, "WAIT_S", 0)
        at_once = await vic.see(f"/runs/{story.run_id}")
    assert f'href="/runs/{story.run_id}/charts"' in at_once.raw and "reached 97.4, limit ≤" not in at_once.text


# --- live -----------------------------------------------------------------------------------------------------------


def news(kind: str, at: float, **data: Any) -> News:
    return News(id=1, at=at, kind=kind, run_id=1, data=data)


class Looked:
    """A console whose charts of run 1 were looked at."""

    class charts:
        @staticmethod
        def known(run_id: int) -> dict[str, int] | None:
            return {"temp.cpu": 7} if run_id == 1 else None


def feed() -> RunCharts:
    return RunCharts(cast(Console, Looked()), 1)


def test_samples_go_out_once_a_second_with_low_high_and_mean() -> None:
    live, names = feed(), ["temp.cpu"]
    first = list(live.events(news("run.samples", 10.0, names=names, samples=[(0, 10_000, 50.0), (0, 10_500, 60.0)])))
    assert first == [("samples", {"run": 1, "points": [(7, 10, 50.0, 60.0, 55.0)], "last": [(7, 10_500, 60.0)]})]
    assert list(live.events(news("run.samples", 10.2, names=names, samples=[(0, 10_900, 70.0)]))) == []
    assert list(live.events(news("run.progress", 10.9))) == []
    ((_, later),) = live.events(news("run.progress", 11.1))
    assert later["points"] == [(7, 10, 70.0, 70.0, 70.0)]
    assert list(live.events(news("run.progress", 12.2))) == []


def test_a_series_that_no_chart_has_makes_the_browser_read_afresh() -> None:
    ((_, said),) = feed().events(news("run.samples", 10.0, names=["disk.sda"], samples=[(0, 10_000, 50.0)]))
    assert said == {"run": 1, "afresh": True}


def test_a_flood_after_an_outage_is_one_word() -> None:
    flood = [(0, 1000 * second, 50.0) for second in range(5000)]
    ((_, said),) = feed().events(news("run.samples", 10.0, names=["temp.cpu"], samples=flood))
    assert said == {"run": 1, "afresh": True}


def test_what_is_no_number_is_the_last_value_and_no_point() -> None:
    ((_, said),) = feed().events(news("run.samples", 10.0, names=["temp.cpu"], samples=[(0, 10_000, math.nan)]))
    assert (said["points"], said["last"]) == ([], [(7, 10_000, None)])


def test_a_breach_goes_out_at_once_and_clean() -> None:
    data = {"change": "opened", "series": "temp.\u202ecpu", "severity": "critical", "first_at": 1.0, "last_at": 2.0,
            "worst": math.nan, "text": "temp.\u202ecpu reached nan", "op": "<=", "limit": 90}  # fmt: skip
    ((name, said),) = feed().events(news("run.breach", 10.0, **data))
    assert name == "breach" and said["worst"] is None and "\u202e" not in json.dumps(said, ensure_ascii=False)
    assert (said["id"], said["op"], said["limit"]) == (None, "≤", 90)
