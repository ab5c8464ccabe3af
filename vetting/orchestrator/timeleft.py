"""How long a run will still take: the forecast for its host, less what has passed of the stage that runs.

It is about so long, or at least so long where something is not known: a disk's size, or why a stage takes longer than it should.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import perf_counter

from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator.forecast import Forecast, forecast
from vetting.orchestrator.moves import inventory_of
from vetting.stages import STAGES
from vetting.store import runs
from vetting.store.fleet import Newest

KEPT = 4096
AT_ONCE_S = 0.01  # of forecasting in one look at the fleet; the rest is not known until the next look


@dataclass(frozen=True, slots=True)
class Left:
    seconds: float
    least: bool  # it may well be longer


class TimeLeft:
    """Remembers each run's forecast: what a run is seeded with never changes, and its inventory comes once."""

    def __init__(self) -> None:
        self._forecasts: OrderedDict[tuple[int, bool], Forecast] = OrderedDict()

    def learn(self, newest: list[Newest]) -> None:
        """Forecasts runs that are new to us, within `AT_ONCE_S`. Inside `Store.read`."""
        began = perf_counter()
        for one in newest:
            key = _key(one)
            if one.state in IN_STAGE and key not in self._forecasts:
                self._forecasts[key] = _forecast(*key)
                if perf_counter() - began > AT_ONCE_S:
                    break
        while len(self._forecasts) > KEPT:
            self._forecasts.popitem(last=False)

    def of(self, one: Newest, now: float) -> Left | None:
        """None where nobody knows: no stage runs, or it is not forecast yet."""
        known = self._forecasts.get(_key(one))
        if known is None or one.state not in IN_STAGE or one.attempt_at is None:
            return None
        seconds = {stage.name: stage.seconds for stage in known.stages}
        if one.stage not in seconds:
            return None
        rest = seconds[one.stage] - (now - one.attempt_at)
        order = list(seconds)
        to_come = sum(seconds[name] for name in order[order.index(one.stage) + 1 :])
        return Left(max(rest, 0.0) + to_come, least=bool(known.unknown) or rest < 0.0)


def _key(one: Newest) -> tuple[int, bool]:
    """A run, and whether it knows its host by now: how many cards and threads there are changes the forecast."""
    known = one.state in IN_STAGE and one.state is not RunState.INVENTORY
    return one.run_id, known


def _forecast(run_id: int, known: bool) -> Forecast:
    run = runs.get(run_id)
    inventory = inventory_of(run_id) if known else None
    return forecast(run.profile, run.spec, inventory, STAGES, non_destructive=run.non_destructive)
