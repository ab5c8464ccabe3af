"""Every page of the console, and everything that is told live, in two lists."""

from __future__ import annotations

from vetting.web.pages import (
    account,
    adopting,
    audit,
    charts,
    evidence,
    fleet,
    hold,
    host,
    host_actions,
    host_pin,
    host_spec,
    notifying,
    people,
    report,
    run,
    run_actions,
    run_log,
    runs,
    settings,
    signing,
    start,
    tokens,
)
from vetting.web.shell import Shell
from vetting.web.stream import FeedOf, streaming
from vetting.web.visit import Need, Page

FEEDS: dict[str, FeedOf] = {
    "shell": lambda console, visit, argument: Shell(console),
    "fleet": fleet.feed,
    "strangers": adopting.feed,
    "host": host.feed,
    "start": start.feed,
    "settings": lambda console, visit, argument: settings.Settings(console),
    "run": run.feed,
    "run-charts": charts.feed,
}
PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *fleet.PAGES,
    *adopting.PAGES,
    *host.PAGES,
    *host_actions.PAGES,
    *host_spec.PAGES,
    *host_pin.PAGES,
    *start.PAGES,
    *runs.PAGES,
    *report.PAGES,
    *settings.PAGES,
    *notifying.PAGES,
    *people.PAGES,
    *tokens.PAGES,
    *account.PAGES,
    *audit.PAGES,
    *charts.PAGES,
    *run.PAGES,
    *run_log.PAGES,
    *run_actions.PAGES,
    *evidence.PAGES,
    *hold.PAGES,
    Page(path="/live", need=Need.VIEWER, show=streaming(FEEDS)),
)
