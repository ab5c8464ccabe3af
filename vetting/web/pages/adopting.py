"""New hosts: by hand, or by taking up a machine that asked to boot and that nobody knew."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from vetting import wire
from vetting.domain.errors import BadInput, NotFound
from vetting.orchestrator.bus import News
from vetting.web.console import Console
from vetting.web.looks import said
from vetting.web.visit import Answer, Go, Need, Page, View, Visit

STRANGERS = "strangers"
MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Strangers:
    """Machines that asked to boot and are in no record, live."""

    console: Console
    operator: bool
    address: str = STRANGERS
    pieces: Collection[str] = (STRANGERS,)
    kinds: Collection[str] = ("host.unknown", "host.changed")

    @property
    def key(self) -> str:
        return f"{STRANGERS}/{'operator' if self.operator else 'viewer'}"

    def touched(self, news: News) -> Collection[str]:
        return self.pieces

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        values = {"operator": self.operator, "now": self.console.clock.now(), **await self.values()}
        return self.console.looks.piece("_fleet_strangers.html.j2", values)

    async def values(self) -> dict[str, Any]:
        found = await self.console.desk.views.unknown_hosts()
        return {"strangers": found[:MOST_SHOWN], "more_strangers": max(len(found) - MOST_SHOWN, 0)}


async def adopt(console: Console, visit: Visit) -> Answer:
    stranger = await _stranger(console, visit.path["mac"])
    hosts = await console.desk.views.hosts()
    values = {
        "stranger": stranger,
        "hosts": [host.name for host in hosts],
        "name": visit.form.get("name", ""),
        "note": visit.form.get("note", ""),
        "chosen": visit.form.get("host", ""),
    }
    return View(template="adopt.html.j2", title="Adopt a machine", values=values, nav="fleet")


async def adopt_it(console: Console, visit: Visit) -> Answer:
    mac = (await _stranger(console, visit.path["mac"])).mac
    if visit.form.get("as") == "known":
        if not (name := visit.form.get("host", "")):
            raise BadInput("choose the host that this address belongs to")
        host = await console.desk.views.host(name)
        edit = wire.HostEdit(
            name=host.name, macs=(*host.macs, mac), note=host.note, spec=host.spec, bmc=host.bmc, bmc_password=None
        )
        await console.desk.people.edit_host(name, edit, who=visit.who.name)
        return Go(to=f"/hosts/{name}", said=f"{mac} is an address of {name} now.")
    name = visit.form.get("name", "").strip().lower()
    edit = wire.HostEdit(name=name, macs=(mac,), note=_note(visit))
    await console.desk.people.add_host(edit, who=visit.who.name)
    return Go(to=f"/hosts/{name}", said=f"{name} is known now, by its address {mac}.")


async def add(console: Console, visit: Visit) -> Answer:
    typed = {name: visit.form.get(name, "") for name in ("name", "macs", "note")}
    return View(template="host_new.html.j2", title="Add a host", values=typed, nav="fleet")


async def add_it(console: Console, visit: Visit) -> Answer:
    name = visit.form.get("name", "").strip().lower()
    macs = tuple(word.replace("-", ":").lower() for word in visit.form.get("macs", "").replace(",", " ").split())
    await console.desk.people.add_host(wire.HostEdit(name=name, macs=macs, note=_note(visit)), who=visit.who.name)
    return Go(to=f"/hosts/{name}", said=f"{name} was added.")


def _note(visit: Visit) -> str:
    return said(visit.form.get("note", "").strip(), 500)


async def _stranger(console: Console, mac: str) -> wire.UnknownHostView:
    for one in await console.desk.views.unknown_hosts():
        if one.mac == mac:
            return one
    raise NotFound(
        f"{said(mac, 40)} is not among the machines that asked and are unknown; somebody may have adopted it"
    )


def feed(console: Console, visit: Visit, argument: str) -> Strangers:
    return Strangers(console, operator=visit.operator)


PAGES = (
    Page(path=r"/strangers/{mac:[0-9a-f:]{1,40}}/adopt", need=Need.OPERATOR, show=adopt, do=adopt_it),
    Page(path="/hosts/new", need=Need.OPERATOR, show=add, do=add_it),
)
