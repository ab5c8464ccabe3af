"""The way back: the first and last 4 MiB of a disk, saved before the first write and put back on request.

Partition tables, LVM, RAID and file system superblocks, ZFS and Ceph labels stand there; with them restored, what the scan has
not yet overwritten can be found again. One file a disk: a line of JSON, then the bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from vetting.domain.disks import DiskIdentity, normal_serial
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.permit import Permit
from vetting.surface.device import closed_after, reread_partitions
from vetting.surface.files import create_durably
from vetting.surface.identity import read_identity
from vetting.surface.pattern import CHUNK_BYTES, aligned_buffer
from vetting.surface.probe import Reader
from vetting.surface.signatures import signatures
from vetting.surface.sysfs import World

FORMAT = "vetting heads 1"
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Both ends of a disk as they were, and whose they are."""

    serial: str
    wwn: str
    size_bytes: int
    run_id: int
    tail_at: int
    head: bytes
    tail: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.head + self.tail).hexdigest()

    def known(self) -> list[str]:
        """What stands in them, as far as it is known here."""

        def fetch(offset: int, length: int) -> bytes:
            end = min(offset + length, self.size_bytes)
            if end <= len(self.head):
                return self.head[offset:end]
            at = offset - self.tail_at
            return self.tail[at : at + end - offset] if at >= 0 else bytes(max(0, end - offset))

        return [str(hit) for hit in signatures(fetch, self.size_bytes)]


def device_of(heads: Heads, world: World) -> Path:
    """The one whole disk of this machine that they were taken from. Raises Conflict where there is none, or more than one."""
    found = []
    for node in world.whole_disks():
        with contextlib.suppress(OSError, Conflict):
            path = Path("/dev", node.name)
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with closed_after(fd):
                check_owner(heads, read_identity(fd, world))
            found.append(path)
    if len(found) != 1:
        raise Conflict(
            f"{len(found)} disks here have the serial {heads.serial!r}, its WWN and its size; there must be one"
        )
    return found[0]


def file_for(folder: Path, disk: DiskIdentity, permit: Permit) -> Path:
    """Where the heads of a disk lie; the name is made of digests, for a serial is the host's text and never a path."""
    return folder / f"{_key(disk, permit)}.heads"


def used_file_for(folder: Path, disk: DiskIdentity, permit: Permit) -> Path:
    """The mark by which a permit is used once for each disk."""
    return folder / f"{_key(disk, permit)}.used"


def _key(disk: DiskIdentity, permit: Permit) -> str:
    text = json.dumps([permit.nonce, permit.run_id, normal_serial(disk.serial), disk.wwn, disk.size_bytes])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def taken(fd: int, disk: DiskIdentity, run_id: int) -> Heads:
    """Both ends as they are now. Raises Unreadable where the disk fails."""
    reader = Reader(fd, disk.size_bytes)
    return Heads(
        serial=disk.serial,
        wwn=disk.wwn,
        size_bytes=disk.size_bytes,
        run_id=run_id,
        tail_at=reader.tail_at,
        head=reader.head,
        tail=reader.tail,
    )


def save(path: Path, heads: Heads) -> None:
    """Writes them durably and reads them back. Raises FileExistsError, OSError, BadInput."""
    label = {
        "format": FORMAT,
        "serial": heads.serial,
        "wwn": heads.wwn,
        "size_bytes": heads.size_bytes,
        "run_id": heads.run_id,
        "head_bytes": len(heads.head),
        "tail_at": heads.tail_at,
        "tail_bytes": len(heads.tail),
        "sha256": heads.sha256,
    }
    create_durably(path, json.dumps(label).encode() + b"\n" + heads.head + heads.tail)
    if load(path) != heads:
        raise OSError(f"the saved heads in {path} do not read back as they were written")


def load(path: Path) -> Heads:
    """Heads from their file. Raises OSError, and BadInput where it is no such file or damaged."""
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is no file of saved heads: it is too large")
    return read(path.read_bytes(), str(path))


def read(raw: bytes, path: str) -> Heads:
    """Heads from the bytes of their file. Raises BadInput."""
    line, _, data = raw.partition(b"\n")
    try:
        label = json.loads(line)
        split = int(label["head_bytes"])
        heads = Heads(
            serial=str(label["serial"]),
            wwn=str(label["wwn"]),
            size_bytes=int(label["size_bytes"]),
            run_id=int(label["run_id"]),
            tail_at=int(label["tail_at"]),
            head=data[:split],
            tail=data[split:],
        )
        intact = label["format"] == FORMAT and label["sha256"] == heads.sha256
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is no file of saved heads: {error!r}") from error
    if not intact or len(heads.tail) != label["tail_bytes"] or heads.tail_at + len(heads.tail) != heads.size_bytes:
        raise BadInput(f"the saved heads in {path} are damaged")
    return heads


def check_owner(heads: Heads, disk: DiskIdentity) -> None:
    """Raises Conflict where the heads were taken from another disk."""
    theirs = (normal_serial(heads.serial), heads.wwn, heads.size_bytes)
    if theirs != (normal_serial(disk.serial), disk.wwn, disk.size_bytes):
        raise Conflict(
            f"the heads are of the disk with serial {heads.serial!r} and {heads.size_bytes} bytes, "
            f"{disk.name} has serial {disk.serial!r} and {disk.size_bytes} bytes"
        )


def put_back(fd: int, disk: DiskIdentity, heads: Heads) -> int:
    """Writes both ends to the disk, reads them back and compares; bytes written. Raises OSError, Conflict."""
    check_owner(heads, disk)
    buffer = aligned_buffer(CHUNK_BYTES)
    for at, data in ((heads.tail_at, heads.tail), (0, heads.head)):
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            buffer[: len(piece)] = piece
            moved = os.pwrite(fd, buffer[: len(piece)], at + start)
            if moved != len(piece):
                raise OSError(f"only {moved} of {len(piece)} bytes were written at byte {at + start}")
    os.fsync(fd)
    reader = Reader(fd, disk.size_bytes)
    if (reader.head, reader.tail) != (heads.head, heads.tail):
        raise OSError(f"{disk.name} does not read back what was put back")
    reread_partitions(fd)
    return len(heads.head) + len(heads.tail)
