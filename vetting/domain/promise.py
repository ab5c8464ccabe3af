"""What an attempt promised before it began, and what of it may be left out. A missing tool is never a reason."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.coverage import disk_of, kind_of
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.domain.ledger import LOOPBACK
from vetting.domain.naming import mac_of
from vetting.domain.outcome import Cell
from vetting.domain.profiles import Profile
from vetting.domain.specdiff import find_disk, unreadable
from vetting.domain.thresholds import Threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What this attempt promised, worked out by the orchestrator before it began."""

    stage: str
    profile: Profile
    planned_s: float
    components: tuple[str, ...] = ()  # ledger.expected_components
    disks: tuple[ExpectedDisk, ...] = ()
    inventory: Inventory | None = None  # of this run; None during Inventory itself
    thresholds: tuple[Threshold, ...] = ()
    non_destructive: bool = False
    loopback: bool = False  # orchestrator and host are one machine: no network card is between them
    gpu_expected: bool = False  # the spec pins a GPU
    left_out: tuple[str, ...] = ()  # MAC addresses of the cards that the spec says not to test, with its reasons


def skip_refused(plan: Plan) -> str:
    """Why a whole stage may not be skipped here; empty where it may. A missing tool is never a reason."""
    inventory = plan.inventory
    if plan.stage == "GPU":
        return _gpu_refused(plan)
    if plan.stage == "Storage":
        if plan.non_destructive or not any(disk.write for disk in plan.disks):
            return ""
        return "the run may write to the disks it names"
    if plan.stage == "SMART":
        if inventory is None:
            return "no inventory says that its disks lack SMART"
        left = [disk.serial for disk in plan.disks if disk.kind != "scratch" and not _lacks_smart(disk, inventory)]
        return f"SMART is not known to be lacking on {', '.join(left)}" if left else ""
    if plan.stage == "PSU":
        return _telemetry_refused(plan)
    return "only hardware that is not there, or a non-destructive run, is a reason"


def _gpu_refused(plan: Plan) -> str:
    if plan.inventory is None:
        return "no inventory says that there is no GPU"
    if plan.inventory.gpus:
        return f"Inventory found {len(plan.inventory.gpus)} GPU"
    if why := unreadable(plan.inventory, "gpus"):
        return f"whether there is a GPU could not be read ({why})"
    return "the spec expects a GPU" if plan.gpu_expected else ""


def _telemetry_refused(plan: Plan) -> str:
    if plan.inventory is None:
        return "no inventory says that there is no telemetry"
    if why := unreadable(plan.inventory, "bmc"):
        return f"the BMC's sensors could not be read ({why})"
    rails = [one.series for one in plan.inventory.sensors if one.series.startswith(("power.", "volt.", "psu."))]
    return f"the host has {', '.join(rails[:3])}" if rails else ""


def cell_skip_refused(cell: Cell, plan: Plan) -> str:
    """Why one component may not be skipped in this stage; empty where it may."""
    disk = disk_of(cell.component, plan.disks)
    match plan.stage, kind_of(cell.component):
        case "SMART", "disk":
            lacking = disk is not None and (disk.kind == "scratch" or _lacks_smart(disk, plan.inventory))
            return "" if lacking else "it is not known to lack SMART"
        case "Storage", "disk":
            return "" if plan.non_destructive or (disk is not None and not disk.write) else "the run may write to it"
        case "Burn", "disk":
            writable = any(one.write for one in plan.disks) and plan.profile.burn.fio_on_spare
            return "the run may write to its disks" if writable and not plan.non_destructive else ""
        case "Network", "nic":
            allowed = plan.loopback and cell.component != LOOPBACK
            left_out = mac_of(cell.component.removeprefix("nic:")) in map(mac_of, plan.left_out)
            return "" if allowed or left_out else "a card with a link has to be tested"
        case "GPU", _:
            return _gpu_refused(plan)
        case "PSU", _:
            return _telemetry_refused(plan)
        case _:
            return skip_refused(plan)


VIRTUAL = ("virtio", "loop", "xen", "nbd", "zram")  # transports of devices that have no health to tell


def _lacks_smart(disk: ExpectedDisk, inventory: Inventory | None) -> bool:
    found = _found(disk, inventory)
    if found is None or inventory is None:
        return False
    made_up = found.transport in VIRTUAL or bool(inventory.virtual and found.smart is not True)
    return found.smart is False or made_up


def _found(disk: ExpectedDisk, inventory: Inventory | None) -> FoundDisk | None:
    """By serial or WWN, else by the kernel's name, under which a virtual disk without a serial is listed."""
    if inventory is None:
        return None
    name = disk.serial.removeprefix("name:")
    named = (one for one in inventory.disks if one.name and one.name == name)
    return find_disk(disk, inventory.disks) or next(named, None)
