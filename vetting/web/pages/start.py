"""The form that starts a run: how long, how hard, by which way, and which disks will be erased.

Whether it would be refused is asked of the very checks that a start goes through, for each way: page and API cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from vetting import wire
from vetting.domain.errors import BadInput, NotFound
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.profiles import Profile
from vetting.orchestrator import planning
from vetting.orchestrator.bus import News
from vetting.orchestrator.forecast import Forecast, forecast
from vetting.orchestrator.found import Found, last_inventory, surface_rates
from vetting.orchestrator.repairs import Planned, demand, planned
from vetting.orchestrator.reporters import REPORTER_FRESH_S, is_fresh
from vetting.orchestrator.stopping import why_stopped
from vetting.stages import STAGES
from vetting.store import hosts
from vetting.store.rows import HostRow
from vetting.web.console import Console
from vetting.web.looks import round_duration
from vetting.web.pages import start_repair
from vetting.web.pages.host import host_named, number_of
from vetting.web.pages.profile_words import cannot, proves
from vetting.web.visit import Answer, Go, Need, Page, View, Visit

WAYS: Mapping[str, tuple[str, str]] = {
    "reporter": ("Its reporter reboots it", "The installed system looks whether anything speaks against it, then reboots once into vetting."),
    "wol": ("Wake it over the network", "A Wake-on-LAN packet is sent to its addresses; it must boot from the network by itself."),
    "power": ("Its management controller powers it on", "The controller is told to boot from the network once, and to switch the host on."),
    "manual": ("I boot it myself", "Somebody switches it on, network boot first. We wait for it for {by_hand}."),
}  # fmt: skip
WAY_NEWS = ("host.seen", "host.changed", "run.moved", "service")
FIRST = "quick"  # the profile that is chosen before anybody chose


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`refused`: why not even a run that erases nothing can begin by it; `destructive_refused`: why none that erases.
    `cuts`: it can begin only where its power may be cut, and why."""

    name: str
    title: str
    does: str
    refused: str = ""
    destructive_refused: str = ""
    cuts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A profile, and how long it takes on this host."""

    profile: Profile
    destructive: Forecast
    gentle: Forecast
    proves: tuple[str, ...]
    cannot: tuple[str, ...]
    repeats: str = ""  # after a repair: how often the test that failed is passed, and how sure that makes


@dataclass(frozen=True, slots=True)
class StartFeed:
    """By which ways the host can be started now; for operators alone."""

    console: Console
    host_id: int
    pieces: Collection[str] = tuple(f"start-way-{name}" for name in WAYS)
    kinds: Collection[str] = WAY_NEWS

    @property
    def address(self) -> str:
        return f"start/{self.host_id}"

    @property
    def key(self) -> str:
        return self.address

    def touched(self, news: News) -> Collection[str]:
        return self.pieces if news.host_id in (None, self.host_id) else ()

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        host = await self.console.store.read(lambda: hosts.find(self.host_id))
        if host is None or host.removed_at:
            return ""
        beside = values_beside(self.console, host)
        ways = await ways_of(self.console, host)
        return "".join(
            self.console.looks.piece("_start_way.html.j2", {**beside, "way": way})
            for way in ways
            if f"start-way-{way.name}" in ids
        )


async def ways_of(console: Console, host: HostRow) -> tuple[Way, ...]:
    """Each way, asked of the checks of a start as four requests: gentle, erasing, and where power may be cut."""
    profile = next(iter(console.config.profiles))
    gentle = [
        wire.StartRun(host=host.name, profile=profile, non_destructive=True, start_by=name) for name in WAYS
    ]  # fmt: skip
    serials = tuple(disk.serial for disk in erased(host))
    erasing = [structs.replace(one, non_destructive=False, confirm_serials=serials) for one in gentle]
    cutting = [structs.replace(one, cut_power=one.start_by == "power") for one in gentle]
    told = await console.desk.progress.why_not_start((*gentle, *erasing, *cutting))
    by_hand = round_duration(console.config.limits.by_hand_s)
    found = []
    for place, (name, (title, does)) in enumerate(WAYS.items()):
        refused, with_cut = told[place], told[place + 2 * len(WAYS)]
        cuts = refused if name == "power" and refused and not with_cut else ""
        refused = "" if cuts else refused
        erasing_refused = told[place + len(WAYS)] if not refused and not cuts else ""
        found.append(
            Way(
                name=name,
                title=title,
                does=does.format(by_hand=by_hand),
                refused=refused,
                destructive_refused=erasing_refused,
                cuts=cuts,
            )
        )
    return tuple(found)


def erased(host: HostRow) -> tuple[ExpectedDisk, ...]:
    return planning.disks_to_be_written(host.spec, non_destructive=False)


def values_beside(console: Console, host: HostRow) -> dict[str, Any]:
    now = console.clock.now()
    return {
        "host": host,
        "now": now,
        "fresh": is_fresh(host, now),
        "fresh_until": (host.reporter_seen_at or 0.0) + REPORTER_FRESH_S,
    }


async def show(console: Console, visit: Visit) -> Answer:
    """Also what a repair adds to a run, once somebody asked to see it: the form as it was typed, and what comes of it."""
    host = await host_named(console, visit.path["host"])
    repair = start_repair.repair_in(visit) if not visit.problem else None

    def look() -> tuple[Found | None, Mapping[str, float], start_repair.Asked, dict[str, Planned]]:
        if repair is not None:
            demand(host, repair)
        plans = {
            name: planned(host, profile, repair, console.config.limits)
            for name, profile in console.config.profiles.items()
            if repair is not None
        }
        chosen = plans.get(visit.form.get("profile", "")) or next(iter(plans.values()), None)
        asked = start_repair.asked_of(visit, host, chosen.ordered if chosen else None)
        return last_inventory(host.id), surface_rates(host.id), asked, plans

    found, rates, asked, plans = await console.store.read(look)
    ways = await ways_of(console, host)
    disks = erased(host)
    form, names = visit.form, list(console.config.profiles)
    seen = sorted(visit.fields.get("serial", ()))
    open_ways = [way.name for way in ways if not way.refused]
    values = {
        **values_beside(console, host),
        "choices": [
            choice_of(console, profile, host, found, rates, plans.get(name))
            for name, profile in console.config.profiles.items()
        ],
        "asked": asked,
        "repair_kinds": start_repair.KINDS,
        "found": found,
        "ways": ways,
        "disks": disks,
        "profile": form.get("profile") or (FIRST if FIRST in names else names[0]),
        "non_destructive": "non_destructive" in form if form else not disks,
        "start_by": form.get("start_by") or ("reporter" if "reporter" in open_ways else ""),
        "cut_power": "cut_power" in form,
        "typed": form.get("typed", "") if seen == sorted(disk.serial for disk in disks) else "",
        "nothing_goes": not open_ways,
        "stopped": why_stopped(console.config),
    }
    feeds = (StartFeed(console, host.id),)
    return View(template="start.html.j2", title=f"Start a run of {host.name}", values=values, nav="fleet", feeds=feeds)


def choice_of(
    console: Console,
    profile: Profile,
    host: HostRow,
    found: Found | None,
    rates: Mapping[str, float],
    plan: Planned | None = None,
) -> Choice:
    """`plan`: what a repair makes of the profile."""
    expected, inventory = console.config.expected(host.spec), found.inventory if found else None
    profile = plan.profile if plan else profile

    def once(*, non_destructive: bool) -> Forecast:
        return forecast(profile, expected, inventory, STAGES, non_destructive=non_destructive, measured=rates)

    def takes(*, non_destructive: bool) -> Forecast:
        told = once(non_destructive=non_destructive)
        return start_repair.with_repeats(told, plan.ordered) if plan else told

    return Choice(
        profile=profile, destructive=takes(non_destructive=False), gentle=takes(non_destructive=True),
        proves=proves(profile), cannot=cannot(profile),
        repeats=start_repair.repeat_note(once(non_destructive=False), plan.ordered) if plan else "",
    )  # fmt: skip


async def start(console: Console, visit: Visit) -> Answer:
    if "look" in visit.form:
        return await show(console, visit)
    host = await host_named(console, visit.path["host"])
    form, gentle = visit.form, "non_destructive" in visit.form
    serials = () if gentle else visit.fields.get("serial", ())
    if not form.get("start_by"):
        raise BadInput("choose how the host is started; no run was started")
    if serials and form.get("typed", "").strip() != host.name:
        raise BadInput(
            f"this run would erase {len(serials)} disk{'s' if len(serials) != 1 else ''}: type the host's name, {host.name}, to "
            "say that you mean it; no run was started"
        )
    request = wire.StartRun(
        host=host.name,
        profile=form.get("profile", ""),
        non_destructive=gentle,
        start_by=form["start_by"],
        confirm_serials=serials,
        cut_power="cut_power" in form and form["start_by"] == "power",
        repair=start_repair.repair_in(visit),
    )
    started = await console.desk.progress.start(request, who=visit.who.name)
    if not started.ticket:
        said = " ".join((f"Run {started.run_id} of {host.name} is started.", *started.notes))
        return Go(to=f"/runs/{started.run_id}", said=said)
    values = {
        "host": host,
        "run_id": started.run_id,
        "ticket": started.ticket,
        "notes": started.notes,
        "url": console.config.server.public_url,
        "fingerprint": console.fingerprint,
        "no_boot": not console.config.boot.http_port,
    }
    return View(template="start_ticket.html.j2", title=f"Boot {host.name}", values=values, nav="runs")


def feed(console: Console, visit: Visit, argument: str) -> StartFeed:
    """Raises NotFound, also for those who may start nothing."""
    if not visit.operator:
        raise NotFound("how a host can be started is told to operators alone")
    return StartFeed(console, number_of(argument))


PAGES = (Page(path="/hosts/{host}/start", need=Need.OPERATOR, show=show, do=start),)
