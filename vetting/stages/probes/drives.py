"""Which drives this host has in this boot, and by what address smartctl reaches each of them.

Kernel names swap between boots and behind hot-plug, so a drive is always looked up by its serial, and whatever is read
is believed only with that serial on it. Drives behind a RAID controller have no kernel name of their own: smartctl's scan
finds them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vetting.domain.drivehealth import SmartReport
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import Inventory
from vetting.domain.naming import known, same_wwn
from vetting.domain.outcome import ToolRun
from vetting.domain.permit import SCRATCH
from vetting.domain.specdiff import find_disk
from vetting.parsers import lsblk, smartctl
from vetting.parsers.lsblk import BlockDevice
from vetting.stages.base import Deps
from vetting.stages.probes import raid
from vetting.stages.probes.asking import Unread, ask, number_of, readable
from vetting.stages.probes.raid import VIRTUAL_MODEL, RaidController

T = TypeVar("T")
LSBLK = ("lsblk", "-J", "-b", "-d", "-o", "NAME,PATH,KNAME,TYPE,SIZE,MODEL,SERIAL,WWN,TRAN,ROTA,RO,RM,VENDOR")
SMARTCTL_LIMIT_S = 120.0  # a drive that needs longer for one command hangs; a healthy one answers within seconds
SECTOR_BYTES = 512  # of /sys/block/*/size, whatever the disk's own are
UNKNOWN_BYTES = 32 * 10**12  # the largest drives of 2026
AT_ONCE = 8  # programs side by side: twenty-four drives must not be asked in the same instant

# Block devices that are no disk of the machine: memory, optical and floppy drives, network block devices.
NO_DISK = re.compile(r"(zram|ram|nbd|rbd|drbd|loop|fd|sr|md|dm-|mtdblock)\d")
VIRTUAL_TRANSPORTS = frozenset({"virtio", "loop", "xen"})
BEHIND_CONTROLLER = re.compile(r"\b(megaraid|cciss|aacraid|areca|3ware|hpt|sssraid),")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A drive as smartctl is told to reach it; `block` is None behind a controller, `device_type` empty where it finds out."""

    path: str
    device_type: str = ""
    block: BlockDevice | None = None
    told: SmartReport | None = None  # what `smartctl -i -H` said, where it was asked and answered
    controller: str = ""  # PCI address of the RAID controller of whose volumes it is a member
    volume: bool = False  # no drive at all, but what a RAID controller makes of several

    @property
    def name(self) -> str:
        """Kernel name, or controller and place for a drive that has none: `bus/0 megaraid,3`."""
        return self.path.removeprefix("/dev/") + (f" {self.device_type}" if self.block is None else "").rstrip()

    @property
    def transport(self) -> str:
        return transport_of(self.block) if self.block else self.device_type.partition(",")[0].rpartition("+")[2]

    @property
    def virtual(self) -> bool:
        """True for a disk that a hypervisor made up, and that has no health of its own."""
        if self.block is None:
            return False
        said = f"{self.block.vendor or ''} {self.block.model or ''}"
        return self.transport in VIRTUAL_TRANSPORTS or bool(VIRTUAL_MODEL.search(said))

    @property
    def serials(self) -> frozenset[str]:
        """Every serial that it goes by, as compared."""
        told = self.told.serial if self.told else None
        block = self.block.serial if self.block else None
        return frozenset(filter(None, (comparable(each) for each in (told, block) if each)))

    def smartctl(self, *words: str) -> list[str]:
        return ["smartctl", *words, *(("-d", self.device_type) if self.device_type else ()), self.path]


def comparable(serial: str) -> str:
    """A serial as compared; udev writes the blanks inside one as underscores."""
    return known(serial.replace("_", " "))


def transport_of(block: BlockDevice) -> str:
    """sata, sas, nvme, virtio …; lsblk of Debian 12 knows none for virtio and Xen disks, whose names tell it."""
    if block.transport:
        return block.transport
    for pattern, transport in ((r"vd[a-z]", "virtio"), (r"xvd[a-z]", "xen"), (r"nvme\d", "nvme"), (r"mmcblk\d", "mmc")):
        if re.match(pattern, block.kname):
            return transport
    return ""


def size_of(disk: ExpectedDisk, inventory: Inventory | None) -> int:
    """Bytes of an expected disk, for a deadline: as pinned, else as found, else as large as drives come."""
    if disk.size_bytes:
        return disk.size_bytes
    found = find_disk(disk, inventory.disks) if inventory else None
    return found.size_bytes if found and found.size_bytes > 0 else UNKNOWN_BYTES


async def block_disks(deps: Deps) -> list[BlockDevice]:
    """The whole disks that the kernel shows, without those that have no size. Raises ToolMissing, Unread."""
    found = await ask(deps, LSBLK, lsblk.parse)
    _as_the_kernel_has_them(deps, found)
    return [each for each in found if each.kind == "disk" and each.size_bytes and not NO_DISK.match(each.kname)]


def _as_the_kernel_has_them(deps: Deps, found: Sequence[BlockDevice]) -> None:
    """A listing of another day would show a disk that has vanished since, or hide one. Raises Unread."""
    sectors = {path.split("/")[3].replace("!", "/"): number_of(deps, path) for path in deps.glob("/sys/block/*/size")}
    if not sectors:
        return  # lsblk itself can have read nothing else: there is nothing to hold it against
    told = {each.kname.replace("!", "/"): each for each in found}
    for name, each in told.items():
        if NO_DISK.match(name) or each.kind != "disk":
            continue
        if name not in sectors:
            raise Unread(f"lsblk lists {name}, which the kernel does not have")
        if each.size_bytes != (sectors[name] or 0) * SECTOR_BYTES:
            raise Unread(
                f"lsblk says {each.size_bytes} bytes of {name}, the kernel {(sectors[name] or 0) * SECTOR_BYTES}"
            )
    for name, count in sectors.items():
        hidden = number_of(deps, f"/sys/block/{name.replace('/', '!')}/hidden")  # one path of several to an NVMe disk
        if count and not hidden and name not in told and not NO_DISK.match(name):
            raise Unread(f"the kernel has the disk {name}, which lsblk does not list")


async def drives(deps: Deps) -> list[Drive]:
    """Every drive of the machine, those behind RAID controllers included. Raises ToolMissing, Unread."""
    scanned = await _scanned(deps)
    known = raid.controllers(deps)
    homes = {f"/dev/bus/{host}": one.pci for one in known for host in one.hosts}
    hidden = [
        Drive(path=path, device_type=kind, controller=homes.get(path, ""))
        for path, kind in scanned
        if BEHIND_CONTROLLER.search(kind)
    ]
    for one in known:
        hidden += await _behind(deps, one)
    volumes = {name for one in known for name in one.volumes}
    shown = [Drive(path=each.path, block=each, volume=each.kname in volumes) for each in await block_disks(deps)]
    return shown + hidden


async def _behind(deps: Deps, controller: RaidController) -> list[Drive]:
    """Members that no scan lists: a Smart Array's have numbers without gaps, others are SCSI devices and no disks."""
    found = [Drive(path=path, controller=controller.pci) for path in controller.hidden]
    if controller.driver not in raid.SMART_ARRAY or not controller.itself:
        return found
    for number in range(raid.MEMBERS_AT_MOST):
        drive = Drive(path=controller.itself, device_type=f"cciss,{number}", controller=controller.pci)
        try:
            told = await report_of(deps, drive.smartctl("--json", "-i"))
        except Unread:
            break
        if not told.serial and not told.model:
            break
        found.append(drive)
    return found


async def _scanned(deps: Deps) -> tuple[tuple[str, str], ...]:
    """What smartctl finds by itself. One drive that hangs when opened must not hide the others."""
    try:
        return await ask(deps, ("smartctl", "--scan-open", "--json"), smartctl.parse_scan, limit_s=SMARTCTL_LIMIT_S)
    except Unread as why:
        deps.log(f"{why}; looking without opening the drives", "warning")
        return await ask(deps, ("smartctl", "--scan", "--json"), smartctl.parse_scan, limit_s=SMARTCTL_LIMIT_S)


async def introduced(deps: Deps, found: Sequence[Drive]) -> list[Drive | Unread]:
    """Each drive with what it says of itself, or why it does not. Raises ToolMissing."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(drive: Drive) -> Drive | Unread:
        async with turns:
            try:
                told = await report_of(deps, drive.smartctl("--json", "-i", "-H"))
            except Unread as why:
                return why
        return replace(drive, told=told)

    return await asyncio.gather(*(one(drive) for drive in found))


async def report_of(deps: Deps, argv: Sequence[str], *, keep: str = "") -> SmartReport:
    """One reading by smartctl, whose exit status is a bit mask. Raises ToolMissing, and Unread where it cannot be believed."""
    ended = await deps.run(argv, limit_s=SMARTCTL_LIMIT_S, keep=keep)
    return believed(ended, smartctl.parse)


def believed(ended: ToolRun, parse: Callable[[str], SmartReport]) -> SmartReport:
    """What a finished smartctl said. Raises Unread for one that hung or died, or whose status is not that in its output."""
    if ended.timed_out or ended.exit_code is None:
        raise Unread(f"{' '.join(ended.argv)} {ended.how_it_ended}")
    report = readable(parse, ended.stdout)
    if smartctl.exit_flags(ended.exit_code) != report.exit_flags:
        raise Unread(f"smartctl exited {ended.exit_code}, which is not the status in its own output")
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Serial as expected -> the drive that bears it; `unasked` says of which other drives no serial could be had."""

    by_serial: dict[str, Drive | None]
    seen: tuple[Drive, ...] = ()  # every drive of the machine
    unasked: tuple[str, ...] = ()


async def find(deps: Deps, expected: Sequence[ExpectedDisk]) -> Found:
    """Looks the expected disks up in this boot. Raises ToolMissing, Unread.

    lsblk's serials are used first, so that a foreign drive that hangs delays nobody; only for what is then missing every
    other drive is asked for its own.
    """
    seen = await drives(deps)
    found = {disk.serial: _bearer(disk, seen) for disk in expected}
    if all(found[disk.serial] for disk in expected if disk.kind != SCRATCH):
        return Found(by_serial=found, seen=tuple(seen))
    taken = {drive.path for drive in found.values() if drive}
    answers = await introduced(deps, [drive for drive in seen if drive.block is None or drive.path not in taken])
    asked = [each for each in answers if isinstance(each, Drive)]
    return Found(
        by_serial={disk.serial: found[disk.serial] or _bearer(disk, asked) for disk in expected},
        seen=tuple(seen),
        unasked=tuple(str(each) for each in answers if isinstance(each, Unread)),
    )


def _bearer(disk: ExpectedDisk, seen: Sequence[Drive]) -> Drive | None:
    serial = comparable(disk.serial)
    for drive in seen:
        if serial and serial in drive.serials:
            return drive
    return next((drive for drive in seen if _named_so(disk, drive)), None)


def _named_so(disk: ExpectedDisk, drive: Drive) -> bool:
    """A disk that tells no serial may be listed by its kernel name, for this boot and never to be written."""
    return not disk.write and drive.block is not None and not drive.serials and drive.block.kname == disk.serial


def stands_for(report: SmartReport, drive: Drive, disk: ExpectedDisk) -> bool:
    """Whether a reading is of the expected disk. A disk that tells no serial can only stand for one listed without."""
    if not report.serial:
        return drive.virtual or _named_so(disk, drive)
    block = drive.block
    if block and block.serial and same_wwn(block.serial, block.wwn or ""):
        return True  # udev gives some SAS disks their WWN for a serial, which smartctl never shows as one
    return comparable(report.serial) == comparable(disk.serial)
