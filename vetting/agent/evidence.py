"""What becomes evidence: outputs bounded and named plainly, records of programs, and one file for what comes after many."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vetting.domain.outcome import ArtifactRef, ToolRecord, ToolRun

EXCERPT_BYTES = 4096
ARTIFACT_BYTES = 8 * 1024 * 1024


class Further:
    """One artifact that takes the output of many programs, at most as much as any other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checksum = hashlib.sha256()
        self._size_bytes = 0

    def append(self, name: str, data: bytes) -> bool:
        """False where nothing of it found room."""
        head = f"--- {file_name(name)} ---\n".encode()
        room = ARTIFACT_BYTES - self._size_bytes - len(head) - 1
        if room < len(CUT) + 20:
            return False
        piece = head + cut(data.rstrip(b"\n"), room) + b"\n"
        with self._path.open("ab") as file:
            file.write(piece)
        self._checksum.update(piece)
        self._size_bytes += len(piece)
        return True

    @property
    def ref(self) -> ArtifactRef:
        checksum = self._checksum.hexdigest()
        return ArtifactRef(name=self._path.name, media_type="text/plain", sha256=checksum, size_bytes=self._size_bytes)


CUT = "[cut here: "


def cut(data: bytes, room: int) -> bytes:
    """At most `room` bytes, and a note in place of what does not fit."""
    if len(data) <= room:
        return data
    note = f"\n{CUT}{len(data) - room} bytes more]\n".encode()
    return data[: max(room - len(note), 0)] + note


def record_of(ended: ToolRun, version: str, output: str) -> ToolRecord:
    """What the report keeps of a program's run: the last lines, at most 4 KiB."""
    tail = ended.text.strip().encode()[-EXCERPT_BYTES:].decode("utf-8", "ignore")
    return ToolRecord(
        argv=ended.argv,
        version=version,
        exit_code=ended.exit_code,
        signal=ended.signal,
        timed_out=ended.timed_out,
        started_s=ended.started_s,
        ended_s=ended.ended_s,
        excerpt=tail,
        output=output,
    )


def file_name(text: str) -> str:
    """A plain file name: letters, digits, dot, dash, underscore; never a path, never hidden, at most 100 long."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".-")[-100:] or "file"


def whole_output(ended: ToolRun, *, plain: bool) -> bytes:
    """stdout, and stderr behind it; of a `plain` format stdout alone, so that it stays readable by machines."""
    if not ended.stderr.strip() or (plain and ended.stdout.strip()):
        return ended.stdout.encode()
    if not ended.stdout.strip():
        return ended.stderr.encode()
    return f"{ended.stdout}\n--- stderr ---\n{ended.stderr}".encode()
