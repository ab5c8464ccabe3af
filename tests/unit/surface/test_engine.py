"""The scan's order, its honesty about short and failed requests, and how it stops and goes on."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from tests.unit.surface.memory_disk import MIB, SALT, MemoryDisk, eio, scan_of
from vetting.surface.engine import Ending, standing_from
from vetting.surface.pattern import BLOCK_BYTES, Pattern

ODD = 5 * MIB + 3 * BLOCK_BYTES + 512


def ok_bytes(scan: Any) -> list[int]:
    return [tally.ok_bytes for tally in scan.standing.tallies]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [512, BLOCK_BYTES, MIB, ODD])
def test_a_good_disk_is_written_and_verified_to_its_last_byte(size: int, threads: int) -> None:
    disk = MemoryDisk(size)
    scan = scan_of(disk, threads=threads)

    assert scan.run() == Ending("clean")
    assert ok_bytes(scan) == [size, size]
    pattern = Pattern(SALT)
    for at in range(0, size, MIB):
        assert disk.data[at : at + MIB] == pattern.expected(at // BLOCK_BYTES, min(MIB, size - at))


def test_everything_is_written_and_flushed_before_anything_is_read() -> None:
    disk = MemoryDisk(ODD)
    scan_of(disk, cycles=2, threads=2).run()

    kinds = [kind for kind, _, _ in disk.requests]
    changes = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    assert changes == ["write", "flush", "read", "write", "flush", "read"]


def test_the_second_cycle_leaves_the_complement() -> None:
    disk = MemoryDisk(MIB)
    assert scan_of(disk, cycles=2).run() == Ending("clean")
    assert disk.data == Pattern(SALT, complement=True).expected(0, MIB)


def test_one_sector_that_cannot_be_written_costs_one_block_in_each_phase() -> None:
    bad = 3 * MIB + 7 * BLOCK_BYTES

    def trouble(kind: str, offset: int, length: int) -> int | None:
        if kind != "flush" and offset <= bad < offset + length:
            raise eio()
        return None

    scan = scan_of(MemoryDisk(ODD, trouble))

    assert scan.run() == Ending("bad", "2 bad blocks")
    assert ok_bytes(scan) == [ODD - BLOCK_BYTES] * 2
    assert [(f.phase, f.offset, f.length, f.kind) for f in scan.standing.faults.listed] == [
        ("write", bad, BLOCK_BYTES, "io-error"),
        ("verify", bad, BLOCK_BYTES, "io-error"),
    ]
    assert scan.standing.faults.listed[0].detail.startswith("EIO")


def test_a_request_that_moves_less_than_asked_is_never_taken_for_whole() -> None:
    disk = MemoryDisk(MIB, lambda kind, offset, length: length // 2 if kind == "write" else None)
    scan = scan_of(disk)

    assert scan.run().outcome == "bad"
    assert ok_bytes(scan)[0] == 0
    assert {fault.kind for fault in scan.standing.faults.listed if fault.phase == "write"} == {"short"}


def test_a_read_that_moves_nothing_is_not_verified_by_what_the_buffer_still_holds() -> None:
    disk = MemoryDisk(2 * MIB, lambda kind, offset, length: 0 if kind == "read" else None)
    scan = scan_of(disk)

    assert scan.run().outcome == "bad"
    assert ok_bytes(scan) == [2 * MIB, 0]
    assert scan.standing.faults.bad_blocks == 512


def test_a_read_that_claims_bytes_it_did_not_bring_is_bad() -> None:
    class Lazy(MemoryDisk):
        def read(self, into: memoryview, offset: int) -> int:
            return len(into) if offset >= MIB else super().read(into, offset)

    scan = scan_of(Lazy(2 * MIB))

    assert scan.run().outcome == "bad"
    assert ok_bytes(scan) == [2 * MIB, MIB]


def test_a_bit_that_differs_is_told_with_its_byte_and_whether_the_disk_insists() -> None:
    disk = MemoryDisk(MIB)
    scan = scan_of(disk)
    disk.trouble = lambda kind, *_: disk.data.__setitem__(70_000, disk.data[70_000] ^ 4) if kind == "flush" else None

    assert scan.run().outcome == "bad"
    (fault,) = scan.standing.faults.listed
    assert (fault.kind, fault.offset, fault.blocks) == ("bits", 70_000 // 4096 * 4096, 1)
    assert f"byte {70_000 % 4096}" in fault.detail and "read again the same" in fault.detail


def test_a_disk_full_of_errors_is_given_up_and_its_list_stays_short() -> None:
    def trouble(kind: str, offset: int, length: int) -> int | None:
        if kind == "write" and (length > BLOCK_BYTES or offset // BLOCK_BYTES % 2):
            raise eio()
        return None

    disk = MemoryDisk(64 * MIB, trouble)
    scan = scan_of(disk)
    scan.max_bad_blocks = 1000

    assert scan.run() == Ending("bad", "gave up after 1024 bad blocks")
    assert len(scan.standing.faults.listed) == 100
    assert scan.standing.faults.bad_blocks == 1024
    assert max(offset for _, offset, _ in disk.requests) < 9 * MIB


def test_a_disk_that_leaves_is_vanished_and_no_pass() -> None:
    disk = MemoryDisk(8 * MIB)

    def trouble(kind: str, offset: int, length: int) -> int | None:
        if kind == "read" and offset == 3 * MIB:
            disk.left = True
        if disk.left:
            raise eio(errno.ENODEV)
        return None

    disk.trouble = trouble
    scan = scan_of(disk)

    assert scan.run() == Ending("vanished", f"the disk vanished during the request at byte {3 * MIB}")
    assert ok_bytes(scan) == [8 * MIB, 3 * MIB]


def test_an_error_of_our_own_accuses_no_disk() -> None:
    def trouble(*_: object) -> int | None:
        raise eio(errno.EINVAL)

    with pytest.raises(OSError, match="Invalid argument"):
        scan_of(MemoryDisk(2 * MIB, trouble)).run()


def test_a_disk_that_cannot_flush_has_failed() -> None:
    def trouble(kind: str, offset: int, length: int) -> int | None:
        if kind == "flush":
            raise eio()
        return None

    scan = scan_of(MemoryDisk(MIB, trouble))

    assert scan.run() == Ending("bad", "1 bad blocks")
    assert scan.standing.faults.listed[0].kind == "flush-error"


def test_reading_alone_writes_nothing_and_counts_what_it_could_not_read() -> None:
    def trouble(kind: str, offset: int, length: int) -> int | None:
        if offset <= 2 * MIB < offset + length:
            raise eio(errno.ENODATA)
        return None

    disk = MemoryDisk(4 * MIB, trouble)
    scan = scan_of(disk, read_only=True)

    assert scan.run().outcome == "bad"
    assert ok_bytes(scan) == [4 * MIB - BLOCK_BYTES]
    assert {kind for kind, _, _ in disk.requests} == {"read"}


@pytest.mark.parametrize("stop_at", [0, 1, 3, 5, 6, 9])
def test_a_stopped_scan_goes_on_where_it_was_and_ends_with_every_byte_counted_once(stop_at: int) -> None:
    disk = MemoryDisk(5 * MIB)
    kept: list[str] = []
    seen = {"requests": 0}

    def trouble(*_: object) -> None:
        seen["requests"] += 1

    disk.trouble = trouble
    first = scan_of(disk)
    first.stop = lambda: "enough" if seen["requests"] >= stop_at else ""
    first.keep = lambda row: kept.append(json.dumps(row))
    first.checkpoint_bytes = MIB
    assert first.run() == Ending("stopped", "enough")

    second = scan_of(disk)
    second.standing = standing_from(json.loads(kept[-1]))
    already = sum(ok_bytes(second))
    before = len(disk.requests)

    assert second.run() == Ending("clean")
    assert ok_bytes(second) == [5 * MIB, 5 * MIB]
    moved = sum(length for kind, _, length in disk.requests[before:] if kind != "flush")
    assert moved == 10 * MIB - already


def test_a_checkpoint_claims_only_what_was_flushed_to_the_medium() -> None:
    disk = MemoryDisk(64 * MIB)
    claims: list[tuple[int, int]] = []  # MiB claimed as written, MiB written before the last flush

    def keep(row: dict[str, Any]) -> None:
        flushed = len(disk.requests) - 1 - [kind for kind, _, _ in disk.requests][::-1].index("flush")
        written = sum(length for kind, _, length in disk.requests[:flushed] if kind == "write")
        claims.append((row["tallies"][0]["mark"], written // MIB))

    scan = scan_of(disk)
    scan.checkpoint_bytes = MIB
    scan.keep = keep
    scan.run()

    assert len(claims) > 2
    assert claims[-1] == (64, 64)
    assert all(claimed <= written for claimed, written in claims)


def test_the_profile_adds_up_to_the_bytes_and_the_time() -> None:
    scan = scan_of(MemoryDisk(ODD))
    scan.run()

    for tally in scan.standing.tallies:
        assert sum(tally.bucket_bytes) == ODD
        assert sum(tally.bucket_seconds) == pytest.approx(tally.seconds)
        assert max(tally.bucket_slowest_s) == tally.slowest_s > 0
