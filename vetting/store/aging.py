"""What becomes of samples as they grow old: compacted after a stage, thinned after weeks, dropped after months.

For the janitor. Each step is bounded, so that other writers wait tenths of a second at most; call it until it says 0.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from itertools import groupby

from vetting.store.models import SampleBatch, SampleBlock
from vetting.store.packing import MAX_OFFSET_MS, pack_block, unpack_block
from vetting.store.samples import Points, in_order, plain, spread

SAMPLES_OF_A_BLOCK = 8192
BATCHES_AT_ONCE = 4000
BLOCKS_AT_ONCE = 200


def compact(run_id: int, *, before_ms: int, at_most: int = BATCHES_AT_ONCE) -> int:
    """Turns up to `at_most` batches that ended before a time into blocks; returns how many. Nothing is lost."""
    query = (
        SampleBatch.select(SampleBatch.id, SampleBatch.stage, SampleBatch.t0_ms, SampleBatch.blob)
        .where((SampleBatch.run == run_id) & (SampleBatch.t1_ms < before_ms))
        .order_by(SampleBatch.t0_ms, SampleBatch.id)
        .limit(at_most)
    )
    batches = list(plain(query))
    by_stage: dict[str, dict[int, Points]] = {}
    for _id, stage, t0_ms, blob in batches:
        spread(by_stage.setdefault(stage, {}), t0_ms, blob)
    for stage, gathered in by_stage.items():
        for number, points in gathered.items():
            _insert_blocks(run_id, stage, number, in_order(points))
    for at in range(0, len(batches), 500):
        SampleBatch.delete().where(SampleBatch.id.in_([batch[0] for batch in batches[at : at + 500]])).execute()
    return len(batches)


def thin(run_id: int, *, before_ms: int, every_ms: int, at_most: int = BLOCKS_AT_ONCE, after_id: int = 0) -> int:
    """Leaves of each stretch of `every_ms` in old blocks the lowest and the highest sample, and one that is no number.

    No peak is lost. Goes through up to `at_most` blocks after `after_id`; returns the id of the last, 0 when there were
    none left. Batches are compacted first.
    """
    query = (
        SampleBlock.select(SampleBlock.id, SampleBlock.t0_ms, SampleBlock.blob)
        .where((SampleBlock.run == run_id) & (SampleBlock.t1_ms < before_ms) & (SampleBlock.id > after_id))
        .order_by(SampleBlock.id)
        .limit(at_most)
    )
    last = 0
    for last, t0_ms, blob in plain(query):
        at_ms, values = unpack_block(t0_ms, bytes(blob))
        kept = _kept(at_ms, values, every_ms)
        if len(kept) < len(values):
            thinned = Points(array("q", [at_ms[at] for at in kept]), array("d", [values[at] for at in kept]))
            SampleBlock.update(
                t0_ms=thinned.at_ms[0], t1_ms=thinned.at_ms[-1], blob=pack_block(thinned.at_ms, thinned.values)
            ).where(SampleBlock.id == last).execute()
    return last


def drop_samples(run_id: int) -> int:
    """Forgets a run's samples; the names of its series stay. Returns how many rows went."""
    rows = SampleBatch.delete().where(SampleBatch.run == run_id).execute()
    return int(rows + SampleBlock.delete().where(SampleBlock.run == run_id).execute())


def _kept(at_ms: array[int], values: array[float], every_ms: int) -> list[int]:
    """Places of the samples that stay, in order."""
    kept: set[int] = set()
    for _stretch, group in groupby(range(len(values)), key=lambda at: at_ms[at] // every_ms):
        places = list(group)
        numbers = [at for at in places if not math.isnan(values[at])]
        kept.update([at for at in places if math.isnan(values[at])][:1])
        if numbers:
            kept.add(min(numbers, key=values.__getitem__))
            kept.add(max(numbers, key=values.__getitem__))
    return sorted(kept)


def _insert_blocks(run_id: int, stage: str, number: int, points: Points) -> None:
    begin = 0
    while begin < len(points.at_ms):
        end = min(begin + SAMPLES_OF_A_BLOCK, bisect_right(points.at_ms, points.at_ms[begin] + MAX_OFFSET_MS))
        at_ms, values = points.at_ms[begin:end], points.values[begin:end]
        SampleBlock.insert(
            run=run_id, series=number, stage=stage, t0_ms=at_ms[0], t1_ms=at_ms[-1], blob=pack_block(at_ms, values)
        ).execute()
        begin = end
