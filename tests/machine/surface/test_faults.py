"""Ten kinds of lying disk, six seeds each: what one cycle catches, and that two cycles catch all."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.surface.lying_disks import LIARS, MIB, Disk
from vetting.surface.device import OpenDisk
from vetting.surface.engine import Ending, Scan, Standing, phases_of
from vetting.surface.plan import Plan

pytestmark = pytest.mark.machine
SIZE = 64 * MIB
SEEDS = 6


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OpenDisk]:
    shared = Path("/dev/shm")
    path = (shared if os.access(shared, os.W_OK) else tmp_path) / f"vetting-liar-{os.getpid()}.img"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    path.unlink()
    os.truncate(fd, SIZE)
    yield OpenDisk(fd, SIZE, 512, direct=False)
    os.close(fd)


def scanned(disk: Disk, seed: int, cycles: int) -> tuple[Ending, Scan]:
    scan = Scan(
        device=disk,
        plan=Plan(SIZE),
        phases=phases_of(cycles=cycles, read_only=False),
        salt=random.Random(seed).randbytes(16),
        threads=2,
        standing=Standing(),
    )
    return scan.run(), scan


def caught(file: OpenDisk, kind: str, cycles: int) -> int:
    hits = 0
    for seed in range(SEEDS):
        os.truncate(file.fd, 0)
        os.truncate(file.fd, SIZE)
        ending, scan = scanned(LIARS[kind](file, SIZE, random.Random(f"{kind} {seed}")), seed, cycles)
        listed = scan.standing.faults.listed
        assert (ending.outcome == "bad") == bool(listed), ending
        hits += ending.outcome == "bad"
    return hits


def test_an_honest_disk_is_clean_in_two_cycles(file: OpenDisk) -> None:
    ending, scan = scanned(Disk(file, SIZE, random.Random(1)), 1, cycles=2)

    assert ending == Ending("clean")
    assert [tally.ok_bytes for tally in scan.standing.tallies] == [SIZE] * 4


@pytest.mark.parametrize("kind", LIARS)
def test_two_cycles_catch_every_kind_of_lying_disk(file: OpenDisk, kind: str) -> None:
    assert caught(file, kind, cycles=2) == SEEDS


@pytest.mark.parametrize("kind", LIARS)
def test_one_cycle_misses_nothing_but_stuck_bits_that_happened_to_fit(file: OpenDisk, kind: str) -> None:
    hits = caught(file, kind, cycles=1)

    print(f"{kind}: {hits} of {SEEDS}")
    assert hits >= (1 if kind.startswith("stuck") else SEEDS)


def test_a_verdict_names_the_block_that_a_wrapped_disk_returned(file: OpenDisk) -> None:
    ending, scan = scanned(LIARS["half-size wrap"](file, SIZE, random.Random(3)), 3, cycles=1)

    first = scan.standing.faults.listed[0]
    assert ending.outcome == "bad"
    assert (first.kind, first.offset, first.length) == ("misplaced", 0, SIZE // 2)
    assert f"{SIZE // 2:+d} bytes away" in first.detail
