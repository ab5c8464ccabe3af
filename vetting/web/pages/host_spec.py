"""The editor of a host's expected spec: read strictly, compared with what it was, and saved only with what it says confirmed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec

from vetting.config import ConfigErrors, Mistake, hostfile
from vetting.domain.adopting import Adopted, adopt, pin_now
from vetting.domain.errors import Conflict
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.specchanges import changes, newly_erasable
from vetting.orchestrator.found import last_firmware, last_inventory
from vetting.store.rows import HostRow
from vetting.web.console import Console
from vetting.web.pages.host import host_named
from vetting.web.visit import Answer, Go, Need, Page, View, Visit

LARGEST_FORM = 1024 * 1024
CHANGES_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What stands in the editor, and what is to be said of it."""

    text: str
    mark: str  # of the spec that it started from
    filled_from: str = ""  # what filled it, where no person did
    notes: tuple[str, ...] = ()


async def show(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    draft = _typed(visit) or await _filled(console, host, visit.query.get("fill", ""))
    return _view(host, draft, look=bool(draft.filled_from))


async def save(console: Console, visit: Visit) -> Answer:
    """Looks, asks back, or saves; whatever it does, what was typed is still there."""
    host = await host_named(console, visit.path["host"])
    draft = _typed(visit)
    assert draft is not None
    try:
        spec = hostfile.read(draft.text)
    except ConfigErrors as errors:
        return _view(host, draft, mistakes=errors.mistakes)
    if draft.mark != mark_of(host.spec):
        raise Conflict(
            "somebody else has changed this spec since you opened it: open the editor again in another window, and take your "
            "changes over"
        )
    confirmed = set(visit.fields.get("erase", ()))
    unconfirmed = [disk for disk in newly_erasable(host.spec, spec) if disk.serial not in confirmed]
    if visit.form.get("step") == "look" or unconfirmed:
        return _view(host, draft, look=True, asked=visit.form.get("step") != "look", confirmed=confirmed)
    told = changes(host.spec, spec)
    if told:
        await console.desk.people.change_spec(host.name, spec, was=host.spec, who=visit.who.name)
    return Go(to=f"/hosts/{host.name}", said=_said(told))


def _said(told: tuple[str, ...]) -> str:
    if not told:
        return "The spec was the same already; nothing was changed."
    more = f"; and {len(told) - CHANGES_TOLD} more" if len(told) > CHANGES_TOLD else ""
    return f"The spec is saved: {'; '.join(told[:CHANGES_TOLD])}{more}."


def _typed(visit: Visit) -> Draft | None:
    if "spec" not in visit.form:
        return None
    return Draft(text=visit.form["spec"], mark=visit.form.get("mark", ""))


async def _filled(console: Console, host: HostRow, fill: str) -> Draft:
    mark = mark_of(host.spec)
    fillers: dict[str, Callable[[], tuple[str, Adopted] | None]] = {
        "found": lambda: _found(host),
        "firmware": lambda: _firmware(host),
    }
    if fill not in fillers:
        return Draft(text=hostfile.write(host.spec), mark=mark)
    filled = await console.store.read(fillers[fill])
    if filled is None:
        why = "No run of this host has found out yet what is in it, so this is the spec as it is."
        return Draft(text=hostfile.write(host.spec), mark=mark, notes=(why,))
    whence, adopted = filled
    return Draft(text=hostfile.write(adopted.spec), mark=mark, filled_from=whence, notes=adopted.notes)


def _found(host: HostRow) -> tuple[str, Adopted] | None:
    found = last_inventory(host.id)
    return None if found is None else (f"what run {found.run_id} found", adopt(found.inventory, host.spec))


def _firmware(host: HostRow) -> tuple[str, Adopted] | None:
    found = last_firmware(host.id)
    if found is None:
        return None
    return f"the firmware that run {found.run_id} found", Adopted(spec=pin_now(host.spec, found.items))


def _view(
    host: HostRow,
    draft: Draft,
    *,
    mistakes: tuple[Mistake, ...] = (),
    look: bool = False,
    asked: bool = False,
    confirmed: Collection[str] = (),
) -> View:
    """`look`: tell what would change; `asked`: saving was refused for want of a confirmation."""
    spec = _read(draft.text) if look else None
    values = {
        "host": host,
        "draft": draft,
        "rows": min(max(draft.text.count("\n") + 2, 20), 60),
        "mistakes": mistakes,
        "changes": changes(host.spec, spec) if spec is not None else None,
        "erasable": newly_erasable(host.spec, spec) if spec is not None else (),
        "confirmed": confirmed,
        "asked": asked,
    }
    status = 400 if mistakes else 409 if asked else 200
    title = f"Expected spec of {host.name}"
    return View(template="host_spec.html.j2", title=title, values=values, nav="fleet", status=status)


def _read(text: str) -> ExpectedSpec | None:
    try:
        return hostfile.read(text)
    except ConfigErrors:
        return None


def mark_of(spec: ExpectedSpec) -> str:
    """Tells one spec from another: a form that was opened on an older one is not saved over a newer one."""
    return hashlib.sha256(msgspec.json.encode(spec)).hexdigest()[:20]


PAGES = (Page(path="/hosts/{host}/spec", need=Need.OPERATOR, show=show, do=save, max_bytes=LARGEST_FORM),)
