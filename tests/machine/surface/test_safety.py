"""The disk-safety lines on real loop devices: what is refused stays as it was, byte for byte."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine.surface.loops import MIB, Bench, Said, Scratch, tool
from vetting.domain.permit import Permit
from vetting.domain.seal import new_key, sign

pytestmark = pytest.mark.machine


def refused(bench: Bench, disk: Scratch, permit: Permit | str | None, *more: str, line: str, at: str = "") -> Said:
    """A scan that must end at one line with nothing changed anywhere on the disk."""
    before = disk.digest()
    said = bench.run("scan", at or disk.device, permit, *more)

    assert said.code == 2, said
    assert said.lines == {line}, said.report.reason
    assert said.report.bytes_written == 0 and not said.report.clean
    assert disk.digest() == before
    return said


def test_a_permitted_scratch_disk_is_scanned_whole_and_clean(bench: Bench, scratch: Scratch) -> None:
    said = bench.run("scan", scratch.device, bench.permit(scratch), "--cycles", "2")

    assert said.code == 0, said
    report = said.report
    assert report.clean and report.covered_bytes == 64 * MIB and report.bytes_verified == 2 * 64 * MIB
    assert report.disk and report.disk.serial == f"loop:{scratch.uuid}"
    assert report.found == "blank" and report.direct
    assert Path(report.heads).stat().st_size > 8 * MIB


def test_a_scratch_file_without_a_loop_device_is_scanned_to_its_odd_end(bench: Bench) -> None:
    with bench.scratch(9 * MIB + 4096 + 700, loop=False) as disk:
        said = bench.run("scan", disk.file, bench.permit(disk))

        assert said.code == 0, said
        assert said.report.clean and said.report.bytes_verified == 9 * MIB + 4096 + 700
        assert said.report.direct is False


def test_a_disk_with_4096_byte_sectors_is_scanned_to_its_end(bench: Bench) -> None:
    with bench.scratch(33 * MIB + 4096, loop=False) as disk:
        disk.attach("--sector-size", "4096")
        said = bench.run("scan", disk.device, bench.permit(disk))

        assert said.code == 0, said
        assert said.report.clean and said.report.bytes_verified == 33 * MIB + 4096
        assert said.row["disk"]["logical_block_bytes"] == 4096


def test_a_disk_that_ends_within_a_block_is_scanned_to_its_last_sector(bench: Bench) -> None:
    with bench.scratch(10 * MIB + 4096 + 3 * 512) as disk:
        said = bench.run("scan", disk.device, bench.permit(disk))

        assert said.code == 0 and said.report.clean and said.report.direct
        assert said.report.bytes_verified == 10 * MIB + 4096 + 3 * 512


def test_a_disk_whose_serial_is_not_named_is_left_alone(bench: Bench, scratch: Scratch) -> None:
    other = replace(scratch.permitted, serial="loop:11111111-1111-1111-1111-111111111111")
    refused(bench, scratch, bench.permit(disks=(other,)), line="allowlist")


def test_a_disk_of_another_size_than_named_is_left_alone(bench: Bench, scratch: Scratch) -> None:
    refused(bench, scratch, bench.permit(disks=(replace(scratch.permitted, size_bytes=65 * MIB),)), line="allowlist")


def test_two_disks_that_swapped_names_are_told_apart(bench: Bench) -> None:
    with bench.scratch() as one, bench.scratch() as two:
        before = two.digest()
        refused(bench, one, bench.permit(one), line="allowlist", at=two.device)
        assert two.digest() == before
        old = one.device
        one.detach()
        two.detach()
        tool("losetup", old, str(two.file))
        two.device = old  # the name is the same as before, the disk another
        refused(bench, two, bench.permit(one), line="allowlist", at=old)


def test_a_non_destructive_run_writes_nothing(bench: Bench, scratch: Scratch) -> None:
    refused(bench, scratch, bench.permit(scratch), "--non-destructive", line="non-destructive")
    refused(bench, scratch, bench.permit(scratch, non_destructive=True), line="non-destructive")


def test_a_stop_file_stops_before_the_first_write(bench: Bench, scratch: Scratch) -> None:
    stop = bench.folder / "STOP"
    stop.touch()
    refused(bench, scratch, bench.permit(scratch), "--stop-file", str(stop), line="stop")


@pytest.mark.parametrize("kind", ["none", "expired", "early", "run", "host", "foreign", "tampered", "garbage"])
def test_a_permit_that_does_not_hold_opens_nothing(bench: Bench, scratch: Scratch, kind: str) -> None:
    now = int(time.time())
    good = bench.permit(scratch)
    envelope = json.loads(sign(good, bench.private))
    permits: dict[str, Permit | str | None] = {
        "none": None,
        "expired": replace(good, issued_s=now - 900, expires_s=now - 1),
        "early": replace(good, issued_s=now + 1000, expires_s=now + 2000),
        "run": replace(good, run_id=8),
        "host": replace(good, host_id="another"),
        "foreign": sign(good, new_key()[0]),
        "tampered": json.dumps({**envelope, "payload": envelope["payload"].replace("scratch", "disk")}),
        "garbage": "not a permit",
    }
    refused(bench, scratch, permits[kind], line="permit")


def test_a_permit_is_used_once_for_each_disk(bench: Bench, scratch: Scratch) -> None:
    permit = bench.permit(scratch, overrides=("wipe_probe",))
    assert bench.run("scan", scratch.device, permit).code == 0
    refused(bench, scratch, permit, line="permit")


def test_a_permit_for_real_disks_opens_no_loop_device(bench: Bench, scratch: Scratch) -> None:
    before = scratch.digest()
    said = bench.run("scan", scratch.device, bench.permit(scratch, kind="disk", host_uuid="x"))
    assert said.code == 2 and said.lines == {"permit"}  # this machine has no such UUID
    assert scratch.digest() == before


def test_a_loop_device_in_another_directory_is_no_scratch(bench: Bench, scratch: Scratch) -> None:
    refused(bench, scratch, bench.permit(scratch, scratch_dir="/dev"), line="scratch")


def test_a_loop_device_on_a_part_of_its_file_is_no_scratch(bench: Bench) -> None:
    with bench.scratch(loop=False) as disk:
        disk.attach("--offset", str(MIB))
        named = replace(disk.permitted, size_bytes=63 * MIB)
        refused(bench, disk, bench.permit(disks=(named,)), line="scratch")


def test_a_loop_device_whose_file_was_replaced_is_no_scratch(bench: Bench, scratch: Scratch) -> None:
    aside = bench.folder / "aside.img"
    scratch.file.rename(aside)
    scratch.file.write_bytes(bytes(64 * MIB))
    said = bench.run("scan", scratch.device, bench.permit(scratch))

    assert said.code == 2 and not said.report.bytes_written, said
    assert aside.read_bytes() == bytes(64 * MIB) == scratch.file.read_bytes()


def test_a_file_with_two_loop_devices_is_no_scratch(bench: Bench, scratch: Scratch) -> None:
    second = tool("losetup", "--find", "--show", str(scratch.file)).stdout.strip()
    try:
        refused(bench, scratch, bench.permit(scratch), line="scratch")
    finally:
        tool("losetup", "--detach", second)


def test_a_mounted_disk_is_never_a_target_even_with_the_wipe_override(bench: Bench, scratch: Scratch) -> None:
    tool("mkfs.ext4", "-q", scratch.device)
    point = bench.folder / "mounted"
    point.mkdir()
    tool("mount", "-o", "ro", scratch.device, str(point))
    try:
        before = scratch.digest()
        said = bench.run("scan", scratch.device, bench.permit(scratch, overrides=("wipe_probe",)))
        assert said.code == 2 and said.lines == {"in use", "system disk"}, said
        assert scratch.digest() == before
    finally:
        tool("umount", str(point))


def test_a_disk_that_somebody_holds_exclusively_is_left_alone(bench: Bench, scratch: Scratch) -> None:
    holder = os.open(scratch.device, os.O_RDONLY | os.O_EXCL)
    try:
        said = refused(bench, scratch, bench.permit(scratch), line="in use")
        assert "exclusively" in said.report.reason
    finally:
        os.close(holder)


def test_without_the_probing_programs_nothing_is_written_and_it_is_our_error(bench: Bench, scratch: Scratch) -> None:
    before = scratch.digest()
    empty = bench.folder / "no-tools"
    empty.mkdir()
    said = bench.run("scan", scratch.device, bench.permit(scratch), PATH=str(empty))

    assert said.code == 3 and said.report.outcome == "error" and "wipefs" in said.report.reason
    assert scratch.digest() == before


def test_without_a_place_for_the_way_back_nothing_is_written(bench: Bench, scratch: Scratch) -> None:
    before = scratch.digest()
    said = bench.run("scan", scratch.device, bench.permit(scratch), "--heads-dir", str(bench.folder / "not-there"))

    assert said.code == 3 and scratch.digest() == before


def test_a_device_that_is_not_there_is_an_error_and_makes_no_file(bench: Bench, scratch: Scratch) -> None:
    missing = bench.folder / "sdz"
    said = bench.run("scan", missing, bench.permit(scratch))

    assert said.code == 3 and said.report.outcome == "error"
    assert not missing.exists()


def test_reading_alone_needs_no_permit_and_changes_nothing(bench: Bench, scratch: Scratch) -> None:
    tool("mkfs.ext4", "-q", scratch.device)
    before = scratch.digest()
    said = bench.run("scan", scratch.device, None, "--read-only")

    assert said.code == 0 and said.report.read_clean and not said.report.clean
    assert said.report.bytes_read == 64 * MIB
    assert scratch.digest() == before


def test_a_sample_promises_and_verifies_only_the_sample(bench: Bench, scratch: Scratch) -> None:
    said = bench.run("scan", scratch.device, bench.permit(scratch), "--sample", str(16 * MIB))

    assert said.code == 0 and said.report.clean
    assert said.report.covered_bytes == 16 * MIB == said.report.bytes_verified
    assert said.row["whole"] is False


def test_a_disk_of_22_terabytes_is_sampled_to_its_very_end_in_little_memory(bench: Bench) -> None:
    size = 22 * 10**12 // 4096 * 4096 + 512
    try:
        with bench.scratch(size) as disk:
            said = bench.run("scan", disk.device, bench.permit(disk), "--sample", str(64 * MIB), "--cycles", "2")
    except OSError as error:
        pytest.skip(f"no room here for a sparse file of 22 TB: {error}")

    assert said.code == 0, said
    # The disk ends within its last chunk, so the sample is a little smaller than asked for, and says so.
    assert said.report.clean and 62 * MIB < said.report.covered_bytes <= 64 * MIB
    assert said.report.disk and said.report.disk.size_bytes == size
    assert 10 * 1024 < said.peak_kib < 120 * 1024


def test_the_program_is_a_hidden_verb_with_help() -> None:
    shown = tool(sys.executable, "-m", "vetting", "surface", "--help").stdout
    assert "--non-destructive" in shown and "restore-heads" in shown
    assert "surface" not in tool(sys.executable, "-m", "vetting", "--help").stdout.split("`vetting")[0]
