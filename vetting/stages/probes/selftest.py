"""A drive's own self-test, started and waited for in the way of each protocol.

What counts is a trace that the drive itself keeps: its log has a new entry, or it was seen running and then had ended. The
exit status of the command that starts it says nothing (smartctl 7.3 answers 0 for an NVMe drive and starts nothing), and
ATA's status words do not exist on NVMe and SCSI, where a wait for them returns at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol as Shape

from vetting.domain.drivehealth import Protocol, SelfTest, SmartReport, TestResult
from vetting.domain.profiles import SelfTest as Kind
from vetting.domain.profiles import SmartKnobs
from vetting.parsers import nvme
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unread, ask, why_not
from vetting.stages.probes.drives import SMARTCTL_LIMIT_S, Drive, report_of

SHORT_S = 120  # ACS, SPC-4 and NVM Express each allow a short test two minutes
SLOWEST_MB_S = 50.0  # for a drive that names no time for its long test: the slowest that one reads itself through
LONGEST_S = 24 * 3600  # and where not even its size is known
LEAST_LONG_S = 4 * 3600  # small drives are allowed for all that
LATE = (
    1.5  # the time that a drive names is its guess for an idle one: healthy drives of 20 TB take hours longer than it
)
BLIND_LOOKS = 3  # looks in a row that may fail while the drive is busy with itself
LOOKS = 60  # at most about this many looks at one test, however long it is
ALL_LOOKS = 240  # and at those of all drives together: each look is kept as evidence, of which there may be 500 pieces
NO_LOG = "does not support Self Test logging"  # smartctl of a SCSI device
UNSUPPORTED = re.compile(
    r"self-?\s?tests?\b[^.\n]{0,40}\bnot supported|does not support (?:extended |short )?self-?\s?test"
    r"|unsupported (?:operation|field)|invalid command opcode|INVALID_OPCODE",
    re.IGNORECASE,
)


class End(StrEnum):
    PASSED = "passed"
    FAILED = "failed"  # accuses the drive
    NOT_DONE = "not done"  # accuses us
    UNSUPPORTED = "unsupported"  # the drive has none


@dataclass(frozen=True, slots=True)
class Ended:
    end: End
    text: str
    took_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at what a drive says of its self-tests; `log` newest first, None where the drive showed none."""

    log: tuple[SelfTest, ...] | None
    running: bool | None
    remaining_percent: int | None
    extended_minutes: int | None = None


class Way(Shape):
    """How to start, abort and look at a self-test of one drive."""

    async def start(self, kind: Kind) -> str | None:
        """Empty where it was taken, else what was said; None where the drive has no self-test. Raises Unread."""

    async def abort(self) -> None: ...

    async def keeps_log(self) -> bool:
        """Asked of a drive that showed none: False where it says that it never will, so that no test of it leaves a trace."""

    async def look(self) -> Look:
        """Raises Unread."""


@dataclass(frozen=True, slots=True)
class BySmartctl:
    """ATA and SCSI, directly and behind controllers, and NVMe from smartctl 7.4 on."""

    deps: Deps
    drive: Drive
    keep: str

    async def start(self, kind: Kind) -> str | None:
        # Without --json: only the plain text says why a test was not started.
        ended = await self.deps.run(self.drive.smartctl("-t", kind.value), limit_s=SMARTCTL_LIMIT_S)
        if UNSUPPORTED.search(ended.text):
            return None
        return why_not(ended)

    async def abort(self) -> None:
        await self.deps.run(self.drive.smartctl("-X"), limit_s=SMARTCTL_LIMIT_S)

    async def keeps_log(self) -> bool:
        # Without --json: an empty log and none at all look the same in it.
        ended = await self.deps.run(self.drive.smartctl("-l", "selftest"), limit_s=SMARTCTL_LIMIT_S)
        return NO_LOG not in ended.text

    async def look(self) -> Look:
        argv = self.drive.smartctl("--json", "-i", "-c", "-l", "selftest")
        report = await report_of(self.deps, argv, keep=self.keep)
        return Look(
            log=report.self_tests,
            running=report.self_test_running,
            remaining_percent=report.self_test_remaining_percent,
            extended_minutes=report.self_test_minutes.get("extended"),
        )


@dataclass(slots=True)
class ByNvmeCli:
    """NVMe where smartctl is older than 7.4 and knows nothing of NVMe self-tests."""

    deps: Deps
    controller: str  # /dev/nvme0
    keep: str
    extended_minutes: int | None = None

    async def start(self, kind: Kind) -> str | None:
        told = await ask(self.deps, ["nvme", "id-ctrl", self.controller, "-o", "json"], nvme.parse_id_ctrl)
        if told.self_test is False:
            return None
        self.extended_minutes = told.extended_test_minutes
        code = {Kind.SHORT: "1", Kind.LONG: "2"}[kind]
        argv = ["nvme", "device-self-test", self.controller, "-n", "0xffffffff", "-s", code]
        ended = await self.deps.run(argv, limit_s=SMARTCTL_LIMIT_S)
        if UNSUPPORTED.search(ended.text):
            return None
        return why_not(ended)

    async def abort(self) -> None:
        argv = ["nvme", "device-self-test", self.controller, "-n", "0xffffffff", "-s", "0xf"]
        await self.deps.run(argv, limit_s=SMARTCTL_LIMIT_S)

    async def keeps_log(self) -> bool:
        return True

    async def look(self) -> Look:
        argv = ["nvme", "self-test-log", self.controller, "-o", "json"]
        told = await ask(self.deps, argv, nvme.parse_self_test_log, keep=self.keep)
        left = None if told.done_percent is None else 100 - told.done_percent
        return Look(
            log=told.tests, running=told.running, remaining_percent=left, extended_minutes=self.extended_minutes
        )


def way_to(deps: Deps, drive: Drive, report: SmartReport, keep: str) -> Way:
    """How this drive is tested, by its protocol and by what the installed smartctl can do."""
    known = tuple(int(part) for part in report.version.split(".") if part.isdigit())
    if report.protocol is Protocol.NVME and known < (7, 4):
        controller = re.sub(r"(nvme\d+)(c\d+)?n\d+$", r"\1", drive.path)
        return ByNvmeCli(deps, controller, keep)
    return BySmartctl(deps, drive, keep)


def named_s(kind: Kind, minutes: int | None, capacity_bytes: int | None) -> float:
    """Seconds that a test may take by the drive's own word, else by its size."""
    if kind is Kind.SHORT:
        return SHORT_S
    if minutes:
        return minutes * 60.0 * LATE
    return max(capacity_bytes / (SLOWEST_MB_S * 1e6), LEAST_LONG_S) if capacity_bytes else LONGEST_S


async def self_test(
    deps: Deps, way: Way, kind: Kind, report: SmartReport, drives: int, on_look: Callable[[str], None]
) -> Ended:
    """Starts a self-test and waits for its end; `drives` are tested side by side, this one included.

    Raises ToolMissing; all else that goes wrong is an Ended.
    """
    began_s = deps.monotonic()
    try:
        before = await way.look()
        if before.running:  # of an attempt before this one, or of somebody else: it is not ours to wait for
            await way.abort()
            before = await way.look()
        if before.log is None and report.protocol is Protocol.SCSI and not await way.keeps_log():
            return Ended(End.UNSUPPORTED, "the drive keeps no log of self-tests, so none can be shown to have passed")
        refused = await way.start(kind)
    except Unread as why:
        return Ended(End.NOT_DONE, f"the {kind} self-test could not be started: {why}")
    if refused is None:
        return Ended(End.UNSUPPORTED, "the drive says that it has no self-test")
    if refused:
        return Ended(End.NOT_DONE, f"the {kind} self-test was not started: {refused}")
    minutes = report.self_test_minutes.get("extended")
    looks = max(8, min(LOOKS, ALL_LOOKS // max(drives, 1)))
    wait = _Wait(deps, way, kind, deps.job.profile.smart, before, looks, minutes, report.capacity_bytes, on_look)
    ended = await wait.until_ended(deps.monotonic())
    return Ended(ended.end, ended.text, deps.monotonic() - began_s)


@dataclass(slots=True)
class _Wait:
    deps: Deps
    way: Way
    kind: Kind
    knobs: SmartKnobs
    before: Look
    looks: int
    minutes: int | None
    capacity_bytes: int | None
    on_look: Callable[[str], None]
    seen_running: bool = False
    blind: int = 0

    async def until_ended(self, started_s: float) -> Ended:
        while True:
            may_take_s = named_s(self.kind, self.minutes, self.capacity_bytes) + self.knobs.grace_s
            late = self.deps.monotonic() - started_s > may_take_s
            if late:
                return self._never_ended(may_take_s)
            await self.deps.sleep(max(self.knobs.poll_s, may_take_s / self.looks))
            try:
                look = await self.way.look()
            except Unread as why:
                self.blind += 1
                if self.blind >= BLIND_LOOKS:
                    return Ended(End.NOT_DONE, f"the drive could not be asked how its self-test goes: {why}")
                continue
            self.blind = 0
            if ended := self._seen(look):
                return ended

    def _seen(self, look: Look) -> Ended | None:
        """The end of our test, if this look shows it."""
        self.minutes = look.extended_minutes or self.minutes
        if look.running:
            self.seen_running = True
            rest = "" if look.remaining_percent is None else f", {look.remaining_percent} % left"
            self.on_look(f"{self.kind} self-test{rest}")
            return None
        newest = look.log[0] if look.log else None
        if newest is None or newest.result is TestResult.RUNNING:
            return None
        if look.log == self.before.log and not self.seen_running:
            return None  # an old entry: the drive has not begun, or never will
        if newest.result is TestResult.PASSED:
            return Ended(End.PASSED, f"{newest.kind}: {newest.text}")
        if newest.result is TestResult.FAILED:
            where = "" if newest.first_bad_lba is None else f" at block {newest.first_bad_lba}"
            return Ended(End.FAILED, f"the {self.kind} self-test failed{where}: {newest.text}")
        return Ended(End.NOT_DONE, f"the {self.kind} self-test did not run to its end: {newest.text}")

    def _never_ended(self, may_take_s: float) -> Ended:
        how = "was still running" if self.seen_running else "left no trace in the drive's log"
        return Ended(End.NOT_DONE, f"the {self.kind} self-test {how} after {may_take_s:.0f} s")
