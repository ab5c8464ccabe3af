"""Every page of the console, and everything that is told live, in two lists."""

from __future__ import annotations

from vetting.web.pages import signing
from vetting.web.shell import Shell
from vetting.web.stream import FeedOf, streaming
from vetting.web.visit import Need, Page

FEEDS: dict[str, FeedOf] = {
    "shell": lambda console, visit, argument: Shell(console),
}
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    Page(path="/live", need=Need.VIEWER, show=streaming(FEEDS)),
)
