"""The highest value of each of some series, in one pass: for looking over many runs. Called inside `Store.read`."""

from __future__ import annotations

from math import inf, isfinite

from vetting.store.models import SampleBatch, SampleBlock
from vetting.store.packing import unpack_batch, unpack_block
from vetting.store.samples import plain, series_of


def highest(run_id: int, prefix: str) -> dict[str, float]:
    """Name -> highest finite value, of the series whose names begin with `prefix`; one that never told any is not in it."""
    names = {one.number: one.name for one in series_of(run_id) if one.name.startswith(prefix)}
    peaks = dict.fromkeys(names, -inf)
    if not names:
        return {}
    blocks = SampleBlock.select(SampleBlock.series, SampleBlock.t0_ms, SampleBlock.blob)
    wanted = blocks.where((SampleBlock.run == run_id) & SampleBlock.series.in_(list(names)))
    for number, t0_ms, blob in plain(wanted):
        _, values = unpack_block(t0_ms, blob)
        top = max(values, default=-inf)
        if not isfinite(top):
            top = max(filter(isfinite, values), default=-inf)
        peaks[number] = max(peaks[number], top)
    batches = SampleBatch.select(SampleBatch.blob).where(SampleBatch.run == run_id)
    for (blob,) in plain(batches):
        for number, _, value in zip(*unpack_batch(bytes(blob)), strict=True):
            if value > peaks.get(number, inf) and value != inf:
                peaks[number] = value
    return {names[number]: top for number, top in peaks.items() if isfinite(top)}
