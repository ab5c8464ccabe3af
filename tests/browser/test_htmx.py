"""What the console builds on: htmx 4 and its stream, under a policy that allows no inline script, no inline style and no eval."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.browser.surfer import Surfer
from tests.browser.tiny import Serve, Tiny

STREAM = '<div id="live" hx-sse:connect="/live" hx-swap="none"></div>'
AGAIN = "load, htmx:error delay:100ms, htmx:response:error delay:100ms"
CUT = ("net::ERR_INCOMPLETE_CHUNKED_ENCODING", "htmx:sse:error")


def fragment(id: str, said: str, how: str = "outerMorph") -> str:
    return f'<p id="{id}" hx-swap-oob="{how}">{said}</p>'


async def test_htmx_runs_under_our_policy(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny('<button hx-get="/fragment/hello" hx-target="#said">Ask</button><p id="said"></p>')
    tiny.fragments["hello"] = "<b>hello</b>"
    page = await surfer.open(await serve(tiny))
    await page.get_by_role("button").click()
    await expect(page.locator("#said b")).to_have_text("hello")


async def test_several_fragments_of_one_message_find_their_places(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM + '<p id="a">old</p><p id="b">old</p><p id="c">old</p>')
    page = await surfer.open(await serve(tiny))
    await tiny.say("\n".join([fragment("a", "new"), fragment("elsewhere", "new"), fragment("b", "new", "true")]))
    await expect(page.locator("main p")).to_have_text(["new", "new", "old"])
    assert await page.locator("#live").inner_html() == ""


async def test_a_message_renames_the_page(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM + '<p id="a">old</p>')
    page = await surfer.open(await serve(tiny))
    await tiny.say("<title>2 held</title>" + fragment("a", "new"))
    await expect(page).to_have_title("2 held")
    await expect(page.locator("#a")).to_have_text("new")


@pytest.mark.parametrize("how", ["outerMorph", "true"])
async def test_rows_of_a_table_are_swapped(surfer: Surfer, serve: Serve, how: str) -> None:
    rows = "".join(f'<tr id="row-{n}"><td>{n}</td><td>old</td></tr>' for n in range(3))
    tiny = Tiny(STREAM + f"<table><tbody>{rows}</tbody></table>")
    page = await surfer.open(await serve(tiny))
    await tiny.say("\n".join(f'<tr id="row-{n}" hx-swap-oob="{how}"><td>{n}</td><td>new</td></tr>' for n in (0, 2)))
    await expect(page.locator("tr")).to_have_text(["0new", "1old", "2new"])


async def test_rows_are_added_at_the_end_and_at_the_beginning(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM + '<table><tbody id="log"><tr><td>1</td></tr></tbody></table>')
    page = await surfer.open(await serve(tiny))
    await tiny.say('<tbody id="log" hx-swap-oob="beforeend"><tr><td>2</td></tr><tr><td>3</td></tr></tbody>')
    await tiny.say('<tbody id="log" hx-swap-oob="afterbegin"><tr><td>0</td></tr></tbody>')
    await expect(page.locator("#log tr")).to_have_text(["0", "1", "2", "3"])


@pytest.mark.parametrize("focused", ["button", "a", "input"])
async def test_who_works_in_a_part_that_is_swapped_keeps_the_place(surfer: Surfer, serve: Serve, focused: str) -> None:
    def part(said: str) -> str:
        return f'<span>{said}</span><button>Stop</button><a href="/x">More</a><label>Why <input></label>'

    tiny = Tiny(STREAM + f'<section id="run">{part("old")}</section>')
    page = await surfer.open(await serve(tiny))
    await page.locator("input").fill("too hot")
    await page.locator(focused).focus()
    await tiny.say(f'<section id="run" hx-swap-oob="outerMorph">{part("new")}</section>')
    await expect(page.locator("span")).to_have_text("new")
    await expect(page.locator(focused)).to_be_focused()
    await expect(page.locator("input")).to_have_value("too hot")


async def test_what_a_script_owns_stays_as_it_left_it(surfer: Surfer, serve: Serve) -> None:
    def part(said: str) -> str:
        return f"<span>{said}</span><div hx-morph-skip></div><details><summary>x</summary></details>"

    tiny = Tiny(STREAM + f'<section id="run">{part("old")}</section>')
    page = await surfer.open(await serve(tiny))
    await page.evaluate("document.querySelector('section div').textContent = 'drawn'")
    await page.locator("summary").click()
    await tiny.say(f'<section id="run" hx-swap-oob="outerMorph">{part("new")}</section>')
    await expect(page.locator("span")).to_have_text("new")
    assert await page.locator("section div").text_content() == "drawn"
    assert await page.locator("details[open]").count() == 0  # unless the page says otherwise, as below


async def test_what_a_person_opened_stays_open_where_the_page_says_so(surfer: Surfer, serve: Serve) -> None:
    def part(said: str) -> str:
        return f"<details><summary>{said}</summary></details>"

    config = json.dumps({"morphIgnore": ["data-htmx-powered", "open"]}).replace('"', "&quot;")
    tiny = Tiny(STREAM + f'<section id="run">{part("old")}</section>', config=config)
    page = await surfer.open(await serve(tiny))
    await page.locator("summary").click()
    await tiny.say(f'<section id="run" hx-swap-oob="outerMorph">{part("new")}</section>')
    await expect(page.locator("summary")).to_have_text("new")
    await expect(page.locator("details[open]")).to_have_count(1)


async def test_a_named_message_is_an_event_of_the_page(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(
        STREAM + '<p id="got">nothing</p>',
        script="document.addEventListener('sample', ({detail, target}) => {"
        "document.getElementById('got').textContent = [JSON.parse(detail.data).cpu, detail.id, target.id] })",
    )
    page = await surfer.open(await serve(tiny))
    await tiny.say('{"cpu": 61}', event="sample", id="7")
    await expect(page.locator("#got")).to_have_text("61,7,live")


async def test_a_stream_that_was_cut_goes_on_where_it_was(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM + '<p id="a">old</p>')
    page = await surfer.open(await serve(tiny))
    for number, id in enumerate(("41", "42", "43"), 1):
        await tiny.say(fragment("a", id), id=id)
        await expect(page.locator("#a")).to_have_text(id)
        tiny.cut()
        await tiny.heard_by(number + 1)
    assert tiny.resumed == [None, "41", "42", "43"]
    surfer.forgive(*CUT)


async def test_a_stream_that_is_refused_when_the_page_opens_is_asked_for_again(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM.replace("hx-swap", f'hx-trigger="{AGAIN}" hx-swap') + '<p id="a">old</p>', refusing=2)
    page = await surfer.open(await serve(tiny))
    await tiny.heard_by(3)
    await tiny.say(fragment("a", "new"), id="41")
    await expect(page.locator("#a")).to_have_text("new")
    tiny.cut()
    await tiny.heard_by(4)
    assert tiny.resumed == [None, None, None, "41"]  # one connection again, not two
    surfer.forgive("503", *CUT)


HIDE = """Object.defineProperty(document, 'hidden', {value: true, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'))"""


async def test_a_tab_in_the_background_listens_on(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM + '<p id="a">old</p>')
    page = await surfer.open(await serve(tiny))
    await tiny.heard_by(1)
    await page.evaluate(HIDE)
    await tiny.say(fragment("a", "new"))
    await expect(page.locator("#a")).to_have_text("new")
    assert tiny.resumed == [None]


async def test_a_tab_in_the_background_hangs_up_if_nobody_tells_it_not_to(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(STREAM, config="sse.reconnectDelay:50")
    page = await surfer.open(await serve(tiny))
    await tiny.heard_by(1)
    await page.evaluate(HIDE)
    await tiny.heard_by_nobody()
    await page.evaluate(HIDE.replace("true", "false", 1))
    await tiny.heard_by(2)


async def test_a_dialog_is_filled_and_shown_by_our_own_script(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(
        '<a href="/fragment/ask" hx-get="/fragment/ask" hx-target="#dialog" hx-select="main" '
        'hx-swap="innerHTML ignoreTitle:true">Cancel</a><dialog id="dialog" aria-label="Confirm"></dialog>',
        script="document.addEventListener('htmx:after:swap', ({detail: {ctx}}) => {"
        "if (ctx.target.id === 'dialog') ctx.target.showModal() })",
    )
    tiny.fragments["ask"] = (
        "<!doctype html><title>Ask</title><main><form method=post><button>Yes</button></form></main>"
    )
    page = await surfer.open(await serve(tiny))
    await page.get_by_role("link").click()
    await expect(page.get_by_role("dialog").get_by_role("button", name="Yes")).to_be_focused()
    await expect(page).to_have_title("tiny")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.get_by_role("link")).to_be_focused()
