"""Other people's data, made by the real tools where they are here: found, named, left alone; and the way back."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable

import pytest

from tests.machine.surface.loops import MIB, Bench, Scratch, tool

pytestmark = pytest.mark.machine
KIB = 1024
SIZE = 24 * MIB  # room for the header of LUKS
LARGER = {"btrfs": 128 * MIB, "xfs": 160 * MIB, "GFS2, made": 64 * MIB}


def poke(*places: tuple[int, bytes]) -> Callable[[Scratch], None]:
    """Magic numbers of formats whose tools are not to be had here; negative places count from the end."""

    def make(disk: Scratch) -> None:
        with open(disk.device, "r+b") as device:
            for at, data in places:
                device.seek(at % disk.size_bytes)
                device.write(data)

    return make


def run(*argv: str, stdin: str | None = None) -> Callable[[Scratch], None]:
    def make(disk: Scratch) -> None:
        if shutil.which(argv[0]) is None:
            pytest.skip(f"{argv[0]} is not installed here")
        tool(*argv, disk.device, stdin=stdin)

    return make


def partitions(label: str, kind: str) -> Callable[[Scratch], None]:
    return run("sfdisk", "--quiet", "--no-reread", stdin=f"label: {label}\nstart=2048, size=20480, type={kind}\n")


def volume_group(disk: Scratch) -> None:
    options = (
        "--config",
        "devices { use_devicesfile=0 } global { use_lvmpolld=0 } activation { udev_sync=0 udev_rules=0 }",
    )
    tool("vgcreate", *options, "--yes", "ceph-0b7f5a54-6f3c-4c0e-9a55-1f6a3c1d2e3f", disk.device)


GUIDS = {
    "Ceph OSD": "4fbd7e29-9d25-41b8-afd0-062c0ceff05d",
    "Ceph block": "cafecafe-9b03-4f30-b4c6-b4b80ceff106",
    "VMware VMFS": "aa31e02a-400f-11db-9590-000c2911d1b8",
    "IBM GPFS": "37affc90-ef7d-4e96-91c3-2d7ae055b174",
    "ZFS": "6a898cc3-1dd2-11b2-99a6-080020736631",
}


def md_member(at: int) -> Callable[[Scratch], None]:
    """A superblock of md as mdadm writes it (linux/raid/md_p.h), with its checksum; `at` counts from the end where it is negative."""

    def make(disk: Scratch) -> None:
        place = at % disk.size_bytes
        head = struct.pack("<4I16s32sQIIQII", 0xA92B4EFC, 1, 0, 0, b"S" * 16, b"host:0", 0, 1, 0, 40960, 0, 2)
        middle = struct.pack("<QQQQII16s8x", 2048, 40960, place // 512, 0, 0, 0, b"D" * 16)
        body = bytearray(head.ljust(128, b"\0") + middle + bytes(64 - 40) + bytes(512))[: 256 + 2 * 2]
        body[192:256] = struct.pack("<QQQII32x", 0, 1, 0, 0, 2)
        words = struct.unpack(f"<{len(body) // 4}I", body)
        total = sum(words)
        body[216:220] = struct.pack("<I", ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF)
        poke((place, bytes(body)))(disk)

    return make


def zfs_member(disk: Scratch) -> None:
    """The uberblocks of all four labels, as a pool that was written to a few times has them."""
    labels = (0, 256 * KIB, disk.size_bytes - 512 * KIB, disk.size_bytes - 256 * KIB)
    block = struct.pack("<QQQQQ", 0xBAB10C, 5000, 7, 1, 1)
    poke(*((label + 128 * KIB + number * KIB, block) for label in labels for number in range(32)))(disk)


MD_1 = struct.pack("<II", 0xA92B4EFC, 1)

MADE: dict[str, tuple[Callable[[Scratch], None], str]] = {
    "ext4": (run("mkfs.ext4", "-q"), "ext"),
    "xfs": (run("mkfs.xfs", "-q", "-f", "-d", "size=160m", "--unsupported"), "xfs"),
    "btrfs": (run("mkfs.btrfs", "-q", "-f"), "btrfs"),
    "vfat": (run("mkfs.vfat"), "vfat"),
    "swap": (run("mkswap", "-q"), "swap"),
    "LVM": (run("pvcreate", "-q", "--yes", "--config", "devices { use_devicesfile=0 }"), "LVM2_member"),
    "LVM of Ceph": (volume_group, "volume group ceph-0b7f5a54-6f3c-4c0e-9a55-1f6a3c1d2e3f"),
    "LUKS": (
        run("cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", stdin="secret"),
        "crypto_LUKS",
    ),
    "MBR": (partitions("dos", "83"), "dos"),
    "md 0.90": (poke((-64 * KIB, struct.pack("<I", 0xA92B4EFC))), "format 0.90"),
    "md 1.0": (poke((-8 * KIB, MD_1)), "format 1.0"),
    "md 1.1": (poke((0, MD_1)), "format 1.1"),
    "md 1.2": (poke((4096, MD_1)), "format 1.2"),
    "md 1.0, made": (md_member(-8 * KIB), "format 1.0"),
    "md 1.1, made": (md_member(0), "format 1.1"),
    "md 1.2, made": (md_member(4096), "format 1.2"),
    "ZFS, four labels": (zfs_member, "zfs_member"),
    "ZFS, first label": (poke((128 * KIB, struct.pack("<Q", 0xBAB10C))), "zfs_member"),
    "ZFS, last label": (poke((-256 * KIB + 128 * KIB + 5 * KIB, struct.pack(">Q", 0xBAB10C))), "zfs_member"),
    "ZFS, configuration": (poke((-512 * KIB + 16 * KIB + 99, b"pool_guid")), "pool configuration"),
    "Ceph BlueStore": (poke((0, b"bluestore block device\n0b7f5a54-6f3c-4c0e-9a55-1f6a3c1d2e3f\n")), "ceph_bluestore"),
    "VMFS volume": (poke((MIB, b"\x0d\xd0\x01\xc0")), "VMFS"),
    "VMFS": (poke((2 * MIB, b"\x5e\xf1\xab\x2f")), "VMFS"),
    "GPFS": (poke((1024, b"NSD descriptor for /dev/sdb created by GPFS")), "gpfs"),
    "GFS2": (poke((64 * KIB, b"\x01\x16\x19\x70")), "gfs2"),
    "GFS2, made": (run("mkfs.gfs2", "-q", "-O", "-p", "lock_nolock", "-J", "8"), "gfs2"),
    "OCFS2": (poke((2 * 4 * KIB, b"OCFSV2")), "ocfs2"),
    "bcache": (poke((4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"))), "bcache"),
    "DRBD": (poke((-4096 + 60, b"\x83\x74\x02\x6d")), "drbd"),
    "Oracle ASM": (poke((32, b"ORCLDISK")), "oracleasm"),
    "a bare boot sector": (poke((510, b"\x55\xaa")), "boot sector"),
    **{f"GPT {name}": (partitions("gpt", guid), name) for name, guid in GUIDS.items()},
    **{f"GPT {name} in capitals": (partitions("gpt", guid.upper()), name) for name, guid in GUIDS.items()},
}


def blkid(disk: Scratch) -> str:
    return tool("blkid", "-p", "-o", "export", disk.device, check=False).stdout


@pytest.mark.parametrize("name", MADE)
def test_data_of_somebody_else_halts_the_scan_and_stays(bench: Bench, name: str) -> None:
    """With its own permit, with none, and where names were swapped after the permit for a blank twin was given."""
    make, told = MADE[name]
    with bench.scratch(LARGER.get(name, SIZE)) as disk, bench.scratch(LARGER.get(name, SIZE)) as twin:
        make(disk)
        before = disk.digest(), twin.digest()
        said = bench.run("scan", disk.device, bench.permit(disk))

        assert said.code == 2 and said.lines == {"wipe probe"}, said
        assert said.report.unexpected_data
        assert any(told in hit for hit in said.report.hits), said.report.hits
        name_of_twin = bench.folder / "sda"  # in the boot before
        name_of_twin.symlink_to(disk.device)
        said = bench.run("scan", name_of_twin, bench.permit(twin))
        assert said.code == 2 and said.lines == {"allowlist"}, said
        said = bench.run("scan", disk.device, None)
        assert said.code == 2 and said.lines == {"permit"}, said
        assert (disk.digest(), twin.digest()) == before


RESTORED = (
    "ext4", "LVM of Ceph", "LUKS", "MBR", "md 1.0, made", "md 1.2, made", "ZFS, four labels", "Ceph BlueStore", "VMFS",
    "GPT VMware VMFS", "GPT IBM GPFS", "GFS2", "GFS2, made", "OCFS2",
)  # fmt: skip


@pytest.mark.parametrize("name", RESTORED)
def test_what_a_person_let_go_is_gone_and_its_saved_ends_make_blkid_say_what_it_said(bench: Bench, name: str) -> None:
    make, _ = MADE[name]
    size = LARGER.get(name, SIZE)
    with bench.scratch(size) as disk, bench.scratch(size) as twin:
        make(disk)
        before, other, content = blkid(disk), twin.digest(), disk.digest()
        hits = bench.run("probe", disk.device, None).report.hits
        scan = bench.run("scan", disk.device, bench.permit(disk, overrides=("wipe_probe",)))
        assert scan.code == 0 and scan.report.clean, scan
        assert disk.digest() != content and bench.run("probe", disk.device, None).report.found == "ours"
        back = bench.run("restore-heads", disk.device, bench.permit(disk), "--heads", scan.report.heads)
        assert back.code == 0, back
        assert blkid(disk) == before
        assert bench.run("probe", disk.device, None).report.hits == hits
        assert twin.digest() == other


def test_the_two_copies_of_a_gpt_are_each_found(bench: Bench, scratch: Scratch) -> None:
    partitions("gpt", GUIDS["IBM GPFS"])(scratch)
    poke((0, bytes(34 * 512)))(scratch)  # the backup alone is left
    said = bench.run("scan", scratch.device, bench.permit(scratch))

    assert said.code == 2
    assert any("backup, partitions: IBM GPFS" in hit for hit in said.report.hits)


def test_a_gpt_made_for_sectors_of_another_size_is_found(bench: Bench) -> None:
    with bench.scratch(loop=False) as disk:
        disk.attach("--sector-size", "4096")
        run(
            "sfdisk", "--quiet", "--no-reread", stdin=f"label: gpt\nstart=256, size=2560, type={GUIDS['VMware VMFS']}\n"
        )(disk)
        disk.detach()
        disk.attach()
        said = bench.run("scan", disk.device, bench.permit(disk))

        assert said.code == 2 and any("VMware VMFS" in hit for hit in said.report.hits)


def test_what_lies_inside_a_partition_is_named_too(bench: Bench, scratch: Scratch) -> None:
    partitions("gpt", GUIDS["Ceph OSD"])(scratch)
    poke((2048 * 512, b"bluestore block device\n"))(scratch)
    hits = bench.run("probe", scratch.device, None).report.hits

    assert any("ceph_bluestore" in hit and "in partition 1" in hit for hit in hits), hits


def test_the_override_lets_the_data_go_and_the_saved_heads_bring_its_signatures_back(
    bench: Bench, scratch: Scratch
) -> None:
    partitions("gpt", GUIDS["Ceph OSD"])(scratch)
    poke((64 * KIB + 64, b"_BHRfS_M"))(scratch)
    before = tool("blkid", "-p", "-o", "export", scratch.device, check=False).stdout
    hits = bench.run("probe", scratch.device, None).report.hits
    scan = bench.run("scan", scratch.device, bench.permit(scratch, overrides=("wipe_probe",)))
    assert scan.code == 0 and scan.report.clean, scan
    assert "gpt" not in tool("blkid", "-p", "-o", "export", scratch.device, check=False).stdout
    assert bench.run("probe", scratch.device, None).report.found == "ours"

    heads = scan.report.heads
    back = bench.run("restore-heads", scratch.device, bench.permit(scratch), "--heads", heads)

    assert back.code == 0, back
    assert "PTTYPE=gpt" in before
    assert tool("blkid", "-p", "-o", "export", scratch.device, check=False).stdout == before
    assert bench.run("probe", scratch.device, None).report.hits == hits


def test_heads_go_back_only_to_the_disk_they_were_taken_from(bench: Bench, scratch: Scratch) -> None:
    scan = bench.run("scan", scratch.device, bench.permit(scratch))
    with bench.scratch() as other:
        before = other.digest()
        said = bench.run("restore-heads", other.device, bench.permit(other), "--heads", scan.report.heads)
        assert said.code == 2 and "heads are of the disk" in said.report.reason
        said = bench.run("restore-heads", other.device, None, "--heads", scan.report.heads)
        assert said.code == 2 and said.lines == {"permit"}
        assert other.digest() == before


def test_damaged_heads_are_not_put_back(bench: Bench, scratch: Scratch) -> None:
    scan = bench.run("scan", scratch.device, bench.permit(scratch))
    with open(scan.report.heads, "r+b") as file:
        file.seek(MIB)
        file.write(b"\xff")
    before = scratch.digest()
    said = bench.run("restore-heads", scratch.device, bench.permit(scratch), "--heads", scan.report.heads)

    assert said.code == 2 and "damaged" in said.report.reason
    assert scratch.digest() == before


def test_heads_can_be_taken_beforehand_and_a_disk_that_changed_since_is_refused(bench: Bench, scratch: Scratch) -> None:
    permit = bench.permit(scratch)
    saved = bench.run("save-heads", scratch.device, permit)
    assert saved.code == 0, saved
    assert os.path.getsize(saved.report.heads) > 8 * MIB

    poke((100 * KIB, b"somebody was here"))(scratch)
    before = scratch.digest()
    said = bench.run("scan", scratch.device, permit)
    assert said.code == 2 and said.lines == {"permit"} and scratch.digest() == before

    poke((100 * KIB, bytes(17)))(scratch)
    assert bench.run("scan", scratch.device, permit).code == 0


def test_the_last_scans_own_data_is_no_reason_to_stop_but_what_came_after_it_is(bench: Bench, scratch: Scratch) -> None:
    found = []
    for cycles in ("1", "2", "1"):
        said = bench.run("scan", scratch.device, bench.permit(scratch), "--cycles", cycles)
        found.append((said.code, said.report.found))
    assert found == [(0, "blank"), (0, "ours"), (0, "ours")]

    run("mkswap", "-q")(scratch)
    said = bench.run("scan", scratch.device, bench.permit(scratch))
    assert said.code == 2 and said.report.unexpected_data
