"""The highest of each series, whether its samples lie as they came or packed away; what is not a number is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import records
from vetting.store import Store, aging, peaks, samples

NAMES = ("temp.a", "temp.b", "temp.mute", "fan.c")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "vetting.db")
    yield store
    store.close()


def test_the_highest_is_found_before_between_and_after_packing(store: Store) -> None:
    run_id = records.Story(store).order().run_id

    def put(at_ms: int, *values: float) -> None:
        rows = [(place, at_ms, value) for place, value in enumerate(values)]
        store.write_now(lambda: samples.append_batch(run_id, "CPUStress", NAMES, ("C", "C", "C", "RPM"), rows))

    def highest() -> dict[str, float]:
        return store.read_now(lambda: peaks.highest(run_id, "temp."))

    assert highest() == {}
    put(1000, 40.0, -5.0, math.nan, 9000.0)
    put(2000, 71.5, math.nan, math.inf, 9000.0)
    put(3000, math.nan, -7.0, -math.inf, 9000.0)
    assert highest() == {"temp.a": 71.5, "temp.b": -5.0}
    store.write_now(lambda: aging.compact(run_id, before_ms=10**15))
    assert highest() == {"temp.a": 71.5, "temp.b": -5.0}
    put(4000, 80.0, -6.0, 1.0, 9000.0)
    assert highest() == {"temp.a": 80.0, "temp.b": -5.0, "temp.mute": 1.0}
