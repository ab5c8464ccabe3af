"""Counters of the whole machine, read before and after every stage: what a load may not have moved.

Each is (component, name) -> value; None is unreadable, which is UNKNOWN and never zero. What is not there at all on this
machine (no EDAC, no PCIe error counters) is left out before and after; what was there and is gone is unreadable. The
names are those of `vetting.domain.ambient.RULES`, which judges their growth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from vetting.domain.outcome import Counter
from vetting.identity import is_card, is_fixed
from vetting.stages.probes.gpus import CONSOLE_VENDORS, GPU_CLASSES

Key = tuple[str, str]
Snapshot = Mapping[Key, float | None]

NIC_COUNTERS = (
    "rx_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_fifo_errors",
    "rx_missed_errors",
    "tx_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
)
AER_FILES = ("aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal")
NO_DISKS = ("sr", "fd")  # optical and floppy drives, which a BMC plugs in and out at will


def snapshot(root: Path) -> dict[Key, float | None]:
    """All ambient counters as they stand now."""
    found: dict[Key, float | None] = {
        ("host", "oom_kill"): _field(root / "proc/vmstat", r"^oom_kill (\d+)$"),
        ("memory", "hardware_corrupted_kb"): _field(root / "proc/meminfo", r"^HardwareCorrupted:\s+(\d+) kB$"),
    }
    for part in (_machine_checks, _edac, _aer, _nics, _throttles, _present):
        found.update(part(root))
    return found


def counters(before: Snapshot, after: Snapshot) -> tuple[Counter, ...]:
    """The two readings side by side; a counter that only one of them has is unknown in the other."""
    keys = sorted({*before, *after})
    return tuple(
        Counter(
            component=component, name=name, before=before.get((component, name)), after=after.get((component, name))
        )
        for component, name in keys
    )


def _machine_checks(root: Path) -> dict[Key, float | None]:
    """Machine check exceptions of all CPUs: the row `MCE:` of /proc/interrupts, which only x86 has."""
    counts = _field_text(root / "proc/interrupts", r"^\s*MCE:((?:\s+\d+)+)")
    return {("cpu", "mce"): float(sum(map(int, counts.split())))} if counts else {}


def _edac(root: Path) -> dict[Key, float | None]:
    """Corrected and uncorrected errors of each DIMM; those that no DIMM is accused of belong to the memory as a whole."""
    found: dict[Key, float | None] = {}
    for controller in sorted((root / "sys/devices/system/edac/mc").glob("mc[0-9]*")):
        dimms = sorted([*controller.glob("dimm[0-9]*"), *controller.glob("rank[0-9]*")])
        for short, kind in (("ce", "corrected"), ("ue", "uncorrected")):
            for dimm in dimms:
                key = f"dimm:{_text(dimm / 'dimm_label') or dimm.name}", kind
                if key in found:  # a label that the firmware gave twice
                    key = f"dimm:{controller.name}-{dimm.name}", kind
                found[key] = _number(dimm / f"dimm_{short}_count")
            if dimms:
                found["memory", f"{controller.name}_{kind}_no_dimm"] = _number(controller / f"{short}_noinfo_count")
            else:
                found["memory", f"{controller.name}_{kind}"] = _number(controller / f"{short}_count")
    return found


def _aer(root: Path) -> dict[Key, float | None]:
    """Error totals of each PCIe device that reports errors (Documentation/ABI/testing/sysfs-bus-pci-devices-aer)."""
    found: dict[Key, float | None] = {}
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        for name in AER_FILES:
            if (device / name).exists():
                found[f"pci:{device.name}", name] = _field(device / name, r"^TOTAL_ERR_\w+ (\d+)$")
    return found


def _nics(root: Path) -> dict[Key, float | None]:
    found: dict[Key, float | None] = {}
    for nic in _physical_nics(root):
        component = f"nic:{_text(nic / 'address').lower() or nic.name}"
        found[component, "carrier_changes"] = _number(nic / "carrier_changes")
        for name in NIC_COUNTERS:
            found[component, name] = _number(nic / "statistics" / name)
    return found


def _throttles(root: Path) -> dict[Key, float | None]:
    """How often cores and packages were slowed down for heat; the sum over all, for a socket's cores move together."""
    found: dict[Key, float | None] = {}
    for name in ("core_throttle_count", "package_throttle_count"):
        files = (root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/thermal_throttle/{name}")
        values = [_number(path) for path in files]
        if values:
            known = [value for value in values if value is not None]
            found["cpu", name] = sum(known) if len(known) == len(values) else None
    return found


def _present(root: Path) -> dict[Key, float | None]:
    """How many disks, NICs, PCI devices and CPUs there are: a part that vanishes under load is seen here."""
    online = _text(root / "sys/devices/system/cpu/online")
    return {
        ("host", "disks"): _how_many(
            root / "sys/block", lambda path: is_fixed(path) and not path.name.startswith(NO_DISKS)
        ),
        ("host", "nics"): _how_many(root / "sys/class/net", is_card),
        ("host", "pci_devices"): _entries(root / "sys/bus/pci/devices"),
        ("host", "gpus"): _gpus(root / "sys/bus/pci/devices"),
        ("host", "cpus"): _cpus(online),
        **_dimms(root),
    }


def _gpus(folder: Path) -> float | None:
    """Graphics processors on the PCI bus, without those that only draw a console."""
    try:
        devices = [(_text(device / "class")[2:6], _text(device / "vendor")[2:]) for device in folder.iterdir()]
    except OSError:
        return None
    return float(sum(kind in GPU_CLASSES and vendor not in CONSOLE_VENDORS for kind, vendor in devices))


def _dimms(root: Path) -> dict[Key, float | None]:
    """Memory modules: those that EDAC watches, else the filled sockets of the firmware's table; nothing without both."""
    watched = [*(root / "sys/devices/system/edac/mc").glob("mc[0-9]*/dimm[0-9]*")]
    if watched:
        return {("memory", "dimms"): float(len(watched))}
    entries = [*(root / "sys/firmware/dmi/entries").glob("17-*/raw")]
    if not entries:
        return {}
    try:  # SMBIOS 3.7, 7.18: the size stands in the word at offset 12, 0 is an empty socket
        return {("memory", "dimms"): float(sum(entry.read_bytes()[12:14] not in (b"", b"\0\0") for entry in entries))}
    except OSError:
        return {("memory", "dimms"): None}


def _how_many(folder: Path, counts: Callable[[Path], bool]) -> float | None:
    """Entries that count."""
    try:
        return float(sum(counts(path) for path in folder.iterdir()))
    except OSError:
        return None


def _entries(folder: Path) -> float | None:
    try:
        return float(len(list(folder.iterdir())))
    except OSError:
        return None


def _cpus(online: str) -> float | None:
    """How many CPUs the kernel's list format ("0-3,8") names."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", online):
        return None
    ends = [part.partition("-") for part in online.split(",")]
    return float(sum(int(high or low) - int(low) + 1 for low, _, high in ends))


def _physical_nics(root: Path) -> list[Path]:
    return [nic for nic in sorted((root / "sys/class/net").glob("*")) if is_card(nic)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:80]
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if re.fullmatch(r"-?\d{1,20}", text) else None


def _field(path: Path, pattern: str) -> float | None:
    text = _field_text(path, pattern)
    return float(text) if text is not None else None


def _field_text(path: Path, pattern: str) -> str | None:
    try:
        match = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return match[1] if match else None
