"""The disks' part of a burn: which of them fio may write, and the load on them.

Each goes through the surface program's gate first, as in Storage: a permit, a look for data of others, the ends carried away.
"""

from __future__ import annotations

import asyncio

from vetting.domain.outcome import Verdict, Work
from vetting.domain.profiles import MIB
from vetting.stages.base import Deps, Job
from vetting.stages.burn_part import Part
from vetting.stages.disk_paths import Device, device_of, free, look, no_permit, targets_of, unexpected
from vetting.stages.fio_load import Rounds, rounds
from vetting.stages.probes.asking import Unread
from vetting.stages.surface_load import Asked, scan
from vetting.stages.way_back import carry_away, count_down, countdown_s

GATE_BYTES = 16 * MIB  # a sample that takes each disk through every safety line before fio may write to it


async def devices_for(deps: Deps, part: Part) -> list[Device]:
    """The disks that fio may write in this stage. Each goes through the surface program's gate first; where none may be
    written the part is a SKIP that says why."""
    if not deps.job.profile.burn.fio_on_spare:
        part.verdict = Verdict.SKIP
        part.reasons.append("this profile leaves the disks out of the burn")
        return []
    try:
        targets = await targets_of(deps)
    except Unread as why:
        part.fail(Verdict.ERROR, f"the disks could not be listed: {why}")
        return []
    wanted = [target for target in targets if not target.why_not]
    if not wanted:
        part.verdict = Verdict.SKIP
        reasons = [f"disk:{target.expected.serial}: {target.why_not}" for target in targets]
        part.reasons.append("; ".join(reasons) or "no disk is expected of this host")
        return []
    devices = [device_of(deps, target) for target in wanted]
    for device in devices:
        if isinstance(device, str):
            part.fail(Verdict.ERROR, device)
    return await _admitted(deps, part, [each for each in devices if isinstance(each, Device)])


def before_s(job: Job) -> int:
    """Countdown of a run whose profile leaves Storage out: then the first byte is written here."""
    return countdown_s(job) if "Storage" in job.profile.drop and job.profile.burn.fio_on_spare else 0


async def _admitted(deps: Deps, part: Part, devices: list[Device]) -> list[Device]:
    job = deps.job
    if not job.permit or not job.permit_key:
        part.fail(Verdict.ERROR, no_permit(job))
        return []
    looks = [await look(deps, device, "before-burn") for device in devices]
    if why_not := unexpected(looks, job.override_flags):
        part.fail(Verdict.ERROR, why_not)
        return []
    permit = deps.write_scratch("permit.json", job.permit.encode())
    asked = Asked(sample_bytes=GATE_BYTES, cycles=1, floor_mb_s=job.profile.storage.surface_floor_mb_s)
    if why_not := await carry_away(deps, devices, permit, asked):
        part.fail(Verdict.ERROR, f"nothing was written: {why_not}")
        return []
    if before_s(job):
        await count_down(deps, devices)
    scanned = await asyncio.gather(*(scan(deps, device, asked, permit) for device in devices))
    for each in scanned:
        if each.verdict is not Verdict.PASS:
            part.fail(each.verdict, f"{each.device.component}: {each.reason}")
    ready = [each.device for each in scanned if each.verdict is Verdict.PASS]
    return [device for device in ready if await _still_free(deps, part, device)]


async def _still_free(deps: Deps, part: Part, device: Device) -> bool:
    """fio opens the disk by name: the last look right before all begin together."""
    looked = await look(deps, device, "before-fio")
    if not free(looked, deps.job.override_flags):
        part.fail(Verdict.ERROR, f"not given to fio: {unexpected([looked], deps.job.override_flags)}")
        return False
    return True


async def burn_disks(deps: Deps, part: Part, devices: list[Device]) -> None:
    done = await asyncio.gather(*(_fio(deps, part, device) for device in devices))
    read_back, written = sum(each.read_back for each in done), sum(each.written for each in done)
    if devices:
        part.work.append(Work(what="fio verified", done=read_back, of=written, unit="B"))


async def _fio(deps: Deps, part: Part, device: Device) -> Rounds:
    knobs = deps.job.profile
    done = await rounds(deps, device, area_bytes=knobs.storage.fio_size_bytes, seconds=knobs.burn.seconds)
    part.ran(done)
    if done.verdict is not Verdict.PASS:
        part.fail(done.verdict, f"{device.component}: {done.reason}")
    part.measure(f"{device.series}.iops", done.iops, "/s")
    after = await look(deps, device, "after-fio")
    if after.fault or after.trouble:
        part.fail(Verdict.FAIL if after.fault else Verdict.ERROR, f"after fio: {after.fault or after.trouble}")
    return done
