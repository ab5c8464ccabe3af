"""The newest runs of all hosts, or of one."""

from __future__ import annotations

from vetting.domain.errors import NotFound
from vetting.domain.states import CLOSED, RunState
from vetting.store import hosts, runs
from vetting.store.rows import RunRow
from vetting.web import marks
from vetting.web.console import Console
from vetting.web.tiles import in_short, tone_of_remarks
from vetting.web.visit import Answer, Need, Page, View, Visit

ON_A_PAGE = 50
LONGEST_ID = 15


async def listed(console: Console, visit: Visit) -> Answer:
    host, before = visit.query.get("host", "").strip(), visit.query.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) <= LONGEST_ID else None

    def look() -> tuple[list[RunRow], list[str]]:
        names = [one.name for one in hosts.listing()]
        known = hosts.by_name(host) if host else None
        if host and known is None:
            raise NotFound(f"there is no host named {host[:80]!r}; the fleet shows those that there are")
        found = runs.listing(host_id=known.id if known else None, before_id=before_id, limit=ON_A_PAGE + 1)
        return found, names

    found, names = await console.store.read(look)
    values = {
        "rows": [_shown(run) for run in found[:ON_A_PAGE]],
        "host": host,
        "hosts": names,
        "before": before_id,
        "older": found[ON_A_PAGE - 1].id if len(found) > ON_A_PAGE else None,
    }
    return View(template="runs.html.j2", title="Runs", values=values, nav="runs")


def _shown(run: RunRow) -> dict[str, object]:
    """What the template needs of a run. A run that came to no verdict says why it is over."""
    word = str(run.verdict_detail.get("word", ""))
    qualifiers = tuple(str(one) for one in run.verdict_detail.get("qualifiers", ()))
    over = run.state in (*CLOSED, RunState.FAILED)
    return {
        "run": run,
        "state": marks.of_state(run.state),
        "verdict": marks.of_verdict(word) if word else None,
        "remarks": in_short(qualifiers),
        "whole": "; ".join(qualifiers),
        "tone": tone_of_remarks(word),
        "why": run.reason if not word and over else "",
    }


PAGES = (Page(path="/runs", need=Need.VIEWER, show=listed),)
