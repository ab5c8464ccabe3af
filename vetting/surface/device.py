"""The seam between the scan and the disk: positioned, whole-buffer I/O that says how much was really moved."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

# linux/fs.h
BLKGETSIZE64 = 0x80081272
BLKSSZGET = 0x1268
BLKPBSZGET = 0x127B
BLKRRPART = 0x125F

# What a failing disk answers; any other errno is a mistake of ours and accuses nobody.
DISK_ERRNOS = frozenset(
    {
        errno.EIO,
        errno.ENODATA,  # medium error
        errno.EREMOTEIO,  # target error
        errno.EILSEQ,  # protection information did not match
        errno.ETIMEDOUT,
        errno.EBADE,
        errno.ENOLINK,
        errno.ENOSPC,  # beyond the end that the disk now has
        errno.ENXIO,
        errno.ENODEV,
        errno.ENOMEDIUM,
    }
)


class Device(Protocol):
    """A disk to a scan. Offsets and lengths are multiples of the logical block size; OSError tells what failed."""

    def write(self, data: memoryview, offset: int) -> int:
        """Bytes that were written; fewer than asked is the caller's to notice."""

    def read(self, into: memoryview, offset: int) -> int:
        """Bytes that were read into the buffer."""

    def flush(self) -> None:
        """Returns when everything written has reached the medium."""

    def gone(self) -> bool:
        """Whether the disk has left the machine, or is no longer as large as it was."""


@dataclass(frozen=True)
class OpenDisk:
    """An open block device or scratch file. `direct`: the page cache is not between us and the disk."""

    fd: int
    size_bytes: int
    logical_block_bytes: int
    direct: bool

    def write(self, data: memoryview, offset: int) -> int:
        return os.pwrite(self.fd, data, offset)

    def read(self, into: memoryview, offset: int) -> int:
        return os.preadv(self.fd, [into], offset)

    def flush(self) -> None:
        os.fsync(self.fd)
        if not self.direct:  # what is verified must come from below the cache as far as that can be had
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def gone(self) -> bool:
        try:
            status = os.fstat(self.fd)
            if stat.S_ISBLK(status.st_mode):
                node = f"/sys/dev/block/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
                if not os.path.exists(node):
                    return True
            return size_of(self.fd) != self.size_bytes
        except OSError:
            return True


@contextlib.contextmanager
def closed_after(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)


def size_of(fd: int) -> int:
    """Size in bytes of an open block device or regular file. Raises OSError."""
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return status.st_size
    (size,) = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))
    return int(size)


def block_sizes_of(fd: int) -> tuple[int, int]:
    """Logical and physical block size in bytes; 512 and 512 for a regular file. Raises OSError."""
    if not stat.S_ISBLK(os.fstat(fd).st_mode):
        return 512, 512
    (logical,) = struct.unpack("i", fcntl.ioctl(fd, BLKSSZGET, bytes(4)))
    (physical,) = struct.unpack("I", fcntl.ioctl(fd, BLKPBSZGET, bytes(4)))
    return int(logical), int(physical)


def reread_partitions(fd: int) -> None:
    """Tells the kernel to look for partitions again. Whatever it answers changes nothing about the test."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, BLKRRPART)
