"""The checkpoint: where a scan was when its process ended, bound to the disk, the plan and the data it wrote.

A file that was made for anything else, or that is damaged, is refused: it must never make a scan skip what it should test.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vetting.domain.errors import Conflict
from vetting.surface.files import replace_durably
from vetting.surface.pattern import CHUNK_BYTES

FORMAT = 1


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
    heads: str  # the file with the disk's first and last 4 MiB as they were before the first write
    standing: dict[str, Any]


def save(path: Path, binding: Binding, saved: Saved) -> None:
    """Makes the checkpoint durable. Raises OSError."""
    body = {
        "format": FORMAT,
        "binding": binding.to_json(),
        "salt": saved.salt.hex(),
        "heads": saved.heads,
        "standing": saved.standing,
    }
    text = json.dumps(body, sort_keys=True)
    replace_durably(path, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n".encode())


def load(path: Path, binding: Binding) -> Saved | None:
    """The checkpoint, or None where there is none. Raises Conflict where it is damaged or belongs to another scan."""
    try:
        digest, _, text = path.read_text("utf-8").partition("\n")
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
    return Saved(salt=bytes.fromhex(body["salt"]), heads=body["heads"], standing=body["standing"])
