"""The page of a run in a real browser: live without a reload, decisions, cuts, two people, no mouse, no scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.cable import cable_to
from tests.browser.hand import Hand
from tests.browser.scene import Guest, Scene, staged
from tests.browser.surfer import Surfer, origin
from vetting.domain.states import RunState

pytestmark = pytest.mark.browser
OUTAGE = ("net::ERR_", "htmx", "TypeError", "failed: GET")  # what a browser says of a connection that is gone
STAY = "window.stayed = true"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


async def run_page(
    scene: Scene, surfer: Surfer, run: Hand, who: Guest, *, by: str = "", query: str = "", **looks: Any
) -> Page:
    """The run's page, with its stream open."""
    context = await surfer.person(**looks)
    await scene.let_in(context, who)
    surfer.origins.add(origin(by or scene.url))
    page = await context.new_page()
    if looks.get("javascript", True):
        async with page.expect_response(lambda answer: "/live?" in answer.url):
            await page.goto(f"{by or scene.url}/runs/{run.run_id}{query}")
        await page.evaluate(STAY)
    else:
        await page.goto(f"{by or scene.url}/runs/{run.run_id}{query}")
    return page


async def stayed(page: Page) -> bool:
    """Whether the page was never loaded again."""
    return bool(await page.evaluate("window.stayed === true"))


def step(page: Page, stage: str) -> Locator:
    return page.locator(f"#step-{stage}")


def lines(page: Page) -> Locator:
    return page.locator("#run-log [data-lines] li .text")


def forget_the_outage(surfer: Surfer) -> None:
    """Which of them are said depends on the moment; anything else stays a trouble."""
    surfer.troubles[:] = [said for said in surfer.troubles if not any(word in said for word in OUTAGE)]


async def test_stages_turn_over_live_without_a_reload(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("SMART")
    page = await run_page(scene, surfer, run, await scene.viewer())
    await expect(step(page, "SMART")).to_contain_text("Running")
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "SMART")
    time = step(page, "SMART").locator("time")
    before = await time.inner_text()
    await expect(time).not_to_have_text(before)  # counts on by itself
    await run.finish()
    await expect(step(page, "SMART")).to_contain_text("Pass")
    await expect(step(page, "CPUStress")).to_contain_text("Running")
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "CPUStress")  # it goes with the run
    await run.beat(done=3 * 2**30, of=4 * 2**30, unit="bytes", note="half way and more")
    await expect(step(page, "CPUStress")).to_contain_text("3.0 GiB of 4.0 GiB")
    await page.locator('a[data-stage="SMART"]').click()  # from here on the person chooses
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "SMART")
    await page.locator("#tool-SMART-1-1 summary").click()
    await expect(page.locator("#tool-SMART-1-1 pre").first).to_contain_text("smartctl --json -x /dev/sda")
    await run.reach("")
    await expect(page.locator("#run-head")).to_contain_text("Passed, not vetted")
    await expect(page.locator("#run-track .good")).to_have_count(10)
    await expect(step(page, "GPU")).to_contain_text("Skipped")
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "SMART")
    await expect(page.locator("#tool-SMART-1-1")).to_have_attribute("open", "")
    assert await stayed(page)


async def test_the_log_follows_is_searched_and_filtered(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("CPUStress")
    await run.say(*(f"old line {number}" for number in range(300)), level="debug")
    page = await run_page(scene, surfer, run, await scene.viewer())
    box = page.locator("#run-log [data-lines]")
    await box.evaluate("one => one.scrollIntoView()")
    await expect(lines(page)).to_have_count(200)
    await run.say("<b>new</b> \x1b[31mline", level="warning", source="kernel")
    newest = lines(page).last
    await expect(newest).to_have_text("<b>new</b> <U+001B>[31mline")
    await expect(newest).to_be_in_viewport()
    await box.evaluate("one => { one.scrollTop = 0; }")  # scrolled up: it stays there
    await expect(page.locator("[data-log-state]")).to_have_text("Not following")
    await run.say("another line")
    await expect(newest).to_have_text("another line")
    assert await box.evaluate("one => one.scrollTop") == 0
    await page.get_by_label("Follow").check()
    await expect(newest).to_be_in_viewport()
    await page.get_by_label("Containing").fill("OLD line 29")  # in the whole log, not only in what is shown
    await expect(lines(page)).to_have_text([f"old line {number}" for number in (29, *range(290, 300))])
    await run.say("not what is looked for", "one more old line 29x")
    await expect(lines(page).last).to_have_text("one more old line 29x")
    await expect(lines(page)).to_have_count(12)
    await page.get_by_label("Containing").fill("")
    await page.get_by_label("From level").select_option("warning")
    await expect(lines(page)).to_have_text(["<b>new</b> <U+001B>[31mline"])
    await page.get_by_label("From level").select_option("debug")
    await page.locator("#run-log").get_by_label("Stage").select_option("SMART")
    await expect(page.locator("#run-log [data-none]")).to_have_text("No line like that yet.")


async def test_a_hold_its_panel_and_an_override_with_a_reason_seen_by_two(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("SMART", "pve-two")
    mine = await run_page(scene, surfer, run, await scene.operator())
    theirs = await run_page(scene, surfer, run, await scene.viewer(), width=390, height=800)
    await expect(mine.locator("#run-actions").get_by_role("link")).to_have_text(["Cancel"])
    await run.fail("reallocated sectors grew")
    await run.hold()
    for page in (mine, theirs):
        await expect(page.locator("#run-hold")).to_contain_text("Held in SMART")
        await expect(page.locator("#run-hold")).to_contain_text("192.0.2.41")
        await expect(page.locator("#run-head")).to_contain_text("reallocated sectors grew")
    await expect(mine.locator("#run-hold")).to_contain_text("vetting run ssh")
    await expect(mine.locator("#run-actions").get_by_role("link")).to_have_text(
        ["Retry", "Override", "Release", "Cancel & reboot"]
    )
    await expect(theirs.locator("#run-actions").get_by_role("link")).to_have_count(0)
    assert "ssh -i" not in await theirs.content()
    assert "/key" not in await theirs.content()

    await mine.get_by_role("link", name="Override").click()
    dialog = mine.get_by_role("dialog")
    await expect(dialog).to_contain_text("The agent on pve-two enters SMART again")
    await dialog.get_by_role("button", name="Override").click()
    await expect(dialog.get_by_label("Why")).to_be_focused()  # the browser asks for it, and nothing was sent
    await dialog.get_by_label("Why").evaluate("one => one.removeAttribute('required')")
    async with mine.expect_navigation():
        await dialog.get_by_role("button", name="Override").click()
    await expect(mine.get_by_role("alert")).to_contain_text("an override needs a reason")
    assert (await scene.run(run.run_id)).state is RunState.FAILED_HOLDING
    await mine.get_by_label("Why").fill("the cable was loose")
    await mine.get_by_role("button", name="Override").click()
    await expect(mine.get_by_role("status").filter(has_text="goes on")).to_be_visible()
    await run.obey()
    await run.finish()
    for page in (mine, theirs):
        await expect(step(page, "SMART")).to_contain_text("Passed at a later attempt")
        await expect(page.locator("#run-hold")).to_be_empty()
        await expect(page.locator("#run-head")).to_contain_text("overridden by mira because: the cable was loose")
    assert await stayed(theirs)
    surfer.forgive("400")


async def test_the_key_is_shown_once_asked_for_and_never_before(scene: Scene, surfer: Surfer) -> None:
    run = await scene.held()
    page = await run_page(scene, surfer, run, await scene.operator())
    assert "PRIVATE KEY" not in await page.content()
    await page.get_by_role("link", name="Get the key …").click()
    await expect(page.get_by_role("dialog")).to_contain_text("is written down")
    assert "PRIVATE KEY" not in await page.content()
    await page.get_by_role("dialog").get_by_role("button", name="Show the key").click()
    await expect(page.locator("#key-private")).to_contain_text("BEGIN OPENSSH PRIVATE KEY")
    await page.go_back()
    await expect(page.locator("#run-hold")).to_contain_text("Held")
    await page.get_by_role("link", name="Get the key …").click()
    async with page.expect_download() as saved:
        await page.get_by_role("dialog").get_by_role("button", name="Download the key").click()
    file = await saved.value
    assert file.suggested_filename == f"run-{run.run_id}.key"
    assert "BEGIN OPENSSH PRIVATE KEY" in Path(await file.path()).read_text()


async def test_cancel_in_the_middle_of_a_stage_ends_its_processes(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("CPUStress", "pve-mid")
    load = await asyncio.create_subprocess_exec("sleep", "1000")
    run.on_cancel.append(load.kill)
    page = await run_page(scene, surfer, run, await scene.operator())
    async with run.alive():
        await page.get_by_role("link", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("kills every process of CPUStress; then pve-mid powers off and stays off")
        await dialog.get_by_label("Why").fill("the wrong host")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#run-head")).to_contain_text("Cancelled")
        await asyncio.wait_for(load.wait(), 10)
        await expect(step(page, "CPUStress")).to_contain_text("Cancelled")
        await expect(page.locator("#run-actions").get_by_role("link")).to_have_count(0)
        await expect(page.locator("#run-story")).to_contain_text("the wrong host")
        await asyncio.wait_for(run.gone.wait(), 10)
    assert run.did == "shutdown"


async def test_cancel_and_reboot_leaves_a_hold_to_the_hosts_own_disk(scene: Scene, surfer: Surfer) -> None:
    run = await scene.held(host="pve-out")
    page = await run_page(scene, surfer, run, await scene.operator())
    async with run.alive():
        await page.get_by_role("link", name="Cancel & reboot").click()
        await expect(page.get_by_role("dialog")).to_contain_text("pve-out reboots")
        await expect(page.get_by_role("dialog")).to_contain_text("falls through to its own disk")
        await page.get_by_role("dialog").get_by_role("button", name="Cancel & reboot").click()
        await expect(page.locator("#run-head")).to_contain_text("Cancelled")
        await expect(page.locator("#run-hold")).to_be_empty()
        await asyncio.wait_for(run.gone.wait(), 10)
    assert run.did == "reboot"
    assert (await scene.run(run.run_id)).state is RunState.CANCELLED


async def test_after_a_cut_nothing_is_missing_and_nothing_is_there_twice(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("SMART")
    async with cable_to(scene.url) as cable:
        page = await run_page(scene, surfer, run, await scene.viewer(), by=cable.url)
        await run.say("line 0")
        await expect(lines(page).last).to_have_text("line 0")
        await cable.cut()
        await expect(page.locator("#connection")).to_contain_text("Not connected")
        await run.say(*(f"line {number}" for number in range(1, 250)))  # more than goes out in one event
        await run.finish()
        await run.say("line 250")
        await cable.mend()
        await expect(step(page, "CPUStress")).to_contain_text("Running")
        await expect(lines(page).last).to_have_text("line 250")
        await run.say("line 251")
        await expect(lines(page).last).to_have_text("line 251")
        said = [text for text in await lines(page).all_inner_texts() if text.startswith("line")]
        assert said == [f"line {number}" for number in range(252)]
        await expect(page.locator("#connection")).to_be_empty()
        assert await stayed(page)
    forget_the_outage(surfer)


async def test_after_a_restart_of_the_orchestrator_nothing_is_missing(scene: Scene, surfer: Surfer) -> None:
    run = await scene.running("SMART")
    page = await run_page(scene, surfer, run, await scene.viewer())
    await run.say(*(f"line {number}" for number in range(20)))
    await expect(lines(page).last).to_have_text("line 19")
    await scene.stop()
    await scene.start()
    await run.say(*(f"line {number}" for number in range(20, 40)))
    await run.finish()
    await expect(step(page, "CPUStress")).to_contain_text("Running")
    await expect(lines(page).last).to_have_text("line 39")
    said = [text for text in await lines(page).all_inner_texts() if text.startswith("line")]
    assert said == [f"line {number}" for number in range(40)]
    assert await stayed(page)
    forget_the_outage(surfer)


async def tab_to(page: Page, name: str) -> None:
    """By the Tab key alone, as a person without a mouse."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.textContent.trim()")
        if focused == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


async def test_a_hold_is_settled_by_keyboard_alone(scene: Scene, surfer: Surfer) -> None:
    run = await scene.held()
    page = await run_page(scene, surfer, run, await scene.operator())
    await tab_to(page, "Override")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_label("Why")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_role("link", name="Override")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_label("Why")).to_be_focused()
    await page.keyboard.type("looked at it, goes on")
    await tab_to(page, "Override")
    await page.keyboard.press("Enter")
    await expect(page.locator("#run-head")).to_contain_text("overridden by mira because: looked at it, goes on")
    await tab_to(page, "Firmware")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "Firmware")


async def test_without_scripts_everything_can_be_read_and_decided(scene: Scene, surfer: Surfer) -> None:
    run = await scene.held(host="pve-plain")
    await run.say("what the agent said", stage="SMART")
    page = await run_page(scene, surfer, run, await scene.operator(), javascript=False)
    await expect(page.locator("#run-hold")).to_contain_text("Held in SMART")
    await expect(page.locator("#run-track li")).to_have_count(11)
    await expect(lines(page).last).to_have_text("what the agent said")
    await expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    await page.locator("#step-Inventory a").click()
    await expect(page.locator("[data-detail]")).to_have_attribute("data-detail", "Inventory")
    await expect(page.locator("#stage")).to_contain_text("lscpu -J")
    await page.get_by_label("Containing").fill("agent")
    await page.get_by_role("button", name="Search the log").click()
    await expect(page.locator(".lines li")).to_have_count(1)
    await page.go_back()
    await page.get_by_role("link", name="Retry").click()
    await expect(page.get_by_role("heading", name=re.compile("Retry: pve-plain"))).to_be_visible()
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("status").filter(has_text="tries the stage again")).to_be_visible()
    assert (await scene.run(run.run_id)).state is RunState.SMART


@pytest.mark.parametrize("looks", [{"width": 1280}, {"width": 390, "dark": True}])
async def test_the_page_is_for_everybody_and_fits(scene: Scene, surfer: Surfer, looks: dict[str, Any]) -> None:
    run = await scene.held(verdict="ERROR", reason="smartctl hung at " + "x" * 120)
    await run.find("ata1: COMRESET failed " * 8, component="disk:S45NNA0M00001")
    page = await run_page(scene, surfer, run, await scene.operator(), **looks)
    assert await surfer.axe(page) == []
    assert await page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth") <= 0
    await page.get_by_role("link", name="Override").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await surfer.axe(page) == []
