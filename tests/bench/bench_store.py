"""How fast the store takes sensor batches and gives charts back. `python -m tests.bench.bench_store [SECONDS]`.

Prints batches/s of 20 samples in three forms (one packed row, a row a sample, one ORM create a sample), bytes a sample
on disk, and the time to downsample 1.5 million samples of 40 series to 1000 stretches each.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import peewee as pw

from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.profiles import QUICK
from vetting.store import aging, deliveries, hosts, runs, samples
from vetting.store.db import Store
from vetting.store.models import SampleBatch
from vetting.store.rows import NewRun

SAMPLES = 20
AIM_BATCHES_S = 13_000  # packed rows, on two cores
CALLERS = 500
SERIES = 40
WHOLE = 1_500_000
BUCKETS = 1000
T0 = 1_800_000_000_000
NAMES = tuple(f"temp.chip{number}.package-id-{number}" for number in range(SERIES))
UNITS = ("C",) * SERIES


def say(what: str, figure: str) -> None:
    print(f"{what:<72} {figure:>18}", flush=True)


CHANCE = random.Random(1)
NOISE = [round(CHANCE.gauss(55.0, 8.0), 1) for _ in range(99_991)]  # tenths of a degree, as hwmon gives them


def batch(number: int) -> list[tuple[int, int, float]]:
    """Twenty series at one instant, every five seconds, as the thermal sidecar sends them."""
    at_ms = T0 + number // 2 * 5000
    first = number % 2 * SAMPLES
    return [(first + one, at_ms, NOISE[(number * SAMPLES + one) % len(NOISE)]) for one in range(SAMPLES)]


def make_run(store: Store) -> int:
    def make() -> int:
        host = hosts.create(f"host{time.monotonic_ns()}", now=1.0)
        new = NewRun(
            host_id=host.id,
            host_name=host.name,
            profile=QUICK,
            non_destructive=True,
            start_by="manual",
            requested_by="bench",
            spec=ExpectedSpec(),
            expected_disks=(),
        )
        return runs.create(new, now=1.0).id

    return store.write_now(make)


async def hammer(store: Store, seconds: float, work: Callable[[int, int], object]) -> tuple[float, float, float]:
    """Batches/s, p99 of one caller's wait in ms, and writes in one commit, with CALLERS callers at once."""
    until = time.perf_counter() + seconds
    waits: list[float] = []
    before = store.health()

    async def caller(number: int) -> int:
        done = 0
        while (began := time.perf_counter()) < until:
            await store.write(partial(work, number, done))
            waits.append(time.perf_counter() - began)
            done += 1
        return done

    began = time.perf_counter()
    total = sum(await asyncio.gather(*(caller(number) for number in range(CALLERS))))
    took = time.perf_counter() - began
    after = store.health()
    waits.sort()
    grouped = (after.writes - before.writes) / max(1, after.commits - before.commits)
    return total / took, waits[int(len(waits) * 0.99)] * 1000, grouped


def packed(run_ids: list[int], caller: int, number: int) -> object:
    return samples.append_batch(run_ids[caller % len(run_ids)], "Burn", NAMES, UNITS, batch(number))


def packed_once(run_ids: list[int], caller: int, number: int) -> object:
    run_id = run_ids[caller % len(run_ids)]
    if deliveries.take(run_id, "sensor", f"boot-{caller}", number + 1):
        samples.append_batch(run_id, "Burn", NAMES, UNITS, batch(number))
    return None


def table(store: Store) -> type[pw.Model]:
    """A plain table with a row for each sample, made in the writer thread for comparison."""

    def make() -> type[pw.Model]:
        class PlainSample(pw.Model):
            run = pw.IntegerField()
            series = pw.IntegerField()
            at_ms = pw.BigIntegerField()
            value = pw.DoubleField()

            class Meta:
                database = SampleBatch._meta.database
                indexes = ((("run", "series", "at_ms"), False),)

        PlainSample.create_table()
        return PlainSample

    return store.write_now(make)


def rows(plain: type[pw.Model], _caller: int, number: int) -> None:
    cursor: sqlite3.Cursor = plain._meta.database.cursor()
    cursor.executemany(
        'INSERT INTO "plainsample" ("run", "series", "at_ms", "value") VALUES (1, ?, ?, ?)', batch(number)
    )


def creates(plain: type[pw.Model], _caller: int, number: int) -> None:
    for series, at_ms, value in batch(number):
        plain.create(run=1, series=series, at_ms=at_ms, value=value)


async def writing(folder: Path, seconds: float) -> bool:
    """Whether a packed row for each batch reaches what was aimed at."""
    store = Store.open(folder / "write.db")
    run_ids = [make_run(store) for _ in range(50)]
    rates: list[float] = []
    for what, work in (
        ("one packed row", partial(packed, run_ids)),
        ("one packed row, and sent-again noticed", partial(packed_once, run_ids)),
        ("a row a sample (executemany)", partial(rows, plain := table(store))),
        ("one ORM create a sample", partial(creates, plain)),
    ):
        rate, p99_ms, grouped = await hammer(store, seconds, work)
        rates.append(rate)
        say(f"{SAMPLES} samples as {what}, {CALLERS} callers: batches/s", f"{rate:,.0f}")
        say("    p99 of a caller's wait; writes in one commit", f"{p99_ms:.0f} ms; {grouped:.0f}")
    store.close()
    return min(rates[:2]) >= AIM_BATCHES_S


def used_bytes(path: Path, *tables: str) -> int:
    with sqlite3.connect(path) as database:
        try:
            marks = ",".join("?" * len(tables))
            (used,) = database.execute(f"SELECT SUM(pgsize) FROM dbstat WHERE name IN ({marks})", tables).fetchone()
        except sqlite3.OperationalError:  # this SQLite was built without dbstat
            (pages,), (size,) = (
                database.execute("PRAGMA page_count").fetchone(),
                database.execute("PRAGMA page_size").fetchone(),
            )
            used = pages * size
    return int(used)


def charting(folder: Path) -> None:
    store = Store.open(folder / "read.db")
    run_id = make_run(store)

    def fill(begin: int, end: int) -> None:
        for number in range(begin, end):
            samples.append_batch(run_id, "Burn", NAMES, UNITS, batch(number))

    batches = WHOLE // SAMPLES
    for begin in range(0, batches, 5000):
        store.write_now(partial(fill, begin, min(begin + 5000, batches)))

    def chart() -> int:
        charts = samples.downsample_all(run_id, BUCKETS)
        return sum(one.count for series in charts.values() for one in series)

    def timed(what: str) -> None:
        began = time.perf_counter()
        counted = store.read_now(chart)
        took = time.perf_counter() - began
        assert counted == WHOLE
        say(f"{WHOLE:,} samples, {SERIES} series x {BUCKETS} stretches, {what}", f"{took:.2f} s")
        began = time.perf_counter()
        store.read_now(partial(samples.read_series, run_id, NAMES[3]))
        say("    one series of it", f"{time.perf_counter() - began:.3f} s")

    with sqlite3.connect(store.path) as checkpoint:
        checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = used_bytes(store.path, "sample_batches", "sample_batches_run_id_t0_ms")
    say("bytes a sample on disk, as it arrives (index included)", f"{size / WHOLE:.1f}")
    timed("as it arrived")
    began, steps, longest = time.perf_counter(), 0, 0.0
    while True:
        step = time.perf_counter()
        if not store.write_now(partial(aging.compact, run_id, before_ms=T0 * 2)):
            break
        longest = max(longest, time.perf_counter() - step)
        steps += 1
    say(f"compacting them, {steps} steps; the longest", f"{time.perf_counter() - began:.1f} s; {longest:.2f} s")
    with sqlite3.connect(store.path) as checkpoint:
        checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = used_bytes(store.path, "sample_blocks", "sample_blocks_run_id_series_t0_ms")
    say("bytes a sample on disk, compacted (index included)", f"{size / WHOLE:.1f}")
    timed("compacted")
    store.close()


def main() -> int:
    """0 when packed batches reach the aim."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory(prefix="vetting-bench-") as folder:
        reached = asyncio.run(writing(Path(folder), seconds))
        charting(Path(folder))
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
