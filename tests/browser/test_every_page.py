"""What holds on every page: nobody is kept out, nothing comes from elsewhere, all of it by keyboard and without a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.album import COUNT_SHIFTS, Look, Stages, faults_of, stages
from tests.browser.cast import at_work
from tests.browser.places import Place, every_place
from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer
from tests.browser.tiny import Serve, Tiny
from vetting.orchestrator.supervise import Health, Status

pytestmark = pytest.mark.browser

PHONE, DESK = Look(390, False), Look(1280, False)
CROWD = 60
STEPS = 25  # of the Tab key; beyond them pages repeat themselves
FIRST_LOAD_BYTES = 150_000
SHOWS_FOCUS = """() => {
    const there = document.activeElement;
    if (!there || there === document.body || there.localName === 'iframe') return null; // a frame's content shows its own
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


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


@pytest.mark.timeout(400)  # some seventy pages; a minute where nothing else runs
async def test_every_page_is_whole_in_both_schemes_and_on_a_phone(there: Stages, surfer: Surfer) -> None:
    faults: list[str] = []
    surfer.forgive(r"status of 4(04|09)")  # of the places that show a refusal
    for number, place in enumerate(every_place(there.cast)):
        if place.still or place.again:
            continue
        if number % 10 == 0:
            await there.cast.breathe()
        faults += [f"{place.name}: {fault}" for fault in await looked_at(there, surfer, place)]
    assert not faults, "\n".join(faults)


async def looked_at(there: Stages, surfer: Surfer, place: Place) -> list[str]:
    """At a desk, in light and dark, and then as narrow as a phone."""
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
        await page.set_viewport_size({"width": 390, "height": 800})
        found += [f"on a phone: {fault}" for fault in await faults_of(page, PHONE)]
        return found
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


@pytest.mark.timeout(240)
async def test_every_page_reads_without_a_script(there: Stages, surfer: Surfer) -> None:
    surfer.forgive(r"status of 4(04|09)")
    mute: list[str] = []
    people: dict[tuple[str, str], Any] = {}
    for place in every_place(there.cast):
        if place.again:
            continue
        scene, key = there.scenes[place.stage], (place.stage, place.who)
        if key not in people:
            people[key] = await (await there.person(place, DESK, javascript=False)).new_page()
        page = people[key]
        await page.goto(scene.url + place.path)
        said = await page.locator("body" if place.still else "main").inner_text()
        if len(said.split()) < 6:
            mute.append(f"{place.name}: {said!r}")
    assert not mute, "\n".join(mute)


async def test_a_first_load_is_light_with_all_that_it_brings(scene: Scene, surfer: Surfer) -> None:
    working = await at_work(scene, "pve-01")
    for path in ("/sign-in", "/", f"/runs/{working.run_id}", f"/runs/{working.run_id}/charts", "/settings"):
        page = await scene.visit(surfer, path, None if path == "/sign-in" else await scene.operator())
        await page.wait_for_load_state("load")
        weight = int(await page.evaluate(WEIGHT))
        print(f"{path} weighs {weight} bytes with all its files")
        assert 5_000 < weight < FIRST_LOAD_BYTES, f"{path} weighs {weight} bytes, all its files with it"


async def test_the_favicon_is_there_and_shows_the_worst_there_is(scene: Scene, surfer: Surfer) -> None:
    person = await scene.operator()
    for worst in ("calm", "busy", "held", "down"):
        match worst:
            case "busy":
                await scene.running("SMART")
            case "held":
                await scene.held("SMART")
            case "down":
                scene.server.services.told(Status(name="dnsmasq", health=Health.GIVEN_UP, why="gone"))
        page = await scene.visit(surfer, "/", person)
        icon = str(await page.locator("#favicon").get_attribute("href"))
        assert f"favicon-{worst}" in icon
        assert await page.evaluate(FETCHED, icon) == [200, "image/svg+xml"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="/x" class="bare">x</a>', "no visible focus: a  x"),
        ('<a href="/x" tabindex="-1">x</a><p>y</p><button disabled>z</button>', ""),
        ('<pre class="wide">' + "w" * 400 + "</pre>", "scrolls sideways by"),
        ('<p id="late"></p>' + '<p>below</p>' * 9, "jumps while it loads"),
    ],
)  # fmt: skip
async def test_a_page_with_a_fault_would_be_seen(serve: Serve, surfer: Surfer, body: str, fault: str) -> None:
    script = """onload = () => { const late = document.querySelector('#late'), bare = document.querySelector('.bare');
        if (bare) bare.style.outline = 'none'; if (late) setTimeout(() => { late.style.height = '600px'; }, 50); }"""
    context = await surfer.person()
    await context.add_init_script(COUNT_SHIFTS)
    page = await context.new_page()
    surfer.origins.add("127.0.0.1")
    surfer.forgive("asked a stranger")
    await page.goto(await serve(Tiny(body, script=script)))
    await page.wait_for_timeout(300)
    found = "\n".join([*await faults_of(page, DESK), *await by_keyboard(page)])
    assert (fault in found) if fault else not found, found
