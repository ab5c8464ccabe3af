"""What a kernel that died left in pstore, as this boot finds it: read, bounded, and removed only once somebody has it.

Firmware has little room for these records; one that stays takes the place of the next crash's. systemd-pstore, where it
runs, has moved them to a folder of its own before us.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vetting import proc
from vetting.agent.eventlog import Ask
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun

FOLDER = "sys/fs/pstore"
MOVED = "var/lib/systemd/pstore"
RECORDS = 32  # of one look; the rest waits for the next boot
RECORD_BYTES = 256 * 1024
LIMIT_S = 15.0


async def ask_plainly(argv: Sequence[str]) -> ToolRun:
    return await proc.run(argv, limit_s=LIMIT_S)


@dataclass(frozen=True, slots=True)
class Kept:
    """A record and where it lies."""

    path: Path
    name: str
    raw: bytes

    def forget(self) -> str:
        """Makes room for the next crash; returns why that did not work."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            return error.strerror or str(error)
        return ""


async def mounted(root: Path, ask: Ask = ask_plainly) -> None:
    """The file system, where nobody has mounted it. A kernel without one has no records either; a picture of another machine
    is left as it is."""
    folder = root / FOLDER
    if root == Path("/") and folder.is_dir() and not folder.is_mount() and not any(folder.iterdir()):
        with contextlib.suppress(ToolMissing):
            await ask(("mount", "-t", "pstore", "pstore", f"/{FOLDER}"))


def records(root: Path) -> tuple[Kept, ...]:
    """The records that are there, as far as they can be read."""
    found = [path for folder in (root / FOLDER, root / MOVED) for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple(one for path in found[:RECORDS] if (one := _record(path)) is not None)


def _record(path: Path) -> Kept | None:
    try:
        with path.open("rb") as file:
            return Kept(path, path.name[:80], file.read(RECORD_BYTES))
    except OSError:
        return None
