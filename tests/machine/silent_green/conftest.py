"""These tests need loop devices and the real test tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.silent_green.matrix import Matrix

NEEDED = (
    "stress-ng",
    "stressapptest",
    "fio",
    "iperf3",
    "smartctl",
    "lscpu",
    "lsblk",
    "ip",
    "ethtool",
    "blkid",
    "wipefs",
    "losetup",
)


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


@pytest.fixture(scope="package")
def matrix(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """One for all tests that exchange tools, printed after the last of them."""
    made = Matrix()
    yield made
    if made.rows:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{made}")
