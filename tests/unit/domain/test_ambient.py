"""Counters before and after a stage: whose fault growth is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain.ambient import LIMITS_OF, RULES, Blame, Sense, judge_counters
from vetting.domain.outcome import Counter, Severity, Verdict


def counter(name: str, before: float | None, after: float | None, component: str = "host") -> Counter:
    return Counter(component=component, name=name, before=before, after=after)


GROWING = sorted(name for name, rule in RULES.items() if rule.sense is Sense.GROWS)
SHRINKING = sorted(name for name, rule in RULES.items() if rule.sense is Sense.SHRINKS)
VERDICT_OF = {Blame.HOST: Verdict.FAIL, Blame.US: Verdict.ERROR, Blame.NOBODY: None}


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("lifetime", [0, 7, 10**9])
def test_a_counter_that_stands_still_says_nothing_whatever_its_lifetime_value(name: str, lifetime: float) -> None:
    assert judge_counters([counter(name, lifetime, lifetime)]) == ((), None, "")


@pytest.mark.parametrize("name", GROWING)
def test_growth_beyond_the_limit_accuses_as_the_table_says(name: str) -> None:
    rule = RULES[name]
    judged = judge_counters([counter(name, 5, 5 + rule.limit + 1)])
    assert judged.verdict is VERDICT_OF[rule.blame]
    (finding,) = judged.findings
    assert rule.words in finding.text
    assert finding.severity is (Severity.WARNING if rule.blame is Blame.NOBODY else Severity.CRITICAL)


@pytest.mark.parametrize("name", [name for name in GROWING if RULES[name].limit])
def test_growth_within_the_limit_accuses_nobody(name: str) -> None:
    judged = judge_counters([counter(name, 5, 5 + RULES[name].limit)])
    assert judged.verdict is None
    assert len(judged.findings) == RULES[name].remark
    assert all(finding.severity is Severity.WARNING for finding in judged.findings)


@pytest.mark.parametrize("name", SHRINKING)
def test_a_part_that_went_away_accuses_the_host_and_one_that_came_does_not(name: str) -> None:
    assert judge_counters([counter(name, 4, 3)]).verdict is Verdict.FAIL
    assert judge_counters([counter(name, 4, 5)]).verdict is None


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("hardware_corrupted_kb", Verdict.FAIL),
        ("mce", Verdict.FAIL),
        ("uncorrected", Verdict.FAIL),
        ("mc0_uncorrected", Verdict.FAIL),
        ("mc12_uncorrected_no_dimm", Verdict.FAIL),
        ("aer_dev_fatal", Verdict.FAIL),
        ("aer_dev_nonfatal", Verdict.FAIL),
        ("aer_dev_correctable", None),
        ("oom_kill", Verdict.ERROR),
        ("rx_errors", None),
        ("tx_carrier_errors", Verdict.FAIL),
        ("media_errors", Verdict.FAIL),
        ("core_throttle_count", None),
        ("sel_record_id", None),
    ],
)
def test_who_is_accused_by_what(name: str, verdict: Verdict | None) -> None:
    assert judge_counters([counter(name, 0, 1)]).verdict is verdict


def test_corrected_errors_accuse_only_in_numbers() -> None:
    assert judge_counters([counter("mc0_corrected", 100, 101)]).verdict is None
    assert judge_counters([counter("mc0_corrected", 100, 111)]).verdict is Verdict.FAIL
    assert judge_counters([counter("mc0_corrected", 100, 101)], limits={"corrected": 0}).verdict is Verdict.FAIL


def test_a_link_that_came_up_late_is_no_flap() -> None:
    assert judge_counters([counter("carrier_changes", 1, 2)]).verdict is None
    assert judge_counters([counter("carrier_changes", 1, 3)]).verdict is Verdict.FAIL


def test_a_stray_frame_in_hours_is_told_and_a_bad_cable_accuses() -> None:
    few, many = (judge_counters([counter("rx_crc_errors", 0, grown)]) for grown in (3, 300))
    assert (few.verdict, [one.severity for one in few.findings]) == (None, [Severity.WARNING])
    assert many.verdict is Verdict.FAIL


@pytest.mark.parametrize("name", ["carrier_changes", "rx_errors", "tx_carrier_errors"])
def test_links_that_train_while_inventory_looks_accuse_nobody(name: str) -> None:
    grown = [counter(name, 0, 40, "nic:52:54:00:00:00:01")]
    early = judge_counters(grown, limits=LIMITS_OF.get("Inventory"))
    assert (early.verdict, [one.severity for one in early.findings]) == (None, [Severity.WARNING])
    assert judge_counters(grown, limits=LIMITS_OF.get("CPUStress")).verdict is Verdict.FAIL


@pytest.mark.parametrize("name", [*sorted(RULES), "a_stage's_own"])
@pytest.mark.parametrize("gone", [None, math.nan, math.inf])
def test_what_could_be_read_before_and_not_after_is_an_error(name: str, gone: float | None) -> None:
    judged = judge_counters([counter(name, 0, gone)])
    assert judged.verdict is Verdict.ERROR
    assert "not after the stage" in judged.reason


def test_what_could_never_be_read_is_told_once_as_unknown() -> None:
    judged = judge_counters(
        [counter("mce", None, None), counter("corrected", None, math.nan), counter("mce", None, None)]
    )
    (finding,) = judged.findings
    assert judged.verdict is None
    assert (finding.severity, "corrected, mce" in finding.text) == (Severity.INFO, True)


def test_what_could_be_read_only_afterwards_is_a_warning() -> None:
    judged = judge_counters([counter("mce", None, 3)])
    assert judged.verdict is None
    assert [finding.severity for finding in judged.findings] == [Severity.WARNING]


def test_a_counter_that_was_reset_is_judged_by_what_it_counted_since() -> None:
    judged = judge_counters([counter("rx_errors", 100, 12)])
    assert judged.verdict is Verdict.FAIL
    assert "went back" in judged.findings[0].text
    assert judge_counters([counter("rx_errors", 100, 0)]).verdict is None


def test_the_host_is_accused_before_us_where_both_are() -> None:
    judged = judge_counters([counter("oom_kill", 0, 1), counter("mce", 0, 1)])
    assert judged.verdict is Verdict.FAIL
    assert "machine check" in judged.reason
    assert len(judged.findings) == 2


def test_a_stages_own_counters_are_left_to_it() -> None:
    assert judge_counters([counter("retransmits", 0, 10**6)]) == ((), None, "")


NUMBERS = st.none() | st.floats()


@given(st.lists(st.builds(counter, st.sampled_from([*RULES, "own"]), NUMBERS, NUMBERS), max_size=8))
def test_any_readings_are_judged_and_a_verdict_always_has_its_reason(counters: list[Counter]) -> None:
    judged = judge_counters(counters)
    assert bool(judged.verdict) is bool(judged.reason)
    assert judged.verdict in (None, Verdict.FAIL, Verdict.ERROR)
    critical = [finding for finding in judged.findings if finding.severity is Severity.CRITICAL]
    assert bool(critical) is bool(judged.verdict)
