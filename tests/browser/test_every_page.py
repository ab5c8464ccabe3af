"""What holds on every page: nobody is kept out, nothing comes from elsewhere, all of it by keyboard and without a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.album import Look, Stages, faults_of, stages
from tests.browser.cast import at_work
from tests.browser.places import Place, every_place
from tests.browser.scene import staged
from tests.browser.surfer import Surfer
from vetting.orchestrator.supervise import Health, Status

pytestmark = pytest.mark.browser

PHONE, DESK = Look(390, False), Look(1280, False)
CROWD = 60
STEPS = 25  # of the Tab key; beyond them pages repeat themselves
FIRST_LOAD_BYTES = 150_000
REPORT = "report-file"  # a document of its own, which has its own tests
SHOWS_FOCUS = """() => {
    const there = document.activeElement;
    if (!there || there === document.body) return null;
    const drawn = (style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const seen = drawn(getComputedStyle(there)) || drawn(getComputedStyle(there, '::after'))
        || (there.nextElementSibling && drawn(getComputedStyle(there.nextElementSibling)));
    const box = there.getBoundingClientRect();
    const words = `${there.localName} ${there.id || there.name || ''} ${there.textContent.trim().slice(0, 40)}`;
    return {words, seen: seen && box.width > 0 && box.height > 0 && box.right > 0};
}"""
REACHABLE = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
    .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0).length"""
WEIGHT = """async () => performance.getEntriesByType('navigation')[0].transferSize
    + performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)"""
FETCHED = "async (at) => { const got = await fetch(at); return [got.status, got.headers.get('content-type')]; }"


@pytest.fixture
async def there(surfer: Surfer, tmp_path: Path) -> AsyncIterator[Stages]:
    async with stages(surfer, tmp_path, crowd=CROWD) as opened:
        yield opened


async def test_every_page_is_whole_in_both_schemes_and_on_a_phone(there: Stages, surfer: Surfer) -> None:
    faults: list[str] = []
    surfer.forgive(r"status of 4(04|09)")  # of the places that show a refusal
    for number, place in enumerate(every_place(there.cast)):
        if place.name == REPORT:
            continue
        if number % 10 == 0:
            await there.cast.breathe()
        found = [await looked_at(there, surfer, place), await on_a_phone(there, place)]
        faults += [f"{place.name}: {fault}" for faults_found in found for fault in faults_found]
    assert not faults, "\n".join(faults)


async def looked_at(there: Stages, surfer: Surfer, place: Place) -> list[str]:
    """At a desk, in light and dark."""
    page = await there.page(place, DESK)
    try:
        found = await faults_of(page, DESK)
        if (heads := await page.locator("h1").count()) != (2 if place.press else 1):
            found.append(f"{heads} headings of the first level")
        if not (await page.title()).strip().removesuffix("· vetting").strip():
            found.append("no title")
        found += [f"light: {fault}" for fault in await surfer.axe(page)]
        found += await by_keyboard(page)
        await page.emulate_media(color_scheme="dark")
        found += [f"dark: {fault}" for fault in await contrast(page)]
        return found
    finally:
        await page.close()


async def on_a_phone(there: Stages, place: Place) -> list[str]:
    page = await there.page(place, PHONE)
    try:
        return [f"phone: {fault}" for fault in await faults_of(page, PHONE)]
    finally:
        await page.close()


async def contrast(page: Page) -> list[str]:
    """What axe says of the colours alone; it is on the page already."""
    found: dict[str, Any] = await page.evaluate("axe.run(document, {runOnly: ['color-contrast']})")
    return [json.dumps([node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]


async def by_keyboard(page: Page) -> list[str]:
    """Whatever the Tab key does not come to, or does not show that it is there."""
    found, seen = [], set()
    reachable = int(await page.evaluate(REACHABLE))
    for _ in range(min(STEPS, reachable)):
        await page.keyboard.press("Tab")
        focus: dict[str, Any] | None = await page.evaluate(SHOWS_FOCUS)
        if focus is None:  # out of the page, to the browser's own buttons
            continue
        seen.add(focus["words"])
        if not focus["seen"]:
            found.append(f"no visible focus: {focus['words']}")
    return found if seen or not reachable else ["nothing is reached by the keyboard"]


async def test_every_page_reads_without_a_script(there: Stages, surfer: Surfer) -> None:
    surfer.forgive(r"status of 4(04|09)")
    mute: list[str] = []
    people: dict[tuple[str, str], Any] = {}
    for place in every_place(there.cast):
        scene, key = there.scenes[place.stage], (place.stage, place.who)
        if key not in people:
            people[key] = await (await there.person(place, DESK, javascript=False)).new_page()
        page = people[key]
        await page.goto(scene.url + place.path)
        said = await page.locator("body" if place.name == REPORT else "main").inner_text()
        if len(said.split()) < 6:
            mute.append(f"{place.name}: {said!r}")
    assert not mute, "\n".join(mute)


async def test_a_first_load_is_light_with_all_that_it_brings(tmp_path: Path, surfer: Surfer) -> None:
    async with staged(tmp_path) as scene:
        working = await at_work(scene, "pve-01")
        for path in ("/sign-in", "/", f"/runs/{working.run_id}", f"/runs/{working.run_id}/charts", "/settings"):
            page = await scene.visit(surfer, path, None if path == "/sign-in" else await scene.operator())
            await page.wait_for_load_state("load")
            weight = int(await page.evaluate(WEIGHT))
            assert 5_000 < weight < FIRST_LOAD_BYTES, f"{path} weighs {weight} bytes, all its files with it"


async def test_the_favicon_is_there_and_shows_the_worst_there_is(tmp_path: Path, surfer: Surfer) -> None:
    async with staged(tmp_path) as scene:
        person = await scene.operator()
        for worst, happens in (("calm", None), ("busy", "running"), ("held", "held"), ("down", "service")):
            match happens:
                case "running":
                    await scene.running("SMART")
                case "held":
                    await scene.held("SMART")
                case "service":
                    scene.server.services.told(Status(name="dnsmasq", health=Health.GIVEN_UP, why="gone"))
            page = await scene.visit(surfer, "/", person)
            icon = str(await page.locator("#favicon").get_attribute("href"))
            assert f"favicon-{worst}" in icon
            assert await page.evaluate(FETCHED, icon) == [200, "image/svg+xml"]
