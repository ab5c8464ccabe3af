"""What the page of a run shows of its records: the eleven stages, the head, what a person may decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vetting import wire
from vetting.domain.decisions import Decision, decisions_open, occasion
from vetting.domain.outcome import Verdict
from vetting.domain.states import CLOSED, IN_STAGE, STAGE_ORDER, RunState
from vetting.orchestrator import planning
from vetting.orchestrator.holding import why_not_enterable
from vetting.orchestrator.moves import inventory_of
from vetting.report.text import duration, number, size
from vetting.stages import STAGES
from vetting.store import attempts, runs
from vetting.store.rows import AttemptRow, RunRow
from vetting.web import marks
from vetting.web.marks import Shown

RUNNING = Shown("▶", "Running", "note")
TO_COME = Shown("○", "To come", "calm")
NOT_REACHED = Shown("○", "Not reached", "calm")
LEFT_OUT = Shown("–", "Left out", "warn")
OVERRIDDEN = Shown("◐", "Passed, overridden", "warn")
PASSED_LATER = Shown("◐", "Passed at a later attempt", "warn")
BYTES = {"bytes": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
SECONDS = ("s", "seconds")
SHORT_S = 10.0  # planned for less than this a stage needs no bar


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNow:
    """One of the eleven. `attempts` oldest first; all times are seconds since the epoch."""

    name: str
    number: int
    shown: Shown
    planned_s: float
    attempts: tuple[AttemptRow, ...]
    progress: wire.Progress | None  # while it runs and its agent says how far it is

    @property
    def last(self) -> AttemptRow | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def running(self) -> bool:
        return self.last is not None and self.last.ended_at is None

    @property
    def barred(self) -> bool:
        """Long enough for a bar of its time."""
        return self.last is not None and self.planned_s >= SHORT_S

    def elapsed_s(self, now: float) -> float:
        return 0.0 if self.last is None else (self.last.ended_at or now) - self.last.started_at

    @property
    def by_seconds(self) -> bool:
        """Its agent counts seconds: one bar says it all."""
        return bool(self.work) and self.progress is not None and self.progress.unit in SECONDS

    @property
    def work(self) -> str:
        """How far it is, in words: 1.2 GiB of 3.9 GiB."""
        if self.progress is None or not self.progress.of > 0:
            return ""
        done, of, unit = min(self.progress.done, self.progress.of), self.progress.of, self.progress.unit
        if unit in BYTES:
            return f"{size(done * BYTES[unit])} of {size(of * BYTES[unit])}"
        if unit in SECONDS:
            return f"{duration(round(done))} of {duration(round(of))}"
        return f"{number(done)} of {number(of, unit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNow:
    """A run as it stands: what is cheap to read, for it is read at every heartbeat."""

    run: RunRow
    stages: tuple[StageNow, ...]
    moves: int
    moved_at: float  # the last time

    @property
    def current(self) -> StageNow | None:
        """The stage that runs."""
        return next((one for one in self.stages if one.running), None)

    @property
    def worth_a_look(self) -> str:
        """The stage that a reader wants to see first: the one that runs, or stopped the run, or is least green."""
        if self.current is not None:
            return self.current.name
        ended = [one for one in self.stages if one.last is not None]
        for tone in ("bad", "warn"):
            if those := [one for one in ended if one.shown.tone == tone]:
                return those[0].name
        return max(ended, key=lambda one: one.elapsed_s(0.0)).name if ended else ""

    @property
    def held(self) -> bool:
        return self.run.state is RunState.FAILED_HOLDING

    @property
    def over(self) -> bool:
        return self.run.state in CLOSED

    @property
    def beats(self) -> bool:
        """Whether it is worth telling when its agent was last heard."""
        heard = (*IN_STAGE, RunState.FAILED_HOLDING, RunState.FAILED)
        return self.run.state in heard and self.run.heartbeat_at is not None

    @property
    def ended_at(self) -> float | None:
        """When there was no more to it; a lost one ended when it was given up."""
        return self.moved_at if self.run.state is RunState.FAILED else self.run.ended_at

    @property
    def no_door(self) -> str:
        """Why nobody can sign in to the held host."""
        return why_not_enterable(self.run)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        run = self.run
        return decisions_open(run.state, held_from=run.held_from, failed_stage=run.failed_stage, reason=run.reason)

    @property
    def seen(self) -> str:
        """What a decision about it is made on."""
        return occasion(self.run.state, self.moves)

    def left_s(self, now: float) -> float | None:
        """At least so long will it take; None where no stage runs, or this one takes longer than was planned."""
        if self.current is None:
            return None
        to_come = sum(one.planned_s for one in self.stages if one.last is None and one.shown is TO_COME)
        return max(self.current.planned_s - self.current.elapsed_s(now), 0.0) + to_come

    def elapsed_s(self, now: float) -> float:
        begun = self.run.started_at or self.run.created_at
        return (self.ended_at or now) - begun


def read_now(run_id: int) -> RunNow:
    """Inside `Store.read`. Raises NotFound."""
    run = runs.get(run_id)
    rows = attempts.attempts_of(run_id)
    moves = runs.transitions_of(run_id)
    return RunNow(run=run, stages=tuple(_stages(run, rows)), moves=len(moves), moved_at=moves[-1].at)


def _stages(run: RunRow, rows: Sequence[AttemptRow]) -> Iterator[StageNow]:
    planned = _planned(run)
    for place, name in enumerate(STAGE_ORDER, 1):
        of_stage = tuple(row for row in rows if row.stage == name)
        yield StageNow(
            name=name,
            number=place,
            shown=shown_of(run, name, of_stage),
            planned_s=of_stage[-1].planned_s if of_stage else planned.get(name, 0.0),
            attempts=of_stage,
            progress=_progress(run, of_stage),
        )


def shown_of(run: RunRow, name: str, of_stage: Sequence[AttemptRow]) -> Shown:
    """Sign, word and tone of a stage: a pass that came about with a flag, or after a failure, is no plain green."""
    if not of_stage:
        if name in run.profile.drop:
            return LEFT_OUT
        return TO_COME if run.state not in (*CLOSED, RunState.FAILED) else NOT_REACHED
    last = of_stage[-1]
    if last.verdict is None:
        return RUNNING
    if last.verdict is Verdict.PASS and last.flags:
        return OVERRIDDEN
    if last.verdict is Verdict.PASS and any(one.verdict in (Verdict.FAIL, Verdict.ERROR) for one in of_stage):
        return PASSED_LATER
    return marks.of_verdict(str(last.verdict))


def _progress(run: RunRow, of_stage: Sequence[AttemptRow]) -> wire.Progress | None:
    beat = run.heartbeat
    if beat is None or not of_stage or of_stage[-1].verdict is not None or run.state not in IN_STAGE:
        return None
    last = of_stage[-1]
    return beat.progress if (beat.stage, beat.attempt) == (last.stage, last.attempt) else None


def _planned(run: RunRow) -> dict[str, float]:
    """Of stages that are yet to come; a run that is over has none."""
    if run.state in CLOSED:
        return {}
    job = planning.job(
        run_id=run.id, profile=run.profile, expected=run.spec, non_destructive=run.non_destructive,
        inventory=inventory_of(run.id),
    )  # fmt: skip
    return {one.name: one.planned_s for one in planning.plan(job, STAGES)}
