"""Series: every bit kept, every peak kept, both forms read alike."""

from __future__ import annotations

import math
import random
import sys
from array import array
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vetting.domain.errors import BadInput, NotFound
from vetting.store import aging, runs, samples
from vetting.store.db import Store
from vetting.store.downsampling import buckets_of, summary
from vetting.store.packing import pack_batch, pack_block, unpack_batch, unpack_block
from vetting.store.rows import NewRun, RunRow

T0 = 1_800_000_000_000
VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64)


def bits(values: Iterable[float]) -> bytes:
    return array("d", values).tobytes()


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), VALUES), max_size=200))
def test_a_batch_keeps_every_bit(rows: list[tuple[int, int, float]]) -> None:
    numbers, offsets, values = zip(*rows, strict=True) if rows else ((), (), ())
    got = unpack_batch(pack_batch(numbers, offsets, values))
    assert (tuple(got[0]), tuple(got[1])) == (numbers, offsets)
    assert bits(got[2]) == bits(values)


@given(st.lists(st.tuples(st.integers(0, 10**9), VALUES), min_size=1, max_size=200))
def test_a_block_keeps_every_bit(rows: list[tuple[int, float]]) -> None:
    at_ms = array("q", sorted(T0 + at for at, _ in rows))
    values = array("d", [value for _, value in rows])
    got_ms, got = unpack_block(at_ms[0], pack_block(at_ms, values))
    assert got_ms == at_ms
    assert bits(got) == bits(values)


@settings(max_examples=200)
@example([(0, sys.float_info.max)] * 3 + [(0, math.nan)], 1)
@given(st.lists(st.tuples(st.integers(0, 5000), VALUES), min_size=1, max_size=300), st.integers(1, 50))
def test_no_peak_is_lost_and_no_sample_uncounted(rows: list[tuple[int, float]], buckets: int) -> None:
    rows.sort(key=lambda row: row[0])
    at_ms, values = array("q", [T0 + at for at, _ in rows]), array("d", [value for _, value in rows])
    made = buckets_of(at_ms, values, buckets)
    numbers = [value for value in values if not math.isnan(value)]
    assert len(made) <= buckets
    assert sum(one.count for one in made) == len(values)
    assert sum(one.not_numbers for one in made) == len(values) - len(numbers)
    assert max((one.high for one in made if one.high is not None), default=None) == max(numbers, default=None)
    assert min((one.low for one in made if one.low is not None), default=None) == min(numbers, default=None)
    for one in made:
        inside = [v for at, v in zip(at_ms, values, strict=True) if one.t0_ms <= at < one.t1_ms]
        assert len(inside) == one.count
        real = [value for value in inside if not math.isnan(value)]
        assert (one.low, one.high) == (min(real, default=None), max(real, default=None))
    assert all(before.t1_ms <= after.t0_ms for before, after in pairwise(made))


def test_a_summary_leaves_out_what_is_not_a_number_wherever_it_stands() -> None:
    nan, inf = math.nan, math.inf
    assert summary([nan, 2.0, 1.0]) == (1.0, 2.0, 1.5, 1)
    assert summary([2.0, 1.0, nan]) == (1.0, 2.0, 1.5, 1)
    assert summary([nan]) == (None, None, None, 1)
    assert summary([]) == (None, None, None, 0)
    assert summary([1.0, inf, -inf]) == (-inf, inf, None, 0)
    assert summary([1e308, 1e308]) == (1e308, 1e308, 1e308, 0)


def put(store: Store, run_id: int, rows: list[tuple[int, int, float]], stage: str = "Burn") -> int:
    names = ("temp.cpu", "fan.1")
    return store.write_now(lambda: samples.append_batch(run_id, stage, names, ("C", "RPM"), rows))


def test_samples_come_back_by_series_in_order_of_time(store: Store, run: RunRow) -> None:
    assert put(store, run.id, [(0, T0 + 5, 2.0), (1, T0, 900.0), (0, T0 + 1, math.nan)]) == 3
    assert put(store, run.id, [(0, T0 + 3, -0.0)]) == 1
    assert put(store, run.id, []) == 0
    points = store.read_now(lambda: samples.read_series(run.id, "temp.cpu"))
    assert list(points.at_ms) == [T0 + 1, T0 + 3, T0 + 5]
    assert bits(points.values) == bits([math.nan, -0.0, 2.0])
    window = store.read_now(lambda: samples.read_series(run.id, "temp.cpu", t0_ms=T0 + 2, t1_ms=T0 + 3))
    assert list(window.at_ms) == [T0 + 3]
    assert not store.read_now(lambda: samples.read_series(run.id, "no.such")).at_ms
    assert [(one.name, one.unit) for one in store.read_now(lambda: samples.series_of(run.id))] == [
        ("temp.cpu", "C"),
        ("fan.1", "RPM"),
    ]
    assert store.read_now(lambda: samples.sample_count(run.id)) == 4


def test_runs_do_not_mix(store: Store, run: RunRow, new_run: NewRun) -> None:
    other = store.write_now(lambda: runs.create(new_run, now=1.0))
    put(store, run.id, [(0, T0, 1.0)])
    store.write_now(lambda: samples.append_batch(other.id, "Burn", ["fan.1"], ["RPM"], [(0, T0, 2.0)]))
    assert list(store.read_now(lambda: samples.read_series(other.id, "fan.1")).values) == [2.0]
    assert not store.read_now(lambda: samples.read_series(run.id, "fan.1")).values
    assert store.write_now(lambda: aging.drop_samples(run.id)) == 1
    assert store.read_now(lambda: samples.sample_count(other.id)) == 1


def test_names_of_an_undone_batch_are_not_believed(store: Store, run: RunRow) -> None:
    def undone(name: str) -> None:
        for _ in range(2):  # the second time the name is read, and could be remembered
            samples.append_batch(run.id, "Burn", [name], ["C"], [(0, T0, 1.0)])
        raise NotFound("no")

    for name in ("a", "b"):
        with pytest.raises(NotFound):
            store.write_now(partial(undone, name))
    for number, name in enumerate(("b", "c", "a", "b", "c")):
        store.write_now(partial(samples.append_batch, run.id, "Burn", [name], ["C"], [(0, T0 + number, float(number))]))
    found = {name: list(store.read_now(partial(samples.read_series, run.id, name)).values) for name in "abc"}
    assert found == {"a": [2.0], "b": [0.0, 3.0], "c": [1.0, 4.0]}


def test_a_batch_that_makes_no_sense_is_refused_whole(store: Store, run: RunRow) -> None:
    append = samples.append_batch
    for names, units, rows in (
        (["a"], ["C"], [(1, T0, 1.0)]),
        (["a"], ["C"], [(-1, T0, 1.0)]),
        (["a", "b"], ["C"], [(0, T0, 1.0)]),
        (["a"], ["C"], [(0, T0, 1.0), (0, T0 + 2**32, 1.0)]),
        ([f"s{n}" for n in range(5000)], ["C"] * 5000, [(0, T0, 1.0)]),
    ):
        with pytest.raises(BadInput):
            store.write_now(partial(append, run.id, "x", names, units, rows))
    assert store.read_now(lambda: samples.series_of(run.id)) == []


def test_stats_of_a_stage_tell_count_range_and_the_longest_silence(store: Store, run: RunRow) -> None:
    put(store, run.id, [(0, T0 + at, float(at)) for at in (0, 5000, 10000, 40000)])
    put(store, run.id, [(0, T0 + 45000, math.nan)])
    put(store, run.id, [(0, T0 + 50000, 999.0)], stage="PSU")
    found = store.read_now(lambda: samples.stats(run.id, stage="Burn"))
    assert set(found) == {"temp.cpu"}, "a series that never came is not in it"
    cpu = found["temp.cpu"]
    assert (cpu.count, cpu.not_numbers, cpu.low, cpu.high) == (5, 1, 0.0, 40000.0)
    assert (cpu.first_ms, cpu.last_ms, cpu.longest_gap_ms, cpu.unit) == (T0, T0 + 45000, 30000, "C")
    window = store.read_now(lambda: samples.stats(run.id, t0_ms=T0 + 5000, t1_ms=T0 + 10000))
    assert (window["temp.cpu"].count, window["temp.cpu"].mean) == (2, 7500.0)


@pytest.mark.parametrize("compacted", ["none", "half", "all"])
def test_batches_and_blocks_read_alike(store: Store, run: RunRow, compacted: str) -> None:
    chance = random.Random(7)
    truth: dict[int, list[tuple[int, float]]] = {0: [], 1: []}
    for batch in range(60):
        rows = [
            (chance.randrange(2), T0 + batch * 1000 + chance.randrange(1500), chance.gauss(50, 9)) for _ in range(9)
        ]
        for number, at_ms, value in rows:
            truth[number].append((at_ms, value))
        put(store, run.id, rows, stage="Burn" if batch < 40 else "PSU")
    before_ms = {"none": T0, "half": T0 + 30_000, "all": T0 + 10**6}[compacted]
    moved = 0
    while count := store.write_now(lambda: aging.compact(run.id, before_ms=before_ms, at_most=7)):
        moved += count
    assert {"none": moved == 0, "half": 20 < moved < 40, "all": moved == 60}[compacted]
    for number, name in enumerate(("temp.cpu", "fan.1")):
        points = store.read_now(partial(samples.read_series, run.id, name))
        assert sorted(zip(points.at_ms, points.values, strict=True)) == sorted(truth[number])
        assert list(points.at_ms) == sorted(points.at_ms)
        window = [value for at_ms, value in truth[number] if T0 + 10_000 <= at_ms <= T0 + 20_000]
        got = store.read_now(partial(samples.read_series, run.id, name, t0_ms=T0 + 10_000, t1_ms=T0 + 20_000))
        assert sorted(got.values) == sorted(window)
    stats = store.read_now(lambda: samples.stats(run.id, stage="PSU"))
    assert sum(one.count for one in stats.values()) == 20 * 9


def test_who_has_read_so_far_gets_what_came_since_late_samples_too(store: Store, run: RunRow, new_run: NewRun) -> None:
    put(store, run.id, [(0, T0 + 5000, 1.0), (1, T0 + 5000, 2.0)])
    first, mark = store.read_now(lambda: samples.everything(run.id))
    assert {number: list(points.values) for number, points in first.items()} == {0: [1.0], 1: [2.0]}
    other = store.write_now(lambda: runs.create(new_run, now=1.0))
    put(store, other.id, [(0, T0, 99.0)])
    put(store, run.id, [(0, T0 + 9000, 4.0), (0, T0 + 1000, 3.0)])
    fresh = store.read_now(lambda: samples.arrived(run.id, mark))
    assert fresh is not None and list(fresh[0][0].values) == [3.0, 4.0] and set(fresh[0]) == {0}
    assert store.read_now(lambda: samples.arrived(run.id, fresh[1])) == ({}, fresh[1])
    store.write_now(lambda: aging.compact(run.id, before_ms=T0 * 2))
    assert store.read_now(lambda: samples.arrived(run.id, fresh[1])) is None
    assert sum(len(one.values) for one in store.read_now(lambda: samples.everything(run.id))[0].values()) == 4


def test_all_series_are_downsampled_on_one_axis(store: Store, run: RunRow) -> None:
    put(store, run.id, [(0, T0 + n * 10, float(n)) for n in range(1000)])
    put(store, run.id, [(1, T0 + 4000 + n * 10, 7.0) for n in range(10)])
    charts = store.read_now(lambda: samples.downsample_all(run.id, 100))
    assert len(charts["temp.cpu"]) == 100
    assert max(one.high or 0 for one in charts["temp.cpu"]) == 999.0
    starts = {one.t0_ms for one in charts["temp.cpu"]}
    assert {one.t0_ms for one in charts["fan.1"]} <= starts
    single = store.read_now(lambda: samples.downsample(run.id, "temp.cpu", 100))
    assert single == charts["temp.cpu"]
    assert store.read_now(lambda: samples.downsample(run.id, "temp.cpu", 0)) == []
    assert store.read_now(lambda: samples.downsample_all(run.id + 1, 10)) == {}


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5000), VALUES), min_size=1, max_size=200), st.integers(1, 2000))
def test_thinning_keeps_low_high_and_one_that_is_no_number_of_each_stretch(
    rows: list[tuple[int, float]], every_ms: int
) -> None:
    rows.sort(key=lambda row: row[0])
    at_ms, values = array("q", [at for at, _ in rows]), array("d", [value for _, value in rows])
    kept = aging._kept(at_ms, values, every_ms)

    def by_stretch(places: Iterable[int]) -> dict[int, tuple[float | None, float | None, bool]]:
        stretches: dict[int, list[float]] = {}
        for at in places:
            stretches.setdefault(at_ms[at] // every_ms, []).append(values[at])
        told = {stretch: summary(inside) for stretch, inside in stretches.items()}
        return {stretch: (low, high, odd > 0) for stretch, (low, high, _mean, odd) in told.items()}

    assert by_stretch(kept) == by_stretch(range(len(values)))
    assert len(kept) <= 3 * len(by_stretch(kept))
    assert kept == sorted(set(kept))


def test_old_blocks_are_thinned_once_and_young_ones_stay(store: Store, run: RunRow) -> None:
    for minute in range(4):
        put(store, run.id, [(0, T0 + minute * 60_000 + n * 500, float(n)) for n in range(100)])
        store.write_now(lambda: aging.compact(run.id, before_ms=T0 * 2))

    def thin_all() -> int:
        last, steps = 0, 0
        while last := aging.thin(run.id, before_ms=T0 + 120_000, every_ms=60_000, at_most=1, after_id=last):
            steps += 1
        return steps

    assert [store.write_now(thin_all) for _ in range(2)] == [2, 2]
    points = store.read_now(lambda: samples.read_series(run.id, "temp.cpu"))
    assert list(points.values[:4]) == [0.0, 99.0, 0.0, 99.0]
    assert len(points.values) == 4 + 200
    young = store.read_now(lambda: samples.stats(run.id, t0_ms=T0 + 120_000))["temp.cpu"]
    assert (young.count, young.high) == (200, 99.0)
