"""The database itself: the only place with SQL and settings that are SQLite's own.

WAL with synchronous=FULL: of acknowledged commits NORMAL lost 577 and 757 in two power cuts, FULL none. One thread
writes, in BEGIN IMMEDIATE (deferred transactions that read and then wrote: 14 of 16 ended "locked"); readers beside it
see a snapshot each and cannot write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import peewee as pw

from vetting.domain.errors import Refusal, Unavailable
from vetting.store.files import make_private_file, sync_folder
from vetting.store.models import MODELS, NOWHERE
from vetting.store.sentences import in_words
from vetting.store.versions import Versions
from vetting.store.writer import CAPACITY, CLOSED, Writer

T = TypeVar("T")

APPLICATION_ID = 0x56455454  # "VETT", in the file's header: file(1) and we know our own
READERS = 3
BUSY_S = 5.0  # how long another program may hold the lock before we say so
WAL_LIMIT_BYTES = 64 * 1024**2  # what the write-ahead log is cut back to


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """For /healthz and the metrics. `last_trouble` is the last sentence that a writer was told, empty where none was."""

    queued: int
    writes: int
    commits: int
    last_trouble: str
    database_bytes: int


class Store:
    """The open database. Made by `Store.open`."""

    def __init__(self, path: Path, *, capacity: int, busy_s: float) -> None:
        self.path = path
        self._closed = False
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connecting = threading.Lock()
        self._busy_s = busy_s
        self._writer = Writer(_writable(path, busy_s), bind=_bind, in_words=self._in_words, capacity=capacity)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="vetting-store-reader")

    @classmethod
    def open(cls, path: Path | str, *, capacity: int = CAPACITY, busy_s: float = BUSY_S) -> Store:
        """Opens or makes the database and brings it to this version, after a copy of it where it holds anything.

        Raises Unavailable (not writable, full, locked, damaged, not a database) or Refusal (of a newer version), each
        with one sentence that says what to do.
        """
        path = Path(path).absolute()
        try:
            make_private_file(path)
            _bring_up_to_date(path, busy_s)
        except Refusal:
            raise
        except (pw.PeeweeException, sqlite3.Error, OSError) as error:
            _raise(error, path)
        return cls(path, capacity=capacity, busy_s=busy_s)

    async def write(self, work: Callable[[], T]) -> T:
        """`work()` in the writer thread, in a transaction; returns its result after COMMIT.

        What it raises undoes what it wrote, and is raised here. Raises Unavailable where nothing could be committed:
        then nothing of it is there. A caller that is cancelled does not take its function back.
        """
        return await self._writer.write(work)

    def write_now(self, work: Callable[[], T]) -> T:
        """As `write`, for synchronous code; blocks the thread."""
        return self._writer.write_now(work)

    async def read(self, work: Callable[[], T]) -> T:
        """`work()` in a reader thread, on one snapshot of everything that is committed."""
        if self._closed:
            raise Unavailable(CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._reading, work)

    def read_now(self, work: Callable[[], T]) -> T:
        """As `read`, for synchronous code; blocks the thread."""
        if self._closed:
            raise Unavailable(CLOSED)
        return self._readers.submit(self._reading, work).result()

    def health(self) -> StoreHealth:
        """How the store is doing; never blocks."""
        return StoreHealth(
            queued=self._writer.queued,
            writes=self._writer.writes,
            commits=self._writer.commits,
            last_trouble=self._writer.last_trouble,
            database_bytes=sum(part.stat().st_size for part in _files(self.path) if part.exists()),
        )

    def copy_to(self, target: Path) -> None:
        """A consistent copy of the database while others write. Raises Unavailable; then there is no copy."""
        try:
            copy_database(self.path, target)
        except (sqlite3.Error, OSError) as error:
            _raise(error, target)

    def close(self) -> None:
        """Does what is queued, ends the threads, folds the write-ahead log into the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._readers.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._writer.close()

    def _reading(self, work: Callable[[], T]) -> T:
        try:
            database = self._reader()
            database.begin()
            database.push_transaction(self)
            try:
                return work()
            finally:
                database.pop_transaction()  # type: ignore[no-untyped-call]
                with contextlib.suppress(pw.DatabaseError):
                    database.rollback()
        except (pw.PeeweeException, sqlite3.Error, UnicodeEncodeError) as error:
            if "readonly" in str(error):  # a mistake of ours: this function belongs into write()
                raise
            _raise(error, self.path)

    def _reader(self) -> pw.SqliteDatabase:
        """This thread's own connection."""
        database: pw.SqliteDatabase | None = getattr(self._local, "database", None)
        if database is None:
            database = _read_only(self.path, self._busy_s)
            database.connect()
            with self._connecting:
                self._connections.append(database.connection())  # type: ignore[no-untyped-call]
            _bind(database)
            self._local.database = database
        return database

    def _in_words(self, error: BaseException) -> BaseException:
        return in_words(error, str(self.path))


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Binds the tables to a database read-only, in this thread, for the time of the block; beside a serving process.

    Raises Unavailable or Refusal as `Store.open` does; never changes the file, and never upgrades it.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise Unavailable(f"there is no database at {path}: name the data directory of `vetting serve` with --data")
    database = _read_only(path, BUSY_S)
    try:
        database.connect()
        versions = Versions(database)
        versions.refuse_newer(str(path))
        if pending := versions.pending():
            raise Refusal(f"{path} is of an older version (it lacks {pending[0]}): start `vetting serve` on it once")
        _bind(database)
        database.begin()
        yield
    except (pw.PeeweeException, sqlite3.Error) as error:
        _raise(error, path)
    finally:
        _bind(NOWHERE)
        if not database.is_closed():
            database.close()


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database, readable by its owner alone and safe on disk when this returns.

    Raises sqlite3.Error or OSError; what had been written of the copy is removed then.
    """
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=BUSY_S)) as ours,
            contextlib.closing(sqlite3.connect(target, timeout=BUSY_S)) as copy,
        ):
            ours.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete in itself
        os.fsync(descriptor)
        sync_folder(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _bind(database: pw.Database) -> None:
    for model in MODELS:
        model._meta.set_database(database)


def _writable(path: Path, busy_s: float, *, foreign_keys: bool = True) -> pw.SqliteDatabase:
    pragmas: dict[str, Any] = {
        "journal_mode": "WAL",
        "synchronous": "FULL",
        "foreign_keys": int(foreign_keys),
        "journal_size_limit": WAL_LIMIT_BYTES,
        "cache_size": -16 * 1024,  # KiB
        "temp_store": "MEMORY",
    }
    return pw.SqliteDatabase(str(path), pragmas=pragmas, timeout=busy_s, lock_type="IMMEDIATE", autoconnect=False)


def _read_only(path: Path, busy_s: float) -> pw.SqliteDatabase:
    """`check_same_thread` is off for the closing alone, which is done by another thread once the readers are gone.

    On a file system that is mounted read-only SQLite cannot make the index of its write-ahead log; there nobody writes,
    and without a log there is nothing to index.
    """
    log = _files(path)[1]
    mounted_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    at_rest = mounted_read_only and not (log.exists() and log.stat().st_size)
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if at_rest else ''}"
    pragmas = {"query_only": 1, "cache_size": -16 * 1024, "temp_store": "MEMORY"}
    return pw.SqliteDatabase(
        address, pragmas=pragmas, timeout=busy_s, uri=True, check_same_thread=False, autoconnect=False
    )


def _bring_up_to_date(path: Path, busy_s: float) -> None:
    # Foreign keys are off meanwhile: SQLite rebuilds a table by dropping it, which would cascade.
    database = _writable(path, busy_s, foreign_keys=False)
    database.connect()
    try:
        _refuse_strangers(database, path)
        versions = Versions(database)
        versions.refuse_newer(str(path))
        if not versions.pending():
            database.begin()  # is it writable, is it free?
            database.rollback()
            return
        if versions.applied():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
            copy_database(path, path.with_name(f"{path.name}.before-{versions.pending()[0]}-{stamp}"))
        with database.atomic():
            versions.up()
            _ask(database, f"PRAGMA application_id = {APPLICATION_ID}")
            if broken := _ask(database, "PRAGMA foreign_key_check"):
                raise Refusal(f"{path} was not upgraded, rows of {broken[0][0]} point nowhere: restore a backup of it")
    finally:
        if not database.is_closed():
            database.close()


def _refuse_strangers(database: pw.SqliteDatabase, path: Path) -> None:
    if _ask(database, "PRAGMA application_id") != [(APPLICATION_ID,)] and database.get_tables():
        raise Refusal(f"{path} is the database of another program: name another data directory")


def _ask(database: pw.SqliteDatabase, sql: str) -> list[tuple[Any, ...]]:
    answer: list[tuple[Any, ...]] = database.execute_sql(sql).fetchall()  # type: ignore[no-untyped-call]
    return answer


def _files(path: Path) -> tuple[Path, ...]:
    return (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))


def _raise(error: BaseException, path: Path) -> NoReturn:
    said = in_words(error, str(path))
    if said is error:
        raise error
    raise said from error
