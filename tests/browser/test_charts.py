"""The charts of a run in a real browser: drawn, live, told by keyboard, whole again after a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.cable import cable_to
from tests.browser.hand import Hand
from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer, origin
from tests.fakes import records

pytestmark = pytest.mark.browser

CPU = "temp.coretemp.package-id-0"
HOSTILE = "temp.<img src=x onerror=alert(1)>\u202e\x1b[31m" + "y" * 60
COLOR = """([token, place]) => {
    const canvas = document.querySelectorAll('.plot canvas')[place], layers = token.split(' ').map((one) => one.split('/'));
    const share = token.includes('/'), css = getComputedStyle(document.documentElement);
    const pixelsOf = (width, height, paint) => {
        const made = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
        made.fillStyle = RunCharts.tokens.panel; made.fillRect(0, 0, width, height);
        paint(made);
        return made.getImageData(0, 0, width, height).data;
    };
    const [r, g, b] = pixelsOf(1, 1, (on) => {
        for (const [name, percent] of layers) {
            on.fillStyle = RunCharts.clear(css.getPropertyValue(name).trim(), Number(percent ?? 100)); on.fillRect(0, 0, 1, 1);
        }
    });
    const all = pixelsOf(canvas.width, canvas.height, (on) => on.drawImage(canvas, 0, 0));
    let found = 0;
    for (let n = 0; n < all.length; n += 4)
        if (Math.abs(all[n] - r) + Math.abs(all[n + 1] - g) + Math.abs(all[n + 2] - b) < (share ? 9 : 24)) found += 1;
    return found;
}"""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


async def pixels(page: Page, token: str, place: int = 0) -> int:
    """How much of a chart is drawn in this colour of the page; "a/9 b/17": shades of so many percent, one over the other."""
    found: int = await page.evaluate(COLOR, [token, place])
    return found


async def charts_of(scene: Scene, surfer: Surfer, run_id: int, *, by: str = "", **looks: Any) -> Page:
    context = await surfer.person(**looks)
    await scene.let_in(context, await scene.viewer())
    surfer.origins.add(origin(by or scene.url))
    page = await context.new_page()
    await page.goto(f"{by or scene.url}/runs/{run_id}/charts")
    await expect(page.locator("#run-charts")).to_have_attribute("data-state", "ready")
    return page


async def hot_story(scene: Scene) -> int:
    """Held in CPUStress at its second attempt, too hot."""
    return (await asyncio.to_thread(records.failed_hot, scene.server.store)).run_id


async def working(scene: Scene) -> Hand:
    """A run in CPUStress that has told of two temperatures for a minute."""
    hand = await scene.running("CPUStress")
    for second in range(60, 0, -5):
        await hand.sample({CPU: 60.0 + second % 3, "temp.coretemp.package-id-1": 58.0}, ago_s=float(second))
    return hand


def last(page: Page, series: str = "coretemp.package-id-0") -> Locator:
    return page.locator(".legend tr", has_text=series).locator("td.n").first


def forget_the_outage(surfer: Surfer) -> None:
    """What the browser said of a server that was not there, if it asked in that moment."""
    surfer.troubles[:] = [one for one in surfer.troubles if "ERR_" not in one and "htmx:sse:error" not in one]


async def test_lines_limits_breaches_and_stages_are_drawn_in_both_schemes(scene: Scene, surfer: Surfer) -> None:
    page = await charts_of(scene, surfer, await hot_story(scene))
    await expect(page.locator("figure.chart")).to_have_count(2)
    await expect(page.locator(".chart-breaches li").first).to_contain_text(f"✗ critical {CPU} reached 97.4, limit ≤ 90")
    await expect(page.locator(".legend .mark.bad")).to_have_text("✗ breach")
    assert await pixels(page, "--t0") > 80, "the hottest line is not there"
    limit = await pixels(page, "--bad")
    assert limit > 100, "the limit is not there"
    assert await pixels(page, "--bad", 1) == 0, "power has no limit and no breach"
    assert await pixels(page, "--soft/9") > 2000, "the stages are not shaded"
    assert await pixels(page, "--soft/9 --bad/17") > 2000, "the breach in the second attempt is not shaded"
    assert await pixels(page, "--soft/9 --bad/17", 1) < 100, "a breach of temperatures is shaded in the power"
    light = await pixels(page, "--t0")
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_timeout(150)
    assert await page.evaluate("RunCharts.tokens.t0") == "#6fb3ff"
    assert await pixels(page, "--t0") > light * 0.7 and await pixels(page, "--bad") > 80
    assert await surfer.axe(page) == []


async def test_a_sample_and_a_breach_arrive_without_a_reload(scene: Scene, surfer: Surfer) -> None:
    hand = await working(scene)
    page = await charts_of(scene, surfer, hand.run_id)
    await expect(page.locator("figure.chart")).to_have_count(1)
    await page.evaluate("window.stayed = true")
    before = await pixels(page, "--bad")
    await hand.sample({CPU: 64.5})
    await expect(last(page)).to_have_text("64.5")
    for value in (93.0, 94.5, 96.25):
        scene.clock.skip(1.1)
        await hand.sample({CPU: value})
    await expect(last(page)).to_have_text("96.3")
    await expect(page.locator(".chart-breaches li")).to_contain_text(f"{CPU} reached 96.25, limit ≤ 90\u00a0°C")
    await expect(page.locator("[data-news]")).to_contain_text("Breach")
    await page.wait_for_timeout(150)
    assert await pixels(page, "--bad") > before + 20, "the mark of the breach is not there"
    scene.clock.skip(1.1)
    await hand.sample({"disk.sda.read_mb_s": 512.0}, unit="MB/s")  # a chart that was not there before
    await expect(page.get_by_text("Disks, MB/s")).to_be_visible()
    assert await page.evaluate("window.stayed")


async def test_after_a_restart_nothing_is_missing(scene: Scene, surfer: Surfer) -> None:
    hand = await working(scene)
    page = await charts_of(scene, surfer, hand.run_id)
    fetched = await page.get_attribute("#run-charts", "data-fetched")
    await scene.restart()
    scene.clock.skip(5)
    await hand.sample({CPU: 71.25})  # while the browser is on its way back
    await expect(last(page)).to_have_text("71.3")
    await expect(page.locator("#run-charts")).not_to_have_attribute("data-fetched", fetched or "")
    scene.clock.skip(5)
    await hand.sample({CPU: 72.5})
    await expect(last(page)).to_have_text("72.5")
    forget_the_outage(surfer)


async def test_after_a_cut_what_was_missed_is_caught_up(scene: Scene, surfer: Surfer) -> None:
    hand = await working(scene)
    async with cable_to(scene.url) as cable:
        page = await charts_of(scene, surfer, hand.run_id, by=cable.url)
        await cable.cut()
        for value in (71.25, 93.5, 72.75):
            scene.clock.skip(5)
            await hand.sample({CPU: value})
        await page.wait_for_timeout(300)
        await expect(last(page)).to_have_text("62.0")
        await cable.mend()
        await expect(last(page)).to_have_text("72.8")
    highest = page.locator(".legend tr", has_text="coretemp.package-id-0").locator("td.n").last
    await expect(highest).to_have_text("93.5")
    forget_the_outage(surfer)


async def test_the_keyboard_moves_zooms_and_is_told_the_values(scene: Scene, surfer: Surfer) -> None:
    run_id = await hot_story(scene)
    page = await charts_of(scene, surfer, run_id)
    await page.locator(".plot").first.focus()
    told = page.locator("figure.chart [aria-live]").first
    await page.keyboard.press("End")
    await expect(told).to_contain_text(f"{CPU} 9")
    await expect(told).to_contain_text("°C")
    await page.keyboard.press("Home")
    await expect(told).to_contain_text("0:00:0")
    await expect(page.locator(".legend th.n").first).to_contain_text("at 0:00:0")
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("+")
    await expect(page.get_by_role("button", name="Show all of the time")).to_be_visible()
    await expect(told).to_contain_text("in a breach of a limit")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Show all of the time")).to_be_hidden()
    await expect(page.locator(".legend th.n").first).to_have_text("Last")


async def test_a_stretch_that_is_dragged_over_is_shown_finer_in_every_chart(scene: Scene, surfer: Surfer) -> None:
    page = await charts_of(scene, surfer, await hot_story(scene))
    over = page.locator(".plot .u-over").first
    box = await over.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 50)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60, steps=5)
    async with page.expect_response(lambda answer: "series.json?from=" in answer.url) as answer:
        await page.mouse.up()
    assert (await (await answer.value).json())["stretch_ms"] == 1000
    await expect(page.get_by_role("button", name="Show all of the time")).to_be_visible()
    assert await pixels(page, "--t0", 1) > 50, "the chart below did not follow"
    await page.get_by_role("button", name="Show all of the time").click()
    await expect(page.get_by_role("button", name="Show all of the time")).to_be_hidden()


async def test_on_a_phone_a_hostile_name_is_text_and_nothing_sticks_out(scene: Scene, surfer: Surfer) -> None:
    hand = await working(scene)
    await hand.sample({HOSTILE: 50.0})
    page = await charts_of(scene, surfer, hand.run_id, width=390, height=500, dark=True)
    row = page.locator(".legend tr", has_text="<img src=x onerror=alert(1)>")
    await expect(row).to_contain_text("<U+202E><U+001B>")
    assert await page.locator("main img").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await hand.sample({HOSTILE: 55.5})
    await expect(row.locator("td.n").first).to_have_text("55.5")


async def test_a_chart_below_the_fold_is_made_when_it_comes_into_view(scene: Scene, surfer: Surfer) -> None:
    story = await asyncio.to_thread(records.vetted, scene.server.store)
    page = await charts_of(scene, surfer, story.run_id, height=300)
    await expect(page.locator("figure.chart")).to_have_count(4)
    below = page.locator("figure.chart").last
    await expect(below.locator("canvas")).to_have_count(0)
    await below.scroll_into_view_if_needed()
    await expect(below.locator("canvas")).to_have_count(1)


async def test_before_the_first_sample_the_page_says_what_is_to_come(scene: Scene, surfer: Surfer) -> None:
    hand = await scene.claimed()
    page = await charts_of(scene, surfer, hand.run_id)
    await expect(page.get_by_text("No samples yet: thermals arrive every 5 s")).to_be_visible()
    await hand.sample({CPU: 44.0})
    await expect(page.locator("figure.chart")).to_have_count(1)
    await expect(page.get_by_text("No samples yet")).to_be_hidden()
