"""Which tests of this machine may run beside each other: those that wait for programs and clocks, and load nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
WAITING = tuple(
    HERE / name for name in ("boot", "install", "orchestrator", "power", "reporter", "agent/test_hold_real.py")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(place in (item.path, *item.path.parents) for place in WAITING):
            item.add_marker(pytest.mark.waits)
            item.add_marker(
                pytest.mark.allow_blocking(reason="three at a time on two cores wait for each other's turn")
            )
