"""A program that was handed the terminal: its status is ours, its Ctrl-C is its own, and it never outlives us."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from vetting import proc
from vetting.domain.errors import ToolMissing

OURS = "import sys; from vetting import proc; status = proc.hand_over(sys.argv[1:]); print('cleared away', status, flush=True)"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_how_it_ended_is_told(script: str, status: int) -> None:
    assert proc.hand_over(["sh", "-c", script]) == status


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        proc.hand_over(["no-such-program"])


def test_it_reads_what_we_are_given() -> None:
    said = subprocess.run(
        [sys.executable, "-c", OURS, "cat"], input=b"words\n", capture_output=True, cwd=REPOSITORY, check=True
    )
    assert said.stdout == b"words\ncleared away 0\n"


def test_ctrl_c_is_the_programs_and_we_clear_away_after_it() -> None:
    """On a terminal of its own: the kernel sends the signal to both."""
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-c", OURS, "sh", "-c", script])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while not (b"cleared away" in said and said.endswith(b"\n")):
        said += os.read(terminal, 1000)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"caught" in said
    assert b"cleared away 9" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_ends_us_ends_it_and_we_clear_away(number: signal.Signals, tmp_path: Path) -> None:
    ours = subprocess.Popen(
        [sys.executable, "-c", OURS, "sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000"],
        stdout=subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ours.send_signal(number)
    out, _ = ours.communicate(timeout=20)
    assert out == f"cleared away {128 + number}\n".encode()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
