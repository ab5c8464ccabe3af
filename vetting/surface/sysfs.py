"""What the kernel says about block devices: small files of /sys and /proc, read for one device or for all.

Nothing here opens a device. Everything is found by device number, for names swap from boot to boot.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WHOLE_DISK = re.compile(r"(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+)$")
CONTROLLER = re.compile(r"nvme\d+$")


@dataclass(frozen=True, slots=True)
class World:
    """Where the kernel's files are; tests bring a tree of their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    run: Path = Path("/run")

    def node(self, device: str) -> Path | None:
        """The sysfs directory of `major:minor`, or None where there is no such block device (any more)."""
        link = self.sys / "dev" / "block" / device
        return link.resolve() if link.exists() else None

    def whole_disks(self) -> Iterator[Path]:
        """The sysfs directory of every block device that is no partition."""
        folder = self.sys / "block"
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            yield (folder / name).resolve()


def text_of(path: Path) -> str:
    """A small text file without outer blanks and NULs; empty where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").replace("\0", " ").strip()
    except OSError:
        return ""


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def parts_of(node: Path) -> tuple[Path, ...]:
    """The device itself and its partitions."""
    children = sorted(child for child in node.iterdir() if (child / "partition").exists())
    return (node, *children)


def kind_of(node: Path) -> str:
    """disk, loop, partition or other (dm, md, nbd, zram, cd, memory …)."""
    if (node / "partition").exists():
        return "partition"
    if re.match(r"loop\d+$", node.name):
        return "loop"
    return "disk" if WHOLE_DISK.match(node.name) else "other"


def controllers_of(node: Path) -> tuple[Path, ...]:
    """The NVMe controllers through which a namespace is reached: more than one is multipath."""
    link = node / "device"
    if not link.exists():
        return ()
    owner = link.resolve()
    if CONTROLLER.match(owner.name):
        return (owner,)
    return tuple((owner / name).resolve() for name in sorted(os.listdir(owner)) if CONTROLLER.match(name))


def transport_of(node: Path) -> str:
    """How a disk is reached, by where it hangs in the device tree: the names of `lsblk -o TRAN` where it has one."""
    if node.name.startswith("nvme"):
        ways = {text_of(controller / "transport") or "unknown" for controller in controllers_of(node)}
        return "nvme" if ways == {"pcie"} else "nvme-" + "+".join(sorted(ways or {"unknown"}))
    path = str(node)
    for pattern, transport in (
        (r"/usb\d+/", "usb"),
        (r"/session\d+/", "iscsi"),
        (r"/[a-z]*_?rport-", "fc"),
        (r"/fw\d+", "firewire"),
        (r"/ata\d+/", "sata"),
        (r"/end_device-", "sas"),
        (r"/virtio\d+/", "virtio"),
        (r"/virtual/|/tcm_loop", "virtual"),
        (r"/host\d+/target|/pseudo_\d+/|/vbd-", "scsi"),
    ):
        if re.search(pattern, path):
            return transport
    return ""


def serials_of(node: Path, world: World) -> tuple[str, ...]:
    """Every serial that a disk goes by, the drive's own first."""
    device = node / "device"
    found = [text_of(node / "serial")]  # virtio
    found += [text_of(controller / "serial") for controller in controllers_of(node)]
    if not node.name.startswith("nvme"):
        found += [_identify_serial(bytes_of(device / "vpd_pg89")), _unit_serial(bytes_of(device / "vpd_pg80"))]
    found = [serial for serial in found if serial]
    if not found:  # a driver without any of them: what udev asked the drive when it appeared
        database = text_of(world.run / "udev" / "data" / f"b{text_of(node / 'dev')}")
        found = re.findall(r"^E:ID_SERIAL_SHORT=(.+)$", database, re.MULTILINE)
    return tuple(dict.fromkeys(found))


def wwn_of(node: Path) -> str:
    """The World Wide Name, or an empty text. `t10.` names are made of model and serial and tell nothing new."""
    name = text_of(node / "wwid") or text_of(node / "device" / "wwid")
    return "" if name.startswith("t10.") else name


def model_of(node: Path) -> str:
    model = text_of(node / "device" / "model")
    return model or next((text_of(controller / "model") for controller in controllers_of(node)), "")


def _unit_serial(page: bytes) -> str:
    """Vital product data page 80h (SPC): four bytes of header, then the serial."""
    if len(page) < 4 or page[1] != 0x80:
        return ""
    length = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + length].decode("ascii", "replace").replace("\0", " ").strip()


def _identify_serial(page: bytes) -> str:
    """Page 89h (SAT): the ATA IDENTIFY data from byte 60, whose words 10 to 19 are the serial, bytes swapped."""
    words = page[60 + 20 : 60 + 40]
    if len(page) < 572 or page[1] != 0x89 or len(words) != 20:
        return ""
    swapped = b"".join(words[at : at + 2][::-1] for at in range(0, 20, 2))
    return swapped.decode("ascii", "replace").replace("\0", " ").strip()
