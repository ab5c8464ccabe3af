"""The disks of the inventory: what the kernel, smartctl and nvme-cli say of each, put together."""

from __future__ import annotations

from collections.abc import Mapping

from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import FoundDisk
from vetting.parsers import nvme
from vetting.parsers.errors import bounded
from vetting.parsers.nvme import Namespace
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unanswered, Unread, ask_if_there
from vetting.stages.probes.drives import Drive, block_disks, drives, introduced

LOCAL_NVME = frozenset({"pcie", "pci", ""})  # all else is NVMe over a network: somebody else's disk


async def disks(deps: Deps, missing: Unanswered) -> tuple[FoundDisk, ...]:
    """Every disk, those behind RAID controllers included where smartctl is there. Raises ToolMissing and Unread of lsblk."""
    seen = await _seen(deps, missing)
    fabrics = await _namespaces(deps, missing)
    found = []
    for drive, told in zip(seen, await _introduced(deps, seen, missing), strict=True):
        if isinstance(told, Unread):
            missing.unreadable[f"{'smart' if drive.serials else 'disks'}:{drive.name}"] = str(told)
        found.append(_found(told if isinstance(told, Drive) else drive, fabrics))
    return tuple(found)


async def _seen(deps: Deps, missing: Unanswered) -> list[Drive]:
    try:
        return await drives(deps)
    except ToolMissing as why:
        if why.tool == "lsblk":
            raise
        missing.without(why.tool)
    except Unread as why:
        missing.unreadable["disks:behind controllers"] = str(why)
    return [Drive(path=each.path, block=each) for each in await block_disks(deps)]


async def _introduced(deps: Deps, seen: list[Drive], missing: Unanswered) -> list[Drive | Unread]:
    if "smartctl" in missing.absent_tools:
        return list(seen)
    return await introduced(deps, seen)


async def _namespaces(deps: Deps, missing: Unanswered) -> dict[str, Namespace]:
    if not deps.glob("/sys/class/nvme/nvme*"):
        return {}
    listed = await ask_if_there(deps, ["nvme", "list", "-o", "json"], nvme.parse, missing)
    return {space.path: space for space in listed or ()}


def _found(drive: Drive, fabrics: Mapping[str, Namespace]) -> FoundDisk:
    block, told = drive.block, drive.told
    space = fabrics.get(drive.path)
    transport = drive.transport
    if space and (space.transport or "") not in LOCAL_NVME:
        transport = f"nvme-{space.transport}"
    return FoundDisk(
        name=bounded(drive.name),
        serial=bounded((told.serial if told else None) or (block.serial if block else None) or ""),
        wwn=bounded((block.wwn if block else None) or ""),
        model=bounded((told.model if told else None) or (block.model if block else None) or ""),
        firmware=bounded((told.firmware if told else None) or (space.firmware if space else None) or ""),
        size_bytes=(block.size_bytes if block else None) or (told.capacity_bytes if told else None) or 0,
        transport=bounded(transport),
        rotational=_rotational(drive),
        smart=_smart(drive),
    )


def _rotational(drive: Drive) -> bool | None:
    if drive.told and drive.told.rotation_rpm is not None:
        return drive.told.rotation_rpm > 0
    return drive.block.rotational if drive.block else None


def _smart(drive: Drive) -> bool | None:
    """Whether it has a health of its own to ask for; None where it could not be asked."""
    if drive.told and drive.told.healthy is not None:
        return True
    return False if drive.virtual else None
