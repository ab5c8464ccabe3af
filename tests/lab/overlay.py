"""A second initrd behind the first: files that a kernel lays over its initial file system (cpio "newc", kernel's buffer-format.rst)."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vetting import proc

LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
HOME = "opt/lab"


@dataclass(slots=True)
class Overlay:
    """Files by their paths without a leading slash; the folders above them are made."""

    entries: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def file(self, path: str, content: bytes | str, *, mode: int = 0o644) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self._add(path, stat.S_IFREG | mode, raw)

    def link(self, path: str, to: str) -> None:
        self._add(path, stat.S_IFLNK | 0o777, to.encode())

    def folder(self, path: str) -> None:
        """Also in the place of a file that was there: the kernel takes that away first."""
        self._add(path, stat.S_IFDIR | 0o755, b"")

    def _add(self, path: str, mode: int, raw: bytes) -> None:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            self.entries.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b""))
        self.entries[path] = (mode, raw)

    async def program(self, name: str) -> None:
        """A program of this machine with its own libraries and loader, whatever system it lands in."""
        path = shutil.which(name)
        assert path is not None, f"{name} is not installed here; ./build.sh test lab installs it"
        told = await proc.run(("ldd", path), limit_s=20)
        libraries = LIBRARY.findall(told.stdout)
        assert libraries, f"ldd {path}: {told.stdout}{told.stderr}"
        for library in libraries:
            self.file(f"{HOME}/lib/{Path(library).name}", Path(library).read_bytes(), mode=0o755)
        loader = next(Path(library).name for library in libraries if Path(library).name.startswith("ld-linux"))
        self.file(f"{HOME}/bin/{name}", Path(path).read_bytes(), mode=0o755)
        words = f'exec /{HOME}/lib/{loader} --library-path /{HOME}/lib /{HOME}/bin/{name} "$@"'
        self.file(f"usr/local/bin/{name}", f"#!/bin/sh\n{words}\n", mode=0o755)

    def archive(self) -> bytes:
        return b"".join(self._members())

    def _members(self) -> Iterator[bytes]:
        for number, (path, (mode, raw)) in enumerate([*self.entries.items(), ("TRAILER!!!", (0, b""))], start=1):
            yield _member(number, path, mode, raw)


def _member(number: int, path: str, mode: int, raw: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(raw), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields)
    return _padded(head + name) + _padded(raw)


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % 4)
