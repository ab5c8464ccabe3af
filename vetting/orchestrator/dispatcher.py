"""Which queued run goes to its host, and when: in the order of starting, so many destructive ones and reboots at a time."""

from __future__ import annotations

import logging

from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.states import ACTIVE, BEFORE_CLAIM, WAITING, RunState
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.reporters import is_fresh
from vetting.orchestrator.stopping import why_stopped
from vetting.orchestrator.waking import Waking
from vetting.store import hosts, runs
from vetting.store.db import Store
from vetting.store.rows import RunRow

log = logging.getLogger(__name__)
TURN_S = 1.0
BACK_S = 60.0  # after our own start: reporters and agents that waited for us have spoken by then


class Dispatcher:
    def __init__(
        self, *, store: Store, progress: Progress, clock: Clock, config: Config, waking: Waking | None = None
    ) -> None:
        self._store = store
        self._progress = progress
        self._clock = clock
        self._config = config
        self._waking = waking  # None: nobody is woken or switched on
        self._limits = config.limits
        self._said = ""  # of STOP, once
        self._began_at = clock.now()

    async def run(self) -> None:
        while True:
            await self.once()
            await self._clock.sleep(TURN_S)

    async def once(self) -> None:
        """Dispatches what may go, and fails what has waited for its host longer than it may."""
        waiting, erasing = await self._store.read(
            lambda: (
                runs.in_states(BEFORE_CLAIM),
                runs.count_erasing(ACTIVE - {RunState.QUEUED, RunState.FAILED_HOLDING}),
            )
        )
        rebooting = sum(run.state in WAITING and takes_down(run) for run in waiting)
        for run in waiting:  # oldest first, so that whoever was dispatched just now counts for those behind
            if run.state is RunState.QUEUED:
                if self._may_go(run, erasing) and self._may_reboot(run, rebooting):
                    erasing += not run.non_destructive
                    if not await self._not_heard_yet(run):
                        rebooting += takes_down(run)
                        await self._progress.dispatch(run.id)
            else:
                if self._waking is not None:
                    self._waking.begin(run)
                await self._give_up_on(run)

    def _may_go(self, run: RunRow, erasing: int) -> bool:
        if run.non_destructive:
            return True
        if why := why_stopped(self._config):
            if self._said != why:
                log.warning("runs wait in the queue: %s", why)
            self._said = why
            return False
        self._said = ""
        return erasing < self._limits.max_destructive

    def _may_reboot(self, run: RunRow, rebooting: int) -> bool:
        """Installed hosts go down one after the other: what is wrong with an order shows at the first."""
        return not takes_down(run) or rebooting < self._limits.max_reboots

    async def _not_heard_yet(self, run: RunRow) -> bool:
        """Its reporter spoke long ago, and we were not there to hear it since: it is waited for."""
        if run.start_by != "reporter" or self._clock.now() - self._began_at > BACK_S:
            return False
        return not is_fresh(await self._store.read(lambda: hosts.get(run.host_id)), self._clock.now())

    async def _give_up_on(self, run: RunRow) -> None:
        moved_at = await self._store.read(lambda: runs.transitions_of(run.id)[-1].at)
        waited_s = self._clock.now() - moved_at
        by_hand = run.start_by == "manual"
        limit_s = self._limits.by_hand_s if by_hand else self._limits.dispatch_s
        if waited_s > limit_s and self._clock.now() - self._began_at > BACK_S:
            await self._progress.dispatch_failed(
                run.id, f"the host was {run.state} for {waited_s:.0f} s and no agent claimed the run"
            )


def takes_down(run: RunRow) -> bool:
    """Whether the start of this run may end an installed system that runs."""
    return run.start_by == "reporter" or run.cut_power
