"""What lies in an initrd: plain cpio archives and zstd-compressed ones behind each other, as the kernel reads them.

The format is the kernel's own: Documentation/driver-api/early-userspace/buffer-format.rst (newc: 110 bytes of ASCII
hex fields, then name and data, each padded to four bytes; zero bytes may stand between archives).
"""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"070701"
ZSTD = b"\x28\xb5\x2f\xfd"
HEADER_BYTES = 110
LAST = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    mode: int
    uid: int
    gid: int
    mtime: int
    data: memoryview

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def text(self) -> str:
        return bytes(self.data).decode()


NOTHING = Entry(0, 0, 0, 0, memoryview(b""))


@dataclass(frozen=True, slots=True)
class Initrd:
    early: dict[str, Entry]
    """Of the uncompressed archive in front: where the kernel looks for microcode."""
    files: dict[str, Entry]
    """Everything that is unpacked as the root, by path without the first slash."""

    @classmethod
    def read(cls, path: Path) -> Initrd:
        raw = memoryview(path.read_bytes())
        begin = sum(length for _, _, length in walk(raw))
        if bytes(raw[begin : begin + 4]) != ZSTD:
            raise ValueError(f"byte {begin} of {path} begins neither a cpio nor a zstd archive")
        return cls(early=entries(raw[:begin]), files=entries(memoryview(unpacked(raw[begin:]))))

    def find(self, path: str) -> Entry | None:
        """The file at a path, with links followed inside the image, also those on the way."""
        found = self.resolve(path.lstrip("/"))
        return self.files.get(found)

    def resolve(self, path: str, depth: int = 0) -> str:
        done: list[str] = []
        parts = [part for part in path.split("/") if part not in ("", ".")]
        for at, part in enumerate(parts):
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([*done, part])
            entry = self.files.get(here)
            if entry is not None and entry.is_link and depth < 20:
                target = entry.text
                base = [] if target.startswith("/") else done
                return self.resolve("/".join([*base, target, *parts[at + 1 :]]), depth + 1)
            done.append(part)
        return "/".join(done)

    def below(self, folder: str) -> list[str]:
        return [path for path in self.files if path.startswith(folder.rstrip("/") + "/")]


def entries(archive: memoryview) -> dict[str, Entry]:
    return {name.removeprefix("./"): entry for name, entry, _ in walk(archive) if name and name != LAST}


def walk(archive: memoryview) -> Iterator[tuple[str, Entry, int]]:
    """Name, entry and length in the archive of each record, up to where no cpio record follows; zeros have no name."""
    at = 0
    while at < len(archive):
        begin = at
        if archive[at] == 0:
            while at < len(archive) and archive[at] == 0:
                at += 4
            yield "", NOTHING, at - begin
            continue
        if bytes(archive[at : at + len(MAGIC)]) != MAGIC:
            return
        fields = [int(bytes(archive[at + 6 + 8 * i : at + 14 + 8 * i]), 16) for i in range(13)]
        _, mode, uid, gid, _, mtime, size, *_, name_bytes, _ = fields
        name = bytes(archive[at + HEADER_BYTES : at + HEADER_BYTES + name_bytes - 1]).decode()
        data = at + _padded(HEADER_BYTES + name_bytes)
        at = data + _padded(size)
        yield name, Entry(mode, uid, gid, mtime, archive[data : data + size]), at - begin


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive of path -> (mode with its type, content or a link's target), to be put behind an initrd."""
    out = bytearray()
    for number, (name, (mode, data)) in enumerate([*files.items(), (LAST, (0, b""))], start=1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += MAGIC + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(_padded(len(out)) - len(out)) + data
        out += bytes(_padded(len(out)) - len(out))
    return bytes(out)


def unpacked(frame: memoryview) -> bytes:
    """A zstd frame's content; up to three zero bytes behind it fill the file up to a multiple of four. Raises ValueError."""
    said = b""
    for padding in range(4):
        if any(frame[len(frame) - padding :]):
            break
        told = subprocess.run(["zstd", "-dc"], input=frame[: len(frame) - padding], capture_output=True)
        if told.returncode == 0:
            return told.stdout
        said = told.stderr
    raise ValueError(f"this is not one zstd frame: {said.decode(errors='replace').strip()[:200]}")
