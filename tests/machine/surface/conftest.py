"""Scratch disks live in memory where there is room for them, else in the test's own directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.surface.loops import MIB, Bench, Scratch, new_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 512 * MIB
    with tempfile.TemporaryDirectory(dir=shared if roomy else tmp_path, prefix="vetting-surface-") as folder:
        yield new_bench(Path(folder))


@pytest.fixture
def scratch(bench: Bench) -> Iterator[Scratch]:
    with bench.scratch() as disk:
        yield disk
