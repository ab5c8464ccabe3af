"""Live series: appended as they arrive, compacted when a stage is over, read by series and time.

A batch is one packed row, indexed by (run, time). `aging.compact` turns old batches into blocks of one series each, indexed by
(run, series, time), about a tenth of the size and quick to read. Every reader sees both. Values that are not a number
are kept as such: low, high and mean leave them out, and they are counted. Called inside `Store.write` or `Store.read`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import le, sub
from typing import Any

import peewee as pw

from vetting.domain.errors import BadInput
from vetting.store.downsampling import buckets_of, summary
from vetting.store.memo import execute, memo
from vetting.store.models import SampleBatch, SampleBlock, Series
from vetting.store.packing import MAX_OFFSET_MS, MAX_SERIES, pack_batch, unpack_batch, unpack_block
from vetting.store.rows import Bucket, SeriesRow, SeriesStats

SERIES_OF_A_RUN = 4096  # a host has some hundred; more than this is a host that makes names up
RUNS_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Points:
    """One series: times in ms of the epoch, growing, and as many values."""

    at_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


def append_batch(
    run_id: int,
    stage: str,
    names: Sequence[str],
    units: Sequence[str],
    samples: Sequence[tuple[int, int, float]],
) -> int:
    """Stores samples as (index into `names`, at_ms, value); returns how many.

    Raises BadInput for an index without a name, names without units, times too far apart, or too many series.
    """
    if not samples:
        return 0
    indexes, times, values = zip(*samples, strict=True)
    if min(indexes) < 0 or max(indexes) >= len(names) or len(names) != len(units):
        raise BadInput("a sample names a series by its place in `names`, and each name has a unit; send them so")
    numbers = _numbers(run_id, names, units)
    t0_ms, t1_ms = min(times), max(times)
    if t1_ms - t0_ms > MAX_OFFSET_MS:
        raise BadInput("samples of one batch must lie within 49 days of each other")
    blob = pack_batch([numbers[index] for index in indexes], [at - t0_ms for at in times], values)
    execute(SampleBatch, "append", _appending, (run_id, stage, t0_ms, t1_ms, blob))
    return len(samples)


def series_of(run_id: int) -> list[SeriesRow]:
    """The series of a run, in the order in which they first came."""
    query = Series.select().where(Series.run == run_id).order_by(Series.number)
    return [SeriesRow(number=one.number, name=one.name, unit=one.unit) for one in query]


def read_series(run_id: int, name: str, *, t0_ms: int | None = None, t1_ms: int | None = None) -> Points:
    """All samples of one series in [t0_ms, t1_ms], by time; empty for a series that never came."""
    number = next((one.number for one in series_of(run_id) if one.name == name), None)
    if number is None:
        return Points()
    return _gather(run_id, t0_ms, t1_ms, only=number).get(number, Points())


def stats(
    run_id: int, *, t0_ms: int | None = None, t1_ms: int | None = None, stage: str | None = None
) -> dict[str, SeriesStats]:
    """What came of each series in a window, or tagged with a stage; a series that did not come is not in it."""
    gathered = _gather(run_id, t0_ms, t1_ms, stage=stage)
    found: dict[str, SeriesStats] = {}
    for one in series_of(run_id):
        points = gathered.get(one.number)
        if not points or not points.at_ms:
            continue
        low, high, mean, not_numbers = summary(points.values)
        found[one.name] = SeriesStats(
            name=one.name,
            unit=one.unit,
            count=len(points.values),
            not_numbers=not_numbers,
            low=low,
            high=high,
            mean=mean,
            first_ms=points.at_ms[0],
            last_ms=points.at_ms[-1],
            longest_gap_ms=max(map(sub, points.at_ms[1:], points.at_ms), default=0),
        )
    return found


def downsample(
    run_id: int, name: str, buckets: int, *, t0_ms: int | None = None, t1_ms: int | None = None
) -> list[Bucket]:
    """At most `buckets` equal stretches of one series, those without a sample left out; no peak is ever lost."""
    points = read_series(run_id, name, t0_ms=t0_ms, t1_ms=t1_ms)
    return buckets_of(points.at_ms, points.values, buckets, t0_ms=t0_ms, t1_ms=t1_ms)


def downsample_all(
    run_id: int, buckets: int, *, t0_ms: int | None = None, t1_ms: int | None = None
) -> dict[str, list[Bucket]]:
    """As `downsample` for every series of a run in one pass, on one time axis: the same stretches for all."""
    gathered = _gather(run_id, t0_ms, t1_ms)
    filled = [points for points in gathered.values() if points.at_ms]
    if not filled:
        return {}
    first = t0_ms if t0_ms is not None else min(points.at_ms[0] for points in filled)
    last = t1_ms if t1_ms is not None else max(points.at_ms[-1] for points in filled)
    return {
        one.name: buckets_of(points.at_ms, points.values, buckets, t0_ms=first, t1_ms=last)
        for one in series_of(run_id)
        if (points := gathered.get(one.number)) and points.at_ms
    }


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody has read the samples of a run."""

    batch: int = 0
    block: int = 0


def everything(run_id: int, *, t0_ms: int | None = None, t1_ms: int | None = None) -> tuple[dict[int, Points], Mark]:
    """All samples in the window by the number of their series, and how far that is."""
    return _gather(run_id, t0_ms, t1_ms), Mark(_newest(SampleBatch, run_id), _newest(SampleBlock, run_id))


def arrived(run_id: int, since: Mark) -> tuple[dict[int, Points], Mark] | None:
    """What came after a mark, as it arrived: late samples too. None where old samples were compacted or dropped since:
    then only everything tells what is new."""
    newest = Mark(_newest(SampleBatch, run_id), _newest(SampleBlock, run_id))
    if newest.block != since.block or newest.batch < since.batch:
        return None
    gathered: dict[int, Points] = {}
    fresh = SampleBatch.select(SampleBatch.t0_ms, SampleBatch.blob)
    for start_ms, blob in plain(fresh.where((SampleBatch.run == run_id) & (SampleBatch.id > since.batch))):
        spread(gathered, start_ms, blob)
    return {number: in_order(points) for number, points in gathered.items()}, newest


def _newest(table: type[SampleBatch] | type[SampleBlock], run_id: int) -> int:
    return table.select(pw.fn.MAX(table.id)).where(table.run == run_id).scalar() or 0


def sample_count(run_id: int) -> int:
    """How many samples there are of a run."""
    return sum(len(points.values) for points in _gather(run_id, None, None).values())


def _numbers(run_id: int, names: Sequence[str], units: Sequence[str]) -> list[int]:
    """The numbers of the series of a batch; new names get new numbers."""
    remembered = memo(Series)
    known: dict[str, int] | None = remembered.get(("series", run_id))
    try:
        if known is not None:
            return [known[name] for name in names]
    except KeyError:
        pass
    known = {one.name: one.number for one in series_of(run_id)}
    fresh = {name: unit for name, unit in zip(names, units, strict=True) if name not in known}
    if not fresh:
        if len(remembered) > RUNS_REMEMBERED:
            remembered.clear()
        remembered["series", run_id] = known
    elif len(known) + len(fresh) > min(SERIES_OF_A_RUN, MAX_SERIES):
        raise BadInput(f"run {run_id} has {len(known)} series already; a host names at most {SERIES_OF_A_RUN}")
    for name, unit in fresh.items():  # remembered at the next batch only: this one may yet be undone
        known[name] = len(known)
        Series.insert(run=run_id, number=known[name], name=name, unit=unit).execute()
    return [known[name] for name in names]


def _appending() -> Any:
    return SampleBatch.insert(run=0, stage="", t0_ms=0, t1_ms=0, blob=b"")


def _gather(
    run_id: int, t0_ms: int | None, t1_ms: int | None, *, only: int | None = None, stage: str | None = None
) -> dict[int, Points]:
    """Samples by series number, in order of time and within the window."""
    gathered: dict[int, Points] = {}
    blocks = SampleBlock.select(SampleBlock.series, SampleBlock.t0_ms, SampleBlock.blob)
    if only is not None:
        blocks = blocks.where(SampleBlock.series == only)
    for number, start_ms, blob in plain(_windowed(SampleBlock, blocks, run_id, t0_ms, t1_ms, stage)):
        at_ms, values = unpack_block(start_ms, blob)
        points = gathered.setdefault(number, Points())
        points.at_ms.extend(at_ms)
        points.values.extend(values)
    batches = SampleBatch.select(SampleBatch.t0_ms, SampleBatch.blob)
    for start_ms, blob in plain(_windowed(SampleBatch, batches, run_id, t0_ms, t1_ms, stage)):
        spread(gathered, start_ms, blob)
    kept = gathered.items() if only is None else [(only, gathered.get(only, Points()))]
    return {number: _within(in_order(points), t0_ms, t1_ms) for number, points in kept}


def _windowed(
    table: type[SampleBatch] | type[SampleBlock],
    query: Any,
    run_id: int,
    t0_ms: int | None,
    t1_ms: int | None,
    stage: str | None,
) -> pw.ModelSelect[Any]:
    query = query.where(table.run == run_id).order_by(table.t0_ms)
    if t0_ms is not None:
        query = query.where(table.t1_ms >= t0_ms)
    if t1_ms is not None:
        query = query.where(table.t0_ms <= t1_ms)
    if stage is not None:
        query = query.where(table.stage == stage)
    selected: pw.ModelSelect[Any] = query
    return selected


def plain(query: pw.ModelSelect[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows as the driver gives them: a million go through here."""
    database: Any = query.model._meta.database
    rows: Iterator[tuple[Any, ...]] = iter(database.execute_sql(*query.sql()))
    return rows


def spread(gathered: dict[int, Points], t0_ms: int, blob: bytes) -> None:
    """Adds a batch's samples to their series."""
    for number, offset_ms, value in zip(*unpack_batch(bytes(blob)), strict=True):
        points = gathered.get(number)
        if points is None:
            points = gathered[number] = Points()
        points.at_ms.append(t0_ms + offset_ms)
        points.values.append(value)


def in_order(points: Points) -> Points:
    """The same samples by time."""
    if all(map(le, points.at_ms, points.at_ms[1:])):
        return points
    order = sorted(range(len(points.at_ms)), key=points.at_ms.__getitem__)
    return Points(array("q", map(points.at_ms.__getitem__, order)), array("d", map(points.values.__getitem__, order)))


def _within(points: Points, t0_ms: int | None, t1_ms: int | None) -> Points:
    begin = 0 if t0_ms is None else bisect_left(points.at_ms, t0_ms)
    end = len(points.at_ms) if t1_ms is None else bisect_right(points.at_ms, t1_ms)
    return (
        points if (begin, end) == (0, len(points.at_ms)) else Points(points.at_ms[begin:end], points.values[begin:end])
    )
