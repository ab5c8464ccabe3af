"""Which part of this host a kernel log line speaks of, in the words that a person would order it by."""

from __future__ import annotations

import re

from vetting.domain.inventory import Inventory
from vetting.parsers.kmsg import Kind

ADDRESS = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
MEMORY_KINDS = (Kind.MEMORY, Kind.EDAC_CE, Kind.EDAC_UE)


def component(kind: Kind | None, named: str, inventory: Inventory | None) -> str:
    """`disk:<serial>`, `nic:<mac>`, `gpu:<uuid>`, `cpu:<n>`, `memory`, `pci:<address>` of a device that is none of these, or `host`
    where the line names nothing we know."""
    if kind in MEMORY_KINDS:
        return "memory"
    if kind is Kind.MCE or re.fullmatch(r"CPU ?#?\d+", named):
        number = re.search(r"\d+", named)
        return f"cpu:{number[0]}" if number else "cpu"
    if inventory is not None and named:
        for disk in inventory.disks:
            if (
                disk.name == named
                or re.fullmatch(re.escape(named) + r"(p?\d+|n\d+)", disk.name)
                or _part(named, disk.name)
            ):
                return f"disk:{disk.serial}"
        for nic in inventory.nics:
            if nic.name == named or (nic.pci and nic.pci.endswith(named)):
                return f"nic:{nic.mac}"
        for gpu in inventory.gpus:
            if gpu.pci and gpu.pci.lower().endswith(
                (named.lower(), f"{named.lower()}.0")
            ):  # Xid lines name no function
                return f"gpu:{gpu.uuid or gpu.pci}"
    return f"pci:{named.lower()}" if ADDRESS.fullmatch(named) else "host"


def _part(named: str, disk: str) -> bool:
    """A partition of the disk: sda1 of sda, nvme0n1p2 of nvme0n1."""
    return bool(re.fullmatch(re.escape(disk) + r"p?\d+", named))
