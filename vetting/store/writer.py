"""The one thread that writes: it drains a bounded queue, does several callers' work in one transaction, commits once.

A caller hears of success only after COMMIT. Each function has a savepoint of its own: what it raises undoes its own
writes and is raised to its caller alone. Where the transaction itself is lost, every caller of the group hears so.
Nothing here is particular to SQLite.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import peewee as pw

from vetting.domain.errors import Refusal, Unavailable
from vetting.store import memo

T = TypeVar("T")

CAPACITY = 2048  # functions that may wait; beyond it callers wait before they queue
GROUP = 256  # functions in one transaction: bounds both the wait of the first and what one failed COMMIT costs
CLOSED = "the store is closed; start the program again"


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop | None  # None: the caller is a thread
    future: asyncio.Future[Any] | concurrent.futures.Future[Any]
    room: asyncio.Semaphore | None = None  # its place among those that may wait
    result: Any = None
    trouble: BaseException | None = None


class Writer:
    """Owns `database`, which is connected and used in the writer thread alone.

    `bind` ties the tables to the database in that thread; `in_words` turns a database's error into a Refusal.
    """

    def __init__(
        self,
        database: pw.Database,
        *,
        bind: Callable[[pw.Database], None],
        in_words: Callable[[BaseException], BaseException],
        capacity: int = CAPACITY,
    ) -> None:
        self._database = database
        self._bind = bind
        self._in_words = in_words
        self._capacity = capacity
        self._queue: deque[_Job] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self.commits = 0
        self.writes = 0
        self.last_trouble = ""
        memo.begin(database)
        self._thread = threading.Thread(target=self._serve, name="vetting-store-writer", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Functions that wait."""
        return len(self._queue)

    async def write(self, work: Callable[[], T]) -> T:
        """Runs `work` in the writer thread and returns its result after COMMIT; waits first while the queue is full.

        A caller that is cancelled while it waits does not take its function back: it may still be committed.
        """
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop)
        if room is None:
            room = self._rooms[loop] = asyncio.Semaphore(self._capacity)
        await room.acquire()
        future: asyncio.Future[T] = loop.create_future()
        try:
            self._put(_Job(work, loop, future, room))
        except Refusal:
            room.release()
            raise
        return await future

    def write_now(self, work: Callable[[], T]) -> T:
        """The same for a caller that is a thread; never the writer's own, which would wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a function inside write() called write_now(): call the store's functions directly")
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(_Job(work, None, future))
        return future.result()

    def close(self) -> None:
        """Does what is queued, then ends the thread and its connection."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()

    def _put(self, job: _Job) -> None:
        with self._ready:
            if self._closing:
                raise Unavailable(CLOSED)
            self._queue.append(job)
            self._ready.notify()

    def _serve(self) -> None:
        self._bind(self._database)
        while group := self._take():
            try:
                self._commit(group)
            except BaseException as error:  # noqa: BLE001 - whatever it was, the callers must hear and the thread live
                self._lose(group, error)
            self._deliver(group)
        if not self._database.is_closed():
            self._database.close()

    def _take(self) -> list[_Job]:
        with self._ready:
            while not self._queue and not self._closing:
                self._ready.wait()
            return [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]

    def _commit(self, group: list[_Job]) -> None:
        database = self._database
        database.connect(reuse_if_open=True)
        database.begin()
        database.push_transaction(self)  # so that a function's own atomic() is a savepoint
        try:
            for job in group:
                self._attempt(job)
        finally:
            database.pop_transaction()  # type: ignore[no-untyped-call]
        database.commit()
        self.commits += 1
        self.writes += len(group)

    def _attempt(self, job: _Job) -> None:
        """One function in its savepoint. What escapes from here lost the whole transaction."""
        execute = self._database.cursor().execute  # type: ignore[no-untyped-call]
        execute("SAVEPOINT unit")
        try:
            job.result = job.work()
        except BaseException as error:  # noqa: BLE001 - it is the caller's, raised there
            job.trouble = self._in_words(error)
            if isinstance(error, StopIteration):  # no future takes it
                job.trouble = RuntimeError("the function let a StopIteration escape")
            memo.forget(self._database)
            execute("ROLLBACK TO SAVEPOINT unit")
        execute("RELEASE SAVEPOINT unit")

    def _lose(self, group: Sequence[_Job], error: BaseException) -> None:
        """The transaction is gone: nothing of the group was written, and each of its callers is told."""
        memo.forget(self._database)
        try:
            self._database.rollback()
        except Exception:  # noqa: BLE001 - the engine undid it by itself, or knows no more where it stands: begin afresh
            with contextlib.suppress(Exception):
                self._database.close()
        trouble = self._in_words(error)
        if not isinstance(trouble, Refusal):
            trouble = Unavailable(f"nothing could be written: {type(error).__name__}: {error}; try again")
        for job in group:
            if job.trouble is None or not isinstance(job.trouble, Refusal):
                job.trouble = trouble

    def _deliver(self, group: Sequence[_Job]) -> None:
        for job in group:
            if job.trouble is not None and isinstance(job.trouble, Unavailable):
                self.last_trouble = str(job.trouble)
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in group:
            if job.loop is not None:
                by_loop.setdefault(job.loop, []).append(job)
            elif job.trouble is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.trouble)
        for loop, jobs in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._wake, jobs)

    @staticmethod
    def _wake(jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.room is not None:
                job.room.release()
            if job.future.done():  # cancelled while it waited
                continue
            if job.trouble is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.trouble)
