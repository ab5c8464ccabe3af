"""What counts as caught, as missed, and as a false alarm: decided on what a report says, piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.campaign import matching, matrix, proving
from tests.campaign.fault import Caught, Proved
from tests.campaign.result import Came, Result, keep, kept
from vetting.domain.outcome import Verdict


def report(**parts: Any) -> dict[str, Any]:
    """A run that was held in Storage, as report.json tells it."""
    said = "disk:BAD-1: surface: 1 block could not be read, the first at byte 10485760"
    attempt = {"attempt": 1, "mark": "FAIL", "reason": said, "objections": [], "started_at": 100.0, "ended_at": 130.0}
    base = {
        "findings": [], "differences": [], "breaches": [],
        "coverage": [{"stage": "Storage", "attempt": 1, "component": "disk:BAD-1", "mark": "FAIL", "reason": said}],
        "stages": [
            {"name": "SMART", "attempts": [{**attempt, "mark": "PASS", "reason": ""}]},
            {"name": "Storage", "attempts": [attempt]},
        ],
        "run": {"state": "FailedHolding", "failed_stage": "Storage", "reason": f"Storage FAIL: {said}"},
    }  # fmt: skip
    return base | parts


def finding(severity: str, component: str, text: str, *, stage: str = "Storage", at: float = 111.0) -> dict[str, Any]:
    return {
        "stage": stage,
        "attempt": 1,
        "at": at,
        "severity": severity,
        "component": component,
        "source": "kernel",
        "text": text,
    }


EXPECT = Caught(stage="Storage", component="BAD-1", words="could not be read")


def test_the_stage_that_says_the_words_about_the_part_has_caught_it() -> None:
    catch = matching.caught(report(), EXPECT)
    assert catch is not None
    assert (catch.stage, catch.verdict, catch.at, catch.began_at) == ("Storage", "FAIL", 130.0, 100.0)
    assert "byte 10485760" in catch.words


@pytest.mark.parametrize(
    "expect",
    [
        Caught(stage="SMART", component="BAD-1", words="could not be read"),
        Caught(stage="Storage", component="BAD-2", words="could not be read"),
        Caught(stage="Storage", component="BAD-1", words="computed wrong"),
        Caught(stage="Storage", component="BAD-1", words="could not be read", verdicts=(Verdict.ERROR,)),
    ],
    ids=["another stage", "another part", "other words", "another verdict"],
)
def test_anything_less_is_a_miss(expect: Caught) -> None:
    assert matching.caught(report(), expect) is None
    assert "the run is FailedHolding Storage" in matching.said_instead(report())


def test_part_and_words_must_stand_in_one_piece() -> None:
    apart = report(
        coverage=[], run={"state": "FailedHolding", "failed_stage": "Storage", "reason": ""},
        stages=[{"name": "Storage", "attempts": [{
            "attempt": 1, "mark": "FAIL", "reason": "", "objections": ["something could not be read"], "started_at": 0.0, "ended_at": 9.0,
        }]}],
        findings=[finding("critical", "disk:BAD-1", "is slow")],
    )  # fmt: skip
    assert matching.caught(apart, EXPECT) is None


def test_the_moment_of_a_finding_goes_before_the_end_of_its_stage() -> None:
    told = report(findings=[finding("critical", "disk:BAD-1", "a sector could not be read")])
    catch = matching.caught(told, EXPECT)
    assert catch is not None and catch.at == 111.0


def healthy(**parts: Any) -> dict[str, Any]:
    passed = {"attempt": 1, "mark": "PASS", "reason": "", "objections": [], "started_at": 0.0, "ended_at": 9.0}
    stages = [{"name": "Storage", "attempts": [passed]}, {"name": "GPU", "attempts": [{**passed, "mark": "SKIP"}]}]
    return report(coverage=[], stages=stages, run={"state": "Completed", "failed_stage": "", "reason": ""}) | parts


def test_a_healthy_host_with_nothing_but_true_words_is_no_alarm() -> None:
    said = healthy(
        findings=[finding("info", "cpu", "hello"), finding("warning", "nic", "a virtual card tells no speed")]
    )
    assert matching.false_alarms(said, ("tells no speed",)) == ()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"findings": [finding("warning", "disk:X", "is slow")]}, "disk:X: is slow"),
        ({"run": {"state": "Cancelled", "failed_stage": "", "reason": "because"}}, "Cancelled instead of Completed"),
        ({"stages": report()["stages"]}, "Storage FAIL"),
    ],
)
def test_a_warning_a_verdict_or_an_end_that_accuses_is_an_alarm(parts: dict[str, Any], words: str) -> None:
    assert words in "; ".join(matching.false_alarms(healthy(**parts), ()))


# --- the page


CAUGHT = Result(
    name="a", row="medium-errors", title="A disk | that cannot", came=Came.CAUGHT, profile="campaign", stage="Storage", verdict="FAIL",
    words="disk:BAD-1:\n<b>", seconds=12.5,
)  # fmt: skip
MISSED = Result(
    name="b", row="pcie-errors", title="AER", came=Came.MISSED, profile="campaign", instead=("the run is Completed",)
)
HEALTHY = Result(name="c", row="", title="One disk", came=Came.HEALTHY, wall_s=240.0)
ALARM = Result(name="d", row="", title="Two disks", came=Came.FALSE_ALARM, instead=("Storage FAIL: slow",))
IDLE = Result(name="e", row="gpu-faults", title="A GPU", came=Came.NOT_TRIED, words="there is none here")


def test_the_page_tells_catches_misses_alarms_and_what_was_not_tried() -> None:
    said = matrix.page((CAUGHT, MISSED, HEALTHY, ALARM, IDLE), {"QEMU": "7.2"})
    assert r"| A disk \| that cannot | campaign | yes | Storage FAIL | disk:BAD-1: &lt;b> | 12.5 s |" in said
    assert "**1 faults caught, 1 missed; 2 healthy hosts, 1 false alarms.** Not tried: 1." in said
    assert "- **AER** was missed; said instead: the run is Completed" in said
    assert "| Two disks | **false alarm**: Storage FAIL: slow |" in said
    assert "- A GPU: there is none here" in said and "- QEMU 7.2" in said


def test_the_page_and_the_json_carry_no_day_and_no_hour() -> None:
    dated = CAUGHT.but(words="memory: the BMC recorded: 01/02/30 | 13:14:15 UTC | Memory #0x53 | Uncorrectable ECC")
    for said in (matrix.page((dated,), {}), matrix.data((dated,), {}).decode()):
        assert "13:14:15" not in said and "the BMC recorded: Memory #0x53" in said


def test_the_last_word_on_a_row_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for came in (Came.SPOILED, Came.CAUGHT):
        keep(path, CAUGHT.but(came=came))
    assert [one.came for one in kept(path).values()] == [Came.CAUGHT]


# --- rows that other tests prove

PROOF = Proved(name="p", row="unknown-macs", title="Strangers", nodes=("x.py",), says="no offer")


@pytest.mark.parametrize(
    ("cases", "came"),
    [
        ('<testcase name="a" time="1"/>', Came.CAUGHT),
        ('<testcase name="a"/><testcase name="b"><failure message="no"/></testcase>', Came.MISSED),
        ('<testcase name="a"><skipped message="no browser"/></testcase>', Came.NOT_TRIED),
        ("", Came.NOT_TRIED),
    ],
)
def test_a_row_is_proved_by_tests_that_ran_and_passed(tmp_path: Path, cases: str, came: Came) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert proving.judged(PROOF, proving.read(path)).came is came


def test_a_test_that_was_renamed_is_noticed() -> None:
    assert proving.exists("tests/unit/campaign/test_matching.py::test_a_test_that_was_renamed_is_noticed")
    assert not proving.exists("tests/unit/campaign/test_matching.py::test_of_another_name")
