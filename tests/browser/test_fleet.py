"""The fleet in a real browser: it turns over by itself, is found by keyboard, takes up strangers, reads without scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.scene import Guest, Scene, staged
from tests.browser.surfer import Surfer
from vetting import wire
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.supervise import Health, Status

STRANGER = "52:54:00:aa:bb:01"
HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "x" * 9000


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as opened:
        await opened.operator()
        yield opened


async def fleet(surfer: Surfer, scene: Scene, path: str = "/", guest: Guest | None = None, **looks: object) -> Page:
    """The page, with a mark that a load of another page would take away."""
    page = await scene.visit(surfer, path, guest or await scene.operator(), **looks)
    if looks.get("javascript", True):
        await page.evaluate("() => { window.same = true }")
    return page


async def knock(scene: Scene, mac: str = STRANGER, what: str = "UEFI x86-64") -> None:
    arrivals = Arrivals(store=scene.server.store, bus=scene.server.bus, clock=scene.clock)
    await arrivals.stranger(mac, address="192.0.2.7", source="dhcp", what=what)


@pytest.mark.parametrize("view", ["tiles", "table"])
async def test_stages_turn_over_and_a_held_host_comes_first_without_a_reload(
    scene: Scene, surfer: Surfer, view: str
) -> None:
    await scene.hosts(2)
    agent = await scene.running("SMART", "zeta")
    await agent.beat()
    page = await fleet(surfer, scene, f"/?view={view}")
    zeta = page.locator(".host").filter(has=page.get_by_role("link", name="zeta", exact=True))
    await expect(zeta).to_contain_text("SMART, 4 of 11")
    await expect(page.locator("#count-attention")).to_have_text("0")
    await agent.finish()
    await expect(zeta).to_contain_text("CPUStress, 5 of 11")
    await agent.sample({"temp.cpu": 66.0})
    await agent.beat()
    await expect(zeta).to_contain_text("66 °C")
    await agent.fail("a core miscounts")
    await agent.hold()
    await expect(zeta).to_contain_text("Held")
    await expect(zeta).to_contain_text("a core miscounts")
    await expect(page.locator("#count-attention")).to_have_text("1")
    await expect(page.locator(".host .name").filter(has_text="zeta")).to_be_visible()
    await expect(page.locator(".host:not(.heads)").first).to_contain_text("zeta")
    held = await page.locator("#favicon").get_attribute("data-held")
    await expect(page.locator("#favicon")).to_have_attribute("href", str(held))
    assert await page.evaluate("window.same")
    assert await surfer.axe(page) == []


async def test_many_hosts_are_a_table_and_one_is_found_by_keyboard(scene: Scene, surfer: Surfer) -> None:
    await scene.hosts(52)
    agent = await scene.running("SMART", "pve-07")
    page = await fleet(surfer, scene)
    rows = page.locator(".hosts-table .host:not(.heads)")
    await expect(rows).to_have_count(52)
    await page.keyboard.press("/")
    await page.keyboard.type("pve-07")
    await expect(rows).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"/\?q=pve-07$"))
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await scene.held("SMART", "pve-11")  # another host, and the filter stays as it is
    await expect(page.locator("#count-attention")).to_have_text("1")
    await agent.finish()
    await expect(rows).to_contain_text("CPUStress, 5 of 11")
    await page.wait_for_timeout(2500)  # the list is asked for again
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox").fill("")
    await page.get_by_role("radio", name="All").focus()
    await page.keyboard.press("ArrowRight")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("pve-11")
    await expect(page).to_have_url(re.compile(r"/\?show=attention$"))
    await page.reload()
    await expect(rows).to_have_count(1)
    await page.get_by_role("link", name="pve-11").focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/runs/\d+$"))


async def test_a_host_that_comes_to_fit_the_filter_appears_and_one_that_is_added_too(
    scene: Scene, surfer: Surfer
) -> None:
    await scene.hosts(3)
    page = await fleet(surfer, scene, "/?show=attention")
    await expect(page.get_by_text("No host is like that")).to_be_visible()
    await scene.held("SMART", "pve-02")
    await expect(page.locator(".host")).to_have_count(1)
    everything = await fleet(surfer, scene)
    await expect(everything.locator(".host")).to_have_count(3)
    await scene.hosts(1, first=9)
    await expect(everything.locator(".host")).to_have_count(4)
    await scene.server.desk.people.remove_host("pve-09", who="mira", why="sold")
    await expect(everything.locator(".host")).to_have_count(3)
    await expect(everything.locator("#count-all")).to_have_text("3")
    assert await everything.evaluate("window.same")


async def test_a_reporter_that_speaks_is_seen_and_one_that_falls_silent_is_told(scene: Scene, surfer: Surfer) -> None:
    await scene.hosts(1)
    known = await scene.server.desk.views.host("pve-01")
    page = await fleet(surfer, scene)
    await expect(page.locator(".beat")).to_have_text("no reporter")
    beat = wire.ReporterBeat(boot_id="b", version="1", allowed=True, ways=("efi",))
    await scene.server.desk.progress.reporter_beat(known.id, beat)
    await expect(page.locator(".beat")).to_have_text(re.compile(r"● reporter \d+\s*s"))
    await expect(page.locator("#count-offline")).to_have_text("0")
    scene.clock.skip(70)
    await page.evaluate("() => { document.documentElement.dataset.skew = 70 }")  # as if we had waited with it
    await expect(page.locator(".beat")).to_have_text(re.compile(r"○ reporter silent"))
    await expect(page.locator("#count-offline")).to_have_text("1")


async def test_a_stranger_appears_and_is_adopted(scene: Scene, surfer: Surfer) -> None:
    await scene.hosts(1)
    page = await fleet(surfer, scene)
    viewers = await fleet(surfer, scene, guest=await scene.viewer())
    await expect(page.get_by_role("heading", name="Asked to boot")).to_have_count(0)
    await knock(scene, what=HOSTILE)
    section = page.get_by_role("region", name="Asked to boot")
    await expect(section).to_contain_text(STRANGER)
    await expect(section).to_contain_text("<img src=x")
    await expect(viewers.get_by_role("region", name="Asked to boot")).to_contain_text(STRANGER)
    await expect(viewers.get_by_role("link", name="Adopt")).to_have_count(0)
    await section.get_by_role("link", name="Adopt").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"Adopt {STRANGER}")
    assert await surfer.axe(page) == []
    await dialog.get_by_label("Name").fill("fresh-1")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/hosts/fresh-1$"))
    await expect(page.get_by_role("status").filter(has_text="fresh-1")).to_contain_text("is known now")
    assert (await scene.server.desk.views.host("fresh-1")).macs == (STRANGER,)
    await expect(viewers.get_by_role("region", name="Asked to boot").get_by_text(STRANGER)).to_have_count(0)
    await expect(viewers.get_by_role("link", name="fresh-1")).to_be_visible()


async def test_the_first_host_takes_the_place_of_what_to_do_first(scene: Scene, surfer: Surfer) -> None:
    page = await fleet(surfer, scene)
    await expect(page.get_by_role("heading", name="No hosts yet")).to_be_visible()
    assert await surfer.axe(page) == []
    await page.get_by_role("main").get_by_role("link", name="Add it by name").click()
    await page.get_by_label("Name").fill("first-1")
    other = await fleet(surfer, scene)
    await page.get_by_role("button", name="Add the host").click()
    await expect(page).to_have_url(re.compile(r"/hosts/first-1$"))
    await expect(other.get_by_role("link", name="first-1")).to_be_visible()
    await expect(other.get_by_role("searchbox")).to_be_visible()


async def test_a_service_that_is_down_is_told_on_the_page_and_by_its_favicon(scene: Scene, surfer: Surfer) -> None:
    page = await fleet(surfer, scene)
    down, calm = [str(await page.locator("#favicon").get_attribute(f"data-{one}")) for one in ("down", "calm")]
    await expect(page.locator("#favicon")).to_have_attribute("href", calm)
    scene.server.services.told(Status("dnsmasq", Health.GIVEN_UP, why="exit status 2, five times"))
    await expect(page.get_by_role("alert")).to_contain_text("dnsmasq")
    await expect(page.get_by_role("alert")).to_contain_text("exit status 2, five times")
    await expect(page.locator("#favicon")).to_have_attribute("href", down)
    scene.server.services.told(Status("dnsmasq", Health.UP))
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.locator("#favicon")).to_have_attribute("href", calm)


async def test_without_scripts_it_reads_and_filters(scene: Scene, surfer: Surfer) -> None:
    await scene.held("SMART", "pve-01", reason="drive 7 is failing")
    await scene.machine("pve-02")
    page = await fleet(surfer, scene, javascript=False)
    await expect(page.locator(".host").first).to_contain_text("drive 7 is failing")
    await page.get_by_role("searchbox").fill("pve-02")
    await page.get_by_role("button", name="Show these").click()
    await expect(page.locator(".host")).to_have_count(1)
    await expect(page.get_by_role("searchbox")).to_have_value("pve-02")
    await page.goto(scene.url + "/runs")
    await expect(page.get_by_role("row").filter(has_text="pve-01")).to_contain_text("Held")


async def test_nothing_is_wider_than_a_phone(scene: Scene, surfer: Surfer) -> None:
    await scene.held("Storage", "a-host-with-a-name-as-long-as-a-name-may-be-for-dns-has-a-limit", reason="x" * 300)
    await scene.completed("pve-02", non_destructive=True)
    await (await scene.running("CPUStress", "pve-03")).beat()
    await knock(scene, what=HOSTILE)
    page = await fleet(surfer, scene, width=390, height=844)
    for path in ("/", "/?view=table", "/runs", "/hosts/new", f"/strangers/{STRANGER}/adopt"):
        await page.goto(scene.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
