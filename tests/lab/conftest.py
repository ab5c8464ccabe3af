"""The rack as a fixture, and its figures for the end of the session (tests/conftest.py prints them)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.conftest import LAB_FIGURES
from tests.lab.rack import Rack
from tests.lab.settings import IMAGE

LONGEST = (
    "test_walk",
    "test_hold",
    "test_power_cut",
    "test_production",
    "test_trouble",
)  # first, so that nobody waits for them at the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two busy cores emulate whole machines here: that this process waits now and then for its turn says nothing about ours."""
    for item in items:
        if "/tests/lab/" in item.path.as_posix():
            item.add_marker(pytest.mark.allow_blocking(reason="the rack's processes share the cores with this one"))
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture
async def rack(request: pytest.FixtureRequest) -> AsyncIterator[Rack]:
    """An empty rack, named after its test; consoles, logs and reports stay in build/lab/NAME."""
    if os.geteuid() != 0:
        pytest.fail("the lab makes network namespaces and needs root: ./build.sh test lab", pytrace=False)
    async with Rack.built(request.node.name.removeprefix("test_")[:60]) as rack:
        yield rack
    with LAB_FIGURES.open("a") as file:
        file.writelines(f"{line}\n" for line in rack.figures.lines())


@pytest.fixture
def image() -> None:
    """The live image is there."""
    if not (IMAGE / "vmlinuz").exists():
        pytest.fail(f"no live image in {IMAGE}: ./build.sh image makes it", pytrace=False)
