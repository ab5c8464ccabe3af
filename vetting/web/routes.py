"""Every page of the console, and everything that is told live, in two lists."""

from __future__ import annotations

from vetting.web.pages import adopting, charts, fleet, report, runs, settings, signing
from vetting.web.shell import Shell
from vetting.web.stream import FeedOf, streaming
from vetting.web.visit import Need, Page

FEEDS: dict[str, FeedOf] = {
    "shell": lambda console, visit, argument: Shell(console),
    "fleet": fleet.feed,
    "strangers": adopting.feed,
    "settings": lambda console, visit, argument: settings.Settings(console),
    "run-charts": charts.feed,
}
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *fleet.PAGES,
    *adopting.PAGES,
    *runs.PAGES,
    *report.PAGES,
    *settings.PAGES,
    *charts.PAGES,
    Page(path="/live", need=Need.VIEWER, show=streaming(FEEDS)),
)
