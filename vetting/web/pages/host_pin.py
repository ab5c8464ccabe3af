"""Measure, then pin: the floors and ceilings that a good run of a host gives, each with its box, written once a person says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vetting.domain.errors import BadInput
from vetting.orchestrator.pinning import HEAT, Offer, Wish
from vetting.web.console import Console
from vetting.web.pages.host import host_named
from vetting.web.pages.host_spec import mark_of
from vetting.web.visit import Answer, Go, Need, Page, View, Visit

LONGEST_REASON = 2000
HOSTS_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for in the address or the form, as it was typed."""

    run: str = ""
    margin: str = ""
    class_name: str = ""

    @classmethod
    def of(cls, visit: Visit) -> Asked:
        told = visit.form if visit.form else visit.query
        return cls(run=told.get("run", ""), margin=told.get("margin", "").strip(), class_name=told.get("class", ""))

    def wish(self) -> Wish:
        """Raises BadInput."""
        if self.run and not (self.run.isdecimal() and len(self.run) < 16):
            raise BadInput("choose a run of this host by its number")
        return Wish(run_id=int(self.run) if self.run else None, margin=self._margin(), class_name=self.class_name)

    def _margin(self) -> float | None:
        if not self.margin:
            return None
        try:
            return float(self.margin.removesuffix("%").strip()) / 100
        except ValueError:
            raise BadInput("the room must be a percentage such as 10") from None


async def show(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    asked, problem = Asked.of(visit), ""
    try:
        offer = await console.desk.pinning.offer(host.name, asked.wish())
    except BadInput as refused:
        if visit.form:
            raise
        problem, asked = refused.message, Asked(run=asked.run if asked.run.isdecimal() and len(asked.run) < 16 else "")
        offer = await console.desk.pinning.offer(host.name, asked.wish())
    chosen = set(visit.fields.get("pin", ())) if visit.form else {HEAT, *(one.key for one in offer.proposals)}
    values = {
        "host": host, "offer": offer, "asked": asked, "chosen": chosen, "heat": HEAT, "problem_here": problem,
        "firmware": "firmware" in visit.form, "reason": visit.form.get("reason", ""), "longest": LONGEST_REASON,
        "mark": mark_of(host.spec), "others": _others(offer),
    }  # fmt: skip
    return View(template="host_pin.html.j2", title=f"Pin measurements of {host.name}", values=values, nav="fleet")


async def pin(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    if visit.form.get("mark") != mark_of(host.spec):
        raise BadInput("the expected spec was changed since you opened this page; look at it again, then pin")
    wish = Asked.of(visit).wish()
    keys = visit.fields.get("pin", ())
    wish = Wish(
        run_id=wish.run_id, margin=wish.margin, class_name=wish.class_name, firmware="firmware" in visit.form, keys=keys
    )
    reason = visit.form.get("reason", "").strip()[:LONGEST_REASON]
    done = await console.desk.pinning.pin(host.name, wish, who=visit.who.name, why=reason, was=host.spec)
    return Go(to=f"/hosts/{host.name}", said=_said(done))


def _others(offer: Offer) -> tuple[str, ...]:
    return tuple(one.host.name for one in offer.targets if one.host.id != offer.host.id)


def _said(done: Offer) -> str:
    changed = [one for one in done.targets if one.changes]
    return f"What run {done.run.id} measured is pinned in the expected spec of {_named(one.host.name for one in changed)}; runs from now on are held to it."


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - HOSTS_NAMED} more" if len(listed) > HOSTS_NAMED else ""
    return f"{', '.join(listed[:HOSTS_NAMED])}{more}"


PAGES = (Page(path="/hosts/{host}/pin", need=Need.OPERATOR, show=show, do=pin),)
