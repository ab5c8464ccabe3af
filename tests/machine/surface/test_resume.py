"""A scan that is killed at any moment goes on where it was; one that is told to stop says so; nobody runs twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.machine.surface.loops import MIB, Bench, Scratch, environment

pytestmark = pytest.mark.machine
SIZE = 512 * MIB
KILLS = 12


def started(bench: Bench, argv: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def test_killed_again_and_again_it_still_verifies_every_byte_once(bench: Bench) -> None:
    dice = random.Random(20261120)
    with bench.scratch(SIZE) as disk:
        permit = bench.permit(disk)
        checkpoint = bench.folder / "checkpoint"
        argv = bench.argv(
            "scan", disk.device, permit, "--checkpoint", str(checkpoint), "--checkpoint-every", str(8 * MIB)
        )
        argv += ["--cycles", "2", "--threads", "2"]
        killed, marks = 0, [0]
        while True:
            process = started(bench, argv)
            enough = marks[-1] + dice.randrange(8, 240) * MIB
            while _done(checkpoint) < enough and process.poll() is None:
                pass
            if killed == KILLS or process.poll() is not None:
                break  # it is let go to its end, or came to it before the kill
            process.kill()
            process.communicate()
            killed += 1
            marks.append(_done(checkpoint))
        out, err = process.communicate(timeout=100)

        assert process.returncode == 0, err + out
        row = json.loads(out.splitlines()[-1])
        print(
            f"killed {killed} times, sessions {row['sessions']}, done before each kill {[m // MIB for m in marks]} MiB"
        )
        assert killed >= 3
        assert marks == sorted(marks) and marks[-1] > 0
        assert row["resumed"] and row["sessions"] >= 2
        assert row["bytes_written"] == row["bytes_verified"] == row["bytes_promised"] == 2 * SIZE
        assert [phase["ok_bytes"] for phase in row["phases"]] == [SIZE] * 4
        assert not checkpoint.exists()


def _done(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    body = json.loads(checkpoint.read_text().partition("\n")[2])
    return sum(tally["ok_bytes"] for tally in body["standing"]["tallies"])


def test_a_resumed_scan_finds_what_went_wrong_while_nobody_ran(bench: Bench) -> None:
    """Data written before the kill and lost after it: the verify of the resumed scan reads it all."""
    with bench.scratch(SIZE) as disk:
        permit, checkpoint, stop = bench.permit(disk), bench.folder / "checkpoint", bench.folder / "STOP"
        argv = bench.argv(
            "scan", disk.device, permit, "--checkpoint", str(checkpoint), "--checkpoint-every", str(4 * MIB)
        )
        argv += ["--stop-file", str(stop)]
        process = started(bench, argv)
        while not (checkpoint.exists() and _done(checkpoint) > 0) and process.poll() is None:
            pass
        stop.touch()
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 4, out
        written = _done(checkpoint)
        assert 0 < written < 2 * SIZE
        with disk.file.open("r+b") as file:
            file.seek(MIB + 12345)
            byte = file.read(1)
            file.seek(MIB + 12345)
            file.write(bytes([byte[0] ^ 1]))
        stop.unlink()
        process = started(bench, argv)
        out, _ = process.communicate(timeout=60)

        row = json.loads(out.splitlines()[-1])
        if written <= SIZE:  # it was stopped while it wrote
            assert process.returncode == 1 and row["outcome"] == "bad", out
            assert (row["bad_blocks"], row["errors"][0]["kind"]) == (1, "bits")
        assert row["resumed"] and row["resumed_at_bytes"] == written


def test_term_ends_it_soon_with_a_checkpoint_and_a_result_that_is_no_pass(bench: Bench) -> None:
    with bench.scratch(SIZE) as disk:
        checkpoint = bench.folder / "checkpoint"
        argv = bench.argv("scan", disk.device, bench.permit(disk), "--checkpoint", str(checkpoint), "--threads", "1")
        process = started(bench, [*argv, "--checkpoint-every", str(4 * MIB)])
        while not (checkpoint.exists() and _done(checkpoint) > 0) and process.poll() is None:
            pass
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        row = json.loads(out.splitlines()[-1])

        assert process.returncode == 4, err + out
        assert row["outcome"] == "stopped" and "SIGTERM" in row["reason"]
        assert checkpoint.exists() and _done(checkpoint) == row["bytes_written"] + row["bytes_verified"]


def test_a_second_program_on_the_same_disk_is_refused(bench: Bench) -> None:
    with bench.scratch(SIZE) as disk:
        checkpoint = bench.folder / "checkpoint"
        process = started(bench, bench.argv("scan", disk.device, bench.permit(disk), "--checkpoint", str(checkpoint)))
        while not checkpoint.exists() and process.poll() is None:
            pass
        os.kill(process.pid, signal.SIGSTOP)
        try:
            said = bench.run("scan", disk.device, bench.permit(disk))
            assert said.code == 2 and "in use" in said.lines
        finally:
            os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out


def test_a_checkpoint_of_another_disk_or_another_scan_is_refused(bench: Bench, scratch: Scratch) -> None:
    checkpoint, stop = bench.folder / "checkpoint", bench.folder / "STOP"
    process = started(bench, bench.argv("scan", scratch.device, bench.permit(scratch), "--checkpoint", str(checkpoint)))
    while not checkpoint.exists() and process.poll() is None:
        pass
    process.kill()
    process.communicate()
    assert checkpoint.exists()
    stop.unlink(missing_ok=True)

    said = bench.run("scan", scratch.device, bench.permit(scratch), "--checkpoint", str(checkpoint), "--cycles", "2")
    assert said.code == 2 and "another scan (cycles 1)" in said.report.reason
    assert said.lines == {"checkpoint or heads"}
    with bench.scratch() as other:
        before = other.digest()
        said = bench.run("scan", other.device, bench.permit(other), "--checkpoint", str(checkpoint))
        assert said.code == 2 and "another scan (serial" in said.report.reason
        assert other.digest() == before

    text = checkpoint.read_text()
    checkpoint.write_text(text.replace('"phase_index": 0', '"phase_index": 1'))
    assert checkpoint.read_text() != text
    said = bench.run("scan", scratch.device, bench.permit(scratch), "--checkpoint", str(checkpoint))
    assert said.code == 2 and "damaged" in said.report.reason


# --- power cuts: another boot knows only what was carried away -------------------------------------------------------


def cut(bench: Bench, disk: Scratch, *, cycles: int = 1) -> tuple[Path, int]:
    """Kills a scan while it writes and takes this boot's files away. Returns what was carried and how much it calls written."""
    checkpoint = bench.folder / "checkpoint"
    argv = bench.argv("scan", disk.device, bench.permit(disk), "--checkpoint", str(checkpoint), "--threads", "2")
    process = started(bench, [*argv, "--checkpoint-every", str(4 * MIB), "--cycles", str(cycles)])
    while not (checkpoint.exists() and _done(checkpoint) >= SIZE // 8) and process.poll() is None:
        pass
    process.kill()
    process.communicate()
    carried = bench.folder / "carried"
    checkpoint.rename(carried)
    for file in bench.heads.iterdir():
        file.unlink()
    return carried, _done(carried)


def rotted(disk: Scratch, start: int, end: int) -> None:
    """What a cache without power loses."""
    with disk.file.open("r+b") as file:
        for at in range(start, end, MIB):
            file.seek(at)
            file.write(bytes(min(MIB, end - at)))


def test_after_a_power_cut_what_was_not_flushed_is_written_again_and_every_byte_verified(bench: Bench) -> None:
    with bench.scratch(SIZE) as disk:
        carried, written = cut(bench, disk)
        assert 0 < written < SIZE
        rotted(disk, written, SIZE)
        checkpoint = bench.folder / "checkpoint"
        saved = bench.run(
            "save-heads", disk.device, bench.permit(disk), "--checkpoint", str(checkpoint), "--carried", str(carried)
        )
        assert saved.code == 0 and saved.report.resumed and not saved.report.heads, saved
        assert len(saved.report.heads_sha256) == 64
        assert list(bench.heads.iterdir()) == [], "the ends of a disk that was half overwritten are nobody's way back"
        permit = bench.permit(disk)
        said = bench.run(
            "scan", disk.device, permit, "--checkpoint", str(checkpoint), "--carried", str(carried), "--keep-checkpoint"
        )

        assert said.code == 0 and said.report.clean, said
        assert said.report.bytes_written == said.report.bytes_verified == SIZE
        (resume,) = said.report.resumes
        assert (resume.phase, resume.cycle, resume.after, resume.at_byte) == ("write", 1, "boot", written)
        assert said.row["resumed_at_bytes"] == written and not said.report.left_aside
        assert checkpoint.exists()  # finished, and kept until all disks are
        again = bench.run("scan", disk.device, permit, "--carried", str(carried))
        assert again.code == 2 and "already used" in again.report.reason, "a permit is used once for each attempt"


def test_after_a_power_cut_what_was_flushed_and_is_lost_condemns_the_disk(bench: Bench) -> None:
    with bench.scratch(SIZE) as disk:
        carried, written = cut(bench, disk)
        rotted(disk, written - 2 * MIB, written)
        said = bench.run("scan", disk.device, bench.permit(disk), "--carried", str(carried))

        assert said.code == 1 and said.report.errors[0].kind == "zeros", said
        assert (said.report.errors[0].offset, said.report.bad_blocks) == (written - 2 * MIB, 512)


@pytest.mark.parametrize("how", ["another disk", "another plan", "damaged", "empty"])
def test_a_carried_checkpoint_that_does_not_fit_is_left_aside_and_all_is_tested(bench: Bench, how: str) -> None:
    with bench.scratch(SIZE) as disk, bench.scratch(64 * MIB) as small:
        carried, _ = cut(bench, disk, cycles=2 if how == "another plan" else 1)
        text = carried.read_text()
        carried.write_text({"damaged": text.replace('"mark": ', '"mark": 9', 1), "empty": ""}.get(how, text))
        victim = small if how == "another disk" else disk
        said = bench.run("scan", victim.device, bench.permit(victim), "--carried", str(carried))

        assert said.code == 0 and said.report.clean, said
        assert not said.report.resumed and said.report.left_aside
        assert said.report.bytes_verified == victim.size_bytes and said.report.heads


def test_a_resumed_scan_walks_every_safety_line_again(bench: Bench) -> None:
    with bench.scratch(SIZE) as disk:
        carried, _ = cut(bench, disk)
        for permit, line in (
            (None, "permit"),
            (bench.permit(disk, expires_s=1), "permit"),
            (bench.permit(), "allowlist"),
        ):
            said = bench.run("scan", disk.device, permit, "--carried", str(carried))
            assert said.code == 2 and said.lines == {line}, said
        with open(disk.device, "r+b") as device:  # somebody put a file system there meanwhile
            device.seek(1080)
            device.write(b"\x53\xef")
            device.seek(1024)
            device.write((1000).to_bytes(4, "little"))
        before = disk.digest()
        said = bench.run("scan", disk.device, bench.permit(disk), "--carried", str(carried))
        assert said.code == 2 and said.lines == {"wipe probe"} and disk.digest() == before, said


def test_a_finished_scan_that_was_carried_is_told_again_and_not_done_again(bench: Bench) -> None:
    with bench.scratch(64 * MIB) as disk:
        checkpoint, carried = bench.folder / "checkpoint", bench.folder / "carried"
        argv = ("--checkpoint", str(checkpoint), "--keep-checkpoint")
        first = bench.run("scan", disk.device, bench.permit(disk), *argv)
        checkpoint.rename(carried)
        before = disk.digest()
        said = bench.run("scan", disk.device, bench.permit(disk), *argv, "--carried", str(carried))

        assert (first.code, said.code) == (0, 0) and said.report.clean, said
        assert said.report.resumes[-1].done_bytes == 2 * 64 * MIB and disk.digest() == before
