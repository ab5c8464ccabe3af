"""Keeps the fleet's page up to date: one piece a host, a small one for its heartbeat, and the counts.

Heartbeats come from every host all the time: they renew the age alone, and the whole tile where anything else in it has
changed. Which hosts are listed, and in which order, depends on what each person looks for: an event tells the page to ask
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator.bus import News
from vetting.orchestrator.fleet import counts
from vetting.web.console import Console
from vetting.web.tiles import Tile, tile_of, words_of_counts

VIEWS = ("tiles", "table")
COUNTS = "counts"
BEATS = ("run.progress", "host.seen")
KINDS = frozenset({*BEATS, "run.moved", "run.attempt", "run.hold", "host.changed"})
WITHIN = frozenset(str(state) for state in IN_STAGE if state is not RunState.INVENTORY)


@dataclass(frozen=True, slots=True)
class FleetFeed:
    console: Console
    view: str
    kinds: Collection[str] = KINDS
    _known: dict[int, Tile] = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> str:
        return f"fleet/{self.view}"

    @property
    def key(self) -> str:
        return self.address

    @property
    def pieces(self) -> Collection[str]:
        return (COUNTS,)

    def touched(self, news: News) -> Collection[str]:
        if news.kind in BEATS:
            return (f"beat/{_whose(news)}",)
        if news.kind in ("run.moved", "host.changed"):
            return (_whose(news), COUNTS)
        return (_whose(news),)

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        regrouped = news.kind == "run.moved" and news.data.get("state") not in WITHIN
        return (("fleet", {}),) if regrouped or news.kind == "host.changed" else ()

    async def render(self, ids: Collection[str]) -> str:
        whole = [one for one in ids if "/" in one and not one.startswith("beat/")]
        beats = [one.removeprefix("beat/") for one in ids if one.startswith("beat/")]
        hosts = await self.console.fleet.some(
            hosts=_numbers("host/", whole + beats), runs=_numbers("run/", whole + beats)
        )
        tiles = [(tile_of(host), {f"host/{host.row.host_id}", _run_id(host.row)}) for host in hosts]
        changed = [tile for tile, names in tiles if names & set(whole) or self._looks_new(tile)]
        same = {tile.id for tile in changed}
        regrouped = COUNTS in ids or any(self._is_elsewhere(tile) for tile in changed)
        parts = [self.piece("_fleet_hosts.html.j2", tiles=changed)] if changed else []
        if rest := [tile for tile, _ in tiles if tile.id not in same]:
            parts.append(self.piece("_fleet_beats.html.j2", tiles=rest))
        if regrouped:
            numbers = counts(await self.console.fleet.hosts())
            parts.append(self.piece("_fleet_counts.html.j2", counts=words_of_counts(numbers)))
        self._known.update({tile.id: tile.looks for tile in changed})  # last: what failed above is rendered again
        return "\n".join(parts)

    def piece(self, template: str, **values: Any) -> str:
        """Several elements, each of which takes the place of the one with its id."""
        now = self.console.clock.now()
        return self.console.looks.render(template, {"live": True, "view": self.view, "now": now, **values})

    def _is_elsewhere(self, tile: Tile) -> bool:
        """Whether it is counted in other groups than before: a silent host spoke."""
        known = self._known.get(tile.id)
        return known is None or known.groups != tile.groups

    def _looks_new(self, tile: Tile) -> bool:
        return self._known.get(tile.id) != tile.looks


def _whose(news: News) -> str:
    return f"host/{news.host_id}" if news.host_id is not None else f"run/{news.run_id}"


def _run_id(row: Any) -> str:
    return f"run/{row.newest.run_id}" if row.newest is not None else ""


def _numbers(prefix: str, names: Iterable[str]) -> set[int]:
    return {
        int(name.removeprefix(prefix)) for name in names if name.startswith(prefix) and name[len(prefix) :].isdecimal()
    }


def fleet_feed(console: Console, argument: str) -> FleetFeed:
    return FleetFeed(console, argument if argument in VIEWS else VIEWS[0])
