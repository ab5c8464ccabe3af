"""Who a disk is and how it hangs on the machine, from trees laid out as the kernel lays them out."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from vetting.domain.disks import DiskIdentity, Surroundings
from vetting.surface.surroundings import look_around
from vetting.surface.sysfs import World, controllers_of, kind_of, serials_of, transport_of, wwn_of

PCI = "devices/pci0000:00/0000:00:1f.2"


class Machine:
    """A tree of /sys, /proc and /run."""

    def __init__(self, root: Path) -> None:
        self.world = World(sys=root / "sys", proc=root / "proc", run=root / "run")
        for folder in ("sys/block", "sys/dev/block", "proc/self", "proc/1"):
            (root / folder).mkdir(parents=True)
        self.mounts()

    def disk(self, path: str, device: str, **files: str | bytes) -> Path:
        node = self.world.sys / path
        node.mkdir(parents=True)
        for name, content in {"dev": device, "ro": "0", "removable": "0", **files}.items():
            self.write(node / name.replace("__", "/"), content)
        (self.world.sys / "dev" / "block" / device).symlink_to(os.path.relpath(node, self.world.sys / "dev" / "block"))
        if "partition" not in files:
            (self.world.sys / "block" / node.name).symlink_to(os.path.relpath(node, self.world.sys / "block"))
        (node / "holders").mkdir()
        (node / "slaves").mkdir()
        return node

    def write(self, path: Path, content: str | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\n")

    def mounts(self, *rows: tuple[str, str, str]) -> None:
        text = "21 1 0:20 / /proc rw - proc proc rw\n" + "".join(
            f"{30 + n} 1 {device} / {where} rw - ext4 {source} rw\n" for n, (device, where, source) in enumerate(rows)
        )
        for owner in ("self", "1"):
            self.write(self.world.proc / owner / "mountinfo", text)

    def around(self, node: Path, serials: tuple[str, ...] = (), wwn: str = "") -> Surroundings:
        device = (node / "dev").read_text().strip()
        disk = DiskIdentity(name=node.name, device=device, kind="disk", size_bytes=1, serials=serials, wwn=wwn)
        return look_around(disk, self.world)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def page_80(serial: str) -> bytes:
    return struct.pack(">BBH", 0, 0x80, len(serial)) + serial.encode()


def page_89(serial: str) -> bytes:
    words = serial.rjust(20).encode()
    swapped = b"".join(words[at : at + 2][::-1] for at in range(0, 20, 2))
    return (b"\0\x89\x02\x38" + bytes(56) + bytes(20) + swapped).ljust(572, b"\0")


@pytest.mark.parametrize(
    ("path", "transport"),
    [
        (f"{PCI}/ata1/host0/target0:0:0/0:0:0:0/block/sda", "sata"),
        ("devices/pci0000:00/0000:3b:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda", "sas"),
        ("devices/pci0000:00/0000:02:00.0/host0/target0:2:0/0:2:0:0/block/sda", "scsi"),
        ("devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host6/target6:0:0/6:0:0:0/block/sda", "usb"),
        ("devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sda", "iscsi"),
        ("devices/pci0000:80/0000:81:00.0/host7/rport-7:0-2/target7:0:0/7:0:0:1/block/sda", "fc"),
        ("devices/pci0000:80/0000:81:00.0/host7/srp_rport-7:0-2/target7:0:0/7:0:0:1/block/sda", "fc"),
        ("devices/pci0000:00/0000:00:05.0/virtio2/block/vda", "virtio"),
        ("devices/pseudo_0/adapter0/host2/target2:0:0/2:0:0:0/block/sda", "scsi"),
        ("devices/tcm_loop_0/tcm_loop_adapter_0/host2/target2:0:1/2:0:1:0/block/sda", "virtual"),
        ("devices/virtual/block/sda", "virtual"),
        ("devices/somewhere/else/sda", ""),
    ],
)
def test_the_way_to_a_disk_is_read_from_where_it_hangs(machine: Machine, path: str, transport: str) -> None:
    node = machine.disk(path, "8:0")
    assert transport_of(node.resolve()) == transport


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "disk") for name in ("sda", "sdaa", "vda", "xvda", "nvme0n1", "nvme12n3")),
        *(
            (name, "other")
            for name in ("dm-0", "md127", "nbd0", "rbd0", "zram0", "sr0", "ram0", "drbd0", "mmcblk0", "pmem0")
        ),
        ("loop7", "loop"),
    ],
)
def test_only_whole_disks_of_known_kinds_are_disks(machine: Machine, name: str, kind: str) -> None:
    assert kind_of(machine.disk(f"devices/x/{name}", "8:0")) == kind


def test_a_partition_is_a_partition_whatever_its_name(machine: Machine) -> None:
    machine.disk(f"{PCI}/block/sda", "8:0")
    assert kind_of(machine.disk(f"{PCI}/block/sda/sda1", "8:1", partition="1")) == "partition"


def test_an_ata_serial_comes_from_identify_and_the_unit_serial_page(machine: Machine) -> None:
    node = machine.disk(
        f"{PCI}/ata1/block/sda", "8:0", device__vpd_pg89=page_89("WD-WX11A1"), device__vpd_pg80=page_80("  WD-WX11A1")
    )
    assert serials_of(node, machine.world) == ("WD-WX11A1",)


def test_a_sas_serial_comes_from_the_unit_serial_page(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/end_device-0:0/block/sda", "8:0", device__vpd_pg80=page_80("Z1Z0ABCD0000C418\0\0"))
    assert serials_of(node, machine.world) == ("Z1Z0ABCD0000C418",)


@pytest.mark.parametrize("page", [b"", b"\0", b"\0\x83\0\4ABCD", b"\0\x80\0\0", b"\0\x80\0\4    "])
def test_a_page_that_tells_no_serial_gives_none(machine: Machine, page: bytes) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0", device__vpd_pg80=page)
    assert serials_of(node, machine.world) == ()


def test_udev_is_asked_only_where_the_drive_says_nothing(machine: Machine) -> None:
    machine.write(machine.world.run / "udev/data/b8:0", "S:disk/by-id/x\nE:ID_SERIAL_SHORT=UDEV1")
    mute = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    assert serials_of(mute, machine.world) == ("UDEV1",)

    machine.write(mute / "device/vpd_pg80", page_80("DRIVE1"))
    assert serials_of(mute, machine.world) == ("DRIVE1",)


def test_an_nvme_serial_is_its_controllers_and_its_way_is_the_controllers_transport(machine: Machine) -> None:
    controller = machine.world.sys / "devices/pci0000:00/0000:04:00.0/nvme/nvme0"
    node = machine.disk("devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1", "259:0", wwid="eui.0025385b71b0a1c3")
    machine.write(controller / "serial", "S4XYZ  ")
    machine.write(controller / "transport", "pcie")
    (node / "device").symlink_to("../")

    assert serials_of(node, machine.world) == ("S4XYZ",)
    assert (transport_of(node), wwn_of(node)) == ("nvme", "eui.0025385b71b0a1c3")
    machine.write(controller / "transport", "tcp")
    assert transport_of(node) == "nvme-tcp"


def test_an_nvme_disk_behind_two_controllers_has_two_ways(machine: Machine) -> None:
    subsystem = machine.world.sys / "devices/virtual/nvme-subsystem/nvme-subsys0"
    node = machine.disk("devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0")
    for name in ("nvme0", "nvme1"):
        machine.write(machine.world.sys / "devices/pci" / name / "transport", "pcie")
        (subsystem / name).symlink_to(f"../../../pci/{name}")
    (node / "device").symlink_to("../")

    assert [path.name for path in controllers_of(node)] == ["nvme0", "nvme1"]
    assert "2 controllers" in str(machine.around(node))


def test_an_nvme_disk_without_a_controller_to_ask_is_not_local(machine: Machine) -> None:
    assert transport_of(machine.disk("devices/x/nvme0n1", "259:0")) == "nvme-unknown"


def test_a_t10_name_is_no_world_wide_name(machine: Machine) -> None:
    assert wwn_of(machine.disk("devices/x/sda", "8:0", device__wwid="t10.ATA     QEMU HARDDISK     QM00001")) == ""
    assert wwn_of(machine.disk("devices/x/sdb", "8:16", device__wwid="naa.5000c500a1b2c3d4")) == "naa.5000c500a1b2c3d4"


def test_a_disk_that_nothing_uses_is_free(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    around = machine.around(node, serials=("A",))

    assert not any(getattr(around, name) for name in ("system", "mounted", "held", "swap", "multipath", "unreadable"))


def test_a_mounted_partition_makes_its_disk_mounted_and_the_systems(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    machine.disk(f"{PCI}/ata1/block/sda/sda2", "8:2", partition="2")
    machine.mounts(("8:2", "/mnt/x", "/dev/none"))
    text = str(machine.around(node))

    assert "sda2 on /mnt/x" in text and "sda is below a mounted file system" in text


def test_the_disk_far_below_the_root_file_system_is_the_systems(machine: Machine) -> None:
    """root on LVM on md on a partition: only the stack of slaves leads there."""
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    part = machine.disk(f"{PCI}/ata1/block/sda/sda3", "8:3", partition="3")
    other = machine.disk(f"{PCI}/ata2/block/sdb", "8:16")
    raid = machine.disk("devices/virtual/block/md0", "9:0")
    volume = machine.disk("devices/virtual/block/dm-0", "254:0", dm__name="pve-root")
    (raid / "slaves" / "sda3").symlink_to(part)
    (volume / "slaves" / "md0").symlink_to(raid)
    (part / "holders" / "md0").symlink_to(raid)
    machine.mounts(("254:0", "/", "/dev/mapper/pve-root"))
    text = str(machine.around(node))

    assert "sda3 is below a mounted file system" in text and "by md0" in text
    assert "sdb" not in str(machine.around(other, serials=("B",)))


def test_a_multipath_map_above_a_disk_is_seen(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    held = machine.disk("devices/virtual/block/dm-1", "254:1", dm__name="mpatha", dm__uuid="mpath-35000c500a1b2c3d4")
    (node / "holders" / "dm-1").symlink_to(held)
    around = machine.around(node)

    assert "by dm-1 (mpatha)" in str(around) and around.multipath == ("by dm-1",)


def test_two_ports_of_one_disk_are_two_ways_even_without_a_multipath_daemon(machine: Machine) -> None:
    names: dict[str, str | bytes] = {"device__vpd_pg80": page_80("Z1"), "device__wwid": "naa.5000c500a1b2c3d4"}
    node = machine.disk(f"{PCI}/host0/end_device-0:0/block/sda", "8:0", **names)
    machine.disk(f"{PCI}/host1/end_device-1:0/block/sdb", "8:16", **names)

    assert "sdb has the same WWN" in str(machine.around(node, serials=("Z1",), wwn="naa.5000c500a1b2c3d4"))
    assert "sdb has the same serial" in str(machine.around(node, serials=("Z1",)))


def test_a_swap_partition_is_in_use(machine: Machine, tmp_path: Path) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", os_device(tmp_path))
    machine.write(machine.world.proc / "swaps", f"Filename Type Size Used Priority\n{tmp_path}/swapfile file 1 0 -2")
    (tmp_path / "swapfile").touch()

    assert f"sda by {tmp_path}/swapfile" in str(machine.around(node))


def os_device(path: Path) -> str:
    number = os.stat(path).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def test_a_member_of_a_mounted_btrfs_is_the_systems(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    members = machine.world.sys / "fs/btrfs/1234/devices"
    members.mkdir(parents=True)
    (members / "sda").symlink_to(node)

    assert "sda is below a mounted file system" in str(machine.around(node))


def test_what_cannot_be_looked_at_is_not_free(machine: Machine) -> None:
    node = machine.disk(f"{PCI}/ata1/block/sda", "8:0")
    (machine.world.proc / "1" / "mountinfo").unlink()

    assert "mountinfo" in str(machine.around(node).unreadable)
