"""The files that hosts boot from, verified against their manifest before a host is sent for them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vetting import carried
from vetting.config import Config
from vetting.domain.image import ImageNow

MANIFEST = "manifest.json"
KERNEL, INITRD = "vmlinuz", "initrd.img"
LOADERS = ("undionly.kpxe", "snponly.efi")  # BIOS, UEFI
NAMES = (KERNEL, INITRD, *LOADERS)
LARGEST_MANIFEST = 4 * 1024 * 1024
HOW = "build it with `./build.sh image`, or name its folder with boot.image_dir in vetting.yaml"
Seen = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """The folder as it was when its files were last read: `seen` are inode, size and time of each."""

    seen: Seen
    objection: str  # why no host can boot from it; empty where one can
    version: str = ""
    build: str = ""  # changes with every build
    kernel: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)  # name -> version


class Shelf:
    """Reads the whole image once, and again only when a file of it has changed."""

    def __init__(self, folder: Path, *, open_to_hosts: bool = True) -> None:
        self.folder = folder
        self._open = open_to_hosts
        self._looked: Looked | None = None
        self._turn = asyncio.Lock()

    @classmethod
    def of(cls, config: Config) -> Shelf:
        folder = Path(config.boot.image_dir) if config.boot.image_dir else carried.beside("image")
        return cls(folder, open_to_hosts=config.boot.http_port > 0)

    async def look(self) -> Looked:
        """What can be booted now."""
        async with self._turn:
            seen = await asyncio.to_thread(self._seen)
            if self._looked is None or self._looked.seen != seen:
                self._looked = await asyncio.to_thread(self._read, seen)
            return self._looked

    async def now(self) -> ImageNow:
        """The same for people."""
        seen = await self.look()
        return ImageNow(
            folder=str(self.folder), objection=self.why_not(), version=seen.version, kernel=seen.kernel,
            packages=seen.packages,
        )  # fmt: skip

    def why_not(self) -> str:
        """Why no host can boot from here, as of the last look; empty where one can."""
        if not self._open:
            return "no host boots from this orchestrator (boot.http_port is 0 in vetting.yaml)"
        return self._looked.objection if self._looked else "the live image is being looked at; try again in a moment"

    def place(self, name: str) -> Path:
        return self.folder / name

    def _seen(self) -> Seen:
        return tuple(_mark(self.folder / name) for name in (MANIFEST, *NAMES))

    def _read(self, seen: Seen) -> Looked:
        if not self.folder.is_dir():
            return Looked(seen, f"there is no live image in {self.folder}: {HOW}")
        try:
            raw = (self.folder / MANIFEST).read_bytes()[:LARGEST_MANIFEST]
            manifest = json.loads(raw)
            promised = {name: _promise(manifest["files"][name]) for name in NAMES}
        except OSError as error:
            return Looked(seen, f"the live image in {self.folder} has no readable {MANIFEST} ({error.strerror}): {HOW}")
        except (ValueError, KeyError, TypeError) as error:
            return Looked(seen, f"{self.folder / MANIFEST} is not the manifest of a live image ({error!r}): {HOW}")
        for name, (sha256, size) in promised.items():
            if why := _differs(self.folder / name, sha256, size):
                return Looked(seen, f"{self.folder / name} {why}: the image is half written or damaged; {HOW}")
        return Looked(
            seen, "", str(manifest.get("version", "")), hashlib.sha256(raw).hexdigest()[:16],
            str(manifest.get("kernel", "")), _packages(manifest),
        )  # fmt: skip


def _promise(entry: Any) -> tuple[str, int]:
    """(SHA-256, bytes) of one file. Raises KeyError, TypeError, ValueError."""
    sha256 = str(entry["sha256"])
    if len(bytes.fromhex(sha256)) != 32:
        raise ValueError("a checksum is not SHA-256")
    return sha256, int(entry["size_bytes"])


def _packages(manifest: dict[str, Any]) -> dict[str, str]:
    """Empty in an image that does not tell them."""
    told = manifest.get("packages")
    return {str(name): str(version) for name, version in told.items()} if isinstance(told, dict) else {}


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _differs(path: Path, sha256: str, size: int) -> str:
    try:
        with path.open("rb") as file:
            if (found := os.fstat(file.fileno()).st_size) != size:
                return f"is {found} bytes long, the manifest says {size}"
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if digest == sha256 else "is not what the manifest says (its checksum differs)"
