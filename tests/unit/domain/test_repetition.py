"""How often the test that failed has to pass: the figures hold for every history, and no bound is passed over in silence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain import repetition
from vetting.domain.repetition import Bounds, History

WIDE = Bounds(times=1000, seconds=math.inf)
confidences = st.floats(0.5, 0.999)
histories = st.builds(
    lambda failures, passes, load_s: History(
        stage="CPUStress", run_id=1, failures=failures, attempts=failures + passes, load_s=load_s
    ),
    st.integers(1, 20), st.integers(0, 20), st.floats(0.0, 1e6),
)  # fmt: skip
loads = st.floats(1.0, 1e5)


def failed_once(load_s: float, stage: str = "CPUStress") -> History:
    return History(stage=stage, run_id=1, failures=1, attempts=1, load_s=load_s)


def test_one_failure_after_two_minutes_asks_for_three_times_two_minutes_without() -> None:
    once = failed_once(120)
    assert repetition.needed_s(once, 0.95) == pytest.approx(359.5, abs=0.1)
    assert repetition.passes_needed(once, 0.95, 120) == 3
    assert repetition.passes_needed(once, 0.95, 3600) == 1  # a pass that is much longer than it took to fail is enough


def test_a_failure_in_one_of_three_attempts_asks_for_nine_passes() -> None:
    history = History(stage="Burn", run_id=1, failures=1, attempts=3, load_s=360)
    assert repetition.passes_needed(history, 0.95, 120) == 9
    # as often as by counting attempts, or once more: ln 0.05 / ln (2/3) = 7.4
    assert repetition.passes_needed(history, 0.95, 120) >= math.ceil(math.log(0.05) / math.log(2 / 3))


@given(histories, confidences, loads)
def test_so_many_passes_reach_the_confidence_and_one_less_does_not(
    history: History, confidence: float, pass_s: float
) -> None:
    count = repetition.passes_needed(history, confidence, pass_s)
    assert repetition.reached(history, count * pass_s) >= confidence - 1e-6
    if count > 1:
        assert repetition.reached(history, (count - 1) * pass_s) < confidence


@given(histories, confidences, loads)
def test_a_stage_is_repeated_exactly_until_it_is_proved(history: History, confidence: float, pass_s: float) -> None:
    passes: list[float] = []
    wanted = min(repetition.passes_needed(history, confidence, pass_s), 60)
    while len(passes) < wanted:
        assert not passes or repetition.once_more(history, confidence, WIDE, passes)
        passes.append(pass_s)
    if wanted < 60:
        assert repetition.proved(history, confidence, passes)
        assert not repetition.once_more(history, confidence, WIDE, passes)


@given(histories, loads, loads)
def test_more_load_never_makes_it_less_sure(history: History, one: float, more: float) -> None:
    assert 0.0 <= repetition.reached(history, one) <= repetition.reached(history, one + more) <= 1.0


@given(histories, confidences, loads, st.integers(1, 20), st.floats(0, 1e6))
def test_no_bound_is_passed(history: History, confidence: float, pass_s: float, times: int, seconds: float) -> None:
    bounds, passes = Bounds(times=times, seconds=seconds), [pass_s]
    while repetition.once_more(history, confidence, bounds, passes):
        passes.append(pass_s)
    assert len(passes) <= times
    assert sum(passes[1:]) <= seconds
    assert len(passes) <= repetition.within(bounds, pass_s) or len(passes) == 1


def test_a_stage_that_only_looks_is_passed_once() -> None:
    smart = failed_once(130, "SMART")
    assert repetition.passes_needed(smart, 0.99, 130) == 1
    assert repetition.proved(smart, 0.99, (0.5,))
    assert not repetition.once_more(smart, 0.99, WIDE, (130.0,))
    assert not repetition.proved(smart, 0.99, ())


def test_a_failure_in_no_time_at_all_is_no_division_by_nothing() -> None:
    assert repetition.passes_needed(failed_once(0.0), 0.95, 60) == 1
    assert repetition.reached(failed_once(0.0), 60) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("confidence", "said"),
    [
        (0.95, "95 %"),
        (0.8647, "86 %"),
        (0.9969, "99.6 %"),
        (0.9999, "more than 99.9 %"),
        (0.005, "0.5 %"),
        (0.0, "0 %"),
    ],
)
def test_a_percentage_never_promises_more_than_was_reached(confidence: float, said: str) -> None:
    assert repetition.percent(confidence) == said


@pytest.mark.parametrize("clean_s", [math.nan, -1.0, math.inf])
def test_a_time_that_is_none_proves_nothing(clean_s: float) -> None:
    assert repetition.reached(failed_once(60), clean_s) == 0.0
