"""Which part of this host a kernel log line speaks of, in the words that a person would order it by."""

from __future__ import annotations

import re

from vetting.domain import dimmnames
from vetting.domain.inventory import Inventory
from vetting.parsers.kmsg import Kind

ADDRESS = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
MEMORY_KINDS = (Kind.MEMORY, Kind.EDAC_CE, Kind.EDAC_UE)


# "… on CPU_SrcID#0_MC#0_Chan#1_DIMM#0 (channel:1 …" of EDAC; more than one label, and "any memory", mean no module.
EDAC_LABEL = re.compile(r"\b[CU]E\b.{0,80}? on (?P<label>(?!any |unknown )[^(]{1,80}?) \(")
# "DIMM location: CHANNEL A DIMM A0" of the firmware's own reports (GHES).
GHES_LABEL = re.compile(r"\[Hardware Error\]: +DIMM location: (?P<label>(?!not present).{1,80}?)\s*$")


def told(kind: Kind | None, named: str, text: str, inventory: Inventory | None) -> tuple[str, str]:
    """The component that a line of the kernel log speaks of, and the line with the part's name before it where that says
    more than the line does."""
    match = (EDAC_LABEL.search(text) or GHES_LABEL.search(text)) if kind in MEMORY_KINDS else None
    if match is None or " or " in match["label"]:
        return component(kind, named, inventory), text
    label = f"{dimmnames.KIND}{match['label'].strip()}"
    said = dimmnames.told(label, inventory)
    return dimmnames.part(label, inventory), text if said == label else f"{said}: {text}"


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
