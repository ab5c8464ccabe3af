"""What a person decides about a run: cancel, override, retry, release. Who, when and why are kept for ever."""

from __future__ import annotations

from vetting import wire
from vetting.domain.decisions import FLAGS_OF, fits, occasion
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.states import IN_STAGE, ORCHESTRATOR_STAGES, Event
from vetting.orchestrator import judging
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.running import advance
from vetting.store import attempts, audit, runs
from vetting.store.rows import RunRow


def demand_seen(run: RunRow, seen: str) -> None:
    """A decision is about what the person looked at (`decisions.occasion`); "" for one who gave no look. Raises Conflict."""
    if seen and seen != occasion(run.state, runs.moves(run.id)):
        now = f"{run.state} ({run.failed_stage})" if run.failed_stage else str(run.state)
        raise Conflict(
            f"run {run.id} has moved on since this page was shown: it is {now} now; nothing was done, look at it and "
            "decide again",
            state=str(run.state),
        )


def cancel(turn: Turn, run: RunRow, *, who: str, because: wire.Because) -> RunRow:
    """Mid-stage the agent stops its tools and powers off; from a hold the host reboots to its own disk."""
    why = because.reason or "cancelled by a person"
    if run.state in IN_STAGE and (open_attempt := attempts.running(run.id)) is not None:
        turn.close_attempt(run, open_attempt, Verdict.CANCELLED, why)
    _note(turn, run, "run.cancel", who, because)
    return turn.move(run, Event.OPERATOR_CANCELLED, who=who, why=why, reason=_kept(run, why), ended_at=turn.at)


def _kept(run: RunRow, why: str) -> str:
    return f"{run.reason}; {why}" if run.reason else why


def release(turn: Turn, run: RunRow, *, who: str, because: wire.Because) -> RunRow:
    """Ends a hold: the host powers off, the verdict stays what it was."""
    why = because.reason or "released by a person"
    _note(turn, run, "run.release", who, because)
    return turn.move(run, Event.OPERATOR_RELEASED, who=who, why=why, ended_at=turn.at)


def override(turn: Turn, run: RunRow, *, who: str, because: wire.Because) -> RunRow:
    """Enters the failed stage again with flags. The reason is asked for, kept, and printed on every later report."""
    if not because.reason.strip():
        raise BadInput("an override needs a reason: it is kept for ever and stands on every report of this run")
    stage = _held_stage(run)
    known = FLAGS_OF.get(stage, ())
    if unknown := [flag for flag in because.flags if flag not in known]:
        offer = f"it knows {', '.join(known)}" if known else "it knows none"
        raise BadInput(f"{stage} has no override flag {', '.join(unknown)}; {offer}")
    if unfit := [flag for flag in because.flags if not fits(flag, stage, run.reason)]:
        raise Conflict(
            f"{', '.join(unfit)} does not speak to what stopped {stage} ({run.reason[:300]}): what nobody was shown cannot be "
            "allowed; retry, or override without it"
        )
    return _reenter(turn, run, Event.OPERATOR_OVERRODE, who=who, because=because)


def retry(turn: Turn, run: RunRow, *, who: str, because: wire.Because) -> RunRow:
    """Enters the failed stage again as it is; the failed attempt stays in every report."""
    if because.flags:
        raise BadInput("a retry takes no flags; use override, which asks for a reason")
    return _reenter(turn, run, Event.OPERATOR_RETRIED, who=who, because=because)


def _held_stage(run: RunRow) -> str:
    if run.held_from is None:
        raise Conflict(f"run {run.id} is {run.state} and not held in a stage", state=str(run.state))
    return "Inventory" if run.held_from == "InventoryCheck" else str(run.held_from)


def _reenter(turn: Turn, run: RunRow, event: Event, *, who: str, because: wire.Because) -> RunRow:
    _note(turn, run, f"run.{'override' if event is Event.OPERATOR_OVERRODE else 'retry'}", who, because)
    run = turn.move(run, event, who=who, why=because.reason, failed_stage="", reason="", verdict="", verdict_detail={})
    attempt = turn.open_attempt(run, flags=because.flags)
    if run.stage not in ORCHESTRATOR_STAGES:
        return run
    if run.stage == "Reporting":
        return run  # written after this commit
    outcome: Outcome = judging.validate_spec(turn, run, attempt)
    judging.record(turn, run, attempt, judging.Judged(outcome=outcome, posted=outcome.verdict))
    return advance(turn, run, outcome)


def _note(turn: Turn, run: RunRow, what: str, who: str, because: wire.Because) -> None:
    detail = {"flags": list(because.flags), "state": str(run.state), "failed_stage": run.failed_stage}
    audit.add(at=turn.at, who=who, what=what, target=run.host_name, run_id=run.id, why=because.reason, detail=detail)
