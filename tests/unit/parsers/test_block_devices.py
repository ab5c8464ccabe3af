"""lsblk, blkid, wipefs and sfdisk on loop devices that carry each kind of signature, on each system's util-linux."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, blkid, lsblk, sfdisk, wipefs

Recorded = Callable[[str], str]
SIGNED = {
    "ext4": "ext4",
    "xfs": "xfs",
    "btrfs": "btrfs",
    "swap": "swap",
    "luks": "crypto_LUKS",
    "lvm": "LVM2_member",
    "mdraid": "linux_raid_member",
    "bluestore": "ceph_bluestore",
    "vmfs": "VMFS_volume_member",
}


@pytest.mark.parametrize(("recording", "kind"), SIGNED.items())
def test_blkid_names_what_stands_on_the_device(joined: Recorded, recording: str, kind: str) -> None:
    (probe,) = blkid.parse(joined(f"blkid/{recording}"))
    assert probe.kind == kind
    assert probe.anything and not probe.ambivalent


@pytest.mark.parametrize(("recording", "kind"), SIGNED.items())
def test_wipefs_finds_the_same(recorded: Recorded, recording: str, kind: str) -> None:
    found = wipefs.parse(recorded(f"wipefs/{recording}"))
    assert {each.kind for each in found} == {kind}


@pytest.mark.parametrize(("recording", "table"), [("gpt", "gpt"), ("mbr", "dos")])
def test_a_partition_table_alone_is_something(joined: Recorded, recorded: Recorded, recording: str, table: str) -> None:
    (probe,) = blkid.parse(joined(f"blkid/{recording}"))
    assert probe.partition_table == table and probe.kind is None and probe.anything
    assert table in {each.kind for each in wipefs.parse(recorded(f"wipefs/{recording}"))}


def test_two_signatures_at_once_silence_the_newer_blkid_and_wipefs_finds_both(
    joined: Recorded, recorded: Recorded, system: str
) -> None:
    probes = blkid.parse(joined("blkid/ambivalent"))
    if system == "debian12":
        assert probes[0].ambivalent and probes[0].anything
    else:
        assert probes == (), "2.41 says of it what it says of an empty disk"
    assert {each.kind for each in wipefs.parse(recorded("wipefs/ambivalent"))} == {"swap", "xfs"}


def test_an_empty_device_has_no_signature(joined: Recorded, recorded: Recorded) -> None:
    assert blkid.parse(joined("blkid/empty")) == ()
    assert wipefs.parse(recorded("wipefs/empty")) == ()


def test_blkid_says_of_a_missing_device_what_it_says_of_an_empty_one_and_wipefs_does_not(
    joined: Recorded, recorded: Recorded
) -> None:
    assert joined("blkid/missing") == joined("blkid/empty")
    with pytest.raises(ParseError, match="empty output"):
        wipefs.parse(recorded("wipefs/missing"))


def test_labels_with_odd_letters_come_back_as_written() -> None:
    (probe,) = blkid.parse(
        "DEVNAME=/dev/sdb\nLABEL=two\\ words\\;\\ \\$x\nTYPE=ext4\nPART_ENTRY_TYPE=4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D\n"
    )
    assert probe.label == "two words; $x"
    assert probe.partition_type == "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"


def test_several_devices_are_told_apart() -> None:
    probes = blkid.parse("DEVNAME=/dev/sda\nTYPE=ext4\n\nDEVNAME=/dev/sdb\nTYPE=xfs\n")
    assert [(each.device, each.kind) for each in probes] == [("/dev/sda", "ext4"), ("/dev/sdb", "xfs")]


def test_a_sentence_of_blkid_is_an_error() -> None:
    with pytest.raises(ParseError, match="not KEY=value"):
        blkid.parse("blkid: error: /dev/sda: Input/output error\n")


def test_every_foreign_partition_type_is_known_in_any_case(recorded: Recorded) -> None:
    table = sfdisk.parse(recorded("sfdisk/gpt"))
    assert table.label == "gpt" and table.sector_bytes == 512
    purposes = {part.name: part.purpose for part in table.partitions}
    assert purposes == {
        "linux": "Linux file system",
        "lvm": "Linux LVM",
        "raid": "Linux RAID",
        "ceph-osd": "Ceph OSD",
        "vmfs": "VMware VMFS",
        "gpfs": "IBM GPFS",
        "zfs": "ZFS",
    }
    for guid, purpose in sfdisk.PURPOSES.items():
        assert sfdisk.purpose(guid.upper()) == sfdisk.purpose(f"{{{guid}}}") == purpose


def test_a_disk_without_a_table_is_an_error_of_sfdisk(recorded: Recorded) -> None:
    with pytest.raises(ParseError):
        sfdisk.parse(recorded("sfdisk/missing"))


def test_lsblk_reads_every_column_of_each_version(recorded: Recorded) -> None:
    (device,) = lsblk.parse(recorded("lsblk/one"))
    number = device.name.removeprefix("loop")  # whichever was free
    assert (device.path, device.major_minor) == (f"/dev/loop{number}", f"7:{number}")
    assert (device.kind, device.size_bytes) == ("loop", 32 * 2**20)
    assert (device.logical_block_bytes, device.physical_block_bytes) == (512, 512)
    assert device.read_only is False and device.mountpoints == ()
    assert device.serial is None and device.model is None


def test_lsblk_reads_chosen_columns(recorded: Recorded) -> None:
    disks = {each.name: each for each in lsblk.parse(recorded("lsblk/columns"))}
    assert disks["vda"].size_bytes == 274877906944
    assert disks["vda"].kind == "disk" and disks["vda"].rotational is True


def test_lsblk_of_a_missing_device_is_no_device(recorded: Recorded) -> None:
    assert lsblk.parse(recorded("lsblk/missing")) == ()


def disk(**changes: object) -> str:
    return json.dumps({"blockdevices": [{"name": "sda", "type": "disk", "size": 1000, **changes}]})


def test_a_disk_with_all_that_stands_on_it() -> None:
    """Constructed: partitions, LVM and swap in the shape that lsblk gives them."""
    volume = {"name": "pve-root", "kname": "dm-0", "type": "lvm", "size": 400, "mountpoints": ["/"]}
    parts = [
        {"name": "sda1", "type": "part", "size": 100, "mountpoints": ["[SWAP]"]},
        {
            "name": "sda2",
            "type": "part",
            "size": 800,
            "fstype": "LVM2_member",
            "mountpoints": [None],
            "children": [volume],
        },
    ]
    text = disk(children=parts, model="Disk  ", serial=" S1 ", wwn="0x5000", tran="sas", rota="1", ro="0")
    (found,) = lsblk.parse(text)
    assert [each.name for each in found.family()] == ["sda", "sda1", "sda2", "pve-root"]
    assert [each.mountpoints for each in found.family()] == [(), ("[SWAP]",), (), ("/",)]
    assert (found.model, found.serial, found.rotational, found.read_only) == ("Disk", "S1", True, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"blockdevices": {}}',
        '{"blockdevices": [7]}',
        '{"blockdevices": [{}]}',
        disk(size="931.5G"),
        disk(rota="maybe"),
        disk(mountpoints="/"),
        disk(children={"name": "sda1"}),
    ],
)
def test_lsblk_output_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        lsblk.parse(text)


def test_devices_that_stand_on_each_other_for_ever_are_an_error() -> None:
    node: dict[str, object] = {"name": "x", "type": "part"}
    for _ in range(40):
        node = {"name": "x", "type": "part", "children": [node]}
    with pytest.raises(ParseError, match="deep"):
        lsblk.parse(json.dumps({"blockdevices": [node]}))
