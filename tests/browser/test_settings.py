"""Settings, people, tokens, the own account and the audit log, as a person uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.scene import PASSWORD, Scene, staged
from tests.browser.surfer import Surfer
from vetting.orchestrator.supervise import Health, Status


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path / "scene") as opened:
        yield opened


async def test_a_program_that_goes_down_is_seen_without_a_reload(scene: Scene, surfer: Surfer) -> None:
    told = scene.server.services.told
    told(Status("dnsmasq", Health.UP))
    page = await scene.visit(surfer, "/settings", await scene.viewer())
    row = page.get_by_role("row", name="dnsmasq")
    await expect(row).to_contain_text("Up")
    told(Status("dnsmasq", Health.GIVEN_UP, 5, "dnsmasq exited with status 2: <i>address in use</i>"))
    await expect(row).to_contain_text("Given up")
    await expect(row).to_contain_text("<i>address in use</i>")
    await expect(page.get_by_role("alert")).to_contain_text("This appliance itself has a problem")
    told(Status("dnsmasq", Health.UP))
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_somebody_is_added_by_keyboard_alone_and_signs_in_at_another_browser(
    scene: Scene, surfer: Surfer
) -> None:
    page = await scene.visit(surfer, "/people", await scene.operator())
    await page.get_by_role("link", name="Add a person").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    await page.keyboard.type("ann")
    for typed in ("", PASSWORD, PASSWORD):  # the role stays the viewer's
        await page.keyboard.press("Tab")
        await page.keyboard.type(typed)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="ann may sign in from now on")).to_be_visible()

    other = await surfer.open(scene.url + "/settings")
    await sign_in(other, "ann", PASSWORD)
    await expect(other.get_by_role("heading", level=1, name="Settings")).to_be_visible()
    await expect(other.get_by_role("link", name="People")).to_have_count(0)
    await expect(other.get_by_role("link", name="Send a test")).to_have_count(0)
    await other.goto(scene.url + "/tokens")
    await expect(other.get_by_text("ann may look but not change anything")).to_be_visible()
    surfer.forgive("403")


async def sign_in(page: Page, name: str, password: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_token_is_issued_in_the_dialog_shown_once_and_its_deed_is_found(scene: Scene, surfer: Surfer) -> None:
    page = await scene.visit(surfer, "/tokens", await scene.operator())
    await page.get_by_role("link", name="Issue a token").click()
    await page.get_by_role("dialog").get_by_label("Whose it is").fill("grafana")
    await page.get_by_role("button", name="Issue the token").click()
    token = (await page.locator(".secret").inner_text()).strip()
    assert re.fullmatch(r"[\w-]{43}", token)
    async with scene.client(token) as client:
        assert await client.get("/api/hosts", tuple) == ()
    await page.get_by_role("link", name="I have kept it").click()
    await expect(page.get_by_role("row", name="grafana")).to_be_visible()
    assert token not in await page.content()

    await page.get_by_role("link", name="Audit log").click()
    await page.get_by_label("Words in it").fill("GRAFANA")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("list").get_by_role("listitem")).to_have_text(
        re.compile("mira issued the token grafana as viewer")
    )
