"""Disks of 30 TB and odd ends: every figure of plan, checkpoint and report, without a disk of that size."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.surface.memory_disk import MIB, SALT
from vetting.surface import checkpoint
from vetting.surface.checkpoint import MAX_BYTES, Binding, Saved
from vetting.surface.engine import Scan, Standing, phases_of, standing_from
from vetting.surface.faults import MAX_LISTED, Fault
from vetting.surface.ledger import FaultList, Tally
from vetting.surface.pattern import BLOCK_BYTES, Pattern
from vetting.surface.plan import Plan
from vetting.surface.words import told_scan

TB = 10**12
HUGE = (
    30 * TB,
    30 * TB + 512,
    24_000_277_250_048,
    2**44 + BLOCK_BYTES,
    2**50,
)  # 17.59 TB is where 32 bits of 4 KiB end


@dataclass
class Endless:
    """Holds what the scan's pattern says, wherever it is read; takes every write and remembers where."""

    size_bytes: int
    complement: bool = False
    written: list[tuple[int, int]] = field(default_factory=list)

    def write(self, data: memoryview, offset: int) -> int:
        assert offset + len(data) <= self.size_bytes
        self.written.append((offset, len(data)))
        return len(data)

    def read(self, into: memoryview, offset: int) -> int:
        assert offset + len(into) <= self.size_bytes
        into[:] = Pattern(SALT, complement=self.complement).expected(offset // BLOCK_BYTES, len(into))
        return len(into)

    def flush(self) -> None: ...

    def gone(self) -> bool:
        return False


def almost_done(plan: Plan, left: int) -> Standing:
    """As a checkpoint says it when so many chunks are left of each pass."""
    standing = Standing(sessions=1, seq=4000)
    for _ in range(2):
        mark = len(plan) - left
        done = sum(plan.stretch(position)[1] for position in (0, mark - 1)) // 2 * mark
        zones = [done // 64] * 63 + [done - done // 64 * 63]
        standing.tallies.append(
            Tally(mark=mark, ok_bytes=done, seconds=200_000.123456, bucket_bytes=zones, bucket_seconds=[3125.123456] * 64,
                  bucket_slowest_s=[0.123456] * 64)
        )  # fmt: skip
    return standing


@pytest.mark.parametrize("size", HUGE)
def test_the_plan_of_a_huge_disk_ends_with_its_last_sector(size: int) -> None:
    plan = Plan(size)
    offset, length = plan.stretch(len(plan) - 1)
    assert offset + length == plan.bytes_promised == size
    assert 0 < length <= MIB and offset % MIB == 0
    assert plan.stretch(len(plan) * 7 // 10) == (len(plan) * 7 // 10 * MIB, MIB)


@pytest.mark.parametrize("size", HUGE)
def test_a_scan_of_a_huge_disk_that_is_gone_on_from_ends_with_every_byte_counted_once(size: int) -> None:
    plan, disk = Plan(size), Endless(size)
    standing = almost_done(plan, left=3)
    rows: list[dict[str, object]] = []
    scan = Scan(
        device=disk, plan=plan, phases=phases_of(cycles=1, read_only=False), salt=SALT, threads=2, standing=standing,
        keep=lambda row: rows.append(json.loads(json.dumps(row))),
    )  # fmt: skip
    scan.resume("boot")
    assert scan.run().outcome == "clean"
    assert sorted(disk.written) == [plan.stretch(position) for position in range(len(plan) - 3, len(plan))]
    assert [tally.ok_bytes for tally in scan.standing.tallies] == [size, size]
    told = told_scan(scan)
    assert told["bytes_verified"] == told["bytes_promised"] == size
    assert told["resumes"] == [
        {
            "phase": "write",
            "cycle": 1,
            "at_byte": (len(plan) - 3) * MIB,
            "done_bytes": 2 * (len(plan) - 3) * MIB,
            "after": "boot",
        }
    ]
    assert standing_from(rows[-1]).tallies[1].ok_bytes == size
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})  # type: ignore[type-var]


@pytest.mark.parametrize("block", [2**32 - 1, 2**32, 2**33 + 1, 30 * TB // BLOCK_BYTES])
def test_a_block_beyond_32_bits_is_unlike_the_one_that_a_wrapped_number_would_name(block: int) -> None:
    for complement in (False, True):
        pattern = Pattern(SALT, complement=complement)
        here = bytes(pattern.expected(block, BLOCK_BYTES))
        for other in (block % 2**32, block % 2**31, block - 1031, block + 1031):
            if other != block:
                assert here != bytes(pattern.expected(other, BLOCK_BYTES))


def test_the_checkpoint_of_the_largest_disk_in_its_worst_state_is_small_enough_to_be_carried(tmp_path: Path) -> None:
    size = 2**50
    standing = almost_done(Plan(size), left=1)
    standing.tallies *= 2
    long = "holds block 1125899906842623, which is -1125899906842624 bytes away; read again differently"
    standing.faults = FaultList(
        [Fault("verify", 2, size - n * MIB, MIB, "misplaced", long) for n in range(MAX_LISTED)], 9999
    )
    kept: list[dict[str, object]] = []
    scan = Scan(
        device=Endless(size), plan=Plan(size), phases=phases_of(cycles=2, read_only=False), salt=SALT, threads=1,
        standing=standing, keep=lambda row: kept.append(dict(row)),
    )  # fmt: skip
    for _ in range(60):
        scan.resume("process")
    scan.checkpoint()
    binding = Binding(
        serial="S" * 40, wwn="0x" + "5" * 32, size_bytes=size, run_id=9**9, cycles=2, sample_bytes=0, read_only=False
    )
    saved = Saved(salt=SALT, heads="/run/" + "x" * 200, heads_sha256="ab" * 32, standing=kept[-1])
    checkpoint.save(tmp_path / "c", binding, saved)
    assert (tmp_path / "c").stat().st_size < MAX_BYTES * 3 // 4
    assert checkpoint.load(tmp_path / "c", binding) == saved
