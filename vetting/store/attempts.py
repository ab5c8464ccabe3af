"""Attempts at stages. (run, stage, attempt) is the key of a result. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from collections.abc import Collection

import peewee as pw

from vetting import wire
from vetting.domain.errors import NotFound
from vetting.domain.outcome import Outcome, Verdict
from vetting.store.models import Attempt, LateResult
from vetting.store.rows import AttemptRow, LateResultRow, row

MOST_LATE = 50
_ALL_BUT_OUTCOME = [part for part in Attempt._meta.sorted_fields if part.name != "outcome"]


def open_attempt(
    run_id: int,
    stage: str,
    *,
    now: float,
    planned_s: float = 0.0,
    deadline_s: float = 0.0,
    boot_id: str = "",
    flags: tuple[str, ...] = (),
) -> AttemptRow:
    """The next attempt at a stage, numbered from 1."""
    last = Attempt.select(pw.fn.MAX(Attempt.attempt)).where(_of(run_id, stage)).scalar() or 0
    made = Attempt.create(
        run=run_id,
        stage=stage,
        attempt=last + 1,
        objections=(),
        flags=flags,
        boot_id=boot_id,
        started_at=now,
        planned_s=planned_s,
        deadline_s=deadline_s,
    )
    return row(AttemptRow, made)


def close_attempt(
    run_id: int,
    stage: str,
    attempt: int,
    *,
    now: float,
    verdict: Verdict,
    reason: str = "",
    posted_verdict: Verdict | None = None,
    objections: tuple[str, ...] = (),
    outcome: Outcome | None = None,
    answer: wire.ResultReply | None = None,
) -> bool:
    """Compare-and-set: True when this call ended the attempt, False when it had ended before or never began."""
    changed = (
        Attempt.update(
            verdict=verdict,
            reason=reason,
            posted_verdict=posted_verdict,
            objections=objections,
            ended_at=now,
            host_started_s=outcome.started_s if outcome else None,
            host_ended_s=outcome.ended_s if outcome else None,
            outcome=outcome,
            answer=answer,
        )
        .where(_of(run_id, stage) & (Attempt.attempt == attempt) & Attempt.ended_at.is_null())
        .execute()
    )
    return bool(changed == 1)


def set_answer(run_id: int, stage: str, attempt: int, answer: wire.ResultReply, *, posted_digest: str) -> None:
    """What was answered to a result: a repeated result gets it again. Raises NotFound."""
    if (
        Attempt.update(answer=answer, posted_digest=posted_digest)
        .where(_of(run_id, stage) & (Attempt.attempt == attempt))
        .execute()
        != 1
    ):
        raise NotFound(f"run {run_id} has no attempt {attempt} at {stage}")


def find(run_id: int, stage: str, attempt: int) -> AttemptRow | None:
    """This very attempt."""
    return _first(_rows(_of(run_id, stage) & (Attempt.attempt == attempt)))


def latest(run_id: int, stage: str) -> AttemptRow | None:
    """The newest attempt at a stage, ended or not."""
    return _first(_rows(_of(run_id, stage)).order_by(Attempt.attempt.desc()))


def running(run_id: int) -> AttemptRow | None:
    """The attempt that has not ended; there is at most one."""
    return _first(_rows((Attempt.run == run_id) & Attempt.ended_at.is_null()).order_by(Attempt.id.desc()))


def all_running() -> dict[int, AttemptRow]:
    """The attempts that have not ended, by run, in one query."""
    return {found.run_id: found for found in (row(AttemptRow, record) for record in _rows(Attempt.ended_at.is_null()))}


def of_others_since(run_id: int, stages: Collection[str], since: float) -> list[AttemptRow]:
    """Attempts of other runs at these stages that had not ended by then."""
    meanwhile = Attempt.ended_at.is_null() | (Attempt.ended_at > since)
    others = (Attempt.run != run_id) & Attempt.stage.in_(list(stages)) & meanwhile
    return [row(AttemptRow, record) for record in _rows(others).order_by(Attempt.id)]


def attempts_of(run_id: int) -> list[AttemptRow]:
    """All attempts of a run in the order in which they began."""
    return [row(AttemptRow, record) for record in _rows(Attempt.run == run_id).order_by(Attempt.id)]


def outcome_of(run_id: int, stage: str, attempt: int) -> Outcome | None:
    """What an attempt concluded; None where it never did."""
    record = Attempt.get_or_none(_of(run_id, stage) & (Attempt.attempt == attempt))
    found: Outcome | None = None if record is None else record.outcome
    return found


def outcomes_of(run_id: int) -> dict[tuple[str, int], Outcome]:
    """All conclusions of a run by (stage, attempt), in the order of the attempts."""
    query = Attempt.select().where((Attempt.run == run_id) & Attempt.outcome.is_null(False)).order_by(Attempt.id)
    return {(record.stage, record.attempt): record.outcome for record in query}


def keep_late(run_id: int, *, now: float, stage: str, attempt: int, boot_id: str, why: str, outcome: Outcome) -> None:
    """A result that nobody waited for: kept for the report, never counted. Of one run the first MOST_LATE are kept."""
    if LateResult.select().where(LateResult.run == run_id).count() >= MOST_LATE:
        return
    LateResult.insert(
        run=run_id, at=now, stage=stage, attempt=attempt, boot_id=boot_id, why=why, outcome=outcome
    ).execute()


def late_results_of(run_id: int) -> list[LateResultRow]:
    """Results that came when nobody waited for them, oldest first."""
    query = LateResult.select().where(LateResult.run == run_id).order_by(LateResult.id)
    return [row(LateResultRow, record) for record in query]


def _of(run_id: int, stage: str) -> pw.Expression:
    return (Attempt.run == run_id) & (Attempt.stage == stage)


def _rows(condition: pw.Expression) -> pw.ModelSelect[Attempt]:
    return Attempt.select(*_ALL_BUT_OUTCOME).where(condition)


def _first(query: pw.ModelSelect[Attempt]) -> AttemptRow | None:
    record = query.first()
    return None if record is None else row(AttemptRow, record)
