"""A host's page and the start of a run, as a person with a browser has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.machines import Machine
from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer
from tests.fakes.boot_image import lay_out
from tests.fakes.rig import free_ports
from vetting import wire
from vetting.config import Config
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.states import RunState

READY = wire.ReporterBeat(boot_id="b", version="1.4.0", allowed=True, ways=("efi",))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    image = lay_out(tmp_path / "image")

    def boots(config: Config) -> Config:
        return replace(config, boot=replace(config.boot, http_port=free_ports(1)[0], image_dir=str(image)))

    async with staged(tmp_path / "scene", change=boots) as scene:
        yield scene


async def beat(scene: Scene, host: str) -> None:
    known = await scene.server.desk.views.host(host)
    await scene.server.desk.progress.reporter_beat(known.id, READY)


async def spec_of(scene: Scene, host: str) -> ExpectedSpec:
    return (await scene.server.desk.views.host(host)).spec


async def fill(page: Page, text: str) -> None:
    await page.get_by_label("The spec, in YAML").fill(text)


async def test_a_mistake_in_the_spec_is_shown_by_its_line_nothing_is_lost_and_it_is_saved_when_mended(
    scene: Scene, surfer: Surfer
) -> None:
    await scene.add(Machine(7))
    page = await scene.visit(surfer, "/hosts/pve-07", await scene.operator())
    await page.get_by_role("region", name="Expected spec").get_by_role("link", name="Edit").click()
    editor = page.get_by_label("The spec, in YAML")
    whole = await editor.input_value()
    wrong = whole.replace("max_temp_c: 90", "max_tmp_c: 85")
    await editor.fill(wrong)
    await page.get_by_role("button", name="Save").click()
    surfer.forgive("status of 400")
    alert = page.get_by_role("alert")
    line = wrong.split("\n").index("max_tmp_c: 85") + 1
    await expect(alert).to_contain_text(f"line {line} max_tmp_c: there is no such key; did you mean max_temp_c?")
    assert await editor.input_value() == wrong
    await alert.get_by_role("link", name=f"line {line}").click()
    assert await page.evaluate("getSelection().toString()") == "max_tmp_c: 85"
    await page.keyboard.type("max_temp_c: 85")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").filter(has_text="The spec is saved")).to_contain_text("90.0 → 85.0")
    assert (await spec_of(scene, "pve-07")).max_temp_c == 85


async def test_what_was_found_is_adopted_and_a_disk_becomes_erasable_by_a_tick_alone(
    scene: Scene, surfer: Surfer
) -> None:
    machine = Machine(7)
    await scene.server.desk.people.add_host(wire.HostEdit(name=machine.host, macs=machine.macs), who="mira")
    scene.machines[machine.host] = machine
    await (await scene.claimed(machine.host, non_destructive=True)).reach("SMART")
    page = await scene.visit(surfer, "/hosts/pve-07", await scene.operator())
    await page.get_by_role("link", name="Adopt what was found").click()
    await expect(page.get_by_text("Not saved")).to_be_visible()
    await expect(page.get_by_text("No disk becomes erasable by this")).to_be_visible()
    text = await page.get_by_label("The spec, in YAML").input_value()
    assert text.count("write: false") == 3  # both disks, and the comment above them
    await fill(page, text.replace("    write: false", "    write: true", 1))
    await page.get_by_role("button", name="Save").click()
    surfer.forgive("status of 409")
    await expect(page.get_by_text("1 disk could be ERASED by a run from then on")).to_be_visible()
    assert (await spec_of(scene, "pve-07")).disks == ()
    await page.get_by_role("checkbox", name=machine.serials[0]).check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").filter(has_text="The spec is saved")).to_be_visible()
    assert [(disk.serial, disk.write) for disk in (await spec_of(scene, "pve-07")).disks] == [
        (machine.serials[0], True),
        (machine.serials[1], False),
    ]


async def test_a_start_is_refused_while_the_host_is_silent_and_opens_by_itself_when_its_reporter_speaks(
    scene: Scene, surfer: Surfer
) -> None:
    await scene.add(Machine(7))
    person = await scene.operator()
    host = await scene.visit(surfer, "/hosts/pve-07", person)
    start = await scene.visit(surfer, "/hosts/pve-07/start", person)
    button = host.get_by_role("button", name="Start a run")
    await expect(button).to_be_disabled()
    await expect(host.locator("#start-refused")).to_contain_text("/register/quick.sh")
    radio = start.get_by_role("radio", name="Its reporter reboots it")
    await expect(radio).to_be_disabled()
    await expect(start.locator("#start-way-reporter")).to_contain_text("never spoke to us")
    await start.get_by_label("Type the host's name").fill("pve-07")

    await beat(scene, "pve-07")
    await expect(host.get_by_role("link", name="Start a run")).to_be_visible()
    await expect(host.get_by_role("region", name="Reporter")).to_contain_text("1.4.0")
    await expect(radio).to_be_enabled()
    await expect(radio).to_be_checked()
    await expect(start.get_by_role("button", name="Start the run")).to_be_enabled()
    assert await start.get_by_label("Type the host's name").input_value() == "pve-07"

    await start.get_by_role("button", name="Start the run").click()
    await start.wait_for_url("**/runs/*")
    await expect(host.get_by_role("link", name="Look at run 1")).to_be_visible()
    await expect(host.get_by_role("region", name="Runs").get_by_role("link", name="1", exact=True)).to_be_visible()


async def test_without_scripts_the_name_that_was_typed_is_checked_all_the_same(scene: Scene, surfer: Surfer) -> None:
    machine = Machine(7)
    await scene.add(machine)
    await beat(scene, "pve-07")
    page = await scene.visit(surfer, "/hosts/pve-07/start", await scene.operator(), javascript=False)
    for serial in machine.serials:
        await expect(page.get_by_role("rowheader", name=serial)).to_be_visible()
    await page.get_by_role("radio", name="sprint").check()
    await page.get_by_label("Type the host's name").fill("pve-70")
    surfer.forgive("status of 400")
    await page.get_by_role("button", name="Start the run").click()
    await expect(page.get_by_role("alert")).to_contain_text("type the host's name, pve-07")
    await expect(page.get_by_role("radio", name="sprint")).to_be_checked()
    assert await page.get_by_label("Type the host's name").input_value() == "pve-70"
    assert await scene.server.desk.views.runs() == ()
    await page.get_by_role("checkbox", name="Non-destructive").check()
    await expect(page.get_by_text("is ERASED")).to_be_hidden()
    await page.get_by_role("button", name="Start the run").click()
    await page.wait_for_url("**/runs/1")
    assert (await scene.run(1)).non_destructive


async def test_a_run_is_started_by_the_keyboard_alone(scene: Scene, surfer: Surfer) -> None:
    await scene.add(Machine(7))
    await beat(scene, "pve-07")
    page = await scene.visit(surfer, "/hosts/pve-07", await scene.operator())
    await reach(page, "Start a run")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/start")
    await reach(page, "quick")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="deep")).to_be_checked()
    await reach(page, "typed")
    await page.keyboard.type("pve-07")
    await reach(page, "reporter")
    await reach(page, "Start the run")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/runs/1")
    run = await scene.run(1)
    assert run.state in (RunState.QUEUED, RunState.WAITING_REBOOT)
    assert (run.profile_name, run.start_by, run.non_destructive) == ("deep", "reporter", False)


async def reach(page: Page, what: str) -> None:
    """Tab until the focus is there: by what it says, or by its name or value."""
    told = "(() => { const one = document.activeElement; return [one.textContent.trim(), one.name, one.value, one.id]; })()"
    for _ in range(60):
        await page.keyboard.press("Tab")
        if what in await page.evaluate(told):
            return
    raise AssertionError(f"sixty tabs never came to {what}")


async def test_a_start_closes_by_itself_when_the_reporter_falls_silent(scene: Scene, surfer: Surfer) -> None:
    await scene.add(Machine(7))
    await beat(scene, "pve-07")
    person = await scene.operator()
    context = await surfer.person()
    await scene.let_in(context, person)
    surfer.origins.add(scene.url.partition("://")[2])
    await context.clock.install()
    host, start = await context.new_page(), await context.new_page()
    await host.goto(f"{scene.url}/hosts/pve-07")
    await start.goto(f"{scene.url}/hosts/pve-07/start")
    await expect(host.get_by_role("link", name="Start a run")).to_be_visible()
    await start.get_by_role("checkbox", name="Non-destructive").check()
    await expect(start.get_by_role("button", name="Start the run")).to_be_enabled()
    scene.clock.skip(70)
    await context.clock.fast_forward(70_000)
    await expect(host.get_by_role("button", name="Start a run")).to_be_disabled()
    await expect(host.locator("#start-refused")).to_contain_text("was last heard 7")
    await expect(start.get_by_role("radio", name="Its reporter reboots it")).to_be_disabled()
    await expect(start.get_by_role("button", name="Start the run")).to_be_disabled()
    await expect(start.get_by_role("checkbox", name="Non-destructive")).to_be_checked()
