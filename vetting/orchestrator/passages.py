"""What happened in a run, stage by stage and step by step: attempts with their tools, late results, moves, deeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from vetting.domain.outcome import ToolRecord, Verdict
from vetting.domain.states import STAGE_OF, STAGE_ORDER, Event, RunState
from vetting.orchestrator.records import REPORTING, Records
from vetting.orchestrator.tested import LEFT_OUT
from vetting.report.model import (
    AttemptShown,
    AuditShown,
    CounterShown,
    LastWordsShown,
    LateShown,
    Mark,
    OverrideShown,
    StageShown,
    ToolShown,
    TransitionShown,
)
from vetting.report.text import duration, finite
from vetting.store.rows import AttemptRow

WRITTEN = "this report was written and read back"


def stages(records: Records) -> tuple[StageShown, ...]:
    """All eleven, those that were never reached too."""
    return tuple(_stage(name, records) for name in STAGE_ORDER)


def _stage(name: str, records: Records) -> StageShown:
    rows = [row for row in records.attempts if row.stage == name]
    attempts = tuple(_attempt(row, records) for row in rows)
    if not attempts:
        reason = LEFT_OUT if name in records.run.profile.drop else "never reached"
        return StageShown(name=name, verdict=Mark.MISSING, reason=reason, attempts=())
    return StageShown(name=name, verdict=attempts[-1].mark, reason=attempts[-1].reason, attempts=attempts)


def _attempt(row: AttemptRow, records: Records) -> AttemptShown:
    verdict = records.verdict_of(row)
    outcome = records.outcomes.get((row.stage, row.attempt))
    own = row.stage == REPORTING and verdict is Verdict.PASS  # a report cannot tell when its own writing ended
    return AttemptShown(
        attempt=row.attempt,
        mark=Mark.RUNNING if verdict is None else Mark(verdict),
        posted=Mark(row.posted_verdict) if row.posted_verdict not in (None, row.verdict) else None,
        reason=WRITTEN if own else row.reason,
        objections=row.objections,
        flags=row.flags,
        boot_id=row.boot_id,
        started_at=row.started_at,
        ended_at=None if own else row.ended_at,
        our_s=None if own or row.ended_at is None else row.ended_at - row.started_at,
        host_s=finite(outcome.elapsed_s) if outcome and outcome.ended_s > 0 and not own else None,
        planned_s=row.planned_s,
        tools=tuple(map(_tool, outcome.tools)) if outcome else (),
    )


def _tool(record: ToolRecord) -> ToolShown:
    elapsed_s = finite(record.ended_s - record.started_s)
    if record.timed_out:
        ended = f"killed at its deadline after {duration(elapsed_s)}"
    elif record.signal is not None:
        ended = f"killed by signal {record.signal} after {duration(elapsed_s)}"
    else:
        ended = f"exit {record.exit_code} after {duration(elapsed_s)}"
    return ToolShown(
        argv=record.argv,
        command=shlex.join(record.argv),
        version=record.version,
        ended=ended,
        exit_code=record.exit_code,
        signal=record.signal,
        timed_out=record.timed_out,
        started_s=finite(record.started_s),
        elapsed_s=elapsed_s,
        excerpt=record.excerpt,
        output=record.output,
    )


def late(records: Records) -> tuple[LateShown, ...]:
    """Results that nobody waited for."""
    return tuple(
        LateShown(
            at=row.at,
            stage=row.stage,
            attempt=row.attempt,
            mark=Mark(row.outcome.verdict),
            boot_id=row.boot_id,
            why=row.why,
            reason=row.outcome.reason,
        )
        for row in records.late
    )


def counters(records: Records) -> tuple[CounterShown, ...]:
    """Every counter that was read before and after an attempt."""
    return tuple(
        CounterShown(
            stage=stage,
            attempt=attempt,
            component=one.component,
            name=one.name,
            before=finite(one.before),
            after=finite(one.after),
            delta=finite(one.delta),
        )
        for (stage, attempt), outcome in records.outcomes.items()
        for one in outcome.counters
    )


def transitions(records: Records) -> tuple[TransitionShown, ...]:
    """Every move of the run but the last into Completed, which follows the writing of the report."""
    return tuple(
        TransitionShown(
            at=row.at,
            from_state=str(row.from_state or ""),
            event=row.event,
            to_state=str(row.to_state),
            who=row.who,
            why=row.why,
        )
        for row in records.transitions
        if row.to_state is not RunState.COMPLETED
    )


def last_words(records: Records) -> tuple[LastWordsShown, ...]:
    """Of every stage that the host died in, in their order."""
    return tuple(
        LastWordsShown(stage=stage, lines=records.last_words[stage])
        for stage in STAGE_ORDER
        if records.last_words.get(stage)
    )


def overrides(records: Records) -> tuple[OverrideShown, ...]:
    """Every decision of a person to go on, whatever became of it."""
    return tuple(_overrides(records))


def _overrides(records: Records) -> Iterator[OverrideShown]:
    for row in records.transitions:
        if row.event == Event.OPERATOR_OVERRODE:
            stage = STAGE_OF.get(row.to_state, str(row.to_state))
            began = [one for one in records.attempts if one.stage == stage and one.started_at >= row.at]
            yield OverrideShown(at=row.at, stage=stage, who=row.who, why=row.why, flags=began[0].flags if began else ())


def audit(records: Records) -> tuple[AuditShown, ...]:
    """What people did to this run."""
    return tuple(
        AuditShown(at=row.at, who=row.who, what=row.what, target=row.target, why=row.why) for row in records.audit
    )
