"""These tests need loop devices and the real test tools."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NEEDED = ("stress-ng", "fio", "iperf3", "smartctl", "lscpu", "lsblk", "ip", "ethtool", "blkid", "wipefs", "losetup")


@pytest.fixture(autouse=True)
def _a_machine_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        pytest.fail(f"not installed here: {', '.join(missing)}; ./build.sh installs them")
    monkeypatch.setenv("VETTING_TEST", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()
