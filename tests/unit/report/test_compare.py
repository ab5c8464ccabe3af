"""Two runs beside each other: what differs, how much, and for better or worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import records
from tests.unit.report.conftest import Gather
from vetting.domain.profiles import DEEP, TASTE
from vetting.report.compare import Comparison, Row, compare
from vetting.report.figures import Turn, amount, amount_s, spread_of, turned
from vetting.report.model import BreachShown, CounterShown, FindingShown, Mark, MeasurementShown, Report, Weight
from vetting.store import Store


@pytest.fixture
def good(store: Store, gather: Gather) -> Report:
    return gather(records.completed(records.vetted(store)))


@pytest.fixture
def hot(store: Store, gather: Gather, good: Report) -> Report:
    return gather(records.failed_hot(store, now=records.BEGIN + 90_000))


def differing(found: Comparison) -> dict[str, Row]:
    """By name; a stage's time has the stage's name too, and stands behind it."""
    return {row.what: row for part in reversed(found.sections) for row in part.differ}


def measured(report: Report, series: str, value: float | None, unit: str) -> Report:
    one = MeasurementShown(
        stage="Storage", attempt=1, series=series, component="disk:X", value=value, unit=unit, kind=""
    )
    return replace(report, measurements=(*report.measurements, one))


def test_a_run_beside_itself_differs_in_nothing(good: Report) -> None:
    found = compare(good, good)
    assert differing(found) == {}
    assert found.cautions == ()
    assert found.count(Turn.SAME) > 60


def test_two_real_runs_differ_in_what_happened_to_the_second(good: Report, hot: Report) -> None:
    found = differing(compare(good, hot))
    assert found["Verdict"].turn is Turn.WORSE
    assert found["CPUStress"].turn is Turn.WORSE
    assert found["CPUStress"].before == "PASS"
    assert "2 attempts" in found["CPUStress"].after
    assert found["Storage"].after.startswith("MISSING")
    assert not [what for what in found if what.startswith("Storage: ")]  # once is enough
    assert found["highest temperature of all"].turn is Turn.WORSE
    assert found["highest temperature of all"].amount.startswith("+")
    assert any(what.startswith("Breach: critical: not temp.coretemp.package-id-0 <= 90") for what in found)
    assert any(what.startswith("Finding: warning: cpu: package throttled") for what in found)


def test_what_got_worse_stands_before_what_got_better(good: Report, hot: Report) -> None:
    order = list(Turn)
    for part in compare(hot, good).sections:
        places = [order.index(row.turn) for row in part.differ]
        assert places == sorted(places)


def test_the_other_way_round_the_same_things_got_better(good: Report, hot: Report) -> None:
    worse = {what for what, row in differing(compare(good, hot)).items() if row.turn is Turn.WORSE}
    better = {what for what, row in differing(compare(hot, good)).items() if row.turn is Turn.BETTER}
    assert {"Verdict", "CPUStress", "highest temperature of all"} <= worse & better


@pytest.mark.parametrize(
    ("series", "unit", "before", "after", "turn"),
    [
        ("temp.cpu", "C", 70, 73, Turn.SAME),
        ("temp.cpu", "C", 70, 73.5, Turn.WORSE),
        ("temp.cpu", "C", 70, 60, Turn.BETTER),
        ("disk.x.fio.iops", "/s", 10_000, 9_100, Turn.SAME),
        ("disk.x.fio.iops", "/s", 10_000, 8_900, Turn.WORSE),
        ("disk.x.fio.p99", "ms", 10, 12.5, Turn.SAME),
        ("disk.x.fio.p99", "ms", 10, 13, Turn.WORSE),
        ("disk.x.fio.p99", "ms", 0.2, 0.6, Turn.SAME),  # the smallest latencies vary by themselves
        ("net.eno1", "Mb/s", 9_400, 8_900, Turn.WORSE),
        ("disk.x.reallocated", "events", 0, 1, Turn.WORSE),
        ("disk.x.percentage_used", "%", 3, 4, Turn.WORSE),
        ("power.psu1", "W", 300, 400, Turn.CHANGED),
        ("power.psu1", "W", 300, 320, Turn.SAME),
    ],
)
def test_a_figure_moved_when_it_left_its_usual_spread(
    series: str, unit: str, before: float, after: float, turn: Turn
) -> None:
    assert turned(before, after, spread_of(series, unit)) is turn


def test_how_much_is_said_in_the_figures_own_unit_and_in_percent() -> None:
    assert amount(70, 84, "C") == "+14\u00a0°C (+20\u00a0%)"
    assert amount(200, 100, "MB/s") == "\u2212100\u00a0MB/s (\u221250\u00a0%)"
    assert amount(0, 3, "events") == "+3\u00a0events"
    assert amount(5, 5) == ""
    assert amount_s(100, 160) == "+1\u00a0min\u00a000\u00a0s (+60\u00a0%)"


def test_what_was_no_number_is_not_held_against_anything(good: Report) -> None:
    found = differing(
        compare(measured(good, "disk.x.fio.iops", None, "/s"), measured(good, "disk.x.fio.iops", 9, "/s"))
    )
    assert found["disk.x.fio.iops, Storage"].turn is Turn.CHANGED
    assert found["disk.x.fio.iops, Storage"].before == "not a number"
    assert found["disk.x.fio.iops, Storage"].amount == ""


def test_a_figure_that_only_one_run_has_is_told(good: Report) -> None:
    found = differing(compare(good, measured(good, "disk.x.fio.iops", 9, "/s")))
    assert found["disk.x.fio.iops, Storage"].before == "not there"


def test_a_counter_that_grew_is_worse_and_one_that_could_not_be_read_is_not_zero(good: Report) -> None:
    def grown(by: float | None) -> Report:
        one = CounterShown(
            stage="SMART", attempt=1, component="disk:X", name="reallocated", before=0, after=by, delta=by
        )
        return replace(good, counters=(*good.counters, one))

    def turn(before: float | None, after: float | None) -> Turn:
        return differing(compare(grown(before), grown(after)))["disk:X reallocated"].turn

    assert turn(0, 2) is Turn.WORSE
    assert turn(None, 2) is Turn.WORSE
    assert turn(2, 0) is Turn.BETTER
    assert turn(0, None) is Turn.CHANGED
    assert "disk:X reallocated" not in differing(compare(grown(0), grown(0)))
    assert differing(compare(good, grown(1)))["disk:X reallocated"].turn is Turn.WORSE


def test_a_part_that_is_tested_no_more_is_worse(good: Report) -> None:
    less = replace(good, coverage=tuple(row for row in good.coverage if row.component != "cpu"))
    assert differing(compare(good, less))["CPUStress: " + cpu_name(good)].turn is Turn.WORSE
    skipped = replace(
        good, coverage=tuple(replace(row, mark=Mark.SKIP) if row.component == "cpu" else row for row in good.coverage)
    )
    assert differing(compare(good, skipped))["CPUStress: " + cpu_name(good)].turn is Turn.WORSE


def cpu_name(report: Report) -> str:
    return next(row.name for row in report.coverage if (row.stage, row.component) == ("CPUStress", "cpu"))


def test_less_of_the_work_is_worse(good: Report, store: Store, gather: Gather) -> None:
    less = replace(
        good,
        coverage=tuple(
            replace(row, work=tuple(replace(part, percent=50.0) for part in row.work))
            if row.component == "memory"
            else row
            for row in good.coverage
        ),
    )
    assert [row.turn for row in differing(compare(good, less)).values()] == [Turn.WORSE, Turn.WORSE]  # CPUStress, Burn


def test_a_finding_is_known_again_whatever_its_numbers(good: Report) -> None:
    def told(text: str, severity: Weight = Weight.WARNING) -> Report:
        one = FindingShown(
            stage="Burn", attempt=1, at=1.0, severity=severity, component="cpu", source="kmsg", text=text
        )
        return replace(good, findings=(one,))

    assert not differing(compare(told("cpu 3 throttled 17 times"), told("cpu 5 throttled 2 times")))
    (row,) = differing(compare(good, told("cpu 3 throttled 17 times"))).values()
    assert (row.before, row.after, row.turn) == ("none", "once", Turn.WORSE)
    (row,) = differing(compare(good, told("for your information", Weight.INFO))).values()
    assert row.turn is Turn.CHANGED


def test_a_breach_is_known_by_its_limit(good: Report) -> None:
    one = BreachShown(
        stage="Burn", attempt=1, series="temp.x", op="<=", limit=90, severity=Weight.CRITICAL, first_at=1, last_at=2,
        worst=97, samples=3, open=False, text="temp.x reached 97, limit <= 90",
    )  # fmt: skip
    broken = replace(good, breaches=(one,))
    assert not differing(compare(broken, replace(good, breaches=(replace(one, worst=99),))))
    (row,) = differing(compare(broken, good)).values()
    assert row.turn is Turn.BETTER


def test_another_version_of_firmware_or_a_part_is_changed_and_nothing_more(good: Report) -> None:
    newer = replace(
        good,
        firmware=tuple(replace(one, version="3.9") if one.component == "bios" else one for one in good.firmware),
        host=replace(good.host, parts=good.host.parts[:-1]),
    )
    found = differing(compare(good, newer))
    assert {row.turn for row in found.values()} == {Turn.CHANGED}
    assert found["bios system"].before == "3.8a"
    assert found["bios system"].after == "3.9"
    assert found[good.host.parts[-1].label].after == "not there"


def test_runs_that_do_not_compare_say_so_first(store: Store, gather: Gather, good: Report) -> None:
    assert "different profiles, quick and deep" in cautioned(
        good, replace(good, run=replace(good.run, profile=DEEP.name))
    )
    assert "run 1 was non-destructive" in cautioned(replace(good, run=replace(good.run, non_destructive=True)), good)
    assert "these are two hosts" in cautioned(good, replace(good, host=replace(good.host, name="pve-r7-04")))
    knob = replace(good, profile=(replace(good.profile[1], value="other"), *good.profile[2:]))
    assert good.profile[1].label in cautioned(good, knob)
    short = gather(records.taste(store, now=records.BEGIN + 500_000))
    assert "was shorter or less than quick" in cautioned(good, short)
    assert TASTE.name in cautioned(good, short)


def test_a_run_that_failed_or_is_not_over_says_so_first(good: Report, hot: Report) -> None:
    assert f"run {hot.run.id} did not pass (failed)" in cautioned(good, hot)
    open_still = replace(good, verdict=replace(good.verdict, word="incomplete"))
    assert "is not over" in cautioned(good, open_still)


def cautioned(before: Report, after: Report) -> str:
    return "\n".join(compare(before, after).cautions)
