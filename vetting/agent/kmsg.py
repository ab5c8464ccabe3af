"""Follows the kernel log and turns its complaints into findings of the current stage.

Each record of /dev/kmsg has a number, so an agent that starts again within the same boot reads on where the interrupted
stage began, and records that the kernel overwrote before we came are noticed as a gap.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from vetting.clock import Clock
from vetting.domain.outcome import Finding, Severity
from vetting.parsers import kmsg

POLL_S = 0.5
RECORDS_A_POLL = 1000
RECORD_BYTES = 8192  # a read that is smaller than the record fails with EINVAL
SAME_A_STAGE = 20  # of one kind, component and severity; more are not told
DIFFERENT_A_STAGE = 100  # kinds and components of each severity: no warnings hide an error


class KernelLog:
    """`on_event` gets each complaint as a finding with its kind."""

    def __init__(self, path: Path, on_event: Callable[[kmsg.Kind | None, Finding], None]) -> None:
        self._path = path
        self._on_event = on_event
        self._handle: int | None = None
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._rest = ""
        self.sequence = 0  # of the last record read
        self.corrected: Counter[str] = Counter()  # errors of this stage that were corrected, by component

    def open(self, after: int = 0) -> None:
        """Starts behind the record `after`, or at the end where it is 0. A log that cannot be read is a finding: what the
        kernel saw is UNKNOWN, never OK."""
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            self.sequence = after
            if not after:
                self._skip_to_end()
        except OSError as error:
            self._on_event(
                None,
                Finding(
                    severity=Severity.WARNING,
                    component="host",
                    text=f"the kernel log cannot be read ({error.strerror}): what the kernel saw is unknown",
                    source="kernel log",
                ),
            )

    @property
    def readable(self) -> bool:
        return self._handle is not None

    def new_stage(self) -> None:
        """Counts of equal complaints begin again."""
        self._seen.clear()
        self.corrected.clear()

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    async def follow(self, clock: Clock) -> None:
        while True:
            self.poll()
            await clock.sleep(POLL_S)

    def poll(self) -> None:
        """Reads what is new, at most a thousand records at a time."""
        if self._handle is None:
            return
        for _ in range(RECORDS_A_POLL):
            try:
                record = os.read(self._handle, RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:  # overwritten before we came; the next read goes on behind the gap
                self._report(None, Severity.WARNING, "host", "kernel log lines were lost before they could be read")
                continue
            except OSError as error:
                self._report(
                    None, Severity.WARNING, "host", f"the kernel log cannot be read any more: {error.strerror}"
                )
                self.close()
                return
            if not record:
                return
            self._take(record.decode("utf-8", "replace"))

    def _take(self, record: str) -> None:
        """One record: its first line is the message, lines behind it that begin with a blank are keys of the device.

        A record always ends with its line; what does not (a recording read in pieces) waits for its rest.
        """
        *lines, self._rest = (self._rest + record).split("\n")
        for line in lines:
            if line.startswith(" "):
                continue
            number = kmsg.sequence(line)
            if number is not None and number <= self.sequence:
                continue
            self.sequence = number if number is not None else self.sequence
            if event := kmsg.classify(line):
                self.corrected.update(filter(None, [kmsg.corrected(event)]))
                self._report(event.kind, event.severity, event.component or "host", event.text)

    def _report(self, kind: kmsg.Kind | None, severity: Severity, component: str, text: str) -> None:
        key = (str(kind), component, str(severity))
        if key not in self._seen and sum(known[2] == key[2] for known in self._seen) >= DIFFERENT_A_STAGE:
            return
        self._seen[key] += 1
        if self._seen[key] > SAME_A_STAGE:
            return
        more = " (further ones of this kind are not listed)" if self._seen[key] == SAME_A_STAGE else ""
        self._on_event(kind, Finding(severity=severity, component=component, text=text + more, source="kernel log"))

    def _skip_to_end(self) -> None:
        """Remembers the last record's number, so that a later start can go on behind it."""
        assert self._handle is not None
        while True:
            try:
                record = os.read(self._handle, RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue
            if not record:
                return
            for line in record.decode("utf-8", "replace").splitlines():
                self.sequence = kmsg.sequence(line) or self.sequence
