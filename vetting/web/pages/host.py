"""The page of a host: who it is, whether it can be sent into vetting now, what it should consist of, what its runs said."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from vetting import wire
from vetting.config import hostfile
from vetting.domain.errors import NotFound
from vetting.domain.states import RunState
from vetting.orchestrator.bus import News
from vetting.orchestrator.found import last_firmware, last_inventory
from vetting.orchestrator.reporters import REPORTER_FRESH_S, is_fresh, why_not_ready
from vetting.store import hosts, runs
from vetting.store.rows import HostRow
from vetting.web.console import Console
from vetting.web.pages.host_firmware import pins_beside
from vetting.web.pages.host_runs import run_shown
from vetting.web.visit import Answer, Need, Page, View, Visit

STATE, REPORTER, RECORD, RUNS = PIECES = ("host-state", "host-reporter", "host-record", "host-runs")
TEMPLATES = {piece: f"_{piece.replace('-', '_')}.html.j2" for piece in PIECES}
TOUCHED: dict[str, tuple[str, ...]] = {  # kind of news -> the pieces that it makes stale
    "host.seen": (STATE, REPORTER),
    "host.changed": PIECES,
    "run.moved": (STATE, RUNS),
    "service": (STATE,),
}
ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class HostFeed:
    """Everything on the page that changes by itself. The address carries the number: the name may change."""

    console: Console
    host_id: int
    operator: bool
    pieces: Collection[str] = PIECES
    kinds: Collection[str] = tuple(TOUCHED)

    @property
    def address(self) -> str:
        return f"host/{self.host_id}"

    @property
    def key(self) -> str:
        return f"{self.address}/{'operator' if self.operator else 'viewer'}"

    def touched(self, news: News) -> Collection[str]:
        if news.host_id is not None and news.host_id != self.host_id:
            return ()
        return TOUCHED.get(news.kind, ())

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        host = await self.console.store.read(lambda: hosts.find(self.host_id))
        if host is None or host.removed_at:
            return ""
        values = {"operator": self.operator, "now": self.console.clock.now(), **await live_values(self.console, host)}
        return "".join(self.console.looks.piece(TEMPLATES[piece], values) for piece in PIECES if piece in ids)


async def show(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    feed = HostFeed(console, host.id, visit.operator)

    def look() -> dict[str, Any]:
        firmware = last_firmware(host.id)
        return {
            "found": last_inventory(host.id),
            "firmware": firmware,
            "pins": pins_beside(host.spec.firmware, firmware.items if firmware else ()),
            "trends": console.trends.of(host.id),
            "good_run": bool(runs.listing(host_id=host.id, states=(RunState.COMPLETED,), limit=1)),
        }

    values = {
        "spec_text": hostfile.write(host.spec),
        **await live_values(console, host),
        **await console.store.read(look),
    }
    return View(template="host.html.j2", title=host.name, values=values, nav="fleet", feeds=(feed,))


async def live_values(console: Console, host: HostRow) -> dict[str, Any]:
    """What every piece of the page needs."""
    now = console.clock.now()
    rows = await console.store.read(lambda: runs.listing(host_id=host.id, limit=ON_A_PAGE + 1))
    shown = [run_shown(run) for run in rows[:ON_A_PAGE]]
    return {
        "host": host,
        "last": shown[0] if shown else None,
        "runs": shown,
        "older": rows[ON_A_PAGE - 1].id if len(rows) > ON_A_PAGE else None,
        "refused": await why_not_by_reporter(console, host),
        "fresh": is_fresh(host, now),
        "fresh_until": (host.reporter_seen_at or 0.0) + REPORTER_FRESH_S,
        "not_ready": why_not_ready(host),
    }


async def why_not_by_reporter(console: Console, host: HostRow) -> str:
    """What a start by its reporter would be refused with now, whatever profile; empty where it would begin."""
    profile = next(iter(console.config.profiles))
    request = wire.StartRun(host=host.name, profile=profile, non_destructive=True, start_by="reporter")
    return (await console.desk.progress.why_not_start((request,)))[0]


async def host_named(console: Console, name: str) -> HostRow:
    """Raises NotFound."""
    host = await console.store.read(lambda: hosts.by_name(name))
    if host is None:
        raise NotFound(f"there is no host named {name[:80]!r}; the fleet shows those that there are")
    return host


def feed(console: Console, visit: Visit, argument: str) -> HostFeed:
    """Raises NotFound."""
    return HostFeed(console, number_of(argument), visit.operator)


def number_of(argument: str) -> int:
    """A host's number, from the address of a feed. Raises NotFound for what is none."""
    if not (argument.isascii() and argument.isdecimal()) or len(argument) > 15:
        raise NotFound(f"there is no host {argument[:40]!r}; load the page again")
    return int(argument)


PAGES = (Page(path="/hosts/{host}", need=Need.VIEWER, show=show),)
