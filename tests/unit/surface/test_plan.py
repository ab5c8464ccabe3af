"""Which bytes a scan covers: all of them to the last, or an honest sample."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.surface.pattern import CHUNK_BYTES
from vetting.surface.plan import Plan

TIB = 1 << 40


@pytest.mark.parametrize(
    "size", [512, 4096, CHUNK_BYTES - 512, CHUNK_BYTES, CHUNK_BYTES + 512, 5 * CHUNK_BYTES + 4096 + 1536]
)
def test_a_whole_disk_is_covered_without_gap_to_its_last_byte(size: int) -> None:
    plan = Plan(size)
    end = 0
    for position in range(len(plan)):
        offset, length = plan.stretch(position)
        assert offset == end and 0 < length <= CHUNK_BYTES
        end = offset + length

    assert end == size == plan.bytes_promised
    assert plan.whole


def test_a_disk_of_22_terabytes_is_a_range_and_not_a_list() -> None:
    plan = Plan(22 * 10**12 + 512)

    assert isinstance(plan.chunks, range)
    assert plan.bytes_promised == 22 * 10**12 + 512
    assert plan.stretch(len(plan) - 1)[0] + plan.stretch(len(plan) - 1)[1] == 22 * 10**12 + 512


@given(
    size=st.integers(1, 4000 * CHUNK_BYTES).map(lambda n: n // 512 * 512 + 512),
    sample=st.integers(1, 2000 * CHUNK_BYTES),
    seed=st.binary(max_size=16),
)
def test_a_sample_holds_the_first_and_the_last_byte_no_chunk_twice_and_counts_what_it_covers(
    size: int, sample: int, seed: bytes
) -> None:
    plan = Plan(size, sample, seed)
    stretches = [plan.stretch(position) for position in range(len(plan))]

    assert stretches[0][0] == 0
    assert sum(stretches[-1]) == size
    assert all(one[0] + one[1] <= two[0] for one, two in pairwise(stretches))
    assert sum(length for _, length in stretches) == plan.bytes_promised <= size
    assert plan.bytes_promised >= min(sample, size) - CHUNK_BYTES


def test_a_sample_is_spread_over_the_disk_and_lies_elsewhere_with_another_seed() -> None:
    one, two = Plan(20 * TIB, 4 << 30, b"one"), Plan(20 * TIB, 4 << 30, b"two")
    tenths = {position * 10 // (20 * TIB) for position, _ in map(one.stretch, range(len(one)))}

    assert tenths == set(range(10))
    assert one.bytes_promised == 4 << 30
    assert set(one.chunks) != set(two.chunks)
    assert list(one.chunks) == list(Plan(20 * TIB, 4 << 30, b"one").chunks)


def test_a_sample_as_large_as_the_disk_is_the_whole_disk() -> None:
    assert Plan(10 * CHUNK_BYTES, 10 * CHUNK_BYTES).whole
    assert Plan(10 * CHUNK_BYTES, 99 * CHUNK_BYTES).bytes_promised == 10 * CHUNK_BYTES


def test_a_disk_without_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="without bytes"):
        Plan(0)
