"""Evidence in files: received beside, checked, renamed into place under a name of our own, and a row for each.

A host's name for a file is only ever text. The file lies at `artifacts/<run>/<sha256>` under the data directory, so that
the same content sent twice is the same file. `Room` is files alone and may be used from any thread; the functions below
it are called inside `Store.write` or `Store.read`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import peewee as pw

from vetting.domain.errors import BadInput, Conflict, NotFound, TooLarge
from vetting.store.files import sync_folder
from vetting.store.models import Artifact
from vetting.store.rows import ArtifactRow, row
from vetting.store.sentences import in_words

FOLDER = "artifacts"
PART = ".part"
CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that is safely in place."""

    path: str  # relative to the data directory
    sha256: str
    size_bytes: int


class Incoming:
    """A file that is being received. Leaving the `with` block without `settle` removes it."""

    def __init__(self, root: Path, run_id: int, limit_bytes: int) -> None:
        self._root = root
        self._folder = root / FOLDER / str(run_id)
        self._limit_bytes = limit_bytes
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part = self._folder / (secrets.token_hex(16) + PART)
            descriptor = os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise in_words(error, str(self._folder)) from error
        self._file: BinaryIO = os.fdopen(descriptor, "wb")

    def write(self, chunk: bytes) -> None:
        """Raises TooLarge where the run's share is used up, Unavailable where the disk is full."""
        if self.size_bytes + len(chunk) > self._limit_bytes:
            raise TooLarge(
                f"this artifact does not fit: the run has {self._limit_bytes} bytes left; keep it shorter, or raise the "
                "artifact quota in vetting.yaml"
            )
        try:
            self._file.write(chunk)
        except OSError as error:
            raise in_words(error, str(self._part)) from error
        self._hash.update(chunk)
        self.size_bytes += len(chunk)

    def settle(self, sha256: str = "") -> Stored:
        """Makes it last: file synced, renamed, folder synced. Raises BadInput where it is not what `sha256` promised."""
        found = self._hash.hexdigest()
        if sha256 and sha256.lower() != found:
            raise BadInput(
                f"the artifact arrived damaged: its SHA-256 is {found}, promised was {sha256}; send it again"
            )
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self._folder / found)
            sync_folder(self._folder)
            sync_folder(self._folder.parent)
        except OSError as error:
            raise in_words(error, str(self._part)) from error
        path = f"{FOLDER}/{self._folder.name}/{found}"
        return Stored(path=path, sha256=found, size_bytes=self.size_bytes)

    def abandon(self) -> None:
        """Removes what came; does nothing after `settle`."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()


class Room:
    """The place of all artifacts, and how much of it one run may take."""

    def __init__(self, data_dir: Path, *, quota_bytes: int) -> None:
        self._root = data_dir
        self._quota_bytes = quota_bytes

    def receive(self, run_id: int, *, used_bytes: int) -> Incoming:
        """A new file of a run that has used so much already (`used_bytes` below). Raises TooLarge, Unavailable."""
        if used_bytes >= self._quota_bytes:
            raise TooLarge(
                f"run {run_id} has used its {self._quota_bytes} bytes of artifacts; raise the artifact quota"
            )
        return Incoming(self._root, run_id, self._quota_bytes - used_bytes)

    def keep(self, run_id: int, data: bytes, *, used_bytes: int = 0) -> Stored:
        """Receives what is at hand already: a report, a log."""
        with self.receive(run_id, used_bytes=used_bytes) as incoming:
            incoming.write(data)
            return incoming.settle()

    def place(self, stored: ArtifactRow | Stored) -> Path:
        """Where the file is. Raises NotFound for a path that we did not make."""
        parts = stored.path.split("/")
        ours = len(parts) == 3 and parts[0] == FOLDER and parts[1].isdecimal() and parts[2].isalnum()
        if not ours:
            raise NotFound(f"{stored.path!r} is not the path of an artifact")
        return self._root.joinpath(*parts)

    def read(self, stored: ArtifactRow | Stored) -> bytes:
        """The content. Raises NotFound where the file is gone."""
        try:
            return self.place(stored).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"the file of artifact {stored.path} is gone; restore it from a backup") from error

    def objection(self, stored: ArtifactRow | Stored) -> str:
        """Why the file is not what its row says, in words; empty where it is."""
        try:
            with self.place(stored).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                size_bytes = file.tell()
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if size_bytes != stored.size_bytes:
            return f"has {size_bytes} bytes instead of {stored.size_bytes}"
        return "" if found == stored.sha256 else f"has the SHA-256 {found} instead of {stored.sha256}"

    def remove_run(self, run_id: int) -> None:
        """Removes all files of a run; their rows are removed by `forget`."""
        shutil.rmtree(self._root / FOLDER / str(int(run_id)), ignore_errors=True)

    def sweep(self, *, older_than_at: float) -> int:
        """Removes what was being received when the program died; returns how many."""
        swept = 0
        for part in (self._root / FOLDER).glob(f"*/*{PART}"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < older_than_at:
                    part.unlink()
                    swept += 1
        return swept


def add(
    run_id: int,
    stage: str,
    attempt: int,
    name: str,
    media_type: str,
    stored: Stored,
    *,
    now: float,
    complete: bool = True,
) -> ArtifactRow:
    """The row of a stored file. The same name and content again is the same row; another content is a Conflict.

    `complete` is False for output that was cut at its limit.
    """
    if (known := find(run_id, stage, attempt, name)) is not None:
        if known.sha256 != stored.sha256:
            raise Conflict(
                f"attempt {attempt} at {stage} has another artifact named {name!r} already; name it otherwise"
            )
        return known
    made = Artifact.create(
        run=run_id,
        stage=stage,
        attempt=attempt,
        name=name,
        media_type=media_type,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        path=stored.path,
        complete=complete,
        created_at=now,
    )
    return row(ArtifactRow, made)


def replace(
    run_id: int, stage: str, attempt: int, name: str, media_type: str, stored: Stored, *, now: float
) -> ArtifactRow:
    """As `add`, in place of the row of that name: a report that is written once more."""
    Artifact.delete().where(_named(run_id, stage, attempt, name)).execute()
    return add(run_id, stage, attempt, name, media_type, stored, now=now)


def find(run_id: int, stage: str, attempt: int, name: str) -> ArtifactRow | None:
    """This very artifact."""
    record = Artifact.get_or_none(_named(run_id, stage, attempt, name))
    return None if record is None else row(ArtifactRow, record)


def get(artifact_id: int) -> ArtifactRow:
    """Raises NotFound."""
    record = Artifact.get_or_none(Artifact.id == artifact_id)
    if record is None:
        raise NotFound(f"there is no artifact {artifact_id}", artifact=artifact_id)
    return row(ArtifactRow, record)


def artifacts_of(run_id: int, stage: str | None = None, attempt: int | None = None) -> list[ArtifactRow]:
    """The artifacts of a run, of a stage in it, or of one attempt, oldest first."""
    query = Artifact.select().where(Artifact.run == run_id).order_by(Artifact.id)
    if stage is not None:
        query = query.where(Artifact.stage == stage)
    if attempt is not None:
        query = query.where(Artifact.attempt == attempt)
    return [row(ArtifactRow, record) for record in query]


def used_bytes(run_id: int) -> int:
    """What a run has used of its quota."""
    return int(Artifact.select(pw.fn.SUM(Artifact.size_bytes)).where(Artifact.run == run_id).scalar() or 0)


def total_bytes() -> int:
    """What all runs have used."""
    return int(Artifact.select(pw.fn.SUM(Artifact.size_bytes)).scalar() or 0)


def forget(run_id: int) -> int:
    """Removes the rows of a run's artifacts; returns how many. For the janitor, before `Room.remove_run`."""
    return int(Artifact.delete().where(Artifact.run == run_id).execute())


def _named(run_id: int, stage: str, attempt: int, name: str) -> pw.Expression:
    mine = (Artifact.run == run_id) & (Artifact.stage == stage)
    return mine & (Artifact.attempt == attempt) & (Artifact.name == name)
