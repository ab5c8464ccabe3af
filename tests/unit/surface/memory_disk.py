"""A disk in memory whose requests fail when and how a test says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting.surface.engine import Scan, Standing, phases_of
from vetting.surface.plan import Plan

MIB = 1024 * 1024
SALT = b"0123456789abcdef"
Trouble = Callable[[str, int, int], int | None]  # what, offset, length -> bytes really moved, None for all; may raise


def eio(code: int = errno.EIO) -> OSError:
    return OSError(code, os.strerror(code))


@dataclass
class MemoryDisk:
    size_bytes: int
    trouble: Trouble = lambda *_: None
    left: bool = False
    data: bytearray = field(init=False)
    requests: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = bytearray(self.size_bytes)

    def write(self, data: memoryview, offset: int) -> int:
        self.requests.append(("write", offset, len(data)))
        moved = self.trouble("write", offset, len(data))
        moved = len(data) if moved is None else moved
        self.data[offset : offset + moved] = data[:moved]
        return moved

    def read(self, into: memoryview, offset: int) -> int:
        self.requests.append(("read", offset, len(into)))
        moved = self.trouble("read", offset, len(into))
        moved = len(into) if moved is None else moved
        into[:moved] = self.data[offset : offset + moved]
        return moved

    def flush(self) -> None:
        self.requests.append(("flush", 0, 0))
        self.trouble("flush", 0, 0)

    def gone(self) -> bool:
        return self.left


def scan_of(disk: MemoryDisk, *, cycles: int = 1, read_only: bool = False, threads: int = 1) -> Scan:
    return Scan(
        device=disk,
        plan=Plan(disk.size_bytes),
        phases=phases_of(cycles=cycles, read_only=read_only),
        salt=SALT,
        threads=threads,
        standing=Standing(),
    )
