"""A report in the console, taken along and opened elsewhere, and two runs beside each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path / "scene") as opened:
        yield opened


async def test_a_saved_report_opens_from_disk_and_asks_nobody_for_anything(
    scene: Scene, surfer: Surfer, tmp_path: Path
) -> None:
    run = await scene.vetted("pve-07")
    page = await scene.visit(surfer, f"/runs/{run.run_id}/report", await scene.viewer())
    framed = page.frame_locator("iframe")
    await expect(framed.get_by_role("heading", name="Vetting report of pve-07")).to_be_visible()
    await framed.get_by_role("link", name="Counters", exact=True).click()  # the frame's own links work in it
    await expect(framed.get_by_role("heading", name="Counters before and after")).to_be_in_viewport()
    async with page.expect_download() as saving:
        await page.get_by_role("link", name="Save as HTML").click()
    saved = await saving.value
    assert saved.suggested_filename == f"vetting-pve-07-run-{run.run_id}.html"
    file = tmp_path / saved.suggested_filename
    await saved.save_as(file)

    context = await surfer.person()
    await context.set_offline(True)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    alone = await context.new_page()
    await alone.goto(file.as_uri())
    await expect(alone.get_by_role("heading", name="Vetting report of pve-07")).to_be_visible()
    await expect(alone.get_by_text("Vetted: every stage passed").first).to_be_visible()
    assert await alone.locator("svg").count() > 0  # the charts came along
    assert asked == [file.as_uri()]


async def test_what_differs_from_the_last_good_run_is_read_without_javascript(scene: Scene, surfer: Surfer) -> None:
    good = await scene.completed("pve-07")
    bad = await scene.held("CPUStress", "pve-07", reason="core 3 computed 4 for 2 + 1")
    viewer = await scene.viewer()
    page = await scene.visit(surfer, f"/runs/{bad.run_id}/compare", viewer, javascript=False)
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Run {bad.run_id} beside run {good.run_id}")
    stage = page.get_by_role("table", name="Stages: what differs").get_by_role("row", name="CPUStress")
    await expect(stage).to_contain_text("core 3 computed 4 for 2 + 1")
    await expect(stage).to_contain_text("Worse")
    await page.get_by_role("combobox").select_option(str(good.run_id))
    await page.get_by_role("button", name="Compare").click()
    await expect(page.get_by_text("Held against", exact=True)).to_be_visible()
    narrow = await scene.visit(surfer, f"/runs/{bad.run_id}/compare", viewer, width=390, dark=True)
    assert await narrow.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await surfer.axe(narrow) == []
