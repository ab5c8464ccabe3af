"""One thread writes: acknowledged is committed, one function's failure is its own, and a full disk loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from functools import partial
from pathlib import Path

import peewee
import pytest

from vetting.domain.errors import BadInput, Conflict, NotFound, Unavailable
from vetting.domain.states import RunState
from vetting.store import audit, hosts, runs, settings
from vetting.store.db import Store
from vetting.store.models import Host
from vetting.store.rows import RunRow


def rows_on_disk(store: Store, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        return other.execute(sql).fetchall()


async def test_what_was_acknowledged_is_committed(store: Store) -> None:
    await store.write(lambda: settings.put("key", "value", now=1.0))
    assert rows_on_disk(store, "SELECT value FROM settings") == [('"value"',)]


async def test_one_function_that_fails_does_not_undo_another_of_the_same_group(store: Store) -> None:
    gate = threading.Event()
    held = asyncio.ensure_future(store.write(gate.wait))

    def half() -> None:
        settings.put("half", 1, now=1.0)
        raise Conflict("no")

    jobs = [asyncio.ensure_future(store.write(partial(settings.put, f"k{n}", n, now=1.0))) for n in range(5)]
    failing = asyncio.ensure_future(store.write(half))
    jobs += [asyncio.ensure_future(store.write(partial(settings.put, f"k{n}", n, now=1.0))) for n in range(5, 9)]
    await asyncio.sleep(0)
    before = store.health().commits
    gate.set()
    await asyncio.gather(held, *jobs)
    with pytest.raises(Conflict, match="no"):
        await failing
    assert store.health().commits - before <= 2, "the ten were to share a transaction"
    kept = {key for (key,) in rows_on_disk(store, "SELECT key FROM settings")}
    assert kept == {f"k{n}" for n in range(9)}


async def test_nobody_is_answered_before_the_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go = threading.Event(), threading.Event()
    commit = peewee.SqliteDatabase.commit

    def slow(database: peewee.SqliteDatabase) -> object:
        reached.set()
        go.wait()
        return commit(database)

    monkeypatch.setattr(peewee.SqliteDatabase, "commit", slow)
    answer = asyncio.ensure_future(store.write(lambda: settings.put("k", 1, now=1.0)))
    await asyncio.to_thread(reached.wait)
    await asyncio.sleep(0)
    assert not answer.done()
    assert rows_on_disk(store, "SELECT key FROM settings") == []
    go.set()
    await answer


async def test_a_commit_that_fails_is_told_to_every_caller_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(database: peewee.SqliteDatabase) -> None:
        raise peewee.OperationalError("database or disk is full")

    gate = threading.Event()
    held = asyncio.ensure_future(store.write(gate.wait))
    await asyncio.sleep(0)
    with monkeypatch.context() as patch:
        patch.setattr(peewee.SqliteDatabase, "commit", full)
        jobs = [asyncio.ensure_future(store.write(partial(settings.put, f"k{n}", n, now=1.0))) for n in range(4)]
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(held, *jobs, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) and "is full" in str(answer) for answer in answers)
    assert rows_on_disk(store, "SELECT key FROM settings") == []
    await store.write(lambda: settings.put("later", 1, now=1.0))
    assert rows_on_disk(store, "SELECT key FROM settings") == [("later",)]


def test_a_full_database_is_said_in_a_sentence_and_work_goes_on_when_there_is_room_again(store: Store) -> None:
    def limit(pages: int) -> None:
        Host._meta.database.execute_sql(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        settings.put("big", "x" * 2_000_000, now=1.0)

    store.write_now(lambda: settings.put("before", 1, now=1.0))
    store.write_now(lambda: limit(1))  # SQLite takes the pages that there are
    with pytest.raises(Unavailable, match=r"is full: free some space"):
        store.write_now(fill)
    assert "is full" in store.health().last_trouble
    assert store.read_now(lambda: settings.get("before", int)) == 1
    assert store.read_now(lambda: settings.get("big", str)) is None
    store.write_now(lambda: limit(10**6))
    store.write_now(fill)
    assert store.read_now(lambda: settings.get("big", str)) == "x" * 2_000_000


def test_a_database_that_another_program_holds_is_said_in_a_sentence(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "v.db", busy_s=0.05)
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"v\.db is locked by another program"):
            store.write_now(lambda: settings.put("k", 1, now=1.0))
        other.execute("ROLLBACK")
    store.write_now(lambda: settings.put("k", 1, now=1.0))
    store.close()


async def test_callers_wait_while_the_queue_is_full_and_all_are_served(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "v.db", capacity=3)
    gate = threading.Event()
    jobs = [asyncio.ensure_future(store.write(gate.wait))]
    jobs += [asyncio.ensure_future(store.write(lambda: True)) for _ in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.health().queued <= 3
    gate.set()
    assert await asyncio.gather(*jobs) == [True] * 21
    store.close()


async def test_a_caller_that_gives_up_does_not_hold_up_the_others(store: Store) -> None:
    gate = threading.Event()
    held = asyncio.ensure_future(store.write(gate.wait))
    impatient = asyncio.ensure_future(store.write(lambda: settings.put("k", 1, now=1.0)))
    await asyncio.sleep(0)
    impatient.cancel()
    gate.set()
    await held
    assert await store.write(lambda: 7) == 7


def test_of_many_threads_that_move_a_run_exactly_one_wins(store: Store, run: RunRow) -> None:
    barrier, won = threading.Barrier(12), []

    def race(number: int) -> None:
        barrier.wait()
        if store.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.BOOTING, reason=str(number))):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    moved = store.read_now(lambda: runs.get(run.id))
    assert (moved.state, moved.reason) == (RunState.BOOTING, str(won[0]))


def test_two_stores_on_one_file_move_a_run_once(store: Store, run: RunRow) -> None:
    other = Store.open(store.path)
    answers = [
        one.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.BOOTING)) for one in (store, other, store)
    ]
    other.close()
    assert answers == [True, False, False]


def test_a_move_and_what_caused_it_are_one_unit(store: Store, run: RunRow) -> None:
    def move() -> None:
        assert runs.move(run.id, RunState.QUEUED, RunState.BOOTING)
        audit.add(at=1.0, who="ada", what="start")
        raise NotFound("the rest fails")

    with pytest.raises(NotFound):
        store.write_now(move)
    assert store.read_now(lambda: runs.get(run.id)).state is RunState.QUEUED
    assert store.read_now(audit.entries) == []


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(peewee.OperationalError, match="readonly"):
        store.read_now(lambda: settings.put("k", 1, now=1.0))


def test_a_reader_sees_one_snapshot_while_others_write(store: Store) -> None:
    store.write_now(lambda: settings.put("k", 1, now=1.0))

    def look() -> tuple[int | None, int | None]:
        first = settings.get("k", int)
        store.write_now(lambda: settings.put("k", 2, now=1.0))
        return first, settings.get("k", int)

    assert store.read_now(look) == (1, 1)
    assert store.read_now(lambda: settings.get("k", int)) == 2


def test_a_table_outside_of_write_and_read_is_refused(store: Store) -> None:
    with pytest.raises(peewee.InterfaceError):
        hosts.listing()


def test_close_does_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "v.db")
    inside, gate = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        gate.wait(30)

    threads = [threading.Thread(target=store.write_now, args=(hold,))]
    threads += [
        threading.Thread(target=store.write_now, args=(partial(settings.put, f"k{n}", n, now=1.0),)) for n in range(5)
    ]
    threads[0].start()
    inside.wait(30)  # only then do the others: none of them may be in the group that is held
    for thread in threads[1:]:
        thread.start()
    while store.health().queued < 5:
        threading.Event().wait(0.001)
    closing = threading.Thread(target=store.close)
    closing.start()
    gate.set()
    for thread in (*threads, closing):
        thread.join()
    assert len(rows_on_disk(store, "SELECT key FROM settings")) == 5
    assert not store.path.with_name("v.db-wal").exists(), "the log was to be folded into the file"
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.write_now(lambda: None)
    with pytest.raises(Unavailable, match="closed"):
        store.read_now(lambda: None)


def test_what_contradicts_the_records_is_a_conflict_and_what_is_no_text_is_bad_input(store: Store) -> None:
    def orphan() -> None:
        runs.add_transition(4711, at=1.0, from_state=None, event="x", to_state=RunState.QUEUED)

    with pytest.raises(Conflict, match="contradicts"):
        store.write_now(orphan)
    with pytest.raises(BadInput, match="not Unicode"):
        store.write_now(lambda: audit.add(at=1.0, who="\ud800", what="x"))


async def test_a_transaction_that_the_engine_dropped_is_told_to_all_of_its_callers_and_work_goes_on(
    store: Store,
) -> None:
    """SQLite may undo a whole transaction by itself (full disk, I/O error): savepoints are gone then."""
    gate = threading.Event()
    held = asyncio.ensure_future(store.write(gate.wait))
    await asyncio.sleep(0)

    def dropped() -> None:
        Host._meta.database.rollback()
        raise peewee.OperationalError("disk I/O error")

    jobs = [
        asyncio.ensure_future(store.write(partial(settings.put, "before", 1, now=1.0))),
        asyncio.ensure_future(store.write(dropped)),
        asyncio.ensure_future(store.write(partial(settings.put, "after", 1, now=1.0))),
    ]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(held, *jobs, return_exceptions=True)
    committed = {key for (key,) in rows_on_disk(store, "SELECT key FROM settings")}
    for key, answer in (("before", answers[1]), ("after", answers[3])):
        assert (answer is None) == (key in committed), (key, answer)
    assert isinstance(answers[2], Unavailable)
    assert "does not read or write" in str(answers[2])
    await store.write(partial(settings.put, "later", 1, now=1.0))
    assert ("later",) in rows_on_disk(store, "SELECT key FROM settings")


@pytest.mark.parametrize("thrown", [StopIteration, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_whatever_a_function_throws_the_writer_lives_on(store: Store, thrown: type[BaseException]) -> None:
    def throw() -> None:
        settings.put("half", 1, now=1.0)
        raise thrown

    with pytest.raises((thrown, RuntimeError)):
        store.write_now(throw)
    assert store.write_now(lambda: settings.get("half", int)) is None


async def test_an_escaped_stop_iteration_does_not_strand_the_callers_beside_it(store: Store) -> None:
    gate = threading.Event()
    held = asyncio.ensure_future(store.write(gate.wait))
    await asyncio.sleep(0)
    jobs = [asyncio.ensure_future(store.write(lambda: next(iter(())))), asyncio.ensure_future(store.write(lambda: 7))]
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(held, *jobs, return_exceptions=True)
    assert isinstance(answers[1], RuntimeError)
    assert answers[2] == 7


def test_a_function_that_would_wait_for_itself_is_told_so(store: Store) -> None:
    with pytest.raises(RuntimeError, match="call the store's functions directly"):
        store.write_now(lambda: store.write_now(lambda: None))


def test_the_database_is_set_up_for_power_cuts(store: Store) -> None:
    def ask(pragma: str) -> object:
        return Host._meta.database.execute_sql(f"PRAGMA {pragma}").fetchone()[0]

    asked = [store.write_now(partial(ask, p)) for p in ("journal_mode", "synchronous", "foreign_keys")]
    assert asked == ["wal", 2, 1]
