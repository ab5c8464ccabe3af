"""The bench that compares testers stands on disks that really lie, and on one that does not: a sample of it, so that it stays true."""

from __future__ import annotations

import os

import pytest

from tests.bench.bench_surface_catch import HONEST, TESTERS, kept, table
from tests.bench.lying_fuse import lying
from tests.machine.surface.lying_disks import LIARS

pytestmark = pytest.mark.machine
MIB = 1024 * 1024
OURS, THEIRS = "own scan, one cycle", "badblocks -w -t random -b4096 -c256"


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"), [(HONEST, False, False), ("bit flip", True, True), ("16 MiB wrap", True, False)]
)
def test_a_lying_disk_is_caught_by_whom_it_should(kind: str, ours: bool, theirs: bool) -> None:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and /dev/fuse")
    found = []
    for tester in (OURS, THEIRS):
        with lying(kind, seed=1, size_bytes=20 * MIB) as device:
            found.append(TESTERS[tester](device, 20 * MIB, 1))
    assert found == [ours, theirs]


def test_a_table_in_which_anybody_accuses_the_honest_or_two_cycles_miss_one_keeps_no_promise() -> None:
    good = {name: {**dict.fromkeys(LIARS, 6), HONEST: 0} for name in TESTERS}
    assert kept(good, 6) and len(table(good)) == 2 + len(TESTERS)
    for name, kind, value in (
        (THEIRS, HONEST, 1),
        ("own scan, data and complement", "stuck 0", 5),
        (OURS, "swapped", 5),
    ):
        assert not kept({**good, name: {**good[name], kind: value}}, 6)
    assert kept({**good, OURS: {**good[OURS], "stuck 1": 0}}, 6)
