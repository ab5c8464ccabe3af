"""A picture of every page: wide and narrow, light and dark, to be looked at. `python -m tests.browser.album [OUT [PLACE…]]`.

Everything in it is real: the orchestrator in this process, honest hosts, Chromium. A page that scrolls sideways on a phone,
that jumps while it loads, or of which the browser complains is told at the end, and the exit status says so.
"""

from __future__ import annotations

import asyncio
import html
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, Page, async_playwright

from tests.browser.cast import Cast, whole_rack
from tests.browser.conftest import ARGS
from tests.browser.places import CROWD, FRESH, NOBODY, RACK, VIEWER, Place, every_place, homeless
from tests.browser.scene import Scene, staged
from tests.browser.surfer import Surfer
from tests.conftest import REPOSITORY

DEFAULT = REPOSITORY / "build" / "album"
WIDTHS = (1280, 390)
HOSTS_IN_A_CROWD = 500
MOST_SHIFT = 0.05  # cumulative layout shift; browsers' makers call up to 0.1 good
TALLEST_PX = 12_000
COUNT_SHIFTS = """window.shifted = 0; new PerformanceObserver(seen => {
    for (const one of seen.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({type: 'layout-shift', buffered: true})"""
REFUSED = re.compile(r"status of 4(04|09)|Blocked script execution in .*/report.html")
"""What Chromium says of a page that is a refusal, and of our own scripts where nothing may run."""
SIDEWAYS = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True)
class Look:
    width: int
    dark: bool

    def __str__(self) -> str:
        return f"{self.width}-{'dark' if self.dark else 'light'}"


LOOKS = tuple(Look(width, dark) for width in WIDTHS for dark in (False, True))


@dataclass
class Stages:
    """Where pages are looked at, and as whom; each person keeps one browser per look."""

    surfer: Surfer
    cast: Cast
    scenes: dict[str, Scene]
    _open: dict[tuple[str, str, Look], BrowserContext] = field(default_factory=dict)

    async def page(self, place: Place, look: Look) -> Page:
        """The page of this place as it stands when it is ready."""
        context = await self._context(place, look)
        page = await context.new_page()
        scene = self.scenes[place.stage]
        answer = await page.goto(scene.url + place.path)
        assert answer is not None and answer.status == place.status, f"{place.path} answers {answer and answer.status}"
        if not place.still:
            await ready(page)
        if place.press:
            await page.get_by_role("link", name=place.press, exact=True).click()
            await page.locator("dialog[open]").wait_for()
        return page

    async def _context(self, place: Place, look: Look) -> BrowserContext:
        key = (place.stage, place.who, look)
        if key not in self._open:
            self._open[key] = await self.person(place, look)
            await self._open[key].add_init_script(COUNT_SHIFTS)
        return self._open[key]

    async def person(self, place: Place, look: Look, *, javascript: bool = True) -> BrowserContext:
        """The browser of somebody who may see this place."""
        scene = self.scenes[place.stage]
        self.surfer.origins.add(scene.url.partition("://")[2])
        context = await self.surfer.person(width=look.width, dark=look.dark, javascript=javascript)
        if place.who != NOBODY:
            guest = await (scene.viewer() if place.who == VIEWER else scene.operator())
            await scene.let_in(context, guest)
        return context


async def ready(page: Page) -> None:
    """Scripts have run, charts are drawn and every picture is there."""
    await page.wait_for_load_state("load")
    if await page.locator("#run-charts[data-src], #run-charts").count():
        await page.wait_for_function("document.querySelector('#run-charts')?.dataset.state !== 'loading'")
    for chart in await page.locator("figure.chart").all():
        await chart.scroll_into_view_if_needed()  # it is drawn when it comes into view
        await chart.locator("canvas").first.wait_for()
    await page.evaluate("scrollTo(0, 0); new Promise(done => requestAnimationFrame(() => setTimeout(done, 60)))")


@asynccontextmanager
async def stages(surfer: Surfer, folder: Path, *, crowd: int = HOSTS_IN_A_CROWD) -> AsyncIterator[Stages]:
    """All of them, before this browser."""
    for name in (RACK, FRESH, CROWD):
        (folder / name).mkdir(parents=True)
    async with (
        whole_rack(folder / RACK) as cast,
        staged(folder / FRESH) as fresh,
        staged(folder / CROWD) as full,
    ):
        await full.hosts(crowd)
        yield Stages(surfer, cast, {RACK: cast.scene, FRESH: fresh, CROWD: full})


async def faults_of(page: Page, look: Look) -> list[str]:
    """What can be measured of a page's look."""
    found = []
    if (sideways := await page.evaluate(SIDEWAYS)) > 0:
        found.append(f"scrolls sideways by {sideways} px")
    if (shifted := await page.evaluate("window.shifted || 0")) >= MOST_SHIFT:
        found.append(f"jumps while it loads, by {shifted:.3f}")
    return found


async def take(out: Path, only: Sequence[str] = ()) -> list[str]:
    """All pictures, and what is wrong with what they show."""
    faults = [f"{path}: no place of tests/browser/places.py shows it" for path in sorted(homeless())]
    taken: list[Place] = []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium on this machine (Debian: apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        surfer = Surfer(browser)
        with tempfile.TemporaryDirectory() as folder:
            async with stages(surfer, Path(folder)) as there:
                for place in every_place(there.cast):
                    if only and place.name not in only:
                        continue
                    await there.cast.breathe()
                    for look in LOOKS:
                        faults += [f"{place.name}, {look}: {fault}" for fault in await picture(there, place, look, out)]
                    taken.append(place)
            await browser.close()
    faults += [said for said in surfer.troubles if not REFUSED.search(said)]
    (out / "index.html").write_text(index(taken))
    return faults


async def picture(there: Stages, place: Place, look: Look, out: Path) -> list[str]:
    page = await there.page(place, look)
    try:
        found = await faults_of(page, look)
        tall = await page.evaluate("document.documentElement.scrollHeight")
        whole = tall <= TALLEST_PX and not place.press
        await page.screenshot(path=out / f"{place.name}-{look}.png", full_page=whole)
        return found
    finally:
        await page.close()


def index(places: Sequence[Place]) -> str:
    """One page with all of them."""
    rows = "".join(
        f"<h2>{html.escape(place.name)}</h2><p><code>{html.escape(place.path)}</code> as {place.who}</p><div>"
        + "".join(f'<a href="{name}"><img src="{name}" alt="{place.name}, {look}" loading="lazy" width="{look.width // 4}"></a> '
                  for look in LOOKS for name in [f"{place.name}-{look}.png"])
        + "</div>"
        for place in places
    )  # fmt: skip
    style = "body{font:15px sans-serif;margin:2rem}img{border:1px solid #999;vertical-align:top}"
    return (
        f'<!doctype html><meta charset="utf-8"><title>Every page</title><style>{style}</style><h1>Every page</h1>{rows}'
    )


def main(words: Sequence[str]) -> int:
    out = Path(words[0]) if words else DEFAULT
    out.mkdir(parents=True, exist_ok=True)
    faults = asyncio.run(take(out, words[1:]))
    print(f"{len(list(out.glob('*.png')))} pictures: {out / 'index.html'}")
    for fault in faults:
        print(f"✗ {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
