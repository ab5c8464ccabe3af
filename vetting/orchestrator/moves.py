"""One transaction on one run: reads, compare-and-set moves, and the news to tell once it is committed.

Everything in `starting`, `running` and `deciding` happens inside a `Turn`; `progress` opens it. Nothing else assigns a
run's state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vetting.config import Config
from vetting.domain.errors import Conflict
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Finding, Outcome, Severity, Verdict
from vetting.domain.states import CLOSED, STAGE_OF, Event, RunState, next_state
from vetting.orchestrator import planning
from vetting.orchestrator.witness import Witnesses
from vetting.stages.base import Job, Stage
from vetting.store import attempts, checkpoints, findings, logs, outbox, runs
from vetting.store.rows import AttemptRow, RunRow

EVENTS_TOLD = {  # what people are notified of, by the state that a run comes to
    RunState.INVENTORY: "RunStarted",
    RunState.FAILED: "StageFailed",
    RunState.FAILED_HOLDING: "Hold",
    RunState.COMPLETED: "RunCompleted",
}


NO_KEY: runs.RunChanges = {"hold_private_key": "", "hold_public_key": "", "hold_host_keys": (), "hold_addresses": ()}


@dataclass(frozen=True, slots=True)
class Means:
    """What a turn may use beside the store."""

    config: Config
    stages: Mapping[str, Stage]
    signer: Ed25519PrivateKey
    witnesses: Witnesses
    no_image: Callable[[], str] = lambda: ""  # why no host can boot from us now; empty where one can


@dataclass(slots=True)
class Turn:
    """One transaction. `at` is its time, seconds since the epoch; `news` is published after the commit."""

    at: float
    means: Means
    news: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    after: list[Callable[[], object]] = field(default_factory=list)  # done on the event loop, after the commit

    def say(self, kind: str, run_id: int, **data: Any) -> None:
        self.news.append((kind, run_id, data))

    def move(self, run: RunRow, event: Event, *, who: str = "", why: str = "", **changes: Any) -> RunRow:
        """Takes a run where the table says. Raises IllegalMove; Conflict when somebody else moved it first."""
        to = next_state(run.state, event, held_from=run.held_from)
        changes.setdefault("stage", STAGE_OF.get(to, run.stage))
        if to in CLOSED or (run.state is RunState.FAILED_HOLDING and to is not RunState.FAILED_HOLDING):
            changes.update(NO_KEY)  # the key dies with its hold; a later one gets a new pair
        if not runs.move(run.id, run.state, to, **changes):
            raise Conflict(f"run {run.id} was moved by somebody else at the same moment; look again", run=run.id)
        if to in CLOSED:
            checkpoints.forget(run.id)
        runs.add_transition(run.id, at=self.at, from_state=run.state, event=str(event), to_state=to, who=who, why=why)
        self.say("run.moved", run.id, state=str(to), event=str(event), why=why)
        if told := EVENTS_TOLD.get(to):
            self._tell(told, run, why)
        if event is Event.HOST_LOST:
            self._tell("HostLost", run, why)
        return runs.get(run.id)

    def _tell(self, event: str, run: RunRow, why: str) -> None:
        payload = {"run": run.id, "host": run.host_name, "profile": run.profile_name, "why": why}
        outbox.add(event, payload, self.means.config.notify_channels(event), now=self.at, run_id=run.id)

    def open_attempt(self, run: RunRow, *, flags: tuple[str, ...] = ()) -> AttemptRow:
        """A new attempt at the run's current stage."""
        plan = planning.plan_of(run.stage, self.job(run), self.means.stages)
        opened = attempts.open_attempt(
            run.id,
            run.stage,
            now=self.at,
            boot_id=run.boot_id,
            planned_s=plan.planned_s,
            deadline_s=plan.deadline_s,
            flags=flags,
        )
        self.after.append(partial(self.means.witnesses.opened, run.id, opened.stage, opened.attempt))
        self.say("run.attempt", run.id, stage=run.stage, attempt=opened.attempt)
        return opened

    def close_attempt(self, run: RunRow, attempt: AttemptRow, verdict: Verdict, reason: str) -> None:
        """Ends an attempt that has no outcome of its own: interrupted, lost, past its deadline."""
        attempts.close_attempt(run.id, attempt.stage, attempt.attempt, now=self.at, verdict=verdict, reason=reason)
        self.say("run.attempt", run.id, stage=attempt.stage, attempt=attempt.attempt, verdict=str(verdict))

    def find(self, run: RunRow, severity: Severity, component: str, text: str, source: str) -> None:
        """Adds a finding to the run's current stage."""
        current = attempts.running(run.id)
        finding = Finding(severity=severity, component=component, text=text, source=source)
        number = current.attempt if current else 0
        findings.add(run.id, run.stage, number, (finding,), at=self.at)
        self.say("run.finding", run.id, severity=str(severity), component=component, text=text)

    def note(self, run: RunRow, text: str) -> None:
        """A line of ours in the run's log."""
        line = (run.stage, int(self.at * 1000), "info", "orchestrator", text)
        self.say("run.log", run.id, lines=[line], ids=logs.append(run.id, [line]))

    def park(self, run: RunRow, event: Event, failed_stage: str, why: str) -> RunRow:
        """Fails a run and holds its host: by way of Failed where the table goes there first."""
        held_from = run.state if run.state in STAGE_OF else run.held_from
        run = self.move(run, event, why=why, failed_stage=failed_stage, held_from=held_from, reason=why)
        return self.move(run, Event.HELD, why=why) if run.state is RunState.FAILED else run

    def job(self, run: RunRow) -> Job:
        return planning.job(
            run_id=run.id,
            profile=run.profile,
            expected=run.spec,
            non_destructive=run.non_destructive,
            inventory=inventory_of(run.id),
        )


def inventory_of(run_id: int) -> Inventory | None:
    """What this run's own Inventory found; None before it passed."""
    latest = attempts.latest(run_id, "Inventory")
    if latest is None or latest.verdict is not Verdict.PASS:
        return None
    outcome = attempts.outcome_of(run_id, "Inventory", latest.attempt)
    return None if outcome is None else inventory_in(outcome)


def inventory_in(outcome: Outcome) -> Inventory | None:
    """The inventory that an Inventory outcome carries; None where it carries none that can be read."""
    try:
        return msgspec.convert(outcome.data["inventory"], Inventory, strict=False)
    except (KeyError, msgspec.ValidationError):
        return None
