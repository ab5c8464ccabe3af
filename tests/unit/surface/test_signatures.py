"""Our own look at foreign data, on bytes laid out by hand, and what our own pattern means for it."""

from __future__ import annotations

import struct
import uuid

import pytest

from vetting.surface.pattern import BLOCK_BYTES, MAGIC, Pattern
from vetting.surface.probe import _all_ours
from vetting.surface.signatures import AT_START, PARTITION_TYPES, Read, signatures

KIB, MIB = 1024, 1024 * 1024
SIZE = 16 * MIB


def reader(disk: bytes) -> Read:
    return lambda offset, length: disk[offset : offset + length]


def disk_with(*places: tuple[int, bytes], size: int = SIZE) -> bytearray:
    disk = bytearray(size)
    for at, data in places:
        disk[at : at + len(data)] = data
    return disk


def kinds(disk: bytes, logical: int = 512) -> list[str]:
    return [hit.kind for hit in signatures(reader(disk), len(disk), logical)]


@pytest.mark.parametrize("size", [512, 4096, 1 * MIB, SIZE, SIZE + 512])
def test_nothing_is_found_on_a_blank_disk_of_any_size(size: int) -> None:
    assert kinds(bytes(size)) == []


@pytest.mark.parametrize(("kind", "at", "magic"), AT_START)
def test_every_magic_number_of_the_table_is_found_where_it_stands(kind: str, at: int, magic: bytes) -> None:
    hits = signatures(reader(bytes(disk_with((at, magic)))), SIZE)
    assert [(hit.kind, hit.offset) for hit in hits] == [(kind, at)]


@pytest.mark.parametrize("sector", range(4))
def test_an_lvm_label_is_found_in_each_sector_where_lvm_looks(sector: int) -> None:
    text = b'pve {\nid = "Z1gC3V-1111-2222-3333-4444-5555-abcdef"\n'
    hits = signatures(reader(bytes(disk_with((sector * 512, b"LABELONE"), (8 * KIB, text)))), SIZE)
    assert hits[0].kind == "LVM2_member" and "pve" in hits[0].detail


def gpt(sector: int, kind: uuid.UUID, at: int, first: int, last: int, table: int) -> list[tuple[int, bytes]]:
    header = b"EFI PART".ljust(72, b"\0") + struct.pack("<QIII", table, 128, 128, 0)
    entry = kind.bytes_le + uuid.uuid4().bytes + struct.pack("<QQ", first, last) + bytes(80)
    return [(at, header), (table * sector, entry)]


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("logical", [512, 4096])
@pytest.mark.parametrize("kind", PARTITION_TYPES)
def test_a_gpt_names_its_partitions_whatever_sector_size_it_was_made_for(
    kind: uuid.UUID, sector: int, logical: int
) -> None:
    hits = signatures(reader(bytes(disk_with(*gpt(sector, kind, sector, 256, 511, 2)))), SIZE, logical)
    assert hits[0].kind == "gpt" and PARTITION_TYPES[kind] in hits[0].detail


def test_a_backup_gpt_alone_is_found() -> None:
    backup = gpt(512, next(iter(PARTITION_TYPES)), SIZE - 512, 2048, 4095, SIZE // 512 - 33)
    assert kinds(bytes(disk_with(*backup))) == ["gpt"]


def test_a_table_that_points_beyond_the_disk_or_nowhere_is_reported_and_followed_nowhere() -> None:
    kind = next(iter(PARTITION_TYPES))
    far = disk_with(*gpt(512, kind, 512, 1 << 60, 1 << 62, 2))
    broken = disk_with((512, b"EFI PART" + b"\xff" * 84), (510, b"\x55\xaa"), (446, b"\xff" * 64))

    assert kinds(bytes(far)) == ["gpt"]
    assert set(kinds(bytes(broken))) == {"dos", "gpt"}


def test_superblocks_inside_partitions_are_found_at_their_place_on_the_disk() -> None:
    entry = struct.pack("<4xB3xII", 0x83, 2048, 8192)
    disk = disk_with((446, entry), (510, b"\x55\xaa"), (2048 * 512 + 1080, b"\x53\xef"))
    hits = signatures(reader(bytes(disk)), SIZE)

    assert [(hit.kind, hit.offset, hit.detail) for hit in hits][1:] == [("ext2/3/4", MIB + 1080, "in partition 1")]


@pytest.mark.parametrize("size", [SIZE, SIZE + 512, SIZE + 3 * KIB, SIZE + 100 * KIB])
def test_what_stands_at_the_end_is_found_on_disks_of_odd_sizes(size: int) -> None:
    places = {
        "linux_raid_member": (size & ~(64 * KIB - 1)) - 64 * KIB,
        "drbd": (size & ~4095) - 4096 + 60,
        "ddf_raid_member": size - 512,
        "isw_raid_member": size - 1024,
    }
    magic = {
        "linux_raid_member": b"\xfc\x4e\x2b\xa9",
        "drbd": b"\x83\x74\x02\x6b",
        "ddf_raid_member": b"\xde\x11\xde\x11",
        "isw_raid_member": b"Intel Raid ISM Cfg Sig. 1",
    }
    for kind, at in places.items():
        assert kinds(bytes(disk_with((at, magic[kind]), size=size))) == [kind]


@pytest.mark.parametrize("label", [0, 256 * KIB, -512 * KIB, -256 * KIB])
@pytest.mark.parametrize("magic", [b"\x0c\xb1\xba\0\0\0\0\0", b"\0\0\0\0\0\xba\xb1\x0c"])
def test_each_of_the_four_zfs_labels_is_found_in_both_byte_orders(label: int, magic: bytes) -> None:
    disk = disk_with((label % SIZE + 128 * KIB + 7 * KIB, magic))
    assert kinds(bytes(disk)) == ["zfs_member"]


def test_our_own_data_is_known_only_when_every_block_is_in_its_place() -> None:
    pattern = Pattern(bytes(16))
    data = bytearray(pattern.expected(512, 64 * BLOCK_BYTES))

    assert _all_ours(bytes(data), 512)
    assert not _all_ours(bytes(data), 0)
    assert not _all_ours(bytes(64 * BLOCK_BYTES), 0)
    assert not _all_ours(b"", 0)
    other = Pattern(bytes(range(16)))
    data[5 * BLOCK_BYTES : 6 * BLOCK_BYTES] = other.expected(517, BLOCK_BYTES)
    assert not _all_ours(bytes(data), 512)


def test_the_stamp_of_our_own_blocks_looks_like_no_format() -> None:
    block = bytearray(BLOCK_BYTES)
    block[: len(MAGIC)] = MAGIC
    assert kinds(bytes(block).ljust(SIZE, b"\0")) == []
