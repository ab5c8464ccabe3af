"""Thresholds judged sample by sample."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain import limits
from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.limits import Breach, BreachChange, Judge, could_match, covers, seeded, unheard, weaknesses
from vetting.domain.outcome import Severity
from vetting.domain.thresholds import Op, Threshold

HOT = Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, hold_samples=3)
OPENED, UPDATED, CLOSED = BreachChange.OPENED, BreachChange.UPDATED, BreachChange.CLOSED


def changes(judge: Judge, values: list[float], series: str = "temp.cpu") -> list[list[BreachChange]]:
    return [[event.change for event in judge.feed(series, value, at)] for at, value in enumerate(values)]


def test_a_breach_opens_at_the_third_bad_sample_in_a_row_and_closes_at_the_third_good_one() -> None:
    seen = changes(Judge([HOT]), [96, 96, 96, 94, 94, 94, 94])
    assert seen == [[], [], [OPENED], [], [], [CLOSED], []]


def test_a_good_sample_in_between_begins_the_count_anew() -> None:
    assert changes(Judge([HOT]), [96, 96, 94, 96, 96]) == [[]] * 5


def test_a_breach_that_gets_worse_is_news_and_one_that_does_not_is_none() -> None:
    judge = Judge([HOT])
    assert changes(judge, [96, 96, 96, 97, 96, 99]) == [[], [], [OPENED], [UPDATED], [], [UPDATED]]
    (breach,) = judge.open
    assert (breach.worst, breach.bad_samples, breach.opened_at, breach.last_at) == (99, 6, 0, 5)
    assert "99" in breach.text and "95" in breach.text


def test_the_worst_sample_is_kept_wherever_it_came() -> None:
    judge = Judge([HOT])
    changes(judge, [96, 99, 97, 98])
    assert [breach.worst for breach in judge.open] == [99]


def test_a_breach_ends_with_the_first_of_the_good_samples() -> None:
    judge = Judge([HOT])
    changes(judge, [96, 96, 96])
    (event,) = [event for at in (10, 11, 12) for event in judge.feed("temp.cpu", 90.0, at)]
    assert (event.change, event.breach.closed_at) == (CLOSED, 10)


def test_each_of_several_thresholds_on_a_series_has_its_own_breach() -> None:
    warm = Threshold(series="temp.*", op=Op.AT_MOST, limit=80.0, hold_samples=3, stages=("Burn",))
    judge = Judge([HOT, warm], stage="Burn")
    changes(judge, [96, 96])
    assert [event.breach.threshold for event in judge.feed("temp.cpu", 96.0, 2)] == [HOT, warm]
    assert len(judge.open) == 2
    assert [event.breach.threshold for event in judge.enter("GPU", 3)] == [warm]
    judge = Judge([HOT, warm], stage="Burn")
    changes(judge, [96, 96, 96, 70, 70])
    assert [event.change for event in judge.feed("temp.cpu", 70.0, 5)] == [CLOSED, CLOSED]


def test_a_bad_sample_among_the_good_keeps_the_breach_open() -> None:
    assert changes(Judge([HOT]), [96, 96, 96, 94, 94, 96, 94, 94])[3:] == [[]] * 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("op", list(Op))
def test_what_is_no_number_is_bad_under_every_comparison(op: Op, value: float) -> None:
    judge = Judge([Threshold(series="*", op=op, limit=0.0, hold_samples=1)])
    assert [event.change for event in judge.feed("temp.x", value, 0.0)] == [OPENED]


@pytest.mark.parametrize("op", list(Op))
def test_a_limit_that_is_no_number_lets_nothing_pass(op: Op) -> None:
    judge = Judge([Threshold(series="*", op=op, limit=math.nan, hold_samples=1)])
    assert judge.feed("temp.x", 1.0, 0.0)


COMPARE = {
    Op.AT_MOST: lambda value, limit: value <= limit,
    Op.BELOW: lambda value, limit: value < limit,
    Op.AT_LEAST: lambda value, limit: value >= limit,
    Op.ABOVE: lambda value, limit: value > limit,
    Op.EQUALS: lambda value, limit: value == limit,
}


@given(st.sampled_from(list(Op)), st.floats(), st.floats(allow_nan=False, allow_infinity=False))
def test_a_sample_is_healthy_exactly_where_it_is_finite_and_the_comparison_holds(
    op: Op, value: float, limit: float
) -> None:
    healthy = math.isfinite(value) and COMPARE[op](value, limit)
    judge = Judge([Threshold(series="*", op=op, limit=limit, hold_samples=1)])
    assert bool(judge.feed("temp.x", value, 0.0)) is not healthy


@given(st.lists(st.floats(min_value=0, max_value=200) | st.just(math.nan)), st.integers(1, 5))
def test_openings_and_closings_take_turns_and_each_needs_its_run_of_samples(values: list[float], hold: int) -> None:
    judge = Judge([Threshold(series="*", op=Op.AT_MOST, limit=95.0, hold_samples=hold)])
    good = [value <= 95.0 for value in values]
    is_open = False
    for at, value in enumerate(values):
        for event in judge.feed("temp.x", value, at):
            tail = good[max(0, at - hold + 1) : at + 1]
            if event.change is OPENED:
                assert not is_open and len(tail) == hold and not any(tail)
                is_open = True
            elif event.change is CLOSED:
                assert is_open and len(tail) == hold and all(tail)
                is_open = False
            else:
                assert is_open
    assert is_open is bool(judge.open)


def test_a_threshold_of_another_stage_is_not_in_force() -> None:
    row = Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, hold_samples=1, stages=("Burn",))
    judge = Judge([row], stage="CPUStress")
    assert not judge.feed("temp.x", 120.0, 0.0)
    judge.enter("Burn", 1.0)
    assert [event.change for event in judge.feed("temp.x", 120.0, 2.0)] == [OPENED]
    assert [event.change for event in judge.enter("GPU", 3.0)] == [CLOSED]
    assert not judge.open


def test_a_breach_goes_on_into_the_next_stage_where_its_threshold_is_in_force_there() -> None:
    judge = Judge([HOT], stage="CPUStress")
    changes(judge, [99, 99, 99])
    assert not judge.enter("Storage", 4.0)
    assert [breach.series for breach in judge.open] == ["temp.cpu"]
    assert changes(judge, [90, 90, 90])[-1] == [CLOSED]


def test_breaches_open_at_a_restart_go_on_and_can_close() -> None:
    before = Breach(series="temp.cpu", threshold=HOT, opened_at=1.0, last_at=9.0, worst=99.0, bad_samples=8)
    judge = Judge([HOT], open_breaches=[before])
    assert judge.open == (before,)
    assert changes(judge, [98, 90, 90, 90]) == [[], [], [], [CLOSED]]


def test_series_are_matched_with_case_told_apart() -> None:
    assert covers(HOT, "temp.coretemp.package-id-0")
    assert not covers(HOT, "Temp.x")
    assert not covers(HOT, "volt.temp.x")


def test_more_series_than_any_host_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERIES_CAP", 3)
    judge = Judge([HOT])
    for number in range(3):
        judge.feed(f"temp.{number}", 1.0, 0.0)
    with pytest.raises(BadInput, match="more than 3 series"):
        judge.feed("temp.3", 1.0, 0.0)
    judge.feed("temp.0", 1.0, 0.0)


def test_a_required_threshold_whose_series_never_arrived_is_unheard() -> None:
    power = Threshold(series="power.*", op=Op.AT_LEAST, limit=1.0, required=False)
    assert unheard([HOT, power], ["volt.x"]) == (HOT,)
    assert unheard([HOT, power], ["temp.x"]) == ()


def test_a_threshold_of_another_stage_is_not_waited_for() -> None:
    row = Threshold(series="power.*", op=Op.AT_LEAST, limit=1.0, stages=("PSU",))
    assert unheard([row], [], stage="Burn") == ()
    assert unheard([row], [], stage="PSU") == (row,)


def test_a_hosts_own_highest_temperature_takes_the_place_of_the_shared_one() -> None:
    (row,) = seeded([HOT], ExpectedSpec(max_temp_c=70.0))
    assert (row.series, row.limit) == ("temp.*", 70.0)
    assert seeded([HOT], ExpectedSpec()) == (HOT,)
    assert seeded([], ExpectedSpec(max_temp_c=70.0))[0].limit == 70.0


@pytest.mark.parametrize(
    ("glob", "can"),
    [
        ("temp.*", True),
        ("*", True),
        ("**", True),
        ("t?mp.*", True),
        ("*.core-0", True),
        ("temp*", True),
        ("[a-t]emp.*", True),
        ("temp.coretemp.core-0", True),
        ("temp", False),
        ("temp.", False),
        ("Temp.*", False),
        ("tmp.*", False),
        ("temp_*", False),
        ("te p.*", False),
        ("", False),
    ],
)
def test_a_glob_that_can_match_no_series_of_a_family_is_told_apart(glob: str, can: bool) -> None:
    assert could_match(glob, "temp.") is can


@given(
    st.text(alphabet="temp.*?", min_size=1, max_size=12),
    st.text(alphabet="temp.-0", min_size=1, max_size=12).map(lambda tail: f"temp.{tail}"),
)
def test_a_glob_that_matches_a_name_is_never_called_impossible(glob: str, name: str) -> None:
    if fnmatchcase(name, glob):
        assert could_match(glob, "temp.")


@pytest.mark.parametrize(
    ("rows", "weak"),
    [
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0),), False),
        ((), True),
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=150.0),), True),
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=math.nan),), True),
        ((Threshold(series="temp.*", op=Op.AT_LEAST, limit=95.0),), True),
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, required=False),), True),
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, severity=Severity.WARNING),), True),
        ((Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, stages=("PSU",)),), True),
        ((Threshold(series="temp.coretemp.*", op=Op.AT_MOST, limit=95.0),), True),
    ],
)
def test_thresholds_that_watch_no_heat_are_named(rows: tuple[Threshold, ...], weak: bool) -> None:
    assert bool(weaknesses(rows)) is weak
