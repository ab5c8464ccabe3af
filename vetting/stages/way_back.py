"""Before the first byte: both ends of each disk are with the orchestrator, and people had the time to say stop.

No contact, no first write. What is handed over is what `vetting surface restore-heads` takes to put partition tables, LVM, RAID
and file system superblocks back; what the scan has overwritten between them is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.permit import SCRATCH
from vetting.domain.profiles import StorageKnobs
from vetting.parsers.errors import ParseError
from vetting.parsers.hwmon import slug
from vetting.parsers.surface import SurfaceOutcome, parse
from vetting.stages.base import UPLOAD_LIMIT_S, Deps, Job, NotTaken
from vetting.stages.carry import Carried, fetch
from vetting.stages.disk_paths import Device
from vetting.stages.probes.drives import comparable
from vetting.stages.surface_load import Asked, behind_the_gate

SAVE_LIMIT_S = 120.0  # 8 MiB of a disk that has just been looked at
WAY_BACK_S = SAVE_LIMIT_S + UPLOAD_LIMIT_S
AT_ONCE = 2  # each is held in memory while it is sent
NAMED = 6  # serials in a note
SAID_EACH_S = 10


def erased(job: Job) -> tuple[ExpectedDisk, ...]:
    """The real disks that this run writes."""
    if job.non_destructive:
        return ()
    return tuple(disk for disk in job.expected_disks if disk.write and disk.kind != SCRATCH)


def countdown_s(job: Job) -> int:
    """Seconds that must pass before the first byte of a real disk. A profile may shorten it and cannot take it away."""
    if not erased(job):
        return 0
    return job.profile.storage.countdown_s or StorageKnobs().countdown_s


async def left_by_earlier_boots(deps: Deps, devices: Sequence[Device]) -> dict[str, Carried]:
    """Component -> what can be gone on from. Raises NotTaken where nobody answers: then nothing is written."""
    found = await asyncio.gather(*(fetch(deps, device) for device in devices))
    return {device.component: carried for device, carried in zip(devices, found, strict=True)}


async def carry_away(
    deps: Deps, devices: Sequence[Device], permit: str, asked: Asked, carried: Mapping[str, Carried] | None = None
) -> str:
    """Hands both ends of every disk to the orchestrator. Returns why that was not possible; empty: all are there."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(device: Device) -> str:
        async with turns:
            return await _carry(deps, device, permit, asked, (carried or {}).get(device.component, Carried()))

    return "; ".join(filter(None, await asyncio.gather(*(one(device) for device in devices))))


async def _carry(deps: Deps, device: Device, permit: str, asked: Asked, carried: Carried) -> str:
    name = f"heads-{slug(device.disk.serial)}"
    argv = [*deps.own_program("surface"), "save-heads", *behind_the_gate(deps, device, asked, permit, carried)]
    ran = await deps.run(argv, limit_s=SAVE_LIMIT_S, keep=f"{name}.json")
    whose = f"both ends of {device.component}"
    try:
        report = parse(ran.stdout)
    except ParseError as why:
        return f"{whose} were not saved: the program {ran.how_it_ended}; {why}"
    if report.left_aside:
        deps.log(f"{device.component} is tested from the start: {report.left_aside}", "warning")
    there = report.resumed and report.heads_sha256 == carried.heads_sha256 != ""
    if ran.exit_code != 0 or report.outcome is not SurfaceOutcome.CLEAN or not (report.heads or there):
        return f"{whose} were not saved: {report.reason or ran.how_it_ended}"
    read = report.disk
    if read is None or (comparable(read.serial), read.size_bytes) != (
        comparable(device.disk.serial),
        device.size_bytes,
    ):
        return f"{whose} were not saved: what was read is another disk"
    if not report.heads:
        deps.log(f"{whose} are with the orchestrator since an earlier boot; the test goes on where that left it")
        return ""
    try:
        stored = await deps.upload(f"{name}.bin", report.heads)
    except NotTaken as why:
        return f"{whose} are not with the orchestrator: {why}"
    deps.log(f"{whose} are with the orchestrator as {stored.name} ({stored.size_bytes} bytes)")
    return ""


async def count_down(deps: Deps, devices: Sequence[Device]) -> None:
    """Waits before the first byte, and says so each second. Whoever cancels the run meanwhile loses nothing."""
    real = [device.disk.serial for device in devices if device.disk.kind != SCRATCH]
    seconds = countdown_s(deps.job) if real else 0
    if seconds:
        deps.log(f"about to erase {', '.join(real)}", "warning")
    few = ", ".join(real[:NAMED]) + (f" and {len(real) - NAMED} more" if len(real) > NAMED else "")
    for left in range(seconds, 0, -1):
        note = f"erasing {few} in {left} s; cancel the run to stop"
        deps.progress(seconds - left, seconds, "s", note)
        if left == seconds or left % SAID_EACH_S == 0:
            deps.log(note, "warning")
        await deps.sleep(1.0)
