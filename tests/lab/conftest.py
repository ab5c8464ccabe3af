"""The rack as a fixture, and the figures at the end of a session."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.lab import figures
from tests.lab.rack import Rack
from tests.lab.settings import IMAGE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two busy cores emulate whole machines here: that this process waits now and then for its turn says nothing about ours."""
    for item in items:
        if "/tests/lab/" in item.path.as_posix():
            item.add_marker(pytest.mark.allow_blocking(reason="the rack's processes share the cores with this one"))


@pytest.fixture
async def rack(request: pytest.FixtureRequest) -> AsyncIterator[Rack]:
    """An empty rack, named after its test; consoles, logs and reports stay in build/lab/NAME."""
    if os.geteuid() != 0:
        pytest.fail("the lab makes network namespaces and needs root: ./build.sh test lab", pytrace=False)
    async with Rack.built(request.node.name.removeprefix("test_")[:60]) as rack:
        yield rack


@pytest.fixture
def image() -> None:
    """The live image is there."""
    if not (IMAGE / "vmlinuz").exists():
        pytest.fail(f"no live image in {IMAGE}: ./build.sh image makes it", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if told := figures.lines(IMAGE):
        terminalreporter.section("the lab's figures")
        for line in told:
            terminalreporter.line(line)
