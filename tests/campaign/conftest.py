"""The few rows that CI runs each time: one campaign for all of them, as `./build.sh campaign` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.result import Result, kept
from tests.conftest import REPOSITORY

LIMIT_S = 1500


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """What came of each row, by its name."""
    if os.geteuid() != 0:
        pytest.fail("the campaign makes network namespaces and needs root: ./build.sh test campaign", pytrace=False)
    room = tmp_path_factory.mktemp("campaign")
    words = [sys.executable, "-m", "tests.campaign", "--each-time", "--room", str(room)]
    told = subprocess.run(words, cwd=REPOSITORY, stdout=sys.stderr, timeout=LIMIT_S)
    rows = kept(Path(room) / "results.jsonl")
    assert rows, f"the campaign ended with {told.returncode} and tried nothing"
    return {row.name: row for row in rows.values()}
