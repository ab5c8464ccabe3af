"""From an expected disk to the device of this boot that bears its serial, and a look at it before anything is written.

Kernel names swap. So a disk is found by serial, named by its /dev/disk/by-id link where there is one, and asked who it is
through the opened descriptor (`vetting surface probe`) each time before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vetting.domain.disks import Line, Target, plan_targets
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk
from vetting.domain.outcome import Cell, Verdict
from vetting.domain.permit import SCRATCH, WIPE_PROBE
from vetting.parsers.errors import ParseError
from vetting.parsers.hwmon import slug
from vetting.parsers.lsblk import BlockDevice
from vetting.parsers.surface import Report, SurfaceOutcome, parse
from vetting.stages.base import Deps, Job
from vetting.stages.probes.drives import block_disks, comparable, transport_of

PROBE_LIMIT_S = 300.0  # wipefs and blkid have a minute each; a sleeping disk has to spin up
UNEXPECTED = "UnexpectedData"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An expected disk as it is in this boot. `path` is what every program is given."""

    disk: ExpectedDisk
    path: str
    kname: str
    size_bytes: int

    @property
    def component(self) -> str:
        return f"disk:{self.disk.serial}"

    @property
    def series(self) -> str:
        return f"disk.{slug(self.disk.serial) or 'unnamed'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the probe of one disk found. `fault` and `trouble` empty and no hits: free to be written."""

    device: Device
    hits: tuple[str, ...] = ()
    fault: str = ""  # accuses the disk
    trouble: str = ""  # stands against writing, or could not be looked at


def found_disks(blocks: Sequence[BlockDevice], expected: Sequence[ExpectedDisk]) -> list[FoundDisk]:
    """lsblk's disks under the expected spelling of their serials: udev writes blanks as underscores."""
    spelled = {comparable(disk.serial): disk.serial for disk in expected}
    return [
        FoundDisk(
            name=block.kname,
            serial=spelled.get(comparable(block.serial or ""), block.serial or ""),
            wwn=block.wwn or "",
            model=block.model or "",
            size_bytes=block.size_bytes or 0,
            transport=transport_of(block),
            rotational=block.rotational,
        )
        for block in blocks
    ]


async def targets_of(deps: Deps) -> tuple[Target, ...]:
    """Each expected disk with why it may not be written. Raises ToolMissing, Unread."""
    job = deps.job
    found = found_disks(await block_disks(deps), job.expected_disks)
    return plan_targets(job.expected_disks, found, non_destructive=job.non_destructive)


def left_out(target: Target, *, non_destructive: bool) -> Cell:
    """The cell of a disk that is not written: declared is a SKIP, absent accuses the host, anything else accuses us."""
    declared = non_destructive or not target.expected.write
    absent = target.found is None and target.expected.kind != SCRATCH
    verdict = Verdict.SKIP if declared else Verdict.FAIL if absent else Verdict.ERROR
    return Cell(component=f"disk:{target.expected.serial}", verdict=verdict, reason=target.why_not)


def device_of(deps: Deps, target: Target) -> Device | str:
    """The device to use, or why there is none."""
    disk, found = target.expected, target.found
    if disk.kind == SCRATCH:
        return _scratch_device(deps, disk)
    if found is None:
        return "no disk with this serial was found"
    ending = f"_{disk.serial.replace(' ', '_')}"
    links = [path for path in deps.glob("/dev/disk/by-id/*") if path.endswith(ending)]
    return Device(
        disk=disk, path=min(links, default=f"/dev/{found.name}"), kname=found.name, size_bytes=found.size_bytes
    )


def _scratch_device(deps: Deps, disk: ExpectedDisk) -> Device | str:
    """The one loop device that stands on the scratch file."""
    standing = []
    for path in deps.glob("/sys/block/loop*/loop/backing_file"):
        try:
            if disk.path and deps.read(path).strip() == disk.path:
                standing.append(path.split("/")[3])
        except OSError:
            continue
    if len(standing) != 1:
        return f"{len(standing)} loop devices stand on the scratch file {disk.path}, there must be one"
    try:
        sectors = int(deps.read(f"/sys/block/{standing[0]}/size"))
    except (OSError, ValueError) as why:
        return f"the size of {standing[0]} cannot be read: {why}"
    return Device(disk=disk, path=f"/dev/{standing[0]}", kname=standing[0], size_bytes=sectors * 512)


async def look(deps: Deps, device: Device, when: str) -> Looked:
    """Asks the opened descriptor who the disk is, what uses it and what is on it. Writes nothing."""
    argv = [*deps.own_program("surface"), "probe", "--disk", device.path]
    ran = await deps.run(argv, limit_s=PROBE_LIMIT_S, keep=f"probe-{slug(device.disk.serial)}-{when}.json")
    try:
        report = parse(ran.stdout)
    except ParseError as why:
        return Looked(device=device, trouble=f"the wipe probe {ran.how_it_ended}; {why}")
    if ran.timed_out or ran.signal is not None:
        return Looked(device=device, trouble=f"the wipe probe {ran.how_it_ended}")
    if report.outcome in (SurfaceOutcome.BAD, SurfaceOutcome.VANISHED):
        return Looked(device=device, fault=report.reason)
    return Looked(device=device, hits=report.hits, trouble=_against(device, report))


def _against(device: Device, report: Report) -> str:
    """What but the data on it stands against writing to this disk."""
    disk = report.disk
    if disk is None or report.outcome not in (SurfaceOutcome.CLEAN, SurfaceOutcome.REFUSED):
        return f"the wipe probe could not be carried out: {report.reason}"
    if comparable(disk.serial) != comparable(device.disk.serial) or disk.size_bytes != device.size_bytes:
        return (
            f"{device.path} is another disk now: serial {disk.serial!r} with {disk.size_bytes} bytes instead of "
            f"{device.disk.serial!r} with {device.size_bytes}"
        )
    others = [reason for line, reason in report.objections if line != Line.WIPE_PROBE]
    if report.outcome is SurfaceOutcome.REFUSED and not report.objections:
        others = [report.reason or "refused without a reason"]
    return "; ".join(others)


def no_permit(job: Job) -> str:
    """What is said where there is none."""
    return f"nothing was written: {job.permit_refused or 'the orchestrator gave no permit to write'}"


def free(looked: Looked, overrides: Sequence[str]) -> bool:
    return not looked.fault and not looked.trouble and (not looked.hits or WIPE_PROBE in overrides)


def unexpected(looks: Sequence[Looked], overrides: Sequence[str]) -> str:
    """`UnexpectedData: …` with every hit on every disk, or what else stands against writing; empty where nothing does."""
    hits = [f"{each.device.component} holds {', '.join(each.hits)}" for each in looks if each.hits]
    if hits and WIPE_PROBE not in overrides:
        return f"{UNEXPECTED}: {'; '.join(hits)}"
    troubles = [
        f"{each.device.component}: {each.fault or each.trouble}" for each in looks if each.fault or each.trouble
    ]
    return "; ".join(troubles)
