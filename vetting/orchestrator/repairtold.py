"""A run after a repair in words: what was replaced, what was proved, what else changed, what was repeated, and how sure that makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vetting.domain import repetition
from vetting.domain.repairorder import RepairOrder
from vetting.domain.repairproof import Proof
from vetting.domain.repetition import History
from vetting.domain.states import RunState
from vetting.orchestrator.repairs import clean_passes
from vetting.report.model import BesideShown, RaisedShown, RepairShown, RepeatedShown, ReplacedShown, Weight
from vetting.report.text import duration, moment
from vetting.store.rows import AttemptRow, RepairRow, RunRow

NOT_YET = "not looked at yet"
THROUGH = (RunState.COMPLETED, RunState.REPORTING)


def told(row: RepairRow, run: RunRow, attempts: Sequence[AttemptRow]) -> RepairShown:
    """As it stands; a run that is not over may yet repeat more."""
    ordered = row.ordered
    proofs = {proof.part: proof for proof in row.proved.parts} if row.proved else {}
    repeated = repeated_of(ordered, attempts)
    return RepairShown(
        parts=tuple(
            ReplacedShown(
                kind=str(part.kind), name=part.named, slot=part.slot, old=part.old, new=part.new, note=part.note,
                proof=str(proofs[part].proof) if part in proofs else NOT_YET,
                text=proofs[part].text if part in proofs else "SpecValidate compares the host with what it was",
            )
            for part in ordered.repair.parts
        ),
        compared=_compared(ordered),
        beside=tuple(
            BesideShown(severity=Weight(one.severity), component=one.component, text=one.text)
            for one in (row.proved.beside if row.proved else ())
        ),
        raised=tuple(
            RaisedShown(knob=one.knob, before=one.before, after=one.after, why=one.why) for one in ordered.raised
        ),
        repeated=repeated,
        words=tuple(_words(ordered, repeated, over=run.state in THROUGH)),
    )  # fmt: skip


def lines(row: RepairRow, run: RunRow, attempts: Sequence[AttemptRow]) -> tuple[str, ...]:
    """The same as plain sentences, for a terminal."""
    shown = told(row, run, attempts)
    parts = [f"{part.proof}: {part.text}" for part in shown.parts]
    raised = [f"{one.knob}: {one.before} → {one.after}, {one.why}" for one in shown.raised]
    return (*parts, shown.compared, *(f"{one.severity}: {one.text}" for one in shown.beside), *shown.words, *raised)


def repeated_of(ordered: RepairOrder, attempts: Sequence[AttemptRow]) -> RepeatedShown | None:
    history = ordered.history
    if history is None:
        return None
    passes, asked = clean_passes(attempts, history), ordered.repair.confidence
    return RepeatedShown(
        stage=history.stage, run_id=history.run_id, reason=history.reason, failures=history.failures,
        attempts=history.attempts, load_s=history.load_s, asked=asked, passes=len(passes), clean_s=sum(passes),
        reached=0.0 if history.looks else repetition.reached(history, sum(passes)),
        enough=repetition.proved(history, asked, passes),
    )  # fmt: skip


def remarks(shown: RepairShown, run: RunRow) -> Iterator[str]:
    """What keeps a run that went through from saying "vetted"."""
    if run.state not in THROUGH:
        return
    if all(part.proof == NOT_YET for part in shown.parts):
        yield "the repair was not proved: SpecValidate did not compare the host with what it was"
    again = shown.repeated
    if again is None or again.enough:
        return
    if not again.passes:
        yield f"{again.stage}, which failed before the repair, was not passed after it"
        return
    reached, asked = repetition.percent(again.reached), repetition.percent(again.asked)
    yield f"confidence in the repair: {reached} instead of {asked}, {again.stage} passed {_times(again.passes)} after it"


def beside_verdict(shown: RepairShown) -> Iterator[str]:
    """What a reader should know and what takes nothing from a vetting: a cable has no serial."""
    yield from (part.text for part in shown.parts if part.proof == Proof.UNPROVABLE)


def _compared(ordered: RepairOrder) -> str:
    if not ordered.before_run:
        return "No run before this one looked into the host, so there is nothing to compare it with."
    return f"Compared with what run {ordered.before_run} found ({moment(ordered.before_at)})."


def _words(ordered: RepairOrder, again: RepeatedShown | None, *, over: bool) -> Iterator[str]:
    history = ordered.history
    if history is None or again is None:
        yield "No test had failed since the host was last good, so none was repeated."
        return
    yield _failed_before(history)
    if history.looks:
        yield f"{history.stage} looks at the host and puts no load on it: a single pass is all that it can tell."
        yield (
            _so_far(again, over)
            if again.passes
            else f"It {'was not passed' if over else 'has not passed yet'} in this run."
        )
        return
    asked = repetition.percent(ordered.repair.confidence)
    needed = repetition.needed_s(history, ordered.repair.confidence)
    yield (
        f"Were the fault still there and as frequent as it was (once in {duration(history.between_s)} of load), it would hide for "
        f"{duration(needed)} in {(1 - ordered.repair.confidence) * 100:g} of 100 cases: so much load without a failure makes {asked} sure."
    )
    if not again.passes:
        yield f"It {'was not passed' if over else 'has not passed yet'} in this run."
        return
    yield _so_far(again, over)
    reached = repetition.percent(again.reached)
    if again.enough:
        yield f"Confidence reached: {reached}; {asked} was asked for."
    elif over:
        bounds = ordered.bounds
        yield (
            f"Confidence reached: {reached} of the {asked} that was asked for. A run passes the stage {_times(bounds.times)} at most "
            f"and repeats it for {duration(bounds.seconds)} at most (limits.repeat_times, limits.repeat_s); a longer profile loads for "
            "longer in each pass."
        )
    else:
        yield f"Confidence so far: {reached}; {asked} was asked for."


def _failed_before(history: History) -> str:
    often = f"{history.failures} {'failure' if history.failures == 1 else 'failures'} in {history.attempts}"
    load = "" if history.looks else f", {duration(history.load_s)} under load"
    noun = "attempt" if history.attempts == 1 else "attempts"
    return (
        f"{history.stage} failed in run {history.run_id} ({history.reason or 'no reason given'}): {often} {noun}{load}."
    )


def _so_far(again: RepeatedShown, over: bool) -> str:
    load = (
        "" if not again.clean_s or again.reached == 0.0 else f", {duration(again.clean_s)} under load without a failure"
    )
    return f"After the repair it passed {_times(again.passes)}{load}{'' if over else ' so far'}."


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
