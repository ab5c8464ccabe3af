"""A run as one row of its host's list."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.states import ACTIVE, CLOSED, RunState
from vetting.store.rows import RunRow
from vetting.web import marks
from vetting.web.marks import Shown

QUALIFIERS_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShown:
    """`verdict` None: there is none yet, or never will be, and `why` says the reason where there is one."""

    row: RunRow
    state: Shown
    verdict: Shown | None
    qualifiers: tuple[str, ...]
    more: int  # qualifiers beyond those
    why: str
    going: bool

    @property
    def took_s(self) -> float | None:
        return None if self.row.ended_at is None else self.row.ended_at - (self.row.started_at or self.row.created_at)


def run_shown(run: RunRow) -> RunShown:
    word = str(run.verdict_detail.get("word", ""))
    qualifiers = tuple(str(text) for text in run.verdict_detail.get("qualifiers", ()))
    over = run.state in (*CLOSED, RunState.FAILED, RunState.FAILED_HOLDING)
    return RunShown(
        row=run,
        state=marks.of_state(run.state),
        verdict=marks.of_verdict(word) if word else None,
        qualifiers=qualifiers[:QUALIFIERS_SHOWN],
        more=max(len(qualifiers) - QUALIFIERS_SHOWN, 0),
        why=run.reason if over else "",
        going=run.state in ACTIVE,
    )
