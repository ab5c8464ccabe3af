"""The checkpoint: where a scan was when its process ended, bound to the disk, the plan and the data it wrote.

A file that was made for anything else, or that is damaged, is refused: it must never make a scan skip what it should test.
What it calls written has reached the medium (`Scan.checkpoint` flushes before it keeps), so it holds after a power cut too. It
may come back by another way than its file: the live image forgets with the power, the orchestrator does not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vetting.domain.errors import Conflict
from vetting.surface.files import replace_durably
from vetting.surface.pattern import CHUNK_BYTES

FORMAT = 2
MAX_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a checkpoint belongs to. A resumed scan must agree in all of it."""

    serial: str
    wwn: str
    size_bytes: int
    run_id: int
    cycles: int
    sample_bytes: int
    read_only: bool
    chunk_bytes: int = CHUNK_BYTES

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a checkpoint brings back."""

    salt: bytes
    heads: str  # the file with the disk's first and last 4 MiB as they were; empty: this boot has none
    heads_sha256: str  # of that file, by which whoever carried it away knows it
    standing: dict[str, Any]


def save(path: Path, binding: Binding, saved: Saved) -> None:
    """Makes the checkpoint durable. Raises OSError."""
    body = {
        "format": FORMAT,
        "binding": binding.to_json(),
        "salt": saved.salt.hex(),
        "heads": saved.heads,
        "heads_sha256": saved.heads_sha256,
        "standing": saved.standing,
    }
    text = json.dumps(body, sort_keys=True)
    replace_durably(path, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n".encode())


def load(path: Path, binding: Binding) -> Saved | None:
    """The checkpoint, or None where there is none. Raises Conflict where it is damaged or belongs to another scan."""
    try:
        with path.open("rb") as file:
            digest, _, text = file.read(MAX_BYTES + 1).decode("utf-8").partition("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Conflict(f"the checkpoint {path} cannot be read: {error}; remove it to start over") from error
    text = text.removesuffix("\n")
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise Conflict(f"the checkpoint {path} is damaged; remove it to start over")
    body = json.loads(text)
    if body.get("format") != FORMAT:
        raise Conflict(f"the checkpoint {path} has format {body.get('format')}, not {FORMAT}; remove it to start over")
    differing = [name for name, value in binding.to_json().items() if body["binding"].get(name) != value]
    if differing:
        told = ", ".join(f"{name} {body['binding'].get(name)!r}" for name in differing)
        raise Conflict(f"the checkpoint {path} belongs to another scan ({told}); remove it to start over")
    return Saved(
        salt=bytes.fromhex(body["salt"]),
        heads=body["heads"],
        heads_sha256=body["heads_sha256"],
        standing=body["standing"],
    )


def carried_here(path: Path, binding: Binding) -> tuple[Saved | None, str]:
    """A checkpoint of an earlier boot, or why it is none for this scan: then the scan begins from nothing, which it always may.

    Its file of saved heads went with the power; whoever kept the checkpoint keeps that too.
    """
    try:
        found = load(path, binding)
    except (Conflict, ValueError, KeyError, TypeError) as why:
        return None, str(why)
    if found is None or not found.heads_sha256:
        return None, f"the checkpoint {path} is not there, or knows of no saved ends"
    return replace(found, heads=""), ""
