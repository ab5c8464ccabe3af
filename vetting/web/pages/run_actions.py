"""Deciding about a run: each decision has a page that says what will physically happen to which host."""

from __future__ import annotations

from dataclasses import dataclass

from vetting import wire
from vetting.domain.decisions import (
    ACCEPT,
    CANCEL,
    CANCEL_REBOOT,
    DECISIONS,
    OVERRIDE,
    OVERRIDE_WIPE,
    RELEASE,
    RETRY,
    Decision,
)
from vetting.domain.errors import BadInput, Conflict
from vetting.store import attempts, cells
from vetting.store.rows import AttemptRow, CellRow
from vetting.web.console import Console
from vetting.web.pages.run_consequences import consequences, victims
from vetting.web.pages.run_view import RunNow, read_now
from vetting.web.visit import Answer, Go, Handler, Need, Page, View, Visit

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the button says, and what was done where it was pressed."""

    button: str
    done: str
    tone: str = ""  # danger: something is lost by it


WORDS = {
    CANCEL: Words(button="Cancel", done="is cancelled", tone="danger"),
    CANCEL_REBOOT: Words(
        button="Cancel & reboot", done="is cancelled; its host reboots to its own disk", tone="danger"
    ),
    OVERRIDE: Words(button="Override", done="goes on"),
    OVERRIDE_WIPE: Words(button="Override wipe-probe", done="goes on, and erases what was found", tone="danger"),
    ACCEPT: Words(button="Accept differences", done="goes on with the differences accepted"),
    RETRY: Words(button="Retry", done="tries the stage again", tone="primary"),
    RELEASE: Words(button="Release", done="is released; its host powers off"),
}
assert set(WORDS) == set(DECISIONS)


def showing(decision: Decision) -> Handler:
    async def show(console: Console, visit: Visit) -> Answer:
        run_id = visit.number("run")

        def look() -> tuple[RunNow, AttemptRow | None, list[CellRow]]:
            now, latest = read_now(run_id), attempts.latest(run_id, "Storage")
            probed = cells.cells_of(run_id, "Storage", latest.attempt) if latest else []
            return now, attempts.running(run_id), probed

        now, current, probed = await console.store.read(look)
        possible = decision in now.decisions
        values = {
            "run": now.run,
            "decision": decision,
            "words": WORDS[decision],
            "possible": possible,
            "others": now.decisions,
            "all_words": WORDS,
            "seen": now.seen,
            "will": consequences(decision, now.run, current) if possible else (),
            "victims": victims(now.run, probed) if decision is OVERRIDE_WIPE else (),
            "reason": visit.form.get("reason", ""),
            "longest": LONGEST_REASON,
        }
        title = f"{WORDS[decision].button}: run {run_id}"
        return View(
            template="run_action.html.j2", title=title, values=values, nav="runs", status=200 if possible else 409
        )

    return show


def doing(decision: Decision) -> Handler:
    async def do(console: Console, visit: Visit) -> Answer:
        run_id, reason = visit.number("run"), visit.form.get("reason", "").strip()
        if decision.needs_reason and not reason:
            raise BadInput("an override needs a reason: it is kept for ever and stands on every report of this run")
        if len(reason) > LONGEST_REASON:
            raise BadInput(f"the reason has {len(reason)} characters; {LONGEST_REASON} are kept, say it shorter")
        if not (seen := visit.form.get("seen", "")):
            raise Conflict("this form does not say what was decided about; nothing was done, load the page again")
        because, progress = wire.Because(reason=reason, flags=decision.flags), console.desk.progress
        acts = {
            "cancel": progress.cancel,
            "override": progress.override,
            "retry": progress.retry,
            "release": progress.release,
        }
        await acts[decision.verb](run_id, who=visit.who.name, because=because, seen=seen)
        return Go(to=f"/runs/{run_id}", said=f"Run {run_id} {WORDS[decision].done}.")

    return do


PAGES = tuple(
    Page(path=rf"/runs/{{run:\d+}}/{one.name}", need=Need.OPERATOR, show=showing(one), do=doing(one))
    for one in DECISIONS
)
