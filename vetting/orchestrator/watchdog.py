"""Hosts gone silent and stages past their deadline. Only what is certain: our own silence is never held against a host."""

from __future__ import annotations

from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.states import IN_STAGE, ORCHESTRATOR_STAGES
from vetting.orchestrator.progress import Progress
from vetting.store import attempts, runs
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, RunRow

TURN_S = 2.0
HEARTBEATS_AFTER_RESTART = 3


class Watchdog:
    def __init__(self, *, store: Store, progress: Progress, clock: Clock, config: Config) -> None:
        self._store = store
        self._progress = progress
        self._clock = clock
        self._heartbeat_s = config.heartbeat.interval_s
        self._began_at = clock.now()

    async def run(self) -> None:
        while True:
            await self.once()
            await self._clock.sleep(TURN_S)

    async def once(self) -> None:
        """One look at every run that is in a stage of the agent's."""

        def look() -> list[tuple[RunRow, AttemptRow]]:
            found = [(run, attempts.running(run.id)) for run in runs.in_states(IN_STAGE)]
            return [(run, attempt) for run, attempt in found if attempt is not None]

        now = self._clock.now()
        if now - self._began_at < HEARTBEATS_AFTER_RESTART * self._heartbeat_s:
            return  # agents that waited for us have not spoken yet
        for run, attempt in await self._store.read(look):
            if attempt.stage in ORCHESTRATOR_STAGES:
                continue
            silence_s = now - max(run.heartbeat_at or attempt.started_at, self._began_at)
            if silence_s > run.profile.lost_after_s:
                await self._progress.lost(run.id, silence_s)
            elif now - attempt.started_at > attempt.deadline_s:
                await self._progress.past_deadline(run.id, attempt)
