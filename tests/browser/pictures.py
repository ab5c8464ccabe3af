"""The three pictures of the console that the documentation shows: `python -m tests.browser.pictures` takes them again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.browser.album import Look, Stages
from tests.browser.cast import whole_rack
from tests.browser.conftest import ARGS
from tests.browser.palette import shrunk
from tests.browser.places import RACK, Place
from tests.browser.surfer import Surfer
from tests.conftest import REPOSITORY
from vetting.orchestrator.supervise import Health, Status

OUT = REPOSITORY / "docs" / "pictures"
MOST_BYTES = 150_000


async def take(out: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium on this machine (Debian: apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        with tempfile.TemporaryDirectory() as folder:
            async with whole_rack(Path(folder)) as cast:
                cast.scene.server.services.told(Status(name="dnsmasq", health=Health.UP))
                there = Stages(Surfer(browser), cast, {RACK: cast.scene})
                for name, path, look, height in (
                    ("fleet.png", "/", Look(1280, True), 1180),
                    ("held-run.png", f"/runs/{cast.held.run_id}", Look(1280, False), 1180),
                    ("run-on-a-phone.png", f"/runs/{cast.working.run_id}", Look(390, False), 1180),
                ):
                    await cast.breathe()
                    page = await there.page(Place(name, path), look)
                    # The gutter of a scroll bar that a headless browser does not draw.
                    await page.evaluate("document.documentElement.style.scrollbarGutter = 'auto'")
                    whole = await page.screenshot(
                        full_page=True, clip={"x": 0, "y": 0, "width": look.width, "height": height}
                    )
                    small = shrunk(whole)
                    assert len(small) < MOST_BYTES, f"{name} has {len(small)} bytes"
                    (out / name).write_bytes(small)
                    print(f"{out / name}: {len(small)} bytes")
                    await page.close()
        await browser.close()


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    asyncio.run(take(OUT))
