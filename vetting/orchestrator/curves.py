"""A run's live series as the report draws them: some hundred stretches each, with low, high and mean."""

from __future__ import annotations

from collections.abc import Sequence

from vetting.report.model import Curve, Curves, Point
from vetting.report.text import finite
from vetting.store import samples
from vetting.store.rows import Bucket

STRETCHES = 360  # about what a chart is wide
STRETCHES_IN_ALL = 36_000  # so that a host with many sensors cannot swell the report
FEWEST = 10


def curves_of(run_id: int) -> Curves | None:
    """Inside `Store.read`. None where nothing ever arrived."""
    series = samples.series_of(run_id)
    if not series:
        return None
    stretches = max(FEWEST, min(STRETCHES, STRETCHES_IN_ALL // len(series)))
    units = {one.name: one.unit for one in series}
    found = samples.downsample_all(run_id, stretches)
    filled = {name: buckets for name, buckets in found.items() if buckets}
    if not filled:
        return None
    begin_ms = min(buckets[0].t0_ms for buckets in filled.values())
    end_ms = max(buckets[-1].t1_ms for buckets in filled.values())
    one = next(iter(filled.values()))[0]
    return Curves(
        begin_at=begin_ms / 1000,
        end_at=end_ms / 1000,
        stretch_s=(one.t1_ms - one.t0_ms) / 1000,
        series=tuple(_curve(name, units.get(name, ""), buckets, begin_ms) for name, buckets in filled.items()),
    )


def _curve(name: str, unit: str, buckets: Sequence[Bucket], begin_ms: int) -> Curve:
    lows = [value for bucket in buckets if (value := finite(bucket.low)) is not None]
    highs = [value for bucket in buckets if (value := finite(bucket.high)) is not None]
    heard = [(bucket.mean, bucket.count - bucket.not_numbers) for bucket in buckets if finite(bucket.mean) is not None]
    weight = sum(count for _, count in heard)
    return Curve(
        name=name,
        unit=unit,
        samples=sum(bucket.count for bucket in buckets),
        not_numbers=sum(bucket.not_numbers for bucket in buckets),
        low=min(lows, default=None),
        high=max(highs, default=None),
        mean=_short(sum((mean or 0.0) * count for mean, count in heard) / weight) if weight else None,
        first_at=buckets[0].t0_ms / 1000,
        last_at=buckets[-1].t1_ms / 1000,
        points=tuple(_point(bucket, begin_ms) for bucket in buckets),
    )


def _point(bucket: Bucket, begin_ms: int) -> Point:
    return (bucket.t0_ms - begin_ms, _short(bucket.low), _short(bucket.high), _short(bucket.mean))


def _short(value: float | None) -> float | None:
    """Seven figures: what a sensor of 24 bits can say, and a third of the file's size."""
    number = finite(value)
    return None if number is None else float(f"{number:.7g}")
