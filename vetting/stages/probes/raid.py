"""RAID controllers, the volumes that they show in place of drives, and by what address smartctl reaches the drives behind.

A volume has no health of its own, and looks well as long as one member of it does. So a controller that shows volumes owes us
its members: those that smartctl finds by itself (MegaRAID), those of a Smart Array by number, and those that the kernel
keeps from being disks and shows as SCSI devices only (mpt3sas).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vetting.parsers.errors import bounded
from vetting.stages.base import Deps
from vetting.stages.probes.asking import text_of

PCI = "/sys/bus/pci/devices"
RAID_CLASS = "0x0104"  # PCI Code and ID Assignment: mass storage, RAID
# Where SCSI targets stand below their controller: on it, behind SATA ports, behind SAS ports and expanders.
PORT = "port-*/"
DEPTHS = ("host*/", "ata*/host*/", f"host*/{PORT}end_device-*/", f"host*/{PORT}expander-*/{PORT}end_device-*/",
          f"host*/{PORT}expander-*/{PORT}expander-*/{PORT}end_device-*/")  # fmt: skip
DISK, CONTROLLER = "0", "12"  # SCSI device types (SPC-5, table 138)
SMART_ARRAY = frozenset({"hpsa", "smartpqi", "cciss"})
MEGARAID, FIRST_VOLUME_CHANNEL = "megaraid_sas", 2  # drives that it passes through are on its channels 0 and 1
MEMBERS_AT_MOST = 64  # of one Smart Array that are asked for by number
# Vendors and models under which hypervisors present disks that have a SCSI or ATA face and nothing behind it.
VIRTUAL_MODEL = re.compile(r"QEMU|VMware|VBOX|Virtual[ _]Disk|Xen|PersistentDisk|Elastic Block Store", re.IGNORECASE)
# What controllers call their volumes, in vendor and model: Smart Array, MegaRAID under its sellers' names, LSI's IR, Adaptec,
# Areca, Dell's and HPE's small ones for booting.
VOLUME = re.compile(
    r"LOGICAL[ _]?VOLUME|\bPERC\b|\bMR\d{4}|MegaRAID|ServeRAID|\bRAID\d?\b|LogicalDrv|ARC-\d+-VOL|DELLBOSS|BOSS[ _]VD|\bVD\b|NS204i",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaidController:
    """One controller with at least one volume, or a RAID controller that nothing drives."""

    pci: str  # 0000:18:00.0
    driver: str  # empty: nothing drives it
    name: str  # as it or its volumes call themselves
    hosts: tuple[str, ...] = ()  # SCSI host numbers, as in smartctl's /dev/bus/0
    volumes: tuple[str, ...] = ()  # kernel names of the volumes
    itself: str = ""  # /dev/sg0, where it can be addressed as a SCSI device
    hidden: tuple[str, ...] = ()  # /dev/sg3 …: drives that the kernel does not make disks of

    @property
    def spoken(self) -> str:
        return f"{self.pci} ({bounded(self.name)})" if self.name else self.pci


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A SCSI device behind a PCI device: /sys/bus/pci/devices/BDF/host0/…/0:2:0:0."""

    path: str
    kind: str
    said: str  # vendor and model
    blocks: tuple[str, ...]
    generic: str
    level: str  # "RAID 1(+0)", "N/A"; empty where the driver tells none

    driver: str

    @property
    def volume(self) -> bool:
        if self.kind != DISK or VIRTUAL_MODEL.search(self.said):
            return False
        if self.level:
            return self.level.upper() != "N/A"
        if self.driver == MEGARAID:
            return int(self.path.rpartition("/")[2].split(":")[1]) >= FIRST_VOLUME_CHANNEL
        return bool(VOLUME.search(self.said))


def controllers(deps: Deps) -> tuple[RaidController, ...]:
    """Those that show volumes in this boot, and those of the RAID class that no driver has taken."""
    found = []
    scsi = {path.split("/")[5] for deep in ("host*", "ata*/host*") for path in deps.glob(f"{PCI}/*/{deep}")}
    for pci in sorted({path.split("/")[5] for path in deps.glob(f"{PCI}/*/class")}):
        units = _units(deps, pci) if pci in scsi else []
        volumes = [unit for unit in units if unit.volume]
        if volumes:
            found.append(_controller(deps, pci, units, volumes))
        elif _undriven(deps, pci):
            found.append(RaidController(pci=pci, driver="", name=_ids(deps, pci)))
    return tuple(found)


def _undriven(deps: Deps, pci: str) -> bool:
    return (text_of(deps, f"{PCI}/{pci}/class") or "").startswith(RAID_CLASS) and not deps.glob(f"{PCI}/{pci}/driver")


def _ids(deps: Deps, pci: str) -> str:
    vendor, device = (text_of(deps, f"{PCI}/{pci}/{name}") or "" for name in ("vendor", "device"))
    return f"{vendor.removeprefix('0x')}:{device.removeprefix('0x')}"


def _units(deps: Deps, pci: str) -> list[_Unit]:
    """Never those of a device further down the bus, which stands in this one's folder where this is a bridge."""
    types = [path for deep in DEPTHS for path in deps.glob(f"{PCI}/{pci}/{deep}target*/*:*:*:*/type")]
    return [_unit(deps, pci, path.removesuffix("/type")) for path in sorted(types)]


def _unit(deps: Deps, pci: str, path: str) -> _Unit:
    vendor, model = (text_of(deps, f"{path}/{name}") or "" for name in ("vendor", "model"))
    generic = deps.glob(f"{path}/scsi_generic/sg*")
    return _Unit(
        path=path,
        kind=text_of(deps, f"{path}/type") or "",
        said=" ".join(f"{vendor} {model}".split()),
        blocks=tuple(each.rpartition("/")[2] for each in deps.glob(f"{path}/block/*")),
        generic=f"/dev/{generic[0].rpartition('/')[2]}" if generic else "",
        level=text_of(deps, f"{path}/raid_level") or "",
        driver=_driver(deps, pci, path),
    )


def _controller(deps: Deps, pci: str, units: Sequence[_Unit], volumes: Sequence[_Unit]) -> RaidController:
    hosts = sorted({match[1] for unit in volumes if (match := re.search(r"/host(\d+)/", unit.path))})
    itself = next((unit for unit in units if unit.kind == CONTROLLER and unit.generic), None)
    return RaidController(
        pci=pci,
        driver=volumes[0].driver or "unknown",
        name=(itself or volumes[0]).said,
        hosts=tuple(hosts),
        volumes=tuple(name for unit in volumes for name in unit.blocks),
        itself=itself.generic if itself else "",
        hidden=tuple(
            unit.generic for unit in units if unit.kind == DISK and not unit.volume and not unit.blocks and unit.generic
        ),
    )


def _driver(deps: Deps, pci: str, path: str) -> str:
    """The driver of a SCSI device's host."""
    match = re.search(rf"({re.escape(pci)}/.*host(\d+))/", path)
    return (text_of(deps, f"{PCI}/{match[1]}/scsi_host/host{match[2]}/proc_name") or "") if match else ""
