"""Hosts gone silent and stages past their deadline. Only what is certain: our own silence is never held against a host.

We were silent before we started, and whenever two looks lie further apart than they should: this process was stopped,
the machine suspended, the disk stuck. From such a moment on every host has its time again.
"""

from __future__ import annotations

import logging

from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.states import IN_STAGE, ORCHESTRATOR_STAGES
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.witness import Witnesses
from vetting.store import attempts, runs
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, RunRow

log = logging.getLogger(__name__)
TURN_S = 2.0
HEARTBEATS_AFTER_RESTART = 3
ABSENT_S = 5.0  # this much later than TURN_S was no busy moment any more
POSTED_AGAIN_S = 45.0  # an agent tries every 30 s at the latest: by then a result that waited for us is here


class Watchdog:
    def __init__(
        self, *, store: Store, progress: Progress, clock: Clock, config: Config, witnesses: Witnesses | None = None
    ) -> None:
        self._store = store
        self._progress = progress
        self._clock = clock
        self._witnesses = witnesses
        self._heartbeat_s = config.heartbeat.interval_s
        self._began_at = clock.now()

    async def run(self) -> None:
        looked_at = self._clock.now()
        while True:
            now = self._clock.now()
            if (late_s := now - looked_at - TURN_S) > ABSENT_S:
                self.back(now, late_s)
            looked_at = now
            await self.once()
            await self._clock.sleep(TURN_S)

    def back(self, now: float, absent_s: float) -> None:
        """After an absence of our own all counting of silence begins anew."""
        log.warning("this program was stopped for %.0f s; no host is blamed for that time", absent_s)
        self._began_at = now
        if self._witnesses is not None:
            self._witnesses.absent(absent_s)

    async def once(self) -> None:
        """One look at every run that is in a stage of the agent's."""

        def look() -> list[tuple[RunRow, AttemptRow]]:
            current = attempts.all_running()
            return [(run, current[run.id]) for run in runs.in_states(IN_STAGE) if run.id in current]

        now = self._clock.now()
        if now - self._began_at < HEARTBEATS_AFTER_RESTART * self._heartbeat_s:
            return  # agents that waited for us have not spoken yet
        for run, attempt in await self._store.read(look):
            if attempt.stage in ORCHESTRATOR_STAGES:
                continue
            # From the attempt's beginning at the earliest: one entered again after a hold waits for its agent.
            silence_s = now - max(run.heartbeat_at or 0.0, attempt.started_at, self._began_at)
            if silence_s > run.profile.lost_after_s:
                await self._progress.lost(run.id, silence_s)
            elif now - attempt.started_at > attempt.deadline_s and self._was_there(attempt, now):
                await self._progress.past_deadline(run.id, attempt)

    def _was_there(self, attempt: AttemptRow, now: float) -> bool:
        """Whether the attempt's end could not have escaped us, and had the time to be told again if it did."""
        return self._began_at <= attempt.started_at or now - self._began_at > POSTED_AGAIN_S
