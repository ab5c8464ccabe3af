"""What the log of a drive's self-tests says of it today.

A failed test condemns until one that looks at least as far has passed: a short test that passes says nothing of the rest of
the surface, on which a long one failed. What a long test found more than a month of running ago, and no test since, is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vetting.domain.smartreport import SelfTest, TestResult

RECENT_H = 720
LOG_HOURS = 2**16  # ATA keeps the hour of a test in sixteen bits, which wrap after seven years


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsSay:
    __test__ = False  # the name means nothing to pytest

    failing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_long(test: SelfTest) -> bool:
    """True for a test that reads the whole surface, in the words of any protocol."""
    return bool(re.search(r"extended|long", test.kind, re.IGNORECASE))


def _wants_long(test: SelfTest) -> bool:
    """True for a test whose failure only a long one outdates: a selective one reads a part that a short one never sees."""
    return is_long(test) or "selective" in test.kind.lower()


def judge_tests(tests: Sequence[SelfTest], power_on_hours: int | None) -> TestsSay:
    """`tests`: newest first."""
    finished = [each for each in tests if each.result in (TestResult.PASSED, TestResult.FAILED)]
    failed = [each for each in finished if each.result is TestResult.FAILED]
    if not failed:
        return TestsSay()
    if finished[0] is failed[0]:
        return TestsSay(failing=(f"its latest finished self-test failed ({_told(failed[0])})",))
    later = finished[: next(place for place, each in enumerate(finished) if each is failed[0])]
    if not _wants_long(failed[0]) or any(is_long(each) for each in later):
        many = f"{len(failed)} older self-tests" if len(failed) > 1 else "an older self-test"
        return TestsSay(notes=(f"{many} failed, later ones passed",))
    age_h = _age_h(failed[0], power_on_hours)
    if age_h is not None and age_h <= RECENT_H:
        return TestsSay(
            failing=(
                f"its long self-test failed {age_h} hours ago ({_told(failed[0])}), and only short ones passed since",
            )
        )
    return TestsSay(
        warnings=(
            f"its latest long self-test failed long ago ({_told(failed[0])}); a deep run will make it run another",
        )
    )


def outdated_by(tests: Sequence[SelfTest], *, long: bool) -> bool:
    """Whether a test that passes now, a long or a short one, would leave nothing of this log that condemns."""
    kind = "extended" if long else "short"
    passing = SelfTest(kind=kind, result=TestResult.PASSED, text="", hours=None)
    newest = next((each.hours for each in tests if each.hours is not None), None)
    return not judge_tests((passing, *tests), newest).failing


def _age_h(test: SelfTest, power_on_hours: int | None) -> int | None:
    if test.hours is None or power_on_hours is None:
        return None
    return (power_on_hours - test.hours) % LOG_HOURS


def _told(test: SelfTest) -> str:
    where = "" if test.first_bad_lba is None else f" at block {test.first_bad_lba}"
    return f"{test.kind}: {test.text}{where}"
