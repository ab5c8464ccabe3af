"""While stages run: results judged and advanced, heartbeats answered, deadlines and silences acted on."""

from __future__ import annotations

from hashlib import sha256

from vetting import wire
from vetting.domain.outcome import Outcome, Severity, Verdict
from vetting.domain.states import CLOSED, IN_STAGE, ORCHESTRATOR_STAGES, STAGE_OF, Event, RunState
from vetting.orchestrator import judging, repairs
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.permits import Issued, writes
from vetting.orchestrator.starting import permit_of, rebooted
from vetting.orchestrator.stopping import why_stopped
from vetting.orchestrator.witness import Witness
from vetting.store import attempts, checkpoints, runs
from vetting.store.rows import AttemptRow, RunRow

NOTHING = wire.Command(cmd="none")


def result(turn: Turn, run: RunRow, posted: wire.Result, witness: Witness) -> tuple[wire.ResultReply | None, str]:
    """(answer, "") for a result that was taken, (None, why) for one that parked the run or came too late.

    The same result again gets the same answer again; another result for an attempt that was answered is a replay and no
    repetition (the predecessor's agent replayed Inventory after the OOM killer, and every stage advanced). Nothing is
    raised here, for what was written must stay written.
    """
    before = attempts.find(run.id, posted.stage, posted.attempt)
    digest = sha256(wire.encode(posted.outcome)).hexdigest()
    if before is not None and before.answer is not None and before.posted_digest == digest:
        return before.answer, ""
    if run.state in IN_STAGE and run.boot_id != posted.boot_id:
        _keep_late(turn, run, posted, "it comes from another boot of the host")
        run = rebooted(turn, run, boot_id=posted.boot_id)
        return None, run.reason
    if run.state in IN_STAGE and posted.stage != run.stage:
        failed_stage = f"{posted.stage[:40]} (expected {run.stage})"
        _keep_late(turn, run, posted, f"the run's current stage is {run.stage}")
        _interrupt(turn, run, f"a result for {posted.stage[:40]} came while {run.stage} was current")
        turn.park(run, Event.STAGE_MISMATCH, failed_stage, f"stage mismatch: {failed_stage}")
        return None, f"the run's current stage is {run.stage}, not {posted.stage[:40]}: the run is parked"
    if run.state not in IN_STAGE or run.stage in ORCHESTRATOR_STAGES or before is None or before.verdict is not None:
        why = f"nobody waits for attempt {posted.attempt} at {posted.stage[:40]}: the run is {run.state}"
        _keep_late(turn, run, posted, why)
        if run.state in CLOSED and posted.outcome.verdict is Verdict.CANCELLED:
            return _reply(Verdict.CANCELLED, run), ""
        return None, why
    return _judged(turn, run, before, posted.outcome, witness, digest), ""


def _judged(
    turn: Turn, run: RunRow, attempt: AttemptRow, outcome: Outcome, witness: Witness, digest: str
) -> wire.ResultReply:
    judged = judging.believe(turn, run, attempt, outcome, witness)
    judging.record(turn, run, attempt, judged)
    checkpoints.forget(run.id, attempt.stage)  # it concluded: whoever tries it again begins with nothing
    run = advance(turn, run, judged.outcome)
    opened = attempts.running(run.id) if run.state in IN_STAGE else None
    going_on = opened is not None and opened.stage not in ORCHESTRATOR_STAGES
    permit = permit_of(turn, run) if going_on else Issued()
    reply = wire.ResultReply(
        verdict=str(judged.outcome.verdict),
        state=str(run.state),
        next_stage=opened.stage if opened and going_on else "",
        next_attempt=opened.attempt if opened and going_on else 0,
        objections=judged.objections,
        permit=permit.text,
        permit_refused=permit.why_not,
    )
    attempts.set_answer(run.id, attempt.stage, attempt.attempt, reply, posted_digest=digest)
    return reply


def advance(turn: Turn, run: RunRow, outcome: Outcome) -> RunRow:
    """Moves a run on from a stage that ended, through stages that are the orchestrator's own or left out."""
    while True:
        if not outcome.passed:
            return turn.park(run, Event.STAGE_FAILED, run.stage, f"{run.stage} {outcome.verdict}: {outcome.reason}")
        if repairs.once_more(turn, run):
            return run
        run = turn.move(run, Event.STAGE_PASSED)
        if run.state is RunState.COMPLETED:
            return run
        attempt = turn.open_attempt(run)
        if run.stage in run.profile.drop:
            outcome = Outcome.skip("left out by the profile")
        elif run.stage == "SpecValidate":
            outcome = judging.validate_spec(turn, run, attempt)
        else:
            return run  # the agent's next stage, or Reporting, which is written after this commit
        judging.record(turn, run, attempt, judging.Judged(outcome=outcome, posted=outcome.verdict))


def _reply(verdict: Verdict, run: RunRow) -> wire.ResultReply:
    return wire.ResultReply(verdict=str(verdict), state=str(run.state), next_stage="", next_attempt=0)


def _keep_late(turn: Turn, run: RunRow, posted: wire.Result, why: str) -> None:
    attempts.keep_late(
        run.id, now=turn.at, stage=posted.stage[:40], attempt=posted.attempt, boot_id=posted.boot_id[:64],
        why=why, outcome=posted.outcome,
    )  # fmt: skip


def _interrupt(turn: Turn, run: RunRow, why: str) -> None:
    if (open_attempt := attempts.running(run.id)) is not None:
        turn.close_attempt(run, open_attempt, Verdict.INTERRUPTED, why)


def heartbeat(turn: Turn, run: RunRow, beat: wire.Heartbeat) -> wire.HeartbeatReply:
    """Records that the agent lives and answers with what it shall do; what it shall do follows from the state alone."""
    if run.state in IN_STAGE and run.boot_id != beat.boot_id:
        run = rebooted(turn, run, boot_id=beat.boot_id)
    if run.state is RunState.FAILED and run.failed_stage != "dispatch":
        run = turn.move(run, Event.HELD, why="the host speaks again")
    runs.change(run.id, heartbeat_at=turn.at, heartbeat=beat)
    turn.say("run.progress", run.id, doing=beat.doing, stage=beat.stage, attempt=beat.attempt,
             done=beat.progress.done, of=beat.progress.of, unit=beat.progress.unit)  # fmt: skip
    return wire.HeartbeatReply(state=str(run.state), command=_command(turn, run, beat), now_s=turn.at)


def _command(turn: Turn, run: RunRow, beat: wire.Heartbeat) -> wire.Command:
    running = beat.doing == "running"
    if run.state in IN_STAGE:
        current = attempts.running(run.id)
        if current is None or current.stage in ORCHESTRATOR_STAGES:
            return NOTHING
        if beat.doing == "holding":
            permit = permit_of(turn, run)
            return wire.Command(
                cmd="retry_stage", stage=current.stage, attempt=current.attempt, override_flags=current.flags,
                permit=permit.text, permit_refused=permit.why_not, reason="the run goes on",
            )  # fmt: skip
        if running and (beat.stage, beat.attempt) != (current.stage, current.attempt):
            return wire.Command(
                cmd="cancel_stage", stage=beat.stage, attempt=beat.attempt, reason="not the current stage"
            )
        if running and writes(run) and (why := why_stopped(turn.means.config)):
            return wire.Command(cmd="cancel_stage", stage=beat.stage, attempt=beat.attempt, reason=why)
        return NOTHING
    if run.state in (RunState.FAILED_HOLDING, RunState.CANCELLED, RunState.RELEASED) and running:
        return wire.Command(cmd="cancel_stage", stage=beat.stage, attempt=beat.attempt, reason=run.reason)
    if run.state is RunState.CANCELLED:
        return wire.Command(cmd="reboot" if run.failed_stage else "shutdown", reason=run.reason)
    if run.state in (RunState.COMPLETED, RunState.RELEASED):
        return wire.Command(cmd="shutdown")
    return NOTHING


def past_deadline(turn: Turn, run: RunRow, attempt: AttemptRow) -> RunRow:
    """A stage that did not end: ERROR, for nobody knows what it would have said. One that ended just now is left alone."""
    open_attempt = attempts.running(run.id)
    if open_attempt is None or open_attempt.id != attempt.id:
        return run
    why = f"{attempt.stage} did not end within {attempt.deadline_s:.0f} s (planned {attempt.planned_s:.0f} s and grace)"
    turn.close_attempt(run, attempt, Verdict.ERROR, why)
    turn.find(run, Severity.CRITICAL, "host", why, "watchdog")
    return turn.park(run, Event.DEADLINE_PASSED, run.stage, why)


def lost(turn: Turn, run: RunRow, silence_s: float) -> RunRow:
    """A host silent for longer than its profile allows: Failed; when it speaks again it is held, not resumed.

    One that spoke since it was looked at is left alone.
    """
    current = attempts.running(run.id)
    since = max(run.heartbeat_at or 0.0, current.started_at if current else 0.0)
    if turn.at - since <= run.profile.lost_after_s:
        return run
    why = f"lost during {run.stage}"
    turn.find(run, Severity.CRITICAL, "host", f"{why}: no heartbeat for {silence_s:.0f} s", "watchdog")
    _interrupt(turn, run, why)
    return turn.move(run, Event.HOST_LOST, why=why, failed_stage=run.stage, held_from=_held_from(run), reason=why)


def _held_from(run: RunRow) -> RunState | None:
    return run.state if run.state in STAGE_OF else run.held_from
