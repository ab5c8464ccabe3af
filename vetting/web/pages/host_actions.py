"""What an operator does to a host's record, and asks of its management controller: each on a page that says what will happen."""

from __future__ import annotations

from vetting import wire
from vetting.domain.bmc import Bmc, BmcKind
from vetting.domain.errors import BadInput
from vetting.orchestrator.admission import open_run_of_host
from vetting.store.rows import HostRow
from vetting.web.console import Console
from vetting.web.pages.host import host_named
from vetting.web.visit import Answer, Go, Need, Page, View, Visit

LONGEST_NOTE, LONGEST_REASON = 500, 2000
TYPED = ("name", "macs", "note", "bmc_kind", "bmc_address", "bmc_user", "bmc_fingerprint")


async def edit(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    typed = {name: visit.form.get(name, "") for name in TYPED} if visit.form else _as_it_is(host)
    efi = "bmc_efi" in visit.form if visit.form else (host.bmc.efi if host.bmc else True)
    values = {"host": host, "typed": typed, "efi": efi, "has_password": host.bmc is not None}
    return View(template="host_edit.html.j2", title=f"Edit {host.name}", values=values, nav="fleet")


def _as_it_is(host: HostRow) -> dict[str, str]:
    bmc = host.bmc
    return {
        "name": host.name,
        "macs": "\n".join(host.macs),
        "note": host.note,
        "bmc_kind": str(bmc.kind) if bmc else "",
        "bmc_address": bmc.address if bmc else "",
        "bmc_user": bmc.user if bmc else "",
        "bmc_fingerprint": bmc.fingerprint if bmc else "",
    }


async def edit_it(console: Console, visit: Visit) -> Answer:
    form = visit.form
    name, note = form.get("name", "").strip().lower(), form.get("note", "").strip()
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise BadInput(f"the note must be one line of at most {LONGEST_NOTE} characters")
    macs = tuple(word.replace("-", ":").lower() for word in form.get("macs", "").replace(",", " ").split())
    change = wire.HostEdit(
        name=name, macs=macs, note=note, bmc=_controller(visit), bmc_password=form.get("bmc_password") or None
    )
    await console.desk.people.edit_host(visit.path["host"], change, who=visit.who.name, keep_spec=True)
    return Go(to=f"/hosts/{name}", said=f"The record of {name} was changed.")


def _controller(visit: Visit) -> Bmc | None:
    form = visit.form
    if not (word := form.get("bmc_kind", "")):
        return None
    if word not in tuple(BmcKind):
        raise BadInput("choose how the management controller is spoken to: IPMI, Redfish, or that there is none")
    return Bmc(
        kind=BmcKind(word),
        address=form.get("bmc_address", "").strip(),
        user=form.get("bmc_user", "").strip(),
        fingerprint=form.get("bmc_fingerprint", "").strip(),
        efi="bmc_efi" in form,
    )


async def reporter(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    values = {"host": host, "code": None}
    return View(template="host_reporter.html.j2", title=f"Reporter of {host.name}", values=values, nav="fleet")


async def issue_line(console: Console, visit: Visit) -> Answer:
    """Shown in the answer itself and nowhere else: the code in it is good once."""
    host = await host_named(console, visit.path["host"])
    code = await console.desk.registering.code(host.name, who=visit.who.name)
    values = {"host": host, "code": code}
    return View(template="host_reporter.html.j2", title=f"Reporter of {host.name}", values=values, nav="fleet")


async def power(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    values = {"host": host, "power": None}
    return View(template="host_power.html.j2", title=f"Power of {host.name}", values=values, nav="fleet")


async def ask_power(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    told = await console.desk.outlets.power(host.name, who=visit.who.name)
    values = {"host": host, "power": told}
    return View(template="host_power.html.j2", title=f"Power of {host.name}", values=values, nav="fleet")


async def relearn(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    values = {"host": host, "reason": visit.form.get("reason", ""), "longest": LONGEST_REASON}
    return View(
        template="host_relearn.html.j2", title=f"Forget the identity of {host.name}", values=values, nav="fleet"
    )


async def relearn_it(console: Console, visit: Visit) -> Answer:
    name, reason = visit.path["host"], _reason(visit)
    if not reason:
        raise BadInput("say why the machine's identity has changed: it is kept in the audit log")
    await console.desk.people.relearn_host(name, who=visit.who.name, why=reason)
    return Go(to=f"/hosts/{name}", said=f"The identity of {name} is forgotten; its next claim is learned from.")


async def remove(console: Console, visit: Visit) -> Answer:
    host = await host_named(console, visit.path["host"])
    active = await console.store.read(lambda: open_run_of_host(host.id))
    values = {"host": host, "active": active, "reason": visit.form.get("reason", ""), "longest": LONGEST_REASON}
    return View(template="host_remove.html.j2", title=f"Remove {host.name}", values=values, nav="fleet")


async def remove_it(console: Console, visit: Visit) -> Answer:
    name = visit.path["host"]
    await console.desk.people.remove_host(name, who=visit.who.name, why=_reason(visit))
    return Go(to="/", said=f"{name} is removed; its runs and reports stay.")


def _reason(visit: Visit) -> str:
    reason = visit.form.get("reason", "").strip()
    if len(reason) > LONGEST_REASON:
        raise BadInput(f"the reason has {len(reason)} characters; at most {LONGEST_REASON} are kept")
    return reason


PAGES = (
    Page(path="/hosts/{host}/edit", need=Need.OPERATOR, show=edit, do=edit_it),
    Page(path="/hosts/{host}/reporter", need=Need.OPERATOR, show=reporter, do=issue_line),
    Page(path="/hosts/{host}/power", need=Need.OPERATOR, show=power, do=ask_power),
    Page(path="/hosts/{host}/relearn", need=Need.OPERATOR, show=relearn, do=relearn_it),
    Page(path="/hosts/{host}/remove", need=Need.OPERATOR, show=remove, do=remove_it),
)
