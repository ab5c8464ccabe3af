"""How long the charts of a long soak take: 40 hours of 200 series every five seconds, first look, next look, a crowd."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fakes import records
from vetting.store import Store, aging
from vetting.web.chartreader import ChartReader, Drawn

SERIES, EVERY_S, HOURS, CROWD = 200, 5.0, 40.0, 50
FIRST_S, NEXT_S = 15.0, 0.5  # a fifth of it where nobody else uses the machine
LIMIT_BYTES = 400_000  # of one answer, packed


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vetting-bench-") as folder:
        store = Store.open(Path(folder) / "vetting.db")
        try:
            return asyncio.run(_measure(store))
        finally:
            store.close()


async def _measure(store: Store) -> int:
    story = records.up_to_cpu(records.Story(store))
    curves: dict[str, tuple[str, Callable[[float], float]]] = {}
    for place in range(SERIES):
        family, unit = (("temp", "C"), ("power", "W"), ("fan", "RPM"), ("net", "MB/s"), ("volt", "V"))[place % 5]
        curves[f"{family}.chip{place}.value"] = (unit, _wave(place))
    end_at = story.now + HOURS * 3600
    written = story.series(curves, begin_at=story.now, end_at=end_at, every_s=EVERY_S)
    print(f"{written} samples of {SERIES} series over {HOURS:g} h")
    first_s, drawn = await _timed(ChartReader(store), story.run_id, "as they arrived, first look")
    while store.write_now(lambda: aging.compact(story.run_id, before_ms=2**53)):
        pass
    reader = ChartReader(store)
    packed_s, drawn = await _timed(reader, story.run_id, "compacted, first look")
    story.series(curves, begin_at=end_at, end_at=end_at + EVERY_S, every_s=EVERY_S)
    await reader.read(story.run_id)  # the blocks are newer than what was known
    story.series(curves, begin_at=end_at + EVERY_S, end_at=end_at + 2 * EVERY_S, every_s=EVERY_S)
    next_s, drawn = await _timed(reader, story.run_id, "five seconds later")
    story.series(curves, begin_at=end_at + 2 * EVERY_S, end_at=end_at + 3 * EVERY_S, every_s=EVERY_S)
    began = time.perf_counter()
    await asyncio.gather(*(reader.read(story.run_id) for _ in range(CROWD)))
    crowd_s = time.perf_counter() - began
    print(f"{CROWD} viewers at once: {crowd_s * 1000:.0f} ms for all")
    begin_ms = drawn.data.end_ms - 3600_000
    began = time.perf_counter()
    piece = await reader.window(story.run_id, begin_ms, drawn.data.end_ms)
    print(f"the last hour in stretches of {piece.stretch_ms / 1000:g} s: {(time.perf_counter() - began) * 1000:.0f} ms")
    print(
        f"{len(drawn.body) / 1000:.0f} kB of JSON, {len(drawn.packed) / 1000:.0f} kB packed, stretches of {drawn.data.stretch_ms / 1000:g} s"
    )
    kept = max(first_s, packed_s) <= FIRST_S and max(next_s, crowd_s / 3) <= NEXT_S and len(drawn.packed) <= LIMIT_BYTES
    return 0 if kept and drawn.data.samples >= written else 1


async def _timed(reader: ChartReader, run_id: int, what: str) -> tuple[float, Drawn]:
    began = time.perf_counter()
    drawn = await reader.read(run_id)
    took_s = time.perf_counter() - began
    print(f"{what}: {took_s * 1000:.0f} ms")
    return took_s, drawn


def _wave(place: int) -> Callable[[float], float]:
    def at(seconds: float) -> float:
        return 40 + place % 9 + 6 * math.sin(seconds / 900 + place) + math.sin(seconds * 1.7)

    return at


if __name__ == "__main__":
    raise SystemExit(main())
