"""What the running system does with a disk: mounts, holders, swap, other ways to it, and what the system stands on."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from vetting.domain.disks import DiskIdentity, Surroundings, normal_serial, normal_wwn
from vetting.surface.sysfs import World, controllers_of, kind_of, parts_of, serials_of, text_of, wwn_of

NO_DEVICE = "0:0"


def look_around(disk: DiskIdentity, world: World) -> Surroundings:
    """What the system does with a block device; a plain file is surrounded by nothing."""
    node = world.node(disk.device) if disk.device else None
    if node is None:
        return Surroundings(unreadable=(f"no sysfs entry for {disk.device}",) if disk.device else ())
    parts = parts_of(node)
    numbers = {text_of(part / "dev"): part.name for part in parts}
    mounts, unreadable = _mounts(world)
    swaps = _swaps(world)
    direct = {device for device, _ in mounts} | {device for device, _ in swaps}
    below = _everything_below({*direct, *_boot_devices(world), *_btrfs_members(world)}, world)
    holders = [holder for part in parts for holder in _names(part / "holders")]
    return Surroundings(
        system=tuple(sorted(f"{name} is below a mounted file system" for dev, name in numbers.items() if dev in below)),
        mounted=tuple(sorted({f"{numbers[dev]} on {where}" for dev, where in mounts if dev in numbers})),
        held=tuple(f"by {holder} {_dm_name(world, holder)}".strip() for holder in holders),
        swap=tuple(sorted({f"{numbers[dev]} by {name}" for dev, name in swaps if dev in numbers})),
        multipath=tuple(_other_ways(disk, node, world)),
        unreadable=unreadable,
    )


def _mounts(world: World) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """(device, mount point) of every mount that we or init see; a source that is a device counts as well."""
    found: list[tuple[str, str]] = []
    unreadable = []
    for owner in ("self", "1"):
        path = world.proc / owner / "mountinfo"
        text = text_of(path)
        if not text:
            unreadable.append(str(path))
        for line in text.splitlines():
            fields, _, rest = line.partition(" - ")
            words, source = fields.split(), [*rest.split(), "", ""][1]
            if len(words) >= 5:
                found.append((words[2], words[4]))
                found += [(device, words[4]) for device in _device_of(source)]
    return found, tuple(unreadable)


def _swaps(world: World) -> list[tuple[str, str]]:
    lines = text_of(world.proc / "swaps").splitlines()[1:]
    return [(device, line.split()[0]) for line in lines if line.split() for device in _device_of(line.split()[0])]


def _boot_devices(world: World) -> Iterator[str]:
    """What the kernel was told to start from, though it may long run from memory."""
    for word in text_of(world.proc / "cmdline").split():
        key, _, value = word.partition("=")
        if key in ("root", "live-media", "boot", "BOOT_DEVICE"):
            by_name = re.sub(r"^(UUID|LABEL|PARTUUID|PARTLABEL)=", lambda m: f"/dev/disk/by-{m[1].lower()}/", value)
            yield from _device_of(by_name)


def _btrfs_members(world: World) -> Iterator[str]:
    """Every member of a mounted btrfs: its mounts carry a made-up device number."""
    for file_system in _names(world.sys / "fs" / "btrfs"):
        for name in _names(world.sys / "fs" / "btrfs" / file_system / "devices"):
            yield text_of(world.sys / "fs" / "btrfs" / file_system / "devices" / name / "dev")


def _device_of(path: str) -> Iterator[str]:
    """major:minor of the device that a path names, or on which the file lies that it names."""
    if path.startswith("/"):
        try:
            status = os.stat(path)
        except OSError:
            return
        number = status.st_rdev if stat.S_ISBLK(status.st_mode) else status.st_dev
        yield f"{os.major(number)}:{os.minor(number)}"


def _everything_below(devices: Iterable[str], world: World) -> set[str]:
    """The devices and all that they stand on: a partition's disk, members of dm and md, the disk under a loop file."""
    seen: set[str] = set()
    waiting = [device for device in devices if device and device != NO_DEVICE]
    while waiting:
        device = waiting.pop()
        node = world.node(device)
        if device in seen or node is None:
            continue
        seen.add(device)
        if (node / "partition").exists():
            waiting.append(text_of(node.parent / "dev"))
        waiting += [text_of((node / "slaves" / name).resolve() / "dev") for name in _names(node / "slaves")]
        waiting += _device_of(text_of(node / "loop" / "backing_file"))
    return seen


def _other_ways(disk: DiskIdentity, node: Path, world: World) -> Iterator[str]:
    controllers = controllers_of(node) if node.name.startswith("nvme") else ()
    if len(controllers) > 1:
        yield f"through {len(controllers)} controllers"
    for holder in _names(node / "holders"):
        if text_of(world.sys / "block" / holder / "dm" / "uuid").startswith("mpath-"):
            yield f"by {holder}"
    if disk.kind != "disk":
        return
    mine = {normal_serial(serial) for serial in disk.serials}
    for other in world.whole_disks():
        if other == node or kind_of(other) != "disk":
            continue
        name, same_serial = wwn_of(other), bool(mine & {normal_serial(serial) for serial in serials_of(other, world)})
        if disk.wwn and name:
            if normal_wwn(disk.wwn) == normal_wwn(name):
                yield f"{other.name} has the same WWN"
        elif same_serial:
            yield f"{other.name} has the same serial"


def _dm_name(world: World, holder: str) -> str:
    name = text_of(world.sys / "block" / holder / "dm" / "name")
    return f"({name})" if name else ""


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
