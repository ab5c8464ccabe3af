"""Who a disk is, read through the descriptor that is open on it, never through a name."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
from pathlib import Path

from vetting.domain.disks import SCRATCH_PREFIX, SCRATCH_SUFFIX, Backing, DiskIdentity, normal_serial
from vetting.surface.device import block_sizes_of, size_of
from vetting.surface.sysfs import World, kind_of, model_of, serials_of, text_of, transport_of, wwn_of

LOOP_GET_STATUS64 = 0x4C05  # linux/loop.h
LOOP_STATUS_BYTES = 232
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def read_identity(fd: int, world: World) -> DiskIdentity:
    """What the open descriptor says. Raises OSError where the device does not answer or is neither disk nor file."""
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return _file_identity(fd, status)
    if not stat.S_ISBLK(status.st_mode):
        raise OSError("it is neither a block device nor a regular file")
    device = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    node = world.node(device)
    if node is None:
        raise OSError(f"the kernel has no block device {device} any more")
    logical, physical = block_sizes_of(fd)
    kind = kind_of(node)
    backing = _loop_backing(fd, node, world) if kind == "loop" else None
    return DiskIdentity(
        name=node.name,
        device=device,
        kind=kind,
        serials=_scratch_serials(backing) if kind == "loop" else serials_of(node, world),
        wwn="" if kind == "loop" else wwn_of(node),
        model=model_of(node),
        size_bytes=size_of(fd),
        logical_block_bytes=logical,
        physical_block_bytes=physical,
        transport="loop" if kind == "loop" else transport_of(node),
        read_only=text_of(node / "ro") != "0",
        removable=text_of(node / "removable") not in ("0", ""),
        rotational={"0": False, "1": True}.get(text_of(node / "queue" / "rotational")),
        zoned=text_of(node / "queue" / "zoned"),
        backing=backing,
        serial_shared=_serial_shared(node, world) if kind == "disk" else False,
    )


def _serial_shared(node: Path, world: World) -> bool:
    mine = {normal_serial(serial) for serial in serials_of(node, world)}
    others = (other for other in world.whole_disks() if other != node and kind_of(other) == "disk")
    return any(mine & {normal_serial(serial) for serial in serials_of(other, world)} for other in others)


def _file_identity(fd: int, status: os.stat_result) -> DiskIdentity:
    path = os.readlink(f"/proc/self/fd/{fd}")
    backing = _backing(path, status.st_dev, status.st_ino, whole=True, shared=False)
    return DiskIdentity(
        name=path.rpartition("/")[2],
        device="",
        kind="file",
        serials=_scratch_serials(backing),
        size_bytes=status.st_size,
        transport="file",
        backing=backing,
    )


def _loop_backing(fd: int, node: Path, world: World) -> Backing:
    """The file below a loop device: device and inode as the open loop device names them, the path as sysfs does."""
    answer = fcntl.ioctl(fd, LOOP_GET_STATUS64, bytes(LOOP_STATUS_BYTES))
    kernel_device, inode, _, offset, limit = struct.unpack_from("5Q", answer)
    # The kernel's packing of a device number: minor's low byte, 12 bits of major, the rest of minor.
    device = os.makedev((kernel_device >> 8) & 0xFFF, (kernel_device & 0xFF) | ((kernel_device >> 12) & 0xFFFFFF00))
    path = text_of(node / "loop" / "backing_file")
    twins = [
        other for other in world.whole_disks() if other != node and text_of(other / "loop" / "backing_file") == path
    ]
    return _backing(path, device, inode, whole=offset == 0 and limit == 0, shared=bool(twins))


def _backing(path: str, device: int, inode: int, *, whole: bool, shared: bool) -> Backing:
    try:
        there = os.lstat(path)
    except OSError:
        return Backing(path=path, directory="", regular=False, ours=False, same_file=False, shared=shared)
    return Backing(
        path=path,
        directory=os.path.dirname(os.path.realpath(path)),
        regular=stat.S_ISREG(there.st_mode),
        ours=there.st_uid == os.geteuid(),
        same_file=whole and (there.st_dev, there.st_ino, there.st_nlink) == (device, inode, 1),
        shared=shared,
    )


def _scratch_serials(backing: Backing | None) -> tuple[str, ...]:
    """`loop:<uuid>` for a file that is named as scratch files are; nothing else goes by a serial."""
    name = backing.path.rpartition("/")[2] if backing else ""
    uuid = name.removeprefix(SCRATCH_PREFIX).removesuffix(SCRATCH_SUFFIX)
    named = name == f"{SCRATCH_PREFIX}{uuid}{SCRATCH_SUFFIX}" and UUID.match(uuid)
    return (f"loop:{uuid}",) if named else ()
