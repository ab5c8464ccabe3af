"""Whatever a host says is only text: nothing of it runs, breaks out, hides, or tears a page apart, on any page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Dialog, Page, expect

from tests.browser.album import Look, Stages, ready
from tests.browser.cast import told
from tests.browser.hand import Hand
from tests.browser.liars import LONG, SHORT, TRAP, Liar, claimed, liars
from tests.browser.places import RACK, Place, every_place
from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer
from tests.unit.web.visitor import visiting
from vetting import wire

pytestmark = pytest.mark.browser

DESK, PHONE = Look(1280, False), Look(390, False)
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
BROKEN_OUT = """() => [
    ...[...document.querySelectorAll('*')].flatMap(one => [...one.attributes]
        .filter(at => /^on|^poison$|^style$/i.test(at.name) && !(at.name === 'style' && one.closest('.plot, .legend, figure')))
        .map(at => `<${one.localName} ${at.name}="${at.value.slice(0, 60)}">`)),
    ...[...document.querySelectorAll('script:not([src]), img, base, object, embed, a[href^="javascript" i], form[action^="javascript" i]')]
        .map(one => one.outerHTML.slice(0, 80)),
    ...(window.trapped ? [`the trap was sprung ${window.trapped} times`] : [])]"""
SIDEWAYS = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
AS_TEXT = "{{7*7}}${7*7}#{7*7}"


@pytest.fixture
async def there(surfer: Surfer, tmp_path: Path) -> AsyncIterator[Stages]:
    """A stage of liars. Scripts that are said are stopped by nobody but the page itself: its policy is off for this test."""
    async with staged(tmp_path, change=told) as scene:
        yield Stages(surfer, await liars(scene), {RACK: scene})


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Hand]:
    """One liar at work."""
    async with staged(tmp_path) as scene:
        hand = await claimed(scene, Liar(1))
        await hand.reach("CPUStress")
        yield hand


async def lawless(surfer: Surfer, look: Look = DESK, scene: Scene | None = None) -> BrowserContext:
    """A browser that would run an injected script, so that one is seen even where the policy would have stopped it."""
    context = await surfer.browser.new_context(
        ignore_https_errors=True, bypass_csp=True, viewport={"width": look.width, "height": 900},
        is_mobile=look.width < 600, has_touch=look.width < 600, reduced_motion="reduce",
    )  # fmt: skip
    if scene is not None:
        await scene.let_in(context, await scene.operator())
    return context


@pytest.mark.timeout(400)  # some fifty pages
async def test_nothing_that_a_host_says_runs_or_breaks_out_on_any_page(there: Stages) -> None:
    faults: list[str] = []
    context = await lawless(there.surfer, DESK, there.cast.scene)
    dialogs: list[str] = []
    context.on("dialog", seen_in(dialogs))
    for place in every_place(there.cast):
        if place.stage != RACK or place.who != "operator" or place.again:
            continue
        page = await context.new_page()
        answer = await page.goto(there.cast.scene.url + place.path)
        assert answer is not None
        assert answer.status == place.status, f"{place.path} answers {answer.status}"
        faults += [f"{place.name}: {fault}" for fault in await faults_of(page, place)]
        await page.close()
    faults += [f"a dialog was opened: {one}" for one in dialogs]
    assert not faults, "\n".join(faults)


def seen_in(dialogs: list[str]) -> Callable[[Dialog], Awaitable[None]]:
    async def seen(shown: Dialog) -> None:
        dialogs.append(shown.message)
        await shown.dismiss()

    return seen


async def faults_of(page: Page, place: Place) -> list[str]:
    if not place.still:
        await ready(page)
    found = [] if place.still else [str(one) for one in await page.evaluate(BROKEN_OUT)]
    if await page.locator("h1").count() != 1:
        found.append("the page is not whole")
    if hidden := HIDDEN.search(await page.content()):
        found.append(f"U+{ord(hidden.group()):04X} is in it as it was said")
    for look in () if place.still else (DESK, PHONE):
        await page.set_viewport_size({"width": look.width, "height": 900})
        if (sideways := await page.evaluate(SIDEWAYS)) > 0:
            found.append(f"{look}: scrolls sideways by {sideways} px")
    return found


async def test_what_comes_live_is_only_text_too_and_the_page_goes_on(alone: Hand, surfer: Surfer) -> None:
    hand = alone
    page = await (await lawless(surfer, scene=hand.scene)).new_page()
    await page.goto(f"{hand.scene.url}/runs/{hand.run_id}")
    await page.evaluate("window.stays = true")
    await hand.say(*(f"late {poison}" for poison in SHORT), level="warning", source=SHORT[0], stage=hand.stage)
    await hand.find(f"late {SHORT[0]}", component=SHORT[1], source=SHORT[2])
    await hand.beat(done=3, of=4, unit="s", note=f"noted {SHORT[3]}")
    await expect(page.locator("#log .lines, .lines").first).to_contain_text(f"late {AS_TEXT}")
    await expect(page.locator("#run-found")).to_contain_text(f"late {SHORT[0]}")
    await expect(page.locator("#run-track")).to_contain_text("noted </textarea>")
    assert await page.evaluate(BROKEN_OUT) == []
    assert not HIDDEN.search(await page.content())
    assert await page.evaluate("window.stays"), "a line of a host's made the page load again"
    await expect(page.locator("#connection")).to_be_empty()


async def test_a_frame_of_the_stream_stays_one_frame(alone: Hand) -> None:
    scene, hand = alone.scene, alone
    async with visiting(scene, await scene.operator()) as visitor:
        page = (await visitor.see(f"/runs/{hand.run_id}")).raw
        address = re.search(r'hx-sse:connect="([^"]+)"', page)
        assert address is not None
        live = scene.url + address.group(1).replace("&amp;", "&")
        async with visitor.session.get(live, cookies=visitor.guest.cookies if visitor.guest else {}) as stream:
            await hand.say(*SHORT, source=SHORT[10], stage=SHORT[10], level="info")
            await hand.beat(done=1, of=2, unit="s", note=SHORT[10])
            await hand.say("the last one")
            said = await until_said(stream, b"the last one")
    lines = said.decode().splitlines()
    assert {line.partition(":")[0] for line in lines if line} <= {"id", "event", "data", ""}
    events = {line.removeprefix("event: ") for line in lines if line.startswith("event:")}
    assert "log" in events
    assert "signed-out" not in events
    assert not any(line.startswith("id: 99") for line in lines)
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith('data: {"run"')]
    assert any(AS_TEXT in str(one) for each in told for one in each.get("lines", ()))


async def until_said(stream: aiohttp.ClientResponse, words: bytes) -> bytes:
    said = b""
    async with asyncio.timeout(20):
        while words not in said:
            said += await stream.content.readany()
    return said


async def test_a_report_that_is_taken_along_is_inert_wherever_it_is_opened(there: Stages, tmp_path: Path) -> None:
    scene, run_id = there.cast.scene, there.cast.vetted.run_id
    async with visiting(scene, await scene.viewer()) as visitor:
        report = (await visitor.see(f"/runs/{run_id}/report.html?save")).raw
        data = (await visitor.see(f"/runs/{run_id}/report.json")).raw
    assert not HIDDEN.search(report)
    assert not HIDDEN.search(data)
    assert json.loads(data)["host"]["name"] == there.cast.host
    file = tmp_path / "report.html"
    file.write_text(report)
    page = await (await lawless(there.surfer)).new_page()
    await page.goto(file.as_uri())
    assert [one for one in await page.evaluate(BROKEN_OUT) if TRAP in one or "poison" in one or " on" in one] == []
    assert AS_TEXT in await page.locator("body").inner_text()


async def test_the_audit_log_taken_along_is_no_formula_and_hides_nothing(alone: Hand) -> None:
    scene = alone.scene
    because = wire.Because(reason=f"=cmd(){SHORT[6]}{SHORT[8]}")
    await scene.server.desk.progress.cancel(alone.run_id, who="mira", because=because)
    async with visiting(scene, await scene.viewer()) as visitor:
        table = (await visitor.see("/audit.csv")).raw
        data = (await visitor.see("/audit.json")).raw
    assert not HIDDEN.search(table)
    assert "'=cmd()" in table
    assert ",=cmd()" not in table
    assert data.isascii()
    assert any(one["why"].startswith("=cmd()") for one in json.loads(data))


async def test_half_a_letter_is_refused_and_harms_nobody(alone: Hand) -> None:
    """JSON has a way to write one half of a surrogate pair; no text of ours can hold it."""
    hand, scene = alone, alone.scene
    line = '{"at_ms": 0, "stage": "", "level": "info", "source": "agent", "text": "half \\ud800 a letter"}'
    body = f'{{"boot_id": "{hand.boot_id}", "seq": 9999, "now_ms": 0, "lines": [{line}]}}'
    headers = {"Authorization": f"Bearer {hand.token}", "Content-Type": "application/json"}
    async with visiting(scene, None) as visitor:
        async with visitor.session.post(f"{scene.url}/api/agent/log", data=body, headers=headers) as answer:
            told: dict[str, Any] = await answer.json()
            assert (answer.status, told["error"]["code"]) == (400, "bad_input"), told
    async with visiting(scene, await scene.operator()) as visitor:
        assert (await visitor.see(f"/runs/{hand.run_id}")).status == 200


async def test_a_trap_that_is_sprung_is_seen(surfer: Surfer) -> None:
    """Each of these would be a way in."""
    page = await (await lawless(surfer, PHONE)).new_page()
    for body in (
        SHORT[0],
        '<b onmouseover="1">',
        "<p poison>",
        '<p style="position:fixed">',
        '<a href="JavaScript:1">x</a>',
        "<base>",
    ):
        await page.set_content(f"<!doctype html><title>x</title><main>{body}</main>")
        assert await page.evaluate(BROKEN_OUT) != [], body
    await page.set_content(f"<main>{LONG}</main>")
    assert await page.evaluate(SIDEWAYS) > 0
