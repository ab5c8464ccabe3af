"""First start, signing in and out, and sessions that end, as Chromium does them with a certificate of our own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.scene import PASSWORD, Scene, staged
from tests.browser.surfer import Surfer
from vetting.web import stream
from vetting.web.who import COOKIE

SIGN_IN = re.compile(r"/sign-in(\?next=/.*)?$")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        yield opened


async def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


def top(page: Page) -> str:
    return page.url.split("/", 3)[3]


async def test_the_first_start_by_keyboard_alone(scene: Scene, surfer: Surfer) -> None:
    page = await surfer.open(scene.url + "/runs")
    await expect(page.get_by_role("heading", name="Nobody can sign in here yet")).to_be_visible()
    await expect(page.get_by_label("Setup code")).to_be_focused()
    assert await surfer.axe(page) == []
    keys = page.keyboard
    for typed in ("AAAA-BBBB-CCCC", "mira", PASSWORD, PASSWORD):
        await keys.type(typed)
        await keys.press("Tab")
    await keys.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("this is not the setup code")
    await expect(page.get_by_label("Your name")).to_have_value("mira")
    await expect(page.get_by_label("A password")).to_have_value("")
    await page.get_by_label("Setup code").fill(await scene.server.accounts.setup_code())
    await page.get_by_label("A password").fill(PASSWORD)
    await page.get_by_label("The same once more").fill(PASSWORD)
    await keys.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="Welcome, mira")).to_be_visible()
    assert top(page) == ""
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, True, "Lax")
    again = await surfer.open(scene.url + "/setup")
    await expect(again).to_have_url(SIGN_IN)
    surfer.forgive("status of 40")


async def test_signing_in_leads_to_the_page_that_was_wanted_and_out_leaves_nothing_behind(
    scene: Scene, surfer: Surfer
) -> None:
    await scene.operator()
    await scene.hosts(1)
    page = await surfer.open(scene.url + "/audit?who=mira%20b")
    await expect(page.get_by_label("Name")).to_be_focused()
    assert await surfer.axe(page) == []
    await sign_in(page, "mira", "not the password")
    await expect(page.get_by_role("alert")).to_contain_text("name or password is wrong")
    await expect(page.get_by_label("Name")).to_have_value("mira")
    await sign_in(page, "mira")
    await page.wait_for_url(scene.url + "/audit?who=mira%20b")
    await page.goto(scene.url + "/")
    await expect(page.get_by_text("pve-01").first).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(scene.url + "/sign-in")
    assert [one["name"] for one in await page.context.cookies()] == []
    await page.go_back()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await expect(page.get_by_text("pve-01")).to_have_count(0)
    surfer.forgive("status of 401")


async def test_without_javascript_a_person_signs_in_and_out(scene: Scene, surfer: Surfer) -> None:
    await scene.operator()
    page = await surfer.open(scene.url + "/settings", javascript=False)
    await sign_in(page, "mira")
    await page.wait_for_url(scene.url + "/settings")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(scene.url + "/sign-in")


async def test_a_session_that_ends_takes_the_open_page_to_the_sign_in_and_back(
    scene: Scene, surfer: Surfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.3)
    guest = await scene.operator()
    page = await scene.visit(surfer, "/settings?x=1", guest)
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await scene.server.accounts.end_sessions(guest.name, who="somebody")
    await page.wait_for_url(SIGN_IN)  # nobody touched it
    await sign_in(page, guest.name)
    await page.wait_for_url(scene.url + "/settings?x=1")


async def test_a_form_sent_after_the_session_ended_says_so_and_leads_back(scene: Scene, surfer: Surfer) -> None:
    guest = await scene.operator()
    page = await scene.visit(surfer, "/settings", guest, javascript=False)  # whose stream would tell at once
    await scene.server.accounts.end_sessions(guest.name, who="somebody")
    await page.get_by_role("button", name="Change between light and dark").click()
    await expect(page.get_by_role("alert")).to_contain_text("your session has ended, so nothing was done")
    await page.get_by_role("link", name="Sign in").click()
    await sign_in(page, guest.name)
    await page.wait_for_url(scene.url + "/settings")
    surfer.forgive("status of 401")


async def test_a_theme_that_was_chosen_is_kept_through_signing_out(scene: Scene, surfer: Surfer) -> None:
    page = await scene.visit(surfer, "/", await scene.operator())
    await expect(page.locator("html:not([data-theme])")).to_have_count(1)
    await page.get_by_role("button", name="Change between light and dark").click()
    await expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(scene.url + "/sign-in")
    await expect(page.locator("html[data-theme=dark]")).to_have_count(1)


async def test_another_site_signs_nobody_in_and_sends_no_form_of_ours(scene: Scene, surfer: Surfer) -> None:
    guest = await scene.operator()
    context = await surfer.person()
    await scene.let_in(context, guest)
    surfer.origins |= {scene.url.removeprefix("https://"), "evil.example"}
    page = await context.new_page()
    forms = "".join(
        f'<form id="{number}" method="post" action="{scene.url}{path}"><input name="name" value="mira">'
        f'<input name="password" value="{PASSWORD}"><input name="theme" value="dark"></form>'
        for number, path in enumerate(("/sign-in", "/theme", "/sign-out"))
    )
    for number in range(3):
        await page.route("https://evil.example/", lambda route: route.fulfill(body=forms, content_type="text/html"))
        await page.goto("https://evil.example/")
        async with page.expect_navigation():
            await page.evaluate(f"document.getElementById('{number}').submit()")
        await expect(page.get_by_role("alert")).to_contain_text("another origin")
        assert [one["name"] for one in await context.cookies()] == [COOKIE]
    assert (await scene.server.accounts.session(guest.secret)) is not None
    surfer.forgive("status of 403")
