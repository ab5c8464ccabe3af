"""Who this machine is, as the kernel tells it, for the claim. Unreadable parts stay empty: the orchestrator compares."""

from __future__ import annotations

import re
from pathlib import Path

from vetting.domain.hostspec import Identity
from vetting.domain.naming import is_bmc_link

LONGEST = 128  # of any one text that a host says about itself


def boot_id(root: Path) -> str:
    """This kernel boot's own number; empty where /proc does not tell."""
    return _text(root / "proc/sys/kernel/random/boot_id")


def identity(root: Path) -> Identity:
    """SMBIOS identity, MAC addresses of physical interfaces and serials of whole disks."""
    dmi = root / "sys/class/dmi/id"
    return Identity(
        smbios_uuid=_text(dmi / "product_uuid").lower(),
        system_serial=_text(dmi / "product_serial"),
        board_serial=_text(dmi / "board_serial"),
        macs=tuple(sorted(_macs(root))),
        disk_serials=tuple(sorted(_disk_serials(root))),
    )


def _macs(root: Path) -> set[str]:
    found = set()
    for nic in sorted((root / "sys/class/net").glob("*")):
        address = _text(nic / "address").lower()
        if is_card(nic) and re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", address):
            found.add(address)
    return found - {"00:00:00:00:00:00"}


def is_card(nic: Path) -> bool:
    """A network card of this machine: no slice of another one (SR-IOV), and not the link that a BMC shows over USB."""
    device = nic / "device"
    return device.exists() and not (device / "physfn").exists() and not is_bmc_link(_text(device / "uevent", 4096))


def is_fixed(disk: Path) -> bool:
    """A drive that stays in this machine: virtual media of a BMC and sticks come and go over USB."""
    return (disk / "device").exists() and "/usb" not in str(disk.resolve()) and _text(disk / "removable") != "1"


def _disk_serials(root: Path) -> set[str]:
    found = set()
    for disk in sorted((root / "sys/block").glob("*")):
        if not is_fixed(disk):
            continue
        if serial := _serial(disk):
            found.add(serial)
    return found


def disk_serial(root: Path, name: str) -> str:
    """Of the disk that the kernel calls so, or that it calls a part of so; empty where there is none, or it tells none."""
    if not re.fullmatch(r"[a-z][\w!-]*", name):
        return ""
    disk = root / "sys/class/block" / name
    if not disk.exists():
        disk = root / "sys/block" / name
    return _serial(disk.resolve().parent if (disk / "partition").exists() else disk)


def _serial(disk: Path) -> str:
    return _text(disk / "serial") or _text(disk / "device/serial") or _unit_serial(disk / "device/vpd_pg80")


def _unit_serial(page: Path) -> str:
    """The unit serial number page of a SCSI or ATA disk: four header bytes, then text (SPC-4, 7.8.15)."""
    try:
        raw = page.read_bytes()
    except OSError:
        return ""
    return raw[4 : 4 + raw[3]].decode("ascii", "replace").strip("\0 ")[:LONGEST] if len(raw) > 4 else ""


def _text(path: Path, longest: int = LONGEST) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")[:longest]
    except OSError:
        return ""
