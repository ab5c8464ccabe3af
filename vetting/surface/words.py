"""What the program says on its output: progress now and then, and at the end exactly one result; JSON, one object a line."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

from vetting.domain.disks import DiskIdentity, Hit, Objection
from vetting.surface.engine import Scan
from vetting.surface.faults import Fault
from vetting.surface.ledger import Phase, Tally

FORMAT = 1
EXIT = {"clean": 0, "bad": 1, "vanished": 1, "refused": 2, "error": 3, "stopped": 4}
MIB = 1024 * 1024


class Voice:
    """The program's output. A reader that went away is a reason to stop, not to go on unseen."""

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._last_s = time.monotonic()
        self._last_mark = (Phase("", 0), 0, 0.0)
        self.unheard = False

    def progress(self, phase: Phase, tally: Tally, promised_bytes: int, bad_blocks: int) -> None:
        """At most one line each `every_s` seconds; never fewer than one second between two."""
        now = time.monotonic()
        if now - self._last_s < max(1.0, self._every_s):
            return
        last_phase, last_bytes, last_s = self._last_mark
        done = tally.done_bytes
        rate = (done - last_bytes) / MIB / (now - last_s) if last_phase == phase else 0.0
        self._last_s, self._last_mark = now, (phase, done, now)
        self._say(
            {
                "event": "progress",
                "phase": phase.kind,
                "cycle": phase.cycle,
                "done_bytes": done,
                "of_bytes": promised_bytes,
                "mib_s": round(rate, 1),
                "bad_blocks": bad_blocks,
            }
        )

    def result(self, outcome: str, reason: str, **parts: Any) -> int:
        """The one result; returns the exit status that belongs to the outcome."""
        self._say({"event": "result", "format": FORMAT, "outcome": outcome, "reason": reason, **_NOTHING, **parts})
        return EXIT[outcome]

    def _say(self, row: dict[str, Any]) -> None:
        try:
            sys.stdout.write(json.dumps(row, allow_nan=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.unheard = True


_NOTHING: dict[str, Any] = {
    "disk": None,
    "covered_bytes": 0,
    "cycles": 0,
    "bytes_promised": 0,
    "bytes_written": 0,
    "bytes_verified": 0,
    "bytes_read": 0,
    "bad_blocks": 0,
    "errors": [],
    "seconds": 0.0,
    "phases": [],
    "objections": [],
    "hits": [],
    "found": "",
    "heads": "",
}


def told_disk(disk: DiskIdentity) -> dict[str, Any]:
    """Who the disk is, as read from the open descriptor."""
    return {**asdict(disk), "serial": disk.serial}


def told_objections(objections: tuple[Objection, ...]) -> list[dict[str, str]]:
    return [{"line": str(each.line), "reason": each.reason[:1000]} for each in objections[:100]]


def told_hits(hits: tuple[Hit, ...]) -> list[dict[str, Any]]:
    return [asdict(hit) for hit in hits[:100]]


def told_fault(fault: Fault) -> dict[str, Any]:
    return asdict(fault)


def told_scan(scan: Scan) -> dict[str, Any]:
    """Coverage, counts, errors and the throughput of each phase."""
    done = list(zip(scan.phases, scan.standing.tallies, strict=False))
    cycles = max(phase.cycle for phase in scan.phases)
    faults = scan.standing.faults
    return {
        "covered_bytes": scan.plan.bytes_promised,
        "cycles": cycles,
        "bytes_promised": scan.plan.bytes_promised * cycles,
        "bytes_written": sum(tally.ok_bytes for phase, tally in done if phase.kind == "write"),
        "bytes_verified": sum(tally.ok_bytes for phase, tally in done if phase.kind == "verify"),
        "bytes_read": sum(tally.ok_bytes for phase, tally in done if phase.kind == "read"),
        "bad_blocks": faults.bad_blocks,
        "errors": [told_fault(fault) for fault in faults.listed],
        "seconds": round(sum(tally.seconds for _, tally in done), 3),
        "sessions": scan.standing.sessions,
        "resumes": [
            {"phase": phase, "cycle": cycle, "at_byte": at, "done_bytes": done, "after": after}
            for phase, cycle, at, done, after in scan.standing.resumes
        ],
        "whole": scan.plan.whole,
        "threads": scan.threads,
        "salt": scan.salt.hex(),
        "phases": [_told_phase(phase, tally) for phase, tally in done],
    }


def _told_phase(phase: Phase, tally: Tally) -> dict[str, Any]:
    """Rates in MiB/s; the profile has up to a hundred equal parts of the plan, from the first byte to the last."""
    parts = [
        (size, seconds, slowest)
        for size, seconds, slowest in zip(tally.bucket_bytes, tally.bucket_seconds, tally.bucket_slowest_s, strict=True)
        if size
    ]
    rates = [size / MIB / seconds if seconds > 0 else 0.0 for size, seconds, _ in parts]
    return {
        "phase": phase.kind,
        "cycle": phase.cycle,
        "ok_bytes": tally.ok_bytes,
        "bad_blocks": tally.bad_blocks,
        "seconds": round(tally.seconds, 3),
        "mean_mib_s": round(sum(tally.bucket_bytes) / MIB / tally.seconds, 1) if tally.seconds > 0 else 0.0,
        "min_mib_s": round(min(rates, default=0.0), 1),
        "slowest_ms": round(tally.slowest_s * 1000, 3),
        "slowest_offset": tally.slowest_offset,
        "profile_mib_s": [round(rate, 1) for rate in rates],
        "profile_seconds": [round(seconds, 3) for _, seconds, _ in parts],
        "profile_slowest_ms": [round(slowest * 1000, 3) for _, _, slowest in parts],
    }
