"""Whatever goes wrong in a page is seen by the test that opened it: each fault is made here once."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import keep
from tests.browser.surfer import Surfer
from tests.browser.tiny import Serve, Tiny


async def troubles(surfer: Surfer, address: str) -> str:
    """What was seen on the page, and forgiven."""
    page = await surfer.open(address)
    await expect(page.get_by_role("heading")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    surfer.forgive(".")
    return "\n".join(surfer.troubles)


async def test_a_page_without_fault_has_no_trouble(surfer: Surfer, serve: Serve) -> None:
    await surfer.open(await serve(Tiny("<p>nothing</p>")))
    assert surfer.unforgiven() == []


@pytest.mark.parametrize(
    ("body", "directive"),
    [
        ('<p style="color: red">red</p>', "style-src-attr"),
        ("<style>p {color: red}</style>", "style-src-elem"),
        ("<script>1</script>", "script-src-elem"),
        ('<img alt="" src="/x.png" onerror="1">', "script-src-attr"),
        ('<iframe src="/"></iframe>', "frame-src"),
        ('<img alt="" src="http://192.0.2.7/pixel.png">', "img-src"),
    ],
)
async def test_what_the_policy_stops_is_seen(surfer: Surfer, serve: Serve, body: str, directive: str) -> None:
    assert f"policy: {directive} stopped" in await troubles(surfer, await serve(Tiny(body)))


async def test_code_that_is_made_of_text_is_stopped_and_seen(surfer: Surfer, serve: Serve) -> None:
    assert "policy: script-src stopped eval" in await troubles(surfer, await serve(Tiny(script="eval('1')")))


async def test_a_request_to_a_stranger_is_seen(surfer: Surfer, serve: Serve) -> None:
    leaky = Tiny('<img alt="" src="http://192.0.2.7/pixel.png">', policy="img-src *")
    assert "asked a stranger: http://192.0.2.7/pixel.png" in await troubles(surfer, await serve(leaky))


async def test_what_is_not_there_is_seen(surfer: Surfer, serve: Serve) -> None:
    assert "404" in await troubles(surfer, await serve(Tiny('<img alt="" src="/nowhere.png">')))


@pytest.mark.parametrize("script", ["undefined.x", "Promise.reject(new Error('x'))", "console.error('x')"])
async def test_an_error_of_a_script_is_seen(surfer: Surfer, serve: Serve, script: str) -> None:
    assert "x" in await troubles(surfer, await serve(Tiny(script=script)))


async def test_forgiving_what_never_happens_is_a_trouble(surfer: Surfer, serve: Serve) -> None:
    await surfer.open(await serve(Tiny()))
    surfer.forgive("the server is gone")
    assert surfer.unforgiven() == ["forgiven, and it never happened: the server is gone"]
    surfer._forgiven.clear()


async def test_two_people_do_not_share_a_cookie_and_two_tabs_do(surfer: Surfer, serve: Serve) -> None:
    tiny = Tiny(script="document.cookie ||= `who=${performance.now()}`")
    address = await serve(tiny)
    one, other = await surfer.open(address), await surfer.open(address)
    tab = await one.context.new_page()
    await tab.goto(address)
    said = [await page.evaluate("document.cookie") for page in (one, tab, other)]
    assert said[0] == said[1] != said[2]


async def test_a_person_may_have_no_javascript(surfer: Surfer, serve: Serve) -> None:
    address = await serve(Tiny(script="document.title = 'moved'"))
    plain, usual = await surfer.open(address, javascript=False), await surfer.open(address)
    assert [await plain.title(), await usual.title()] == ["tiny", "moved"]


async def test_axe_finds_what_was_broken_and_nothing_else(surfer: Surfer, serve: Serve) -> None:
    sound = await surfer.open(await serve(Tiny('<label>Reason <input name="why"></label>')))
    assert await surfer.axe(sound) == []
    broken = await surfer.open(await serve(Tiny('<input name="why"><img src="data:,">')))
    assert {said.split(":")[0] for said in await surfer.axe(broken)} == {"critical label", "critical image-alt"}


async def test_what_a_failed_test_leaves_is_worth_a_look(surfer: Surfer, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    log.write_text("what the server said")
    surfer.logs.append(log)
    await surfer.open(await serve(Tiny("<p>how it looked</p>")))
    await keep(surfer, tmp_path / "kept")
    assert (tmp_path / "kept" / "page-1.png").read_bytes().startswith(b"\x89PNG")
    assert "how it looked" in (tmp_path / "kept" / "page-1.html").read_text()
    assert (tmp_path / "kept" / "serve.log").read_text() == "what the server said"
