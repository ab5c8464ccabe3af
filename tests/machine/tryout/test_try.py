"""`vetting try` as a person runs it: from power to report, interrupted, and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from vetting.domain.states import STAGE_ORDER

pytestmark = pytest.mark.machine


def _argv(data: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "vetting", "try", "--data", str(data), *more]


def _loops(folder: Path) -> str:
    listed = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if str(folder) in line)


def _wait(what: Callable[[], object], limit_s: float, why: str) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.1)


def _children(process: psutil.Process, word: str) -> list[psutil.Process]:
    return [one for one in process.children(recursive=True) if word in _command(one)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended between the two looks
        return ""


@pytest.mark.timeout(400)
def test_a_healthy_machine_passes_and_is_never_called_vetted(tmp_path: Path, repository: Path) -> None:
    done = subprocess.run(
        _argv(tmp_path, "--json"), cwd=repository, capture_output=True, text=True, timeout=380, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["word"] == "passed, not vetted"
    assert [row["stage"] for row in told["stages"]] == list(STAGE_ORDER)
    assert {row["verdict"] for row in told["stages"]} <= {"PASS", "SKIP"}
    page = Path(told["report"]).read_text()
    assert "not vetted" in page
    assert page.rstrip().endswith("</html>")
    assert not _loops(tmp_path)
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_try_that_is_interrupted_or_killed_leaves_no_load_and_the_next_one_cleans_up(
    tmp_path: Path, repository: Path, blow: signal.Signals
) -> None:
    # Whoever runs the tests in the background passes on that an interrupt is ignored; a terminal does not.
    asked = ["env", "--default-signal=INT", *_argv(tmp_path, "--json")]
    process = subprocess.Popen(asked, cwd=repository, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    family = psutil.Process(process.pid)
    try:
        _wait(lambda: _children(family, "stress-ng"), 60, "CPUStress never began")
        ours = family.children(recursive=True)
        os.kill(process.pid, blow)
        process.wait(60)
        _wait(lambda: not [one for one in ours if one.is_running()], 30, "something of the killed try still runs")
    finally:
        for one in (*family.children(recursive=True), family) if family.is_running() else ():
            one.kill()
    if blow is signal.SIGINT:
        assert not _loops(tmp_path)
        return
    assert _loops(tmp_path), "nobody could have cleaned up"
    code = (
        "import asyncio, sys; from pathlib import Path; from vetting.tryout import scratch_device\n"
        "async def once():\n"
        "    async with scratch_device(Path(sys.argv[1])): pass\n"
        "asyncio.run(once())"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "scratch")], cwd=repository, check=True, timeout=60)
    assert not _loops(tmp_path)


def test_a_machine_without_root_is_told_what_to_do(tmp_path: Path, repository: Path) -> None:
    asked = ["setpriv", "--reuid", "65534", "--clear-groups", *_argv(tmp_path / "d")]
    done = subprocess.run(asked, cwd=repository, capture_output=True, text=True, timeout=60, check=False)
    if "vetting:" not in done.stderr and ("Permission" in done.stderr or "No module named vetting" in done.stderr):
        pytest.skip("nobody may not read this checkout or its Python here")
    assert done.returncode == 2
    assert (
        done.stderr == "vetting: vetting this machine needs root (loop devices, SMART, kernel log): run it with sudo\n"
    )


def test_an_unknown_profile_is_refused_before_anything_is_made(tmp_path: Path, repository: Path) -> None:
    asked = _argv(tmp_path / "d", "--profile", "speedy")
    done = subprocess.run(asked, cwd=repository, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, not (tmp_path / "d").exists()) == (2, True)
    assert "there are deep, quick, soak, taste" in done.stderr
