"""What one phase of a scan has done so far: which chunks, how many bytes, which faults, how fast.

Workers take positions of the plan in ascending order and hand back what became of each. Only what is contiguous from the
start counts (the mark), so that a checkpoint tells the truth whichever worker is ahead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vetting.surface.faults import MAX_LISTED, Fault, merged
from vetting.surface.plan import Plan

BUCKETS = 64  # zones of the plan, each with its own rate and its slowest request


@dataclass(frozen=True, slots=True)
class Phase:
    """One pass over the plan. Cycle 1 carries the data, cycle 2 its complement."""

    kind: str  # write, verify, read
    cycle: int


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one chunk: bytes that went well, and what did not."""

    ok_bytes: int
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Tally:
    """The counts of a phase up to its mark, as they stand in the checkpoint."""

    mark: int = 0  # positions of the plan that are finished
    ok_bytes: int = 0
    bad_blocks: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest_offset: int = 0
    bucket_bytes: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    bucket_seconds: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)
    bucket_slowest_s: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)

    def to_json(self) -> dict[str, Any]:
        """Microseconds are fine enough, and a checkpoint stays small."""
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}

    @property
    def done_bytes(self) -> int:
        """Bytes that were tried, whatever became of them."""
        return sum(self.bucket_bytes)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Tally:
        """Raises TypeError or KeyError for anything that `to_json` did not write."""
        tally = cls(**row)
        if not (len(tally.bucket_bytes) == len(tally.bucket_seconds) == len(tally.bucket_slowest_s) == BUCKETS):
            raise TypeError("a tally has another number of buckets")
        return tally


def _rounded(value: Any) -> Any:
    """A copy; of a list too, for workers go on counting in theirs."""
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


class FaultList:
    """The faults of a whole scan: all counted, the first ones listed."""

    def __init__(self, listed: list[Fault] | None = None, bad_blocks: int = 0) -> None:
        self.listed = listed or []
        self.bad_blocks = bad_blocks

    def add(self, faults: tuple[Fault, ...]) -> None:
        self.bad_blocks += sum(fault.blocks for fault in faults)
        if len(self.listed) < MAX_LISTED:
            self.listed = merged([*self.listed, *faults])[:MAX_LISTED]


class PhaseLedger:
    """The books of one phase, kept by its workers. Thread-safe."""

    def __init__(
        self,
        plan: Plan,
        tally: Tally,
        faults: FaultList,
        *,
        stop: Callable[[], str],
        max_bad_blocks: int,
        checkpoint_bytes: int,
    ) -> None:
        self.tally = tally
        self.faults = faults
        self.why_stopped = ""
        self.gave_up = False
        self.trouble: BaseException | None = None
        self._plan = plan
        self._stop = stop
        self._max_bad_blocks = max_bad_blocks
        self._checkpoint_bytes = checkpoint_bytes
        self._since_checkpoint = 0
        self._next = tally.mark
        self._working = 0
        self._pending: dict[int, tuple[Done, float, float]] = {}
        self._last_end = time.monotonic()
        self._changed = threading.Condition()

    @property
    def halted(self) -> bool:
        """Whether workers should come to an end before the plan does."""
        return bool(self.why_stopped or self.gave_up or self.trouble)

    def take(self) -> int | None:
        """The next position to work on, or None when there is nothing more to do."""
        with self._changed:
            self._look_for_stop()  # microseconds a MiB, and a stop holds from the very next request on
            if self.halted or self._next >= len(self._plan):
                return None
            self._next += 1
            self._working += 1
            return self._next - 1

    def complete(self, position: int, done: Done, took_s: float) -> None:
        """Books a finished chunk. `took_s` is how long its own request took."""
        with self._changed:
            now = time.monotonic()
            since_last_s, self._last_end = now - self._last_end, now
            self._working -= 1
            self._pending[position] = (done, took_s, since_last_s)
            self._advance()
            if self._finished() or self._since_checkpoint >= self._checkpoint_bytes:
                self._changed.notify_all()

    def fail(self, trouble: BaseException) -> None:
        """A worker could not even begin."""
        with self._changed:
            self.trouble = self.trouble or trouble
            self._changed.notify_all()

    def abandon(self, trouble: BaseException | None = None) -> None:
        """A worker ends without its chunk; with `trouble`, so does the scan."""
        with self._changed:
            self._working -= 1
            self.trouble = self.trouble or trouble
            self._changed.notify_all()

    def book(self, fault: Fault) -> None:
        """A fault of the disk that belongs to no chunk; it counts as one bad block."""
        with self._changed:
            self.faults.add((fault,))
            self.faults.bad_blocks += fault.blocks == 0

    def look_for_stop(self) -> None:
        with self._changed:
            self._look_for_stop()

    def wait(self, seconds: float) -> tuple[bool, bool]:
        """Waits a while: (is the phase over, is a checkpoint due)."""
        with self._changed:
            if not self._finished() and self._since_checkpoint < self._checkpoint_bytes:
                self._changed.wait(seconds)
            due = self._since_checkpoint >= self._checkpoint_bytes
            if due:
                self._since_checkpoint = 0
            return self._finished(), due

    def snapshot(self) -> tuple[dict[str, Any], list[Fault], int]:
        """Tally, listed faults and number of bad blocks, all of the same moment."""
        with self._changed:
            return self.tally.to_json(), list(self.faults.listed), self.faults.bad_blocks

    def _finished(self) -> bool:
        return self._working == 0 and (self.halted or self._next >= len(self._plan))

    def _look_for_stop(self) -> None:
        self.why_stopped = self.why_stopped or self._stop()

    def _advance(self) -> None:
        tally = self.tally
        while (entry := self._pending.pop(tally.mark, None)) is not None:
            done, took_s, since_last_s = entry
            offset, length = self._plan.stretch(tally.mark)
            bucket = tally.mark * BUCKETS // len(self._plan)
            tally.mark += 1
            tally.ok_bytes += done.ok_bytes
            tally.seconds += since_last_s
            tally.bucket_bytes[bucket] += length
            tally.bucket_seconds[bucket] += since_last_s
            tally.bucket_slowest_s[bucket] = max(tally.bucket_slowest_s[bucket], took_s)
            if took_s > tally.slowest_s:
                tally.slowest_s, tally.slowest_offset = took_s, offset
            self._since_checkpoint += length
            if done.faults:
                tally.bad_blocks += sum(fault.blocks for fault in done.faults)
                self.faults.add(done.faults)
                self.gave_up = self.gave_up or self.faults.bad_blocks >= self._max_bad_blocks
