"""Takes down which firmware each part of the host runs. SpecValidate judges it; here only a part that does not tell is wrong.

What is not there (no BMC, no NVMe drive) is named and needs no tool. What is there has to answer: a snapshot with a hole in
it would let a pin look met.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import FirmwareItem
from vetting.domain.naming import mac_of
from vetting.domain.outcome import Outcome
from vetting.parsers import ipmitool, lspci, nvme
from vetting.parsers.errors import bounded
from vetting.parsers.procfs import parse_cpuinfo
from vetting.stages.base import Deps, Job
from vetting.stages.probes import firmwaretables, gpus, rails
from vetting.stages.probes.asking import Unanswered, Unread, ask, readable, text_of
from vetting.stages.probes.drives import Drive, block_disks, drives, introduced
from vetting.stages.probes.nics import driver_of, interfaces, is_card

LIMIT_S = 15 * 60.0
# PCI Code and ID Assignment: SCSI, RAID and SAS controllers, Fibre Channel. AHCI (0106) has no firmware of its own.
HBA_CLASSES = frozenset({"0100", "0104", "0107", "0c04"})
VIRTUAL_VENDORS = frozenset({"1af4", "1b36", "15ad"})  # virtio, QEMU, VMware
HBA_FIRMWARE = ("version_fw", "fw_version", "fwrev", "fw_rev", "firmware_rev")  # mpt3sas, qla2xxx, lpfc, smartpqi, hpsa


@dataclass(slots=True)
class Snapshot:
    items: list[FirmwareItem] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)  # kinds of part that this host has not, or that tell no version
    problems: dict[str, str] = field(default_factory=dict)  # kind of part -> why it could not be read

    def add(self, component: str, identifier: str, version: str | None, detail: str = "") -> None:
        """A row; a part that answers and names no version is told by name."""
        if not version:
            self.absent.append(f"{component} {identifier} tells no version")
            return
        row = FirmwareItem(
            component=component, identifier=bounded(identifier), version=bounded(version), detail=bounded(detail)
        )
        if row not in self.items:
            self.items.append(row)


Probe = Callable[[Deps, Snapshot], Awaitable[None]]


class Firmware:
    name: ClassVar[str] = "Firmware"
    does: ClassVar[str] = "Takes down the firmware version of every part that has one."
    tools: ClassVar[tuple[str, ...]] = ()  # those that the parts found ask for

    def planned_s(self, job: Job) -> float:
        return 0.0

    def limit_s(self, job: Job) -> float:
        return LIMIT_S

    async def run(self, deps: Deps) -> Outcome:
        taken = Snapshot()
        for component, probe in PROBES.items():
            try:
                await probe(deps, taken)
            except (ToolMissing, Unread) as why:
                taken.problems[component] = str(why)
        data = {"firmware": msgspec.to_builtins(taken.items), "firmware_unreadable": dict(taken.problems)}
        if taken.problems:
            said = "; ".join(f"{component}: {why}" for component, why in taken.problems.items())
            return Outcome.error(f"firmware that is there could not be read: {said}", data=data)
        if not taken.items:
            return Outcome.error("no part of this host told a firmware version, not even its processors", data=data)
        return Outcome.ok("; ".join(taken.absent), data=data)


async def _bios(deps: Deps, taken: Snapshot) -> None:
    missing = Unanswered()
    tables = await firmwaretables.dmi(deps, missing)
    if tables is None:
        taken.absent.append(f"bios: {missing.unreadable['identity']}")
        return
    bios = tables.bios
    taken.add("bios", "system", bios.version, " ".join(filter(None, (bios.vendor, bios.date))))
    if tables.ipmi and not rails.has_bmc_device(deps):
        raise Unread("the SMBIOS tables name a BMC, but there is no /dev/ipmi0: load ipmi_si and ipmi_devintf")


async def _bmc(deps: Deps, taken: Snapshot) -> None:
    if not rails.has_bmc_device(deps):
        taken.absent.append("no BMC")
        return
    told = await ask(deps, ["ipmitool", "mc", "info"], ipmitool.parse_mc_info)
    version = " ".join((told.firmware, *(byte.removeprefix("0x") for byte in told.aux_firmware if byte != "0x00")))
    taken.add("bmc", "bmc", version, " ".join(filter(None, (told.manufacturer, told.product))))


async def _microcode(deps: Deps, taken: Snapshot) -> None:
    try:
        cores = readable(parse_cpuinfo, deps.read("/proc/cpuinfo"))
    except OSError as why:
        raise Unread(f"/proc/cpuinfo cannot be read: {why.strerror or why}") from why
    told = sorted({(core.socket or 0, core.microcode, core.model or "") for core in cores if core.microcode})
    for socket, version, model in told:
        taken.add("microcode", f"socket-{socket}", version, model)
    if not told:
        taken.absent.append("the processors tell no microcode")


async def _nic(deps: Deps, taken: Snapshot) -> None:
    cards = [one for one in await interfaces(deps) if is_card(deps, one)]
    for one, told in zip(cards, await asyncio.gather(*(driver_of(deps, one.name) for one in cards)), strict=True):
        mac = mac_of(one.permanent_mac or one.mac or "")
        taken.add("nic", mac or one.name, told.firmware, f"{one.name} {told.driver}")
    if not cards:
        taken.absent.append("no network card")


async def _nvme(deps: Deps, taken: Snapshot) -> None:
    controllers = [path.rpartition("/")[2] for path in deps.glob("/sys/class/nvme/nvme*")]
    for name in controllers:
        told = await ask(deps, ["nvme", "id-ctrl", f"/dev/{name}", "-o", "json"], nvme.parse_id_ctrl)
        taken.add("nvme", told.serial or name, told.firmware, f"{name} {told.model}")
    if not controllers:
        taken.absent.append("no NVMe drive")


async def _disk(deps: Deps, taken: Snapshot) -> None:
    """SATA and SAS drives, members of RAID volumes included; NVMe ones have rows of their own, and neither volumes nor what a
    hypervisor makes up run any firmware."""
    try:
        seen = await drives(deps)
    except ToolMissing as why:
        if why.tool == "lsblk" or any(
            _has_firmware(Drive(path=each.path, block=each)) for each in await block_disks(deps)
        ):
            raise
        seen = []
    physical = [drive for drive in seen if _has_firmware(drive)]
    for drive, told in zip(physical, await introduced(deps, physical), strict=True):
        if isinstance(told, Unread):
            raise told
        report = told.told
        if report is None or report.model is None:
            said = "; ".join(report.error_messages) if report else ""
            raise Unread(f"smartctl -i tells nothing of {drive.name}{f': {said}' if said else ''}")
        taken.add("disk", report.serial or drive.name, report.firmware, f"{drive.name} {report.model}")
    if not physical:
        taken.absent.append("no SATA or SAS drive")


def _has_firmware(drive: Drive) -> bool:
    return not drive.virtual and not drive.volume and drive.transport not in ("nvme", "mmc", "usb")


async def _hba(deps: Deps, taken: Snapshot) -> None:
    controllers = [
        device
        for device in await gpus.pci_devices(deps)
        if device.kind_code in HBA_CLASSES and device.vendor_code not in VIRTUAL_VENDORS
    ]
    if not controllers:
        taken.absent.append("no HBA or RAID controller")
        return
    links = {link.slot: link for link in await ask(deps, ["lspci", "-Dvv"], lspci.parse_links)}
    for device in controllers:
        own = _driver_says(deps, device.slot)
        version = own or (f"rev {device.revision}" if device.revision else None)
        link = links.get(device.slot)
        lanes = f"x{link.width} of x{link.width_max}" if link and link.width and link.width_max else ""
        told = "" if own else "its driver tells no firmware version"
        taken.add("hba", device.slot, version, " ".join(filter(None, (device.vendor, device.device, lanes, told))))


def _driver_says(deps: Deps, slot: str) -> str | None:
    for name in HBA_FIRMWARE:
        for path in deps.glob(f"/sys/bus/pci/devices/{slot}/host*/scsi_host/host*/{name}"):
            if text := text_of(deps, path):
                return re.sub(r"\s+", " ", text)
    return None


async def _gpu(deps: Deps, taken: Snapshot) -> None:
    there = gpus.gpus_among(await gpus.pci_devices(deps))
    if not there:
        taken.absent.append("no GPU")
        return
    others = [device for device in there if device.vendor_code != gpus.NVIDIA]
    taken.absent += [f"no tool here reads the firmware of {device.vendor} {device.device}" for device in others]
    if len(others) == len(there):
        return
    told = await gpus.ask_nvidia(deps, "nvidia-smi.xml")
    for device in there:
        if device.vendor_code != gpus.NVIDIA:
            continue
        gpu = next((each for each in told.gpus if gpus.same_slot(each.bus, device.slot)), None)
        if gpu is None:
            raise Unread(f"the driver does not show the GPU at {device.slot}")
        taken.add("gpu", gpu.uuid or device.slot, gpu.vbios, gpu.name)


PROBES: dict[str, Probe] = {
    "bios": _bios,
    "bmc": _bmc,
    "microcode": _microcode,
    "nic": _nic,
    "nvme": _nvme,
    "disk": _disk,
    "hba": _hba,
    "gpu": _gpu,
}
