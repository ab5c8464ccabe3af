"""How long a run will still take at least: what is planned of this stage and of those to come.

Planned is what is timed. What goes by bytes or by a drive's own pace (the surface scan, a self-test) comes on top, so what
is told here is the least, and has to be told as that.
"""

from __future__ import annotations

from collections import OrderedDict
from time import perf_counter

from vetting.domain.states import IN_STAGE, STAGE_ORDER, RunState
from vetting.orchestrator import planning
from vetting.orchestrator.moves import inventory_in
from vetting.stages import STAGES
from vetting.store import attempts, runs
from vetting.store.fleet import Newest

KEPT = 4096
AT_ONCE_S = 0.01  # of planning in one look at the fleet; the rest is not known until the next look
Plan = dict[str, float]  # stage -> planned seconds


class TimeLeft:
    """Remembers each run's plan: what a run is seeded with never changes, and its inventory comes once."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[int, bool], Plan] = OrderedDict()

    def learn(self, newest: list[Newest]) -> None:
        """Plans runs that are new to us, within `AT_ONCE_S`. Inside `Store.read`."""
        began = perf_counter()
        for one in newest:
            key = _key(one)
            if one.state in IN_STAGE and key not in self._plans:
                self._plans[key] = _plan(*key)
                if perf_counter() - began > AT_ONCE_S:
                    break
        while len(self._plans) > KEPT:
            self._plans.popitem(last=False)

    def of(self, one: Newest, now: float) -> float | None:
        """Seconds, at least; None where nobody knows: no stage runs, or one takes longer than was planned."""
        plan = self._plans.get(_key(one))
        if plan is None or one.state not in IN_STAGE or one.attempt_at is None:
            return None
        order = list(plan)
        if one.stage not in plan:
            return None
        rest = max(plan[one.stage] - (now - one.attempt_at), 0.0)
        return rest + sum(plan[name] for name in order[order.index(one.stage) + 1 :])


def _key(one: Newest) -> tuple[int, bool]:
    """A run, and whether it knows its host by now: how many cards and threads there are changes the plan."""
    known = one.state in IN_STAGE and one.state is not RunState.INVENTORY
    return one.run_id, known


def _plan(run_id: int, known: bool) -> Plan:
    run = runs.get(run_id)
    inventory = None
    if known and (passed := attempts.latest(run_id, STAGE_ORDER[0])) is not None:
        outcome = attempts.outcome_of(run_id, STAGE_ORDER[0], passed.attempt)
        inventory = inventory_in(outcome) if outcome else None
    job = planning.job(
        run_id=run_id, profile=run.profile, expected=run.spec, non_destructive=run.non_destructive, inventory=inventory
    )
    return {stage.name: stage.planned_s for stage in planning.plan(job, STAGES)}
