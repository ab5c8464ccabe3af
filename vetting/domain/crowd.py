"""Hosts that load the orchestrator's network at the same moment share its link: then a slow or lossy way accuses none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vetting.domain.ambient import judge_counters
from vetting.domain.outcome import Outcome, Severity, Verdict

LOADING = ("Network", "Burn")  # stages that send to the orchestrator as fast as they can
BY_THE_WAY = "failed_by_the_way"
"""Key of an outcome's data: the components that failed for what they carried or lost alone, which a crowd explains."""


def excused(outcome: Outcome, others: Sequence[str]) -> Outcome:
    """The same with ERROR in the place of a FAIL that the crowd explains. `others`: hosts that were loading meanwhile.

    What a crowd cannot do (counters that grew, a link below its speed) stays a FAIL, and nothing ever becomes a pass.
    """
    told = outcome.data.get(BY_THE_WAY)
    failed = {cell.component for cell in outcome.cells if cell.verdict is Verdict.FAIL}
    if not others or outcome.verdict is not Verdict.FAIL or not failed or not isinstance(told, list | tuple):
        return outcome
    if not failed <= {str(each) for each in told} or _accused_beside(outcome):
        return outcome
    who = ", ".join(sorted(set(others)))
    why = (
        f"meanwhile {who} loaded the orchestrator's network too, so no card is accused: retry it when nobody else does"
    )
    cells = tuple(
        replace(cell, verdict=Verdict.ERROR, reason=f"{cell.reason}; {why}") if cell.component in failed else cell
        for cell in outcome.cells
    )
    return outcome.but(verdict=Verdict.ERROR, reason=f"{outcome.reason}; {why}", cells=cells)


def _accused_beside(outcome: Outcome) -> bool:
    """Whether the host is at fault for something that was seen beside the cards: a counter that grew, the kernel's log."""
    critical = any(one.severity is Severity.CRITICAL for one in outcome.findings)
    return critical or judge_counters(outcome.counters).verdict is Verdict.FAIL
