"""Many tabs of one person: a browser holds six connections to a server, and each live page wants one for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer

TABS = 9
LOOK = """hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange')) }"""
PATIENCE = "(() => { const wait = window.setTimeout; window.setTimeout = (f, ms, ...x) => wait(f, ms === 5000 ? 50 : ms, ...x) })()"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


async def tab(scene: Scene, context_page: Page | None, surfer: Surfer) -> Page:
    if context_page is None:
        page = await scene.visit(surfer, "/sign-in", await scene.operator())
        await page.context.add_init_script(PATIENCE)
    else:
        page = await context_page.context.new_page()
    await page.goto(scene.url + "/")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


async def test_any_number_of_tabs_opens_and_each_is_right_when_it_is_looked_at(scene: Scene, surfer: Surfer) -> None:
    await scene.hosts(1)
    pages = [await tab(scene, None, surfer)]
    for _ in range(TABS - 1):
        await pages[-1].evaluate(LOOK, True)  # as the browser does when another tab comes to the front
        pages.append(await tab(scene, pages[0], surfer))
    await scene.held("SMART", "pve-01")
    for page in pages:  # one listens and tells the others
        await expect(page.locator("#favicon")).to_have_attribute("href", await held_favicon(page))
    await pages[-1].evaluate(LOOK, True)
    await pages[4].evaluate(LOOK, False)
    await expect(pages[4].locator("main")).to_contain_text("Held")
    await expect(pages[4].locator("#connection")).to_have_text("")
    await pages[0].close()  # the one that listened
    for page in pages[1:]:
        await expect(page.locator("#favicon")).to_have_attribute("href", await held_favicon(page))


async def held_favicon(page: Page) -> str:
    href = await page.locator("#favicon").get_attribute("data-held")
    assert href is not None
    return href
