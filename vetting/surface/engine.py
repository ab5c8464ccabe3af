"""The scan: write everything, then verify everything; again with the complement where two cycles are asked for.

Everything is written before anything is read, for a disk that drops writes, wraps round or lies about its size answers
correctly as long as its cache or the last write is asked.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vetting.surface.device import Device
from vetting.surface.faults import Fault, of_errno
from vetting.surface.ledger import FaultList, Phase, PhaseLedger, Tally
from vetting.surface.pattern import base_of
from vetting.surface.plan import Plan
from vetting.surface.worker import Vanished, Worker

TICK_S = 0.25
MAX_BAD_BLOCKS = 10_000
CHECKPOINT_BYTES = 2 * 1024**3
CHECKPOINT_S = 15.0
MAX_RESUMES = 50  # that are told
HANG_S = 20.0  # patience with requests in flight once a stop is asked for


@dataclass(slots=True)
class Standing:
    """How far a scan is: what the checkpoint keeps and the result is made of."""

    phase_index: int = 0
    tallies: list[Tally] = field(default_factory=list)
    faults: FaultList = field(default_factory=FaultList)
    sessions: int = 0
    seq: int = 0  # checkpoints so far, over all sessions: of two the one with the greater number is newer
    resumes: list[list[Any]] = field(default_factory=list)  # phase, cycle, byte of the disk, done bytes, after what


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session of a scan ended. `outcome`: clean, bad, vanished, stopped."""

    outcome: str
    reason: str = ""


def phases_of(*, cycles: int, read_only: bool) -> tuple[Phase, ...]:
    """The passes over the disk, in order."""
    if read_only:
        return (Phase("read", 1),)
    return tuple(Phase(kind, cycle) for cycle in range(1, cycles + 1) for kind in ("write", "verify"))


@dataclass(slots=True, kw_only=True)
class Scan:
    """A scan of one disk. `keep` is called with the standing to make durable, `tell` about once a tick."""

    device: Device
    plan: Plan
    phases: tuple[Phase, ...]
    salt: bytes
    threads: int
    standing: Standing
    stop: Callable[[], str] = lambda: ""
    keep: Callable[[dict[str, Any]], None] = lambda _: None
    tell: Callable[[Phase, Tally], None] = lambda _phase, _tally: None
    max_bad_blocks: int = MAX_BAD_BLOCKS
    checkpoint_bytes: int = CHECKPOINT_BYTES

    def __post_init__(self) -> None:
        while len(self.standing.tallies) < len(self.phases):
            self.standing.tallies.append(Tally())

    def run(self) -> Ending:
        """To the end, or to the first reason to stop. Raises OSError where the trouble is ours."""
        standing = self.standing
        standing.sessions += 1
        try:
            for index in range(standing.phase_index, len(self.phases)):
                standing.phase_index = index
                ending = self._run_phase(self.phases[index], standing.tallies[index])
                if ending:
                    return ending
                standing.phase_index = index + 1
                self.checkpoint()
        except Vanished as vanished:
            return Ending("vanished", str(vanished))
        if standing.faults.bad_blocks:
            return Ending("bad", f"{standing.faults.bad_blocks} bad blocks")
        return Ending("clean")

    def _run_phase(self, phase: Phase, tally: Tally) -> Ending | None:
        ledger = PhaseLedger(
            self.plan,
            tally,
            self.standing.faults,
            stop=self.stop,
            max_bad_blocks=self.max_bad_blocks,
            checkpoint_bytes=self.checkpoint_bytes,
        )
        base_of(self.salt, complement=phase.cycle == 2)  # made once, before the workers all want it at the same moment
        workers = [Worker(self.device, self.plan, phase, self.salt, ledger) for _ in range(self.threads)]
        threads = [
            threading.Thread(target=worker.work, name=f"surface-{phase.kind}", daemon=True) for worker in workers
        ]
        for thread in threads:
            thread.start()
        if not self._watch(phase, ledger):
            return Ending("stopped", f"{ledger.why_stopped}; requests still hang in the kernel")
        for thread in threads:
            thread.join()
        if ledger.trouble:
            raise ledger.trouble
        if phase.kind == "write":
            self._flush(phase, ledger)
        if ledger.why_stopped or ledger.gave_up:
            self.checkpoint(ledger, flushed=True)
        if ledger.why_stopped:
            return Ending("stopped", ledger.why_stopped)
        if ledger.gave_up:
            return Ending("bad", f"gave up after {self.standing.faults.bad_blocks} bad blocks")
        return None

    def _watch(self, phase: Phase, ledger: PhaseLedger) -> bool:
        """Sits beside the workers: looks for a stop, keeps checkpoints, tells how far it is.

        Returns False where a stop was asked for and the disk does not give back its requests.
        """
        kept = time.monotonic()
        give_up_at = math.inf
        while True:
            over, due = ledger.wait(TICK_S)
            if over:
                return True
            ledger.look_for_stop()
            if ledger.why_stopped:
                give_up_at = min(give_up_at, time.monotonic() + HANG_S)
                if time.monotonic() > give_up_at:
                    return False
                continue
            self.tell(phase, ledger.tally)
            if due or time.monotonic() - kept > CHECKPOINT_S:
                self.checkpoint(ledger)
                kept = time.monotonic()

    def _flush(self, phase: Phase, ledger: PhaseLedger) -> None:
        """What is checkpointed as written has reached the medium; a disk that cannot even say so has failed."""
        try:
            self.device.flush()
        except OSError as error:
            if self.device.gone():
                raise Vanished(0) from error
            ledger.book(Fault(phase.kind, phase.cycle, 0, 0, "flush-error", of_errno(error)[1]))

    def checkpoint(self, ledger: PhaseLedger | None = None, *, flushed: bool = False) -> None:
        """Makes the standing durable: first the books, then the medium, then the file, so that it never claims too much."""
        index = self.standing.phase_index
        rows = [tally.to_json() for tally in self.standing.tallies]
        faults, bad_blocks = self.standing.faults.listed, self.standing.faults.bad_blocks
        if ledger:
            rows[index], faults, bad_blocks = ledger.snapshot()
            if self.phases[index].kind == "write" and not flushed:
                self._flush(self.phases[index], ledger)
                bad_blocks = self.standing.faults.bad_blocks
        self.standing.seq += 1
        self.keep(
            {
                "seq": self.standing.seq,
                "phase_index": index,
                "tallies": rows,
                "faults": [[f.phase, f.cycle, f.offset, f.length, f.kind, f.detail] for f in faults],
                "bad_blocks": bad_blocks,
                "sessions": self.standing.sessions,
                "resumes": self.standing.resumes,
            }
        )

    def resume(self, after: str) -> None:
        """Notes where this session takes up what an earlier one left; `after`: what ended that one, in a word."""
        standing, index = self.standing, self.standing.phase_index
        if index < len(self.phases):
            phase, mark = self.phases[index], standing.tallies[index].mark
        else:  # all was done, and nobody had heard of it
            phase, mark = self.phases[-1], len(self.plan)
        at = self.plan.stretch(mark)[0] if mark < len(self.plan) else self.plan.size_bytes
        done = sum(tally.done_bytes for tally in standing.tallies)
        standing.resumes = [*standing.resumes, [phase.kind, phase.cycle, at, done, after]][-MAX_RESUMES:]


def threads_for(rotational: bool | None) -> int:
    """Requests in flight: two keep a spinning disk streaming, four a fast one, as far as there are cores to compare."""
    return 2 if rotational else min(4, max(2, os.cpu_count() or 2))


def standing_from(row: dict[str, Any]) -> Standing:
    """The standing that a checkpoint kept. Raises KeyError, TypeError or ValueError for anything else."""
    return Standing(
        phase_index=int(row["phase_index"]),
        tallies=[Tally.from_json(tally) for tally in row["tallies"]],
        faults=FaultList([Fault(*fault) for fault in row["faults"]], int(row["bad_blocks"])),
        sessions=int(row["sessions"]),
        seq=int(row["seq"]),
        resumes=[list(each) for each in row["resumes"]],
    )
