"""How long the report of a long soak takes, and how large it is: 1.5 million samples, written by the store's own writers."""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fakes import records
from vetting.orchestrator import gathering
from vetting.report import html, json
from vetting.store import Store, aging

SERIES = 60
EVERY_S = 5.0
SAMPLES = 1_500_000
LIMIT_S = 5.0  # under one second where nobody else uses the machine
LIMIT_BYTES = 3_000_000
SPIKE = 117.5


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vetting-bench-") as folder:
        store = Store.open(Path(folder) / "vetting.db")
        try:
            return _measure(store)
        finally:
            store.close()


def _measure(store: Store) -> int:
    story = records.up_to_cpu(records.Story(store))
    lasts_s = SAMPLES / SERIES * EVERY_S
    curves: dict[str, tuple[str, Callable[[float], float]]] = {}
    for place in range(SERIES):
        family, unit = (("temp", "C"), ("power", "W"), ("fan", "RPM"), ("net", "MB/s"))[place % 4]
        curves[f"{family}.chip{place}.value"] = (unit, _wave(place, lasts_s / 2 // EVERY_S * EVERY_S))
    began = time.perf_counter()
    written = story.series(curves, begin_at=story.now, end_at=story.now + lasts_s, every_s=EVERY_S)
    wrote_s = time.perf_counter() - began
    print(f"{written} samples of {SERIES} series over {lasts_s / 3600:.1f} h, written in {wrote_s:.1f} s")
    fresh_s = _once(store, story, "as they arrived")
    while store.write_now(lambda: aging.compact(story.run_id, before_ms=2**53)):
        pass
    packed_s = _once(store, story, "compacted")
    report = store.read_now(lambda: gathering.gather(story.run_id))
    page, data = html.render(report), json.render(report)
    seen = f"{SPIKE:g}" in page
    assert report.curves is not None
    whole = report.curves.samples == written == SAMPLES
    print(
        f"report.html {len(page.encode()) / 1e6:.2f} MB, report.json {len(data) / 1e6:.2f} MB, spike shown: {seen}, every sample counted: {whole}"
    )
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    kept = max(fresh_s, packed_s) <= LIMIT_S and max(len(page.encode()), len(data)) < LIMIT_BYTES and seen and whole
    return 0 if kept else 1


def _once(store: Store, story: records.Story, how: str) -> float:
    began = time.perf_counter()
    report = store.read_now(lambda: gathering.gather(story.run_id))
    gathered_s = time.perf_counter() - began
    html.render(report)
    json.render(report)
    total_s = time.perf_counter() - began
    print(
        f"{how}: gathered in {gathered_s:.1f} s, rendered both in {total_s - gathered_s:.1f} s, {total_s:.1f} s in all"
    )
    return total_s


def _wave(place: int, spike_s: float) -> Callable[[float], float]:
    def at(seconds: float) -> float:
        if place == 0 and seconds == spike_s:
            return SPIKE
        return 40 + place % 9 + 6 * math.sin(seconds / 900 + place) + math.sin(seconds * 1.7)

    return at


if __name__ == "__main__":
    raise SystemExit(main())
