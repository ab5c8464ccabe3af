"""`vetting try` with less than the whole: what it says and how it exits, as a script of somebody else would read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.toolbox import Toolbox
from tests.machine.silent_green.rack import SHORT

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

DROPPED = ("CPUStress", "Burn", "PSU")
HOLED = f"  holed:\n    base: short\n    drop: [{', '.join(DROPPED)}]\n"


def tried(folder: Path, profile: str, box: Toolbox | None = None) -> tuple[int, dict[str, Any]]:
    """Exit status of `vetting try --json`, and the object that it prints last."""
    config = folder / "vetting.yaml"
    config.write_text(SHORT + HOLED)
    argv = [sys.executable, "-m", "vetting", "try", "--json", "--profile", profile, "--config", str(config)]
    env = {**os.environ, "VETTING_TEST": "1", "PATH": box.path if box else os.environ["PATH"]}
    done = subprocess.run(
        [*argv, "--data", str(folder / "data")], cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=280
    )
    assert done.stdout.strip(), done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return done.returncode, told


def test_a_profile_that_drops_stages_never_says_vetted(folder: Path) -> None:
    status, told = tried(folder, "holed")
    assert (status, told["word"]) == (0, "passed, not vetted"), told
    page = Path(told["report"]).read_text()
    for words in (told["verdict"], page):
        assert re.search(r"(?i)(?<!not )\bvetted\b", words) is None
    for stage in DROPPED:
        assert f"{stage} is left out" in told["verdict"]
        (row,) = (row for row in told["stages"] if row["stage"] == stage)
        assert (row["verdict"], row["reason"]) == ("SKIP", "left out by the profile")


def test_a_try_whose_stress_ng_does_nothing_exits_as_an_error_and_has_no_pass_for_it(folder: Path) -> None:
    box = Toolbox(folder)
    box.exchange("stress-ng", "true", real_for="*--verifiable*|*--help*|*--version*")
    status, told = tried(folder, "short", box)
    assert (status, told["word"]) == (2, "error"), told
    assert told["verdict"].startswith("Not measured in CPUStress")
    assert told["stages"][-1]["verdict"] != "PASS"
    assert [row["stage"] for row in told["stages"] if row["verdict"] == "ERROR"] == ["CPUStress"]


def test_a_try_without_fio_exits_as_an_error_and_names_it(folder: Path) -> None:
    box = Toolbox(folder)
    box.remove("fio")
    status, told = tried(folder, "holed", box)
    assert (status, told["word"]) == (2, "error"), told
    assert "Storage" in told["verdict"] and "fio" in told["verdict"]
