"""A crowd on the way to the orchestrator: whom it excuses, and of what."""

from __future__ import annotations

from typing import Any

import pytest

from vetting.domain.crowd import BY_THE_WAY, excused
from vetting.domain.outcome import Cell, Counter, Finding, Outcome, Severity, Verdict

SLOW = Cell(component="nic:a", verdict=Verdict.FAIL, reason="to server: 480 Mb/s, floor 900 Mb/s")
SICK = Cell(component="nic:b", verdict=Verdict.FAIL, reason="rx_crc_errors grew by 3")
CHECK = Finding(severity=Severity.CRITICAL, component="cpu:1", text="Machine check", source="kernel log")
SOUND = Cell(component="nic:c", verdict=Verdict.PASS)


def failed(*cells: Cell, by_the_way: Any = ("nic:a",)) -> Outcome:
    return Outcome.of_cells(cells, data={BY_THE_WAY: by_the_way})


def test_a_slow_way_in_a_crowd_is_nobodys_fault_and_no_pass() -> None:
    outcome = excused(failed(SLOW, SOUND), ["pve-07", "pve-07", "pve-03"])
    assert outcome.verdict is Verdict.ERROR
    assert [cell.verdict for cell in outcome.cells] == [Verdict.ERROR, Verdict.PASS]
    assert "480 Mb/s" in outcome.reason and "meanwhile pve-03, pve-07 loaded" in outcome.reason


@pytest.mark.parametrize(
    "outcome",
    [
        failed(SICK),
        failed(SLOW, SICK),  # the sick card is accused, whatever else
        failed(SLOW, by_the_way=()),
        failed(SLOW, by_the_way="nic:a"),
        failed(SLOW, by_the_way=None),
        failed(SOUND),
        failed(SLOW).but(counters=(Counter(component="host", name="mce", before=0, after=1),)),
        failed(SLOW).but(findings=(CHECK,)),
        Outcome.error("iperf3 was busy"),
        Outcome.fail("without a cell", data={BY_THE_WAY: ["nic:a"]}),
    ],
)
def test_what_a_crowd_cannot_explain_stays_as_it_was(outcome: Outcome) -> None:
    assert excused(outcome, ["pve-07"]) is outcome


def test_alone_on_the_way_a_card_that_is_slow_is_accused() -> None:
    outcome = failed(SLOW)
    assert excused(outcome, []) is outcome
