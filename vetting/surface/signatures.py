"""Traces of other people's data at the start and the end of a disk or partition, found by our own eyes.

This is the second opinion beside blkid and wipefs: a table of magic numbers where each format puts them. Sources: the
formats' own headers (linux/raid/md_p.h, lvm2 format_text, ZFS on-disk format, util-linux superblocks, UEFI 5.3 for GPT).
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vetting.domain.disks import Hit

KIB = 1024
MIB = 1024 * KIB
LOOK_BYTES = 4 * MIB
SECTOR = 512
MD_MAGIC = 0xA92B4EFC
ZFS_LABEL = 256 * KIB
MAX_PARTITIONS = 128

Read = Callable[[int, int], bytes]  # offset and length in bytes of the disk; shorter only beyond its end

# (what, offset from the start, magic)
AT_START = (
    ("ceph_bluestore", 0, b"bluestore block device"),
    ("crypto_LUKS", 0, b"LUKS\xba\xbe"),
    ("crypto_LUKS", 16 * KIB, b"SKUL\xba\xbe"),
    ("xfs", 0, b"XFSB"),
    ("squashfs", 0, b"hsqs"),
    ("vdo", 0, b"dmvdo001"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("BitLocker", 3, b"-FVE-FS-"),
    ("ReFS", 3, b"ReFS\0\0\0\0"),
    ("apfs", 32, b"NXSB"),
    ("oracleasm", 32, b"ORCLDISK"),
    ("vfat", 54, b"FAT1"),
    ("vfat", 82, b"FAT32   "),
    ("stratis", 516, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    ("ext2/3/4", 1080, b"\x53\xef"),
    ("hfsplus", 1024, b"H+\0\x04"),
    ("bcache", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("swap", 4086, b"SWAPSPACE2"),
    ("swap", 4086, b"SWAP-SPACE"),
    ("swap", 65526, b"SWAPSPACE2"),
    ("jfs", 32 * KIB, b"JFS1"),
    ("iso9660", 32 * KIB + 1, b"CD001"),
    ("btrfs", 64 * KIB + 64, b"_BHRfS_M"),
    ("gfs2", 64 * KIB, b"\x01\x16\x19\x70"),
    ("reiserfs", 64 * KIB + 52, b"ReIsEr"),
    ("VMFS_volume_member", 1 * MIB, b"\x0d\xd0\x01\xc0"),
    ("VMFS", 2 * MIB, b"\x5e\xf1\xab\x2f"),
    *(("ocfs2", block * 2, b"OCFSV2") for block in (512, 1 * KIB, 2 * KIB, 4 * KIB)),
)

# GPT partition types that say whose data it is; compared as values, so that no one's spelling matters.
PARTITION_TYPES = {
    uuid.UUID(text): name
    for text, name in (
        ("4fbd7e29-9d25-41b8-afd0-062c0ceff05d", "Ceph OSD"),
        ("4fbd7e29-9d25-41b8-afd0-5ec00ceff05d", "Ceph OSD, dm-crypt"),
        ("4fbd7e29-9d25-41b8-afd0-35865ceff05d", "Ceph OSD, LUKS"),
        ("45b0969e-9b03-4f30-b4c6-b4b80ceff106", "Ceph journal"),
        ("cafecafe-9b03-4f30-b4c6-b4b80ceff106", "Ceph block"),
        ("30cd0809-c2b2-499c-8879-2d6b78529876", "Ceph block DB"),
        ("5ce17fce-4087-4169-b7ff-056cc58473f9", "Ceph block WAL"),
        ("fb3aabf9-d25f-47cc-bf5e-721d1816496b", "Ceph lockbox"),
        ("aa31e02a-400f-11db-9590-000c2911d1b8", "VMware VMFS"),
        ("9d275380-40ad-11db-bf97-000c2911d1b8", "VMware core dump"),
        ("9198effc-31c0-11db-8f78-000c2911d1b8", "VMware reserved"),
        ("381cfccc-7288-11e0-92ee-000c2911d0b2", "VMware vSAN"),
        ("37affc90-ef7d-4e96-91c3-2d7ae055b174", "IBM GPFS"),
        ("6a898cc3-1dd2-11b2-99a6-080020736631", "ZFS"),
        ("e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"),
        ("a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"),
        ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "LUKS"),
        ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"),
        ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux file system"),
        ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"),
        ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Windows data"),
        ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "Windows reserved"),
        ("af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows dynamic disk"),
    )
}


@dataclass(frozen=True, slots=True)
class Region:
    """A disk or a partition: where it starts on the disk, how long it is, and a name for it."""

    start: int
    size: int
    name: str = ""


def signatures(read: Read, size_bytes: int, logical_block_bytes: int = SECTOR) -> list[Hit]:
    """Everything found on a disk, partition tables first, then the disk itself, then each partition."""
    whole = Region(0, size_bytes)
    hits, partitions = _partition_tables(read, size_bytes, logical_block_bytes)
    hits += _in_region(read, whole)
    for partition in partitions:
        hits += _in_region(read, partition)
    return list(dict.fromkeys(hits))


def _in_region(read: Read, region: Region) -> Iterator[Hit]:
    """Superblocks of one region. Offsets of the hits are the disk's."""
    head = read(region.start, min(LOOK_BYTES, region.size))

    def hit(kind: str, at: int, detail: str = "") -> Hit:
        return Hit(kind, region.start + at, "; ".join(text for text in (detail, region.name) if text))

    for kind, at, magic in AT_START:
        if head[at : at + len(magic)] == magic:
            yield hit(kind, at)
    for sector in range(4):
        label = head[sector * SECTOR : sector * SECTOR + 32]
        if label[:8] == b"LABELONE":
            yield hit("LVM2_member", sector * SECTOR, _volume_group(head))
    if (at := head[: 64 * KIB].find(b"NSD descriptor")) >= 0:
        yield hit("gpfs", at)
    for kind, at, found in _at_end(read, region):
        yield hit(kind, at, found)
    yield from (hit(*found) for found in _md(read, region))
    yield from (hit("zfs_member", at, detail) for at, detail in _zfs(read, region))


def _volume_group(head: bytes) -> str:
    """Name of the volume group in LVM's text metadata: `pve` and `ceph-…` are what a Proxmox node has."""
    match = re.search(rb'([A-Za-z0-9+_.-]{1,127}) \{\s*id = "[A-Za-z0-9-]{38}"', head[: 2 * MIB])
    return f"volume group {match[1].decode('ascii')}" if match else ""


def _at_end(read: Read, region: Region) -> Iterator[tuple[str, int, str]]:
    size = region.size
    rows = (
        ("drbd", (size & ~4095) - 4096 + 60, (b"\x83\x74\x02\x6b", b"\x83\x74\x02\x6d", b"\x83\x74\x02\x67")),
        ("isw_raid_member", size - 2 * SECTOR, (b"Intel Raid ISM Cfg Sig. ",)),
        ("ddf_raid_member", size - SECTOR, (b"\xde\x11\xde\x11", b"\x11\xde\x11\xde")),
        ("lsi_mega_raid_member", size - SECTOR, (b"$XIDE$",)),
    )
    for kind, at, magics in rows:
        if at >= 0 and read(region.start + at, 32).startswith(magics):
            yield kind, at, ""


def _md(read: Read, region: Region) -> Iterator[tuple[str, int, str]]:
    """Members of Linux software RAID: format 0.90 near the end, 1.0 at the end, 1.1 and 1.2 at the start."""
    size = region.size
    places = (
        ("1.1", 0),
        ("1.2", 4096),
        ("1.0", (size - 8 * KIB) & ~4095),
        ("0.90", (size & ~(64 * KIB - 1)) - 64 * KIB),
    )
    for version, at in places:
        if at < 0:
            continue
        magic = read(region.start + at, 4)
        if magic == struct.pack("<I", MD_MAGIC) or (version == "0.90" and magic == struct.pack(">I", MD_MAGIC)):
            yield "linux_raid_member", at, f"format {version}"


def _zfs(read: Read, region: Region) -> Iterator[tuple[int, str]]:
    """The four labels, two at each end: pool configuration, and the ring of uberblocks that follows it."""
    aligned = region.size & ~(ZFS_LABEL - 1)
    for at in (0, ZFS_LABEL, aligned - 2 * ZFS_LABEL, aligned - ZFS_LABEL):
        if at < 0 or aligned < 2 * ZFS_LABEL:
            continue
        label = read(region.start + at, ZFS_LABEL)
        ring = range(128 * KIB, len(label) - 8, KIB)
        if any(label[slot : slot + 8] in (b"\x0c\xb1\xba\0\0\0\0\0", b"\0\0\0\0\0\xba\xb1\x0c") for slot in ring):
            yield at, "uberblocks"
        elif b"pool_guid" in label[16 * KIB : 128 * KIB]:
            yield at, "pool configuration"


def _partition_tables(read: Read, size_bytes: int, logical: int) -> tuple[list[Hit], list[Region]]:
    hits: list[Hit] = []
    regions: list[Region] = []
    boot = read(0, SECTOR)
    if boot[510:512] == b"\x55\xaa":
        kinds = [boot[at + 4] for at in range(446, 510, 16) if boot[at + 4]]
        told = (
            f"partition types {', '.join(f'{kind:#04x}' for kind in kinds)}"
            if kinds
            else "a boot sector without partitions"
        )
        hits.append(Hit("dos", 510, told))
        if kinds != [0xEE]:
            regions += _dos_regions(boot, size_bytes)
    # A GPT is read in the disk's own sectors, and in the other size for a disk that came from another controller.
    for sector in dict.fromkeys((logical, 512, 4096)):
        for where, at in (("primary", sector), ("backup", size_bytes - sector)):
            if at > 0 and (found := _gpt(read, at, sector, where)):
                hits.append(found[0])
                regions += found[1]
    inside = [r for r in dict.fromkeys(regions) if 0 < r.start < size_bytes]
    return hits, [Region(r.start, min(r.size, size_bytes - r.start), r.name) for r in inside]


def _dos_regions(boot: bytes, size_bytes: int) -> Iterator[Region]:
    for number in range(4):
        kind, start, count = struct.unpack_from("<4xB3xII", boot, 446 + 16 * number)
        if kind and count and start * SECTOR < size_bytes:
            yield Region(start * SECTOR, count * SECTOR, f"in partition {number + 1}")


def _gpt(read: Read, at: int, sector: int, where: str) -> tuple[Hit, list[Region]] | None:
    header = read(at, 92)
    if header[:8] != b"EFI PART" or len(header) < 92:
        return None
    table, count, entry_bytes = struct.unpack_from("<QII", header, 72)
    regions, types = [], []
    if entry_bytes % 128 == 0 and 128 <= entry_bytes <= 4096:
        entries = read(table * sector, min(count, MAX_PARTITIONS) * entry_bytes) if table < 1 << 53 else b""
        for number in range(len(entries) // entry_bytes):
            entry = entries[number * entry_bytes : (number + 1) * entry_bytes]
            kind = uuid.UUID(bytes_le=entry[:16])
            if kind.int:
                first, last = struct.unpack_from("<QQ", entry, 32)
                types.append(PARTITION_TYPES.get(kind, str(kind)))
                if first <= last:
                    regions.append(Region(first * sector, (last - first + 1) * sector, f"in partition {number + 1}"))
    told = f"{where}, partitions: {', '.join(types)}" if types else f"{where}, no partitions"
    return Hit("gpt", at, told[:1000]), regions
