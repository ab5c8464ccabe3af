"""The partition table as `sfdisk --json DEVICE` prints it, and what partition type GUIDs stand for, in any case of letters."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "sfdisk"

# From the documents of each system (UEFI, VMware, Ceph's sysfs tables, Microsoft, IBM GPFS, OpenZFS); written in lower case.
PURPOSES = {
    "4fbd7e29-9d25-41b8-afd0-062c0ceff05d": "Ceph OSD",
    "4fbd7e29-9d25-41b8-afd0-5ec00ceff05d": "Ceph OSD, encrypted",
    "45b0969e-9b03-4f30-b4c6-b4b80ceff106": "Ceph journal",
    "45b0969e-9b03-4f30-b4c6-5ec00ceff106": "Ceph journal, encrypted",
    "cafecafe-9b03-4f30-b4c6-b4b80ceff106": "Ceph BlueStore block",
    "30cd0809-c2b2-499c-8879-2d6b78529876": "Ceph BlueStore DB",
    "5ce17fce-4087-4169-b7ff-056cc58473f9": "Ceph BlueStore WAL",
    "89c57f98-2fe5-4dc0-89c1-f3ad0ceff2be": "Ceph disk in creation",
    "aa31e02a-400f-11db-9590-000c2911d1b8": "VMware VMFS",
    "9198effc-31c0-11db-8f78-000c2911d1b8": "VMware reserved",
    "9d275380-40ad-11db-bf97-000c2911d1b8": "VMware diagnostics",
    "37affc90-ef7d-4e96-91c3-2d7ae055b174": "IBM GPFS",
    "6a898cc3-1dd2-11b2-99a6-080020736631": "ZFS",
    "516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD ZFS",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux file system",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Windows LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "Windows LDM data",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "Windows Storage Spaces",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    node: str
    start: int  # sectors
    sectors: int
    kind: str  # GPT: type GUID in lower case; MBR: hexadecimal type byte
    uuid: str | None
    name: str | None

    @property
    def purpose(self) -> str | None:
        return purpose(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionTable:
    device: str
    label: str  # gpt, dos
    identifier: str | None
    sector_bytes: int | None
    partitions: tuple[Partition, ...]


def purpose(guid: str) -> str | None:
    """What a partition type GUID stands for, however its letters are written; None: unknown to us, which is not "free"."""
    return PURPOSES.get(guid.strip().strip("{}").lower())


def parse(text: str) -> PartitionTable:
    """stdout. Raises ParseError, also for the empty output of a disk without a table."""
    table = load(TOOL, text).needed("partitiontable")
    label, device = table.text("label"), table.text("device")
    if not label or not device:
        raise ParseError(TOOL, "its JSON has no label or no device", text)
    return PartitionTable(
        device=device,
        label=label,
        identifier=table.text("id"),
        sector_bytes=table.whole("sectorsize"),
        partitions=tuple(_partition(each) for each in table.each("partitions")),
    )


def _partition(node: Node) -> Partition:
    start, sectors, kind = node.whole("start"), node.whole("size"), node.text("type")
    if start is None or sectors is None or kind is None:
        raise ParseError(TOOL, f"{node.where}start, size or type is missing", repr(node.value)[:400])
    return Partition(
        node=node.text("node") or "",
        start=start,
        sectors=sectors,
        kind=kind.lower(),
        uuid=node.text("uuid"),
        name=node.text("name"),
    )
