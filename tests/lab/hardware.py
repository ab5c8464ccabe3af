"""What a virtual host consists of: frozen values, and the expected spec that goes with them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec

MIB = 1024**2
GIB = 1024**3
PRODUCT = "Virtual Rack Host"
_SPACE = uuid.UUID("5b0f6f0e-8a5e-4f0f-9d3c-6b1f3a7c2d10")  # names of hosts become SMBIOS UUIDs in it


class Firmware(StrEnum):
    """How a host finds its way from power-on to the network."""

    BIOS = "bios"  # SeaBIOS and the network card's own iPXE
    BIOS_PXE = "bios-pxe"  # SeaBIOS and a boot ROM that asks as plain PXE does: the loader comes by TFTP
    UEFI = "uefi"  # OVMF, PXE
    UEFI_HTTP = "uefi-http"  # OVMF, HTTP boot
    DIRECT = (
        "direct"  # QEMU lays kernel and initrd into the memory itself: what firmware and network would have brought
    )

    @property
    def is_uefi(self) -> bool:
        return self in (Firmware.UEFI, Firmware.UEFI_HTTP)


class Bus(StrEnum):
    SATA = "sata"
    NVME = "nvme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk over a sparse file of the rack. `expected` ones are named in the host's spec, and only they may be written."""

    serial: str
    size_bytes: int = 32 * MIB
    bus: Bus = Bus.SATA
    expected: bool = True
    bootable: bool = False  # the firmware tries it after the network
    bad_sectors: tuple[int, ...] = ()  # reading these fails, each time
    bad_writes: tuple[int, ...] = ()  # writing these fails, each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    mac: str = ""  # empty: the rack gives one
    model: str = "virtio-net-pci"


class Bmc(StrEnum):
    NONE = "none"
    LOCAL = "local"  # QEMU's own, seen by the host alone
    LAN = "lan"  # ipmi_sim: seen by the host, and answering IPMI over the rack's network


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    name: str
    firmware: Firmware = Firmware.BIOS
    cpus: int = 1
    memory_mib: int = 2048
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = (Nic(),)
    bmc: Bmc = Bmc.NONE
    disk_first: bool = False  # an installed system starts by itself; the network only when it is asked for once
    second_console: bool = False  # ttyS1, on which the rack can type
    crash_store: bool = False  # ACPI ERST: what the kernel says while it dies is there at the next boot
    smbios_uuid: str = ""  # empty: follows from the name
    serial: str = ""
    board_serial: str = ""
    more: tuple[str, ...] = ()  # further words for QEMU; {folder} in them becomes the host's own folder

    @property
    def uuid(self) -> str:
        return self.smbios_uuid or str(uuid.uuid5(_SPACE, self.name))

    @property
    def system_serial(self) -> str:
        return self.serial or f"SYS-{self.name}"

    @property
    def board(self) -> str:
        return self.board_serial or f"BRD-{self.name}"

    def spec(self) -> ExpectedSpec:
        """What the orchestrator is told to expect: the disks that may be written, and the CPUs."""
        disks = tuple(ExpectedDisk(serial=d.serial, size_bytes=d.size_bytes) for d in self.disks if d.expected)
        return ExpectedSpec(product=PRODUCT, cpu_threads=self.cpus, disks=disks)


def mac_number(rack: int, host: int, nic: int) -> str:
    """A MAC address of the range that QEMU's hosts use."""
    return f"52:54:00:{rack & 0xFF:02x}:{host & 0xFF:02x}:{nic & 0xFF:02x}"
