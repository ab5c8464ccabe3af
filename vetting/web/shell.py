"""What stands around every page: navigation, who is signed in, what is wrong with us, the worst state as the favicon."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator.bus import News
from vetting.store import runs
from vetting.web.console import Console
from vetting.web.forms import masked
from vetting.web.stream import address
from vetting.web.visit import View, Visit
from vetting.web.who import THEME, THEMES

BANNER = "banner"


async def framed(console: Console, view: View, visit: Visit) -> str:
    """The whole page."""
    feeds = (Shell(console), *view.feeds) if visit.person is not None else ()
    cursor = console.hub.open(feeds, visit.mark) if feeds else ""
    theme = visit.request.cookies.get(THEME, "")
    values: dict[str, Any] = {
        **view.values,
        "layout": "bare.html.j2" if visit.partial else "layout.html.j2",
        "visit": visit,
        "person": visit.person,
        "operator": visit.operator,
        "csrf": masked(visit.person.csrf) if visit.person is not None else "",
        "problem": visit.problem,
        "page_title": view.title,
        "nav": view.nav,
        "theme": theme if theme in THEMES else "",
        "notice": console.notices.take(visit.person.csrf) if visit.person is not None and not visit.partial else "",
        "stream": address(feeds, cursor) if feeds else "",
        "now": console.clock.now(),
        "troubles": console.services.troubles() if visit.person is not None else (),
        "worst": await worst(console) if visit.person is not None else "calm",
    }
    # Beside the loop: a fleet of 500 takes long enough for an agent to wait for it.
    return await asyncio.to_thread(console.looks.render, view.template, values)


async def worst(console: Console) -> str:
    """The fleet's worst state: down (a service of ours), held, busy, calm."""
    if console.services.troubles():
        return "down"
    held, busy = await console.store.read(
        lambda: (runs.any_in((RunState.FAILED_HOLDING,)), runs.any_in(IN_STAGE)),
    )
    return "held" if held else "busy" if busy else "calm"


@dataclass(frozen=True, slots=True)
class Shell:
    """The banner, and the favicon by an event."""

    console: Console
    address: str = "shell"
    key: str = "shell"
    pieces: Collection[str] = (BANNER,)

    def touched(self, news: News) -> Collection[str]:
        return (BANNER,) if news.kind in ("service", "run.moved") else ()

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        values = {"troubles": self.console.services.troubles(), "worst": await worst(self.console)}
        return self.console.looks.piece("_banner.html.j2", values)
