"""What a host was found to consist of. Every text in it came from the host: hostile until escaped and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from vetting.domain.hostspec import Identity

SEVERAL = " and also "


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCpu:
    model: str
    sockets: int
    cores: int
    threads: int  # online
    microcode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDimm:
    locator: str
    bank: str = ""  # where it is wired, as the firmware calls that
    size_bytes: int
    serial: str = ""
    part_number: str = ""
    manufacturer: str = ""
    speed_mt_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDisk:
    name: str  # kernel name, for this boot only: names swap
    serial: str
    wwn: str = ""
    model: str = ""
    firmware: str = ""
    size_bytes: int
    transport: str = ""  # sata, sas, nvme, usb, iscsi, fc, virtio, loop …
    rotational: bool | None = None
    smart: bool | None = None  # None: could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNic:
    name: str
    mac: str
    driver: str = ""
    pci: str = ""
    link: bool | None = None
    speed_mb_s: int | None = None  # negotiated, megabits per second; None: unknown
    capable_mb_s: int | None = None
    neighbour: str = ""  # LLDP "switch port"; several with SEVERAL between them
    physical: bool = True  # False: lo, veth, bridge


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGpu:
    name: str
    uuid: str = ""
    pci: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A series that this host can deliver: found in hwmon or the BMC at Inventory, expected to keep arriving."""

    series: str  # temp.coretemp.package-id-0, power.psu1, fan.fan1, volt.12v
    unit: str  # C, W, RPM, V
    source: str  # hwmon path or "bmc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    identity: Identity
    manufacturer: str = ""
    product: str = ""
    virtual: str = ""  # kvm, qemu, …; empty on metal
    kernel: str = ""
    cpu: FoundCpu
    memory_bytes: int
    dimms: tuple[FoundDimm, ...] | None = None  # None: DMI unreadable
    disks: tuple[FoundDisk, ...] = ()
    nics: tuple[FoundNic, ...] = ()
    gpus: tuple[FoundGpu, ...] = ()
    psu_count: int | None = None
    sensors: tuple[Sensor, ...] = ()
    absent_tools: tuple[str, ...] = ()  # optional tools that were not there, named
    unreadable: dict[str, str] = field(default_factory=dict)  # what could not be read -> why


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareItem:
    """One row of a firmware snapshot."""

    component: str  # bios, bmc, nic, nvme, disk, hba, gpu, microcode
    identifier: str  # slot, serial, MAC or BDF that tells it from its twins
    version: str
    detail: str = ""
