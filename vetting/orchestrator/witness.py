"""What the orchestrator saw with its own eyes while a stage ran: heartbeats, series, critical findings.

Kept in memory, for it is asked on every heartbeat and every batch. After a restart of the orchestrator it begins anew
and never accuses a host of a silence that was our own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vetting.clock import Clock


@dataclass(slots=True)
class Witness:
    stage: str
    attempt: int
    opened_at: float  # seconds since the epoch; for an attempt found at a restart, the restart
    whole: bool  # False: the attempt began before this process did
    last_beat_at: float
    beats: int = 0
    longest_silence_s: float = 0.0
    series: Counter[str] = field(default_factory=Counter)  # samples heard, by series
    not_numbers: Counter[str] = field(default_factory=Counter)


class Witnesses:
    """One for each run with an open attempt."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._runs: dict[int, Witness] = {}
        self._turns: dict[int, int] = {}
        self.last_turn = 0
        self.began_at = clock.now()

    def opened(self, run_id: int, stage: str, attempt: int, *, whole: bool = True) -> Witness:
        now = self._clock.now()
        witness = Witness(stage=stage, attempt=attempt, opened_at=now, whole=whole, last_beat_at=now)
        self._runs[run_id] = witness
        self.stirred(run_id)
        return witness

    def turn(self, run_id: int) -> int:
        """The number of the last change of this run that makes what was looked up before it out of date."""
        return self._turns.get(run_id, 0)

    def stirred(self, run_id: int) -> None:
        """Another attempt opened, the run ended, its token may be another: whoever remembers something looks again.

        Called on the event loop, after the commit.
        """
        self.last_turn += 1
        self._turns[run_id] = self.last_turn

    def of(self, run_id: int, stage: str, attempt: int) -> Witness:
        """The witness of this attempt; a fresh one where this process did not see it open."""
        if (witness := self._found(run_id, stage, attempt)) is not None:
            return witness
        now = self._clock.now()  # not kept: a result for a wrong stage must not push out the right one's witness
        return Witness(stage=stage, attempt=attempt, opened_at=now, whole=False, last_beat_at=now)

    def _found(self, run_id: int, stage: str, attempt: int) -> Witness | None:
        witness = self._runs.get(run_id)
        return witness if witness is not None and (witness.stage, witness.attempt) == (stage, attempt) else None

    def beat(self, run_id: int, stage: str, attempt: int) -> None:
        witness = self._found(run_id, stage, attempt)
        if witness is None:
            if run_id not in self._runs:  # found by a restarted orchestrator in the middle of an attempt
                self.opened(run_id, stage, attempt, whole=False)
            return
        now = self._clock.now()
        witness.longest_silence_s = max(witness.longest_silence_s, now - witness.last_beat_at)
        witness.last_beat_at = now
        witness.beats += 1

    def heard(self, run_id: int, stage: str, attempt: int, counts: Counter[str], bad: Counter[str]) -> None:
        witness = self._found(run_id, stage, attempt)
        if witness is None:
            if run_id in self._runs:
                return  # of an attempt that is over
            witness = self.opened(run_id, stage, attempt, whole=False)
        witness.series.update(counts)
        witness.not_numbers.update(bad)

    def silence_s(self, run_id: int) -> float | None:
        """Seconds since the run's last heartbeat as far as this process has seen; None where it has not seen one."""
        witness = self._runs.get(run_id)
        return None if witness is None else self._clock.now() - witness.last_beat_at

    def absent(self, seconds: float) -> None:
        """We ourselves were away (frozen, suspended, starved): nobody was silent who could not have been heard."""
        for witness in self._runs.values():
            witness.last_beat_at += seconds

    def closed(self, run_id: int) -> None:
        self._runs.pop(run_id, None)
        self.stirred(run_id)
