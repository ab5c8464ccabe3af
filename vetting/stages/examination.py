"""One drive, from its first reading to its last: its health, its own test, what grew meanwhile, and the verdict on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from math import isfinite

from vetting.domain.drivehealth import DriveVerdict, SmartReport, counters, judge, judge_growth
from vetting.domain.drivetests import outdated_by
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Cell, Counter, Finding, Measurement, Severity, Verdict, Work
from vetting.domain.permit import SCRATCH
from vetting.domain.profiles import SelfTest
from vetting.parsers.errors import bounded
from vetting.parsers.hwmon import slug
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.drives import Drive, Found, report_of, stands_for
from vetting.stages.probes.selftest import End, self_test, way_to

NO_SMART = "no SMART on this device"
NOTES_TOLD = 10  # of each drive; a dying one has hundreds


@dataclass(slots=True)
class Examined:
    """All that one drive's examination yields."""

    cell: Cell
    counters: list[Counter] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Examination:
    """One drive, from its first reading to its last."""

    deps: Deps
    disk: ExpectedDisk
    turns: asyncio.Semaphore

    @property
    def component(self) -> str:
        return f"disk:{self.disk.serial}"

    def cell(self, verdict: Verdict, reason: str = "", *work: Work) -> Cell:
        return Cell(component=self.component, verdict=verdict, reason=reason, work=work)

    async def of(self, found: Found) -> Examined:
        drive = found.by_serial[self.disk.serial]
        if self.disk.kind == SCRATCH:
            return Examined(self.cell(Verdict.SKIP, f"{NO_SMART}: a scratch disk of our own making"))
        if drive is None and found.unasked:
            return Examined(
                self.cell(Verdict.ERROR, f"not found, and not every drive tells its serial: {found.unasked[0]}")
            )
        if drive is None:
            return Examined(self.cell(Verdict.FAIL, "not found: no drive of this host bears this serial"))
        return await self.of_drive(drive)

    async def of_drive(self, drive: Drive) -> Examined:
        try:
            before = await self._read(drive, "before")
        except Unread as why:
            return Examined(self.cell(Verdict.ERROR, str(why)))
        if drive.virtual and before.healthy is None:
            said = "; ".join(before.error_messages) or "smartctl reads no health from it"
            return Examined(
                self.cell(Verdict.SKIP, f"{NO_SMART}: virtual ({drive.transport or 'disk'}), {bounded(said)}")
            )
        return await self._examined(drive, before)

    async def _read(self, drive: Drive, when: str) -> SmartReport:
        """A reading that bears the expected serial. Raises Unread."""
        async with self.turns:
            keep = f"smart-{slug(self.disk.serial)}-{when}.json"
            report = await report_of(self.deps, drive.smartctl("--json", "-x"), keep=keep)
        if not stands_for(report, drive, self.disk):
            raise Unread(
                f"{drive.path} answered with the serial {bounded(report.serial or 'none')}: it is another drive"
            )
        return report

    async def _examined(self, drive: Drive, before: SmartReport) -> Examined:
        first = judge(before)
        judgeable = first.healthy or self._a_test_will_tell(before)
        done = Examined(self.cell(Verdict.PASS), measurements=self._measured(before), findings=self._findings(first))
        done.counters = self._counters(before, None)
        if not judgeable:
            done.cell = self._condemned(first)
            return done
        tested, spoken, work = await self._tested(drive, before)
        try:
            after = await self._read(drive, "after")
        except Unread as why:
            done.cell = self.cell(Verdict.ERROR, f"it could not be read after its self-test: {why}")
            return done
        last, grown = judge(after), judge_growth(before, after)
        done.counters = self._counters(before, after)
        done.measurements = self._measured(after)
        done.findings = self._findings(grown) + self._findings(last)
        verdicts = DriveVerdict(
            failing=tuple(dict.fromkeys(last.failing + grown.failing)),
            trouble=tuple(dict.fromkeys(last.trouble + grown.trouble)),
        )
        if tested is Verdict.FAIL:
            done.cell = self.cell(Verdict.FAIL, "; ".join((spoken, *verdicts.failing)), *work)
        elif not verdicts.healthy:
            done.cell = self._condemned(verdicts)
        else:
            reading = Work(what="SMART readings", done=2, of=2, unit="readings")
            done.cell = self.cell(tested, spoken, reading, *work)
        return done

    def _a_test_will_tell(self, before: SmartReport) -> bool:
        """True where nothing but the log of old self-tests speaks against the drive, and the one to come looks as far."""
        kind = self.deps.job.profile.smart.self_test
        if kind is SelfTest.NONE or not judge(replace(before, self_tests=None)).healthy:
            return False
        return outdated_by(before.self_tests or (), long=kind is SelfTest.LONG)

    async def _tested(self, drive: Drive, before: SmartReport) -> tuple[Verdict, str, tuple[Work, ...]]:
        """What the self-test says: verdict, words for people, work done."""
        kind = self.deps.job.profile.smart.self_test
        if kind is SelfTest.NONE:
            return Verdict.PASS, "no self-test: this profile asks for none", ()
        way = way_to(self.deps, drive, before, f"smart-{slug(self.disk.serial)}-selftest.json")
        ended = await self_test(self.deps, way, kind, before, len(self.deps.job.expected_disks), self._on_look)
        work = Work(what=f"{kind} self-test", done=float(ended.end is End.PASSED), of=1, unit="tests")
        if ended.end is End.UNSUPPORTED:
            return Verdict.PASS, f"no self-test: {ended.text}", ()
        verdict = {End.PASSED: Verdict.PASS, End.FAILED: Verdict.FAIL, End.NOT_DONE: Verdict.ERROR}[ended.end]
        return verdict, f"{kind} self-test: {ended.text}" if verdict is Verdict.PASS else ended.text, (work,)

    def _on_look(self, text: str) -> None:
        self.deps.log(f"{self.component}: {text}", "debug")

    def _condemned(self, verdict: DriveVerdict) -> Cell:
        if verdict.failing:
            return self.cell(Verdict.FAIL, "; ".join(verdict.failing))
        return self.cell(Verdict.ERROR, "; ".join(verdict.trouble))

    def _counters(self, before: SmartReport, after: SmartReport | None) -> list[Counter]:
        old, new = counters(before), counters(after) if after else {}
        return [
            Counter(component=self.component, name=name, before=old.get(name), after=new.get(name))
            for name in dict.fromkeys((*old, *new))
        ]

    def _measured(self, report: SmartReport) -> list[Measurement]:
        values = {
            "temperature": (report.temperature_c, "C"),
            "power_on_hours": (report.power_on_hours, "h"),
            "percentage_used": (report.worn_percent, "%"),
            **{name: (float(value), "events") for name, value in counters(report).items()},
        }
        stem = f"disk.{slug(self.disk.serial) or 'unnamed'}"
        return [
            Measurement(series=f"{stem}.{name}", value=float(value), unit=unit, component=self.component)
            for name, (value, unit) in values.items()
            if value is not None and isfinite(value)
        ]

    def _findings(self, verdict: DriveVerdict) -> list[Finding]:
        told = [(Severity.WARNING, text) for text in verdict.warnings] + [
            (Severity.INFO, text) for text in verdict.notes
        ]
        return [
            Finding(severity=severity, component=self.component, text=bounded(text), source="smart")
            for severity, text in told[:NOTES_TOLD]
        ]
