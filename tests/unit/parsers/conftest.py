"""Recorded output of the real tools, made by tests/fixtures/record.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "fixtures" / "tools"
SYSTEMS = ("debian12", "ubuntu2404", "debian13")


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    """Each test with recordings holds on those of every system."""
    return str(request.param)


@pytest.fixture
def recorded(system: str) -> Callable[[str], str]:
    """stdout of a recording by its name, as "fio/verify-ok"."""
    return lambda name: (TOOLS / system / name).read_text()


@pytest.fixture
def joined(system: str) -> Callable[[str], str]:
    """Both streams of a recording, as a ToolRun's `text` joins them."""

    def both(name: str) -> str:
        stderr = TOOLS / system / f"{name}.err"
        return (TOOLS / system / name).read_text() + "\n" + (stderr.read_text() if stderr.exists() else "")

    return both
