"""A person's browser, and everything in it that a person would not notice: errors, violations, requests to strangers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

AXE = Path(__file__).resolve().parents[2] / "build" / "npm" / "axe.min.js"
PATIENCE_MS = 15_000
PHONE_PX = 600  # narrower than this a browser is a phone's: it is touched, and its scroll bars take no room
GRAVE = {"serious", "critical"}
ENDED = "net::ERR_ABORTED"
"""A request that the page itself gave up: what every stream says when its page is left."""
TELLTALE = """document.addEventListener('securitypolicyviolation', seen => console.error(
    `policy: ${seen.effectiveDirective} stopped ${seen.blockedURI} at ${seen.sourceFile}:${seen.lineNumber}`))"""


@dataclass
class Surfer:
    """Opens pages, each in a context of its own (cookies, storage), and collects what went wrong in any of them."""

    browser: Browser
    troubles: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)
    """Where requests may go: the origins that the test itself opened."""
    logs: list[Path] = field(default_factory=list)
    """Files that are kept beside the screenshots when the test fails, such as the server's log."""
    _forgiven: list[str] = field(default_factory=list)

    async def open(self, url: str, **looks: Any) -> Page:
        """A new person at this address, who shares nothing with the others; `looks` as of `person`."""
        page = await (await self.person(**looks)).new_page()
        self.origins.add(origin(url))
        await page.goto(url)
        return page

    async def person(
        self, *, width: int = 1280, height: int = 900, dark: bool = False, javascript: bool = True
    ) -> BrowserContext:
        """A browser that remembers nothing; its `new_page()` opens as many tabs as wanted, which share their cookies."""
        context = await self.browser.new_context(
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            is_mobile=width < PHONE_PX,
            has_touch=width < PHONE_PX,
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._heard)
        context.on("weberror", lambda thrown: self.troubles.append(f"uncaught: {thrown.error}"))
        context.on("request", self._asked)
        context.on("requestfailed", self._failed)
        await context.add_init_script(TELLTALE)
        return context

    def forgive(self, *patterns: str) -> None:
        """Troubles that this test makes on purpose: regular expressions, each of which must meet at least one of them."""
        self._forgiven += patterns

    def unforgiven(self) -> list[str]:
        """What nobody expected, and what somebody expected and did not come."""
        left = [said for said in self.troubles if not any(re.search(pattern, said) for pattern in self._forgiven)]
        idle = [one for one in self._forgiven if not any(re.search(one, said) for said in self.troubles)]
        return left + [f"forgiven, and it never happened: {pattern}" for pattern in idle]

    async def axe(self, page: Page) -> list[str]:
        """The serious and critical findings of axe-core on the page as it stands, one line each."""
        await page.evaluate(AXE.read_text())  # by the debugger, whom the page's policy does not bind
        found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert found["passes"], "axe looked at nothing"
        return [
            f"{one['impact']} {one['id']}: {one['help']}: {json.dumps([node['html'][:200] for node in one['nodes']])}"
            for one in found["violations"]
            if one["impact"] in GRAVE
        ]

    def _heard(self, said: ConsoleMessage) -> None:
        if said.type == "error" and not _is_our_telltale(said):
            self.troubles.append(f"console: {said.text}")

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("http:", "https:", "ws:", "wss:")) and origin(request.url) not in self.origins:
            self.troubles.append(f"asked a stranger: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != ENDED:
            self.troubles.append(f"failed: {request.method} {request.url}: {request.failure}")


def _is_our_telltale(said: ConsoleMessage) -> bool:
    """TELLTALE is offered to every frame, and the sandbox of a shown report sometimes tells that it refused it. That a report
    holds no script of its own is seen where reports are tried."""
    return (
        re.match(r"Blocked script execution in '[^']*/runs/[0-9]+/report\.html' because .* sandboxed", said.text)
        is not None
    )


def origin(url: str) -> str:
    return urlsplit(url).netloc
