"""Debian's Chromium, fresh for each test, and what is kept of it when the test fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Error, async_playwright, expect

from tests.browser.surfer import AXE, PATIENCE_MS, Surfer
from tests.browser.tiny import Serve, Tiny
from tests.conftest import REPOSITORY

KEPT = REPOSITORY / "build" / "browser"
ARGS = (
    "--no-sandbox",  # the tests are root, for whom Chromium has no sandbox
    "--disable-gpu",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # nothing leaves this machine
)
expect.set_options(timeout=PATIENCE_MS)
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Chromium draws without a graphics card, beside another one: that this process waits for its turn says nothing about ours."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.allow_blocking(reason="two Chromiums share the cores with this process"))


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    if not AXE.exists():
        pytest.fail("the pages' scripts are not here: python -m tools.assets fetches them", pytrace=False)
    return found


@pytest.fixture
async def surfer(request: pytest.FixtureRequest, chromium: str) -> AsyncIterator[Surfer]:
    """A browser of this test alone. Starting it takes half a second, and nothing of the last test is left in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        surfer = Surfer(browser)
        try:
            yield surfer
            troubles = surfer.unforgiven()
            folder = KEPT / re.sub(r"[^\w.-]+", "-", request.node.name)[:100]
            if troubles or request.node.stash.get(FAILED, False):
                await keep(surfer, folder)
        finally:
            await browser.close()
    if troubles:
        pytest.fail(f"in the browser, whose last look lies in {folder}:\n" + "\n".join(troubles), pytrace=False)


async def keep(surfer: Surfer, folder: Path) -> None:
    """What the person saw at the end, what the browser complained of, and what the server said."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "troubles.txt").write_text("\n".join(surfer.troubles))
    for log in surfer.logs:
        if log.exists():
            shutil.copy(log, folder)
    for number, page in enumerate([page for context in surfer.browser.contexts for page in context.pages], 1):
        try:
            (folder / f"page-{number}.html").write_text(await page.content())
            await page.screenshot(path=folder / f"page-{number}.png", full_page=True)
        except Error as why:  # a page that crashed, or is on its way elsewhere
            (folder / f"page-{number}.txt").write_text(str(why))


@pytest.fixture
def serve(aiohttp_server: Callable[..., Awaitable[TestServer]]) -> Serve:
    """Serves a tiny page on loopback and says its address."""

    async def serving(tiny: Tiny) -> str:
        server = await aiohttp_server(tiny.app())
        return f"http://127.0.0.1:{server.port}/"

    return serving
