"""Write every expected disk, verify what was written, then load all of them with verified random requests at once.

Nothing is written until every disk has been looked at: one disk with data on it halts the stage for all, until a person
says that the data may go. The safety lines themselves stand in `vetting surface`, on the descriptor that does the writing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, ClassVar

from vetting.domain.disks import Target
from vetting.domain.drivehealth import SmartReport, counters, judge_growth
from vetting.domain.outcome import Cell, Counter, Finding, Outcome, Severity, Verdict, Work
from vetting.domain.permit import SCRATCH
from vetting.parsers.hwmon import slug
from vetting.stages.base import Deps, Job, NotTaken
from vetting.stages.carry import Carried
from vetting.stages.disk_paths import Device, Looked, device_of, free, left_out, look, no_permit, targets_of, unexpected
from vetting.stages.fio_load import Rounds, rounds
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.drives import AT_ONCE, Drive, find, report_of, size_of, stands_for
from vetting.stages.surface_load import START_S, Scanned, asked_of, scan
from vetting.stages.surface_profile import Surveyed, measured, resumptions, slow_ones
from vetting.stages.way_back import WAY_BACK_S, carry_away, count_down, countdown_s, left_by_earlier_boots

MIB = 1024 * 1024


@dataclass
class _Disk:
    """One disk on its way through the stage."""

    device: Device
    drive: Drive | None = None  # None: a scratch disk has no health
    health: SmartReport | None = None
    scan: Scanned | None = None
    fio: Rounds | None = None
    verdict: Verdict = Verdict.PASS
    reasons: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)

    def fail(self, verdict: Verdict, reason: str) -> None:
        """FAIL outweighs ERROR; every reason is kept."""
        self.reasons.append(reason)
        if self.verdict is not Verdict.FAIL:
            self.verdict = verdict

    @property
    def going(self) -> bool:
        return self.verdict is Verdict.PASS

    @property
    def cell(self) -> Cell:
        work = []
        if self.scan and (report := self.scan.report):
            done, of = report.bytes_verified, report.bytes_promised
            work.append(Work(what="surface verified", done=done, of=of, unit="B"))
            work.append(Work(what="surface covered", done=report.covered_bytes, of=self.device.size_bytes, unit="B"))
        if self.fio:
            work.append(Work(what="fio verified", done=self.fio.read_back, of=self.fio.written, unit="B"))
        return Cell(
            component=self.device.component, verdict=self.verdict, reason="; ".join(self.reasons), work=tuple(work)
        )


class Storage:
    name: ClassVar[str] = "Storage"
    does: ClassVar[str] = "writes and verifies every expected disk, then verified random load on all of them at once"
    tools: ClassVar[tuple[str, ...]] = ("lsblk", "fio", "wipefs", "blkid")

    def planned_s(self, job: Job) -> float:
        """The scan goes by bytes, not by time; only fio has a time to fill, and the countdown."""
        writes = not job.non_destructive and any(disk.write for disk in job.expected_disks)
        return float(job.profile.storage.fio_s + countdown_s(job)) if writes else 0.0

    def limit_s(self, job: Job) -> float:
        knobs = job.profile.storage
        asked, written = asked_of(knobs), [disk for disk in job.expected_disks if disk.write]
        scans = [asked.of(disk.serial).limit_s(size_of(disk, job.inventory)) for disk in written]
        before_s = WAY_BACK_S + countdown_s(job)
        return before_s + max(scans, default=START_S) + knobs.fio_s * 1.5 + 2 * START_S

    async def run(self, deps: Deps) -> Outcome:
        if not deps.job.expected_disks:
            return Outcome.error("no disk is expected of this host, so none was tested; name its disks in the spec")
        try:
            targets = await targets_of(deps)
        except Unread as why:
            return _all(deps, Verdict.ERROR, f"the disks could not be listed: {why}")
        left = [left_out(each, non_destructive=deps.job.non_destructive) for each in targets if each.why_not]
        summary: dict[str, Any] = {"disks": [asdict(each.found) for each in targets if each.found]}
        wanted = [each for each in targets if not each.why_not]
        if not wanted:
            return Outcome.of_cells(left, data=summary)
        disks, lost = _found(deps, wanted)
        left += lost
        if not deps.job.permit or not deps.job.permit_key:
            return _halted(disks, left, no_permit(deps.job), summary)
        looks = await _together(disks, lambda disk: look(deps, disk.device, "before"))
        if why_not := unexpected(looks, deps.job.override_flags):
            return _halted(disks, left, why_not, summary, looks)
        await _tested(deps, disks)
        return _concluded(deps, disks, left, summary)


def _found(deps: Deps, wanted: Sequence[Target]) -> tuple[list[_Disk], list[Cell]]:
    disks, lost = [], []
    for target in wanted:
        device = device_of(deps, target)
        if isinstance(device, Device):
            disks.append(_Disk(device))
        else:
            lost.append(Cell(component=f"disk:{target.expected.serial}", verdict=Verdict.ERROR, reason=device))
    return disks, lost


async def _together(disks: Sequence[_Disk], step: Callable[[_Disk], Awaitable[Looked]]) -> list[Looked]:
    """The look at each disk; no more than AT_ONCE disks spin up in the same instant."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(disk: _Disk) -> Looked:
        async with turns:
            return await step(disk)

    return await asyncio.gather(*(one(disk) for disk in disks))


async def _tested(deps: Deps, disks: Sequence[_Disk]) -> None:
    """All disks through the scan, then all together through fio; the drives' own counters around both."""
    await _know_drives(deps, disks)
    for disk in disks:
        if disk.drive:
            disk.health = await _health(deps, disk, "before")
    permit = deps.write_scratch("permit.json", deps.job.permit.encode())
    going = [disk for disk in disks if disk.going]
    devices, asked = [disk.device for disk in going], asked_of(deps.job.profile.storage)
    try:
        carried = await left_by_earlier_boots(deps, devices)
        why_not = await carry_away(deps, devices, permit, asked, carried)
    except NotTaken as why:
        carried, why_not = {}, f"whether an earlier boot had begun could not be asked: {why}"
    if why_not:
        for disk in going:
            disk.fail(Verdict.ERROR, f"nothing was written: {why_not}")
        return
    await count_down(deps, devices)
    await asyncio.gather(*(_scan(deps, disk, disks, permit, carried) for disk in disks if disk.going))
    await asyncio.gather(*(_fio(deps, disk) for disk in disks if disk.going))
    for disk in disks:
        if disk.drive and disk.health:
            _grown(disk, await _health(deps, disk, "after"))


async def _know_drives(deps: Deps, disks: Sequence[_Disk]) -> None:
    """smartctl's address of each real disk. A disk that cannot be asked for its health is not written either."""
    real = [disk for disk in disks if disk.device.disk.kind != SCRATCH]
    if not real:
        return
    try:
        found = await find(deps, [disk.device.disk for disk in real])
    except Unread as why:
        for disk in real:
            disk.fail(Verdict.ERROR, f"its health could not be asked: {why}")
        return
    for disk in real:
        disk.drive = found.by_serial[disk.device.disk.serial]
        if disk.drive is None:
            disk.fail(Verdict.ERROR, "its health could not be asked: smartctl finds no drive with this serial")


async def _health(deps: Deps, disk: _Disk, when: str) -> SmartReport | None:
    assert disk.drive is not None  # asked of real drives alone
    if disk.drive.volume:
        return None  # smartctl is turned away from it
    try:
        argv = disk.drive.smartctl("--json", "-x")
        report = await report_of(deps, argv, keep=f"smart-{slug(disk.device.disk.serial)}-{when}.json")
    except Unread as why:
        disk.fail(Verdict.ERROR, f"its health could not be read {when} the test: {why}")
        return None
    if disk.drive.virtual and report.healthy is None:
        return None
    if not stands_for(report, disk.drive, disk.device.disk):
        disk.fail(Verdict.ERROR, f"{disk.drive.path} answered with another serial {when} the test")
        return None
    return report


def _grown(disk: _Disk, after: SmartReport | None) -> None:
    old, new = counters(disk.health) if disk.health else {}, counters(after) if after else {}
    disk.counters += [
        Counter(component=disk.device.component, name=name, before=old.get(name), after=new.get(name))
        for name in dict.fromkeys((*old, *new))
    ]
    if disk.health is None or after is None:
        return
    grown = judge_growth(disk.health, after)
    for reason in grown.failing:
        disk.fail(Verdict.FAIL, reason)
    for reason in grown.trouble:
        disk.fail(Verdict.ERROR, reason)


async def _scan(deps: Deps, disk: _Disk, disks: Sequence[_Disk], permit: str, carried: Mapping[str, Carried]) -> None:
    def tell(scanned: Scanned) -> None:
        disk.scan = scanned
        verb = "read" if scanned.phase == "verify" else "write"
        deps.sample(f"{disk.device.series}.{verb}_mb_s", scanned.rate_mib_s * MIB / 1e6, "MB/s")
        going = [each.scan for each in disks if each.scan]
        note = f"{scanned.phase} {disk.device.component}, {scanned.rate_mib_s:.0f} MiB/s"
        deps.progress(sum(each.done_bytes for each in going), sum(each.of_bytes for each in going), "B", note)

    before = carried.get(disk.device.component, Carried())
    disk.scan = await scan(deps, disk.device, asked_of(deps.job.profile.storage), permit, tell, carried=before)
    if disk.scan.verdict is not Verdict.PASS:
        disk.fail(disk.scan.verdict, disk.scan.reason)


async def _fio(deps: Deps, disk: _Disk) -> None:
    """fio opens the disk by name, so the disk is asked who it is right before and right after."""
    knobs, device = deps.job.profile.storage, disk.device
    looked = await look(deps, device, "before-fio")
    if not free(looked, deps.job.override_flags):
        disk.fail(Verdict.ERROR, f"not given to fio: {unexpected([looked], deps.job.override_flags)}")
        return

    def tell(done: Rounds) -> None:
        deps.progress(done.ended_s - done.started_s, knobs.fio_s, "s", f"fio {device.component}")
        if done.mixed_s > 0:
            deps.sample(f"{device.series}.iops", done.iops or 0.0, "/s")

    disk.fio = await rounds(deps, device, area_bytes=knobs.fio_size_bytes, seconds=knobs.fio_s, tell=tell)
    if disk.fio.verdict is not Verdict.PASS:
        disk.fail(disk.fio.verdict, f"fio: {disk.fio.reason}")
        return
    after = await look(deps, device, "after-fio")
    if after.fault or after.trouble:
        disk.fail(Verdict.FAIL if after.fault else Verdict.ERROR, f"after fio: {after.fault or after.trouble}")
    _judge_speed(deps, disk, disk.fio)


def _judge_speed(deps: Deps, disk: _Disk, fio: Rounds) -> None:
    floor, ceiling_ms = deps.job.expected.disk_iops_floor, deps.job.expected.disk_p99_ceiling_ms
    for unknown, pinned, what in ((fio.iops, floor, "IOPS"), (fio.p99_ms, ceiling_ms, "p99 latency")):
        if pinned and (unknown is None or not isfinite(unknown)):
            disk.fail(Verdict.ERROR, f"fio measured no {what}")
    if floor and fio.iops is not None and not fio.iops >= floor:
        disk.fail(Verdict.FAIL, f"{fio.iops:.0f} IOPS, floor {floor}")
    if ceiling_ms and fio.p99_ms is not None and not fio.p99_ms <= ceiling_ms:
        disk.fail(Verdict.FAIL, f"p99 latency {fio.p99_ms:.1f} ms, ceiling {ceiling_ms:g} ms")


def _concluded(deps: Deps, disks: Sequence[_Disk], left: Sequence[Cell], data: dict[str, Any]) -> Outcome:
    for disk in disks:
        if disk.drive and disk.health is None and disk.going:
            volume = "a volume of a RAID controller, whose members SMART examines"
            text = f"its health was not compared: {volume if disk.drive.volume else 'a virtual disk without SMART'}"
            disk.findings.append(
                Finding(severity=Severity.INFO, component=disk.device.component, text=text, source="smart")
            )
    told = [Surveyed(each.device, each.scan.report) for each in disks if each.scan and each.scan.report]
    data["surface"] = {each.device.disk.serial: asdict(each.report) for each in told}
    return Outcome.of_cells(
        [*(disk.cell for disk in disks), *left],
        measurements=(*measured(told), *(each for disk in disks if disk.fio for each in disk.fio.measured())),
        counters=tuple(each for disk in disks for each in disk.counters),
        findings=(*(each for disk in disks for each in disk.findings), *resumptions(told), *slow_ones(told)),
        data=data,
    )


def _halted(
    disks: Sequence[_Disk], left: Sequence[Cell], reason: str, data: dict[str, Any], looks: Sequence[Looked] = ()
) -> Outcome:
    """Nothing was written to any disk. A disk that cannot even be read is at fault; the others were not tested."""
    cells = list(left)
    own = {each.device.component: each for each in looks}
    for disk in disks:
        looked = own.get(disk.device.component)
        verdict, why = Verdict.ERROR, f"not tested: {reason}"
        if looked and looked.fault:
            verdict, why = Verdict.FAIL, looked.fault
        elif looked and (looked.hits or looked.trouble):
            why = f"UnexpectedData: {', '.join(looked.hits)}" if looked.hits else looked.trouble
        cells.append(Cell(component=disk.device.component, verdict=verdict, reason=why))
    outcome = Outcome.of_cells(cells, data=data)
    return outcome.but(reason=reason)


def _all(deps: Deps, verdict: Verdict, reason: str) -> Outcome:
    cells = [Cell(component=f"disk:{disk.serial}", verdict=verdict, reason=reason) for disk in deps.job.expected_disks]
    return Outcome.of_cells(cells).but(reason=reason)
