"""The fleet: every host as a tile, or as a row where there are many; found, filtered and sorted by the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vetting.orchestrator.fleet import Group, HostNow, Sort, Wanted, counts, ordered
from vetting.web.console import Console
from vetting.web.fleetfeed import VIEWS, FleetFeed, fleet_feed
from vetting.web.pages.adopting import Strangers
from vetting.web.tiles import tile_of, words_of_counts
from vetting.web.visit import Answer, Need, Page, View, Visit

DENSE_FROM = 50  # hosts
MOST_WORDS = 8
SORTS = {
    Sort.ATTENTION: "Attention first",
    Sort.NAME: "Name",
    Sort.STATE: "State",
    Sort.VERDICT: "Oldest verdict first",
    Sort.TEMPERATURE: "Hottest first",
}


async def show(console: Console, visit: Visit) -> Answer:
    wanted = wanted_by(visit.query)
    every = await console.fleet.hosts()
    found = await _found(console, every, wanted)
    view = _view(visit.query.get("view", ""), len(every))
    strangers = Strangers(console, operator=visit.operator)
    values: dict[str, Any] = {
        "tiles": [tile_of(host) for host in found],
        "total": len(every),
        "wanted": wanted,
        "asked": visit.query.get("q", ""),
        "view": view,
        "chosen_view": visit.query.get("view", "") if visit.query.get("view") in VIEWS else "",
        "counts": words_of_counts(counts(every)),
        "sorts": SORTS,
        "live": False,
        "public_url": console.config.server.public_url,
        **await strangers.values(),
    }
    feed: FleetFeed = fleet_feed(console, view)
    return View(template="fleet.html.j2", title="Fleet", values=values, nav="fleet", feeds=(feed, strangers))


def wanted_by(query: Mapping[str, str]) -> Wanted:
    """What an address asks for; what it says wrong is as if it were not said."""
    return Wanted(
        show=Group(query["show"]) if query.get("show") in set(Group) else Group.ALL,
        sort=Sort(query["sort"]) if query.get("sort") in set(Sort) else Sort.ATTENTION,
        words=tuple(query.get("q", "").lower().split()[:MOST_WORDS]),
    )


async def _found(console: Console, every: list[HostNow], wanted: Wanted) -> list[HostNow]:
    matching = await console.fleet.matching(wanted.words) if wanted.words else None
    hosts = (
        host for host in every if wanted.show in host.groups and (matching is None or host.row.host_id in matching)
    )
    return ordered(hosts, wanted.sort)


def _view(chosen: str, hosts: int) -> str:
    return chosen if chosen in VIEWS else VIEWS[hosts >= DENSE_FROM]


def feed(console: Console, visit: Visit, argument: str) -> FleetFeed:
    return fleet_feed(console, argument)


PAGES = (Page(path="/", need=Need.VIEWER, show=show),)
