"""One orchestrator for all tests of a module, with an operator and a viewer who are signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Visitor, visiting


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with staged(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene, await scene.operator()) as visitor:
        yield visitor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene, await scene.viewer()) as visitor:
        yield visitor
