"""A run's report: inside the console, to take along, and beside another run's."""

from __future__ import annotations

import re

from aiohttp import web

from vetting.domain.errors import BadInput, NotFound
from vetting.domain.states import RunState
from vetting.gate import HEADERS
from vetting.orchestrator import gathering
from vetting.orchestrator.reporting import MEDIA
from vetting.report.compare import Comparison, compare
from vetting.report.model import Report
from vetting.store import artifacts, firmware, runs
from vetting.store.rows import ArtifactRow, RunRow
from vetting.web.console import Console
from vetting.web.visit import Answer, Need, Page, View, Visit

RUN = r"/runs/{run:\d+}"
# The report brings its own style and nothing else; it is shown in our frame alone, and can do nothing there.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
FRAMED = {**HEADERS, "Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN"}
RUNS_TO_CHOOSE = 50
UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


async def shown(console: Console, visit: Visit) -> Answer:
    number = visit.number("run")

    def look() -> tuple[RunRow, list[ArtifactRow]]:
        kept = [one for one in artifacts.artifacts_of(number) if one.stage == "Reporting" and one.name in MEDIA]
        return runs.get(number), kept

    run, kept = await console.store.read(look)
    can_pin = visit.operator and run.state is RunState.COMPLETED
    values = {"run": run, "kept": kept, "can_pin": can_pin}
    return View(template="report.html.j2", title=f"Report of run {number}", nav="runs", values=values)


async def html(console: Console, visit: Visit) -> Answer:
    """The report as one file; `?save` gives it to keep."""
    return await _file(console, visit, "html", save="save" in visit.query)


async def json(console: Console, visit: Visit) -> Answer:
    return await _file(console, visit, "json", save=True)


async def _file(console: Console, visit: Visit, kind: str, *, save: bool) -> web.Response:
    number = visit.number("run")
    run = await console.store.read(lambda: runs.get(number))
    body = await console.desk.views.report(number, kind)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(run, kind)}"'} if save else {}
    return web.Response(body=body, content_type=MEDIA[f"report.{kind}"], charset="utf-8", headers={**FRAMED, **headers})


def file_name(run: RunRow, kind: str) -> str:
    """vetting-pve-07-run-42.html: what a host is called reaches no header and no file system as it is."""
    host = UNSAFE.sub("-", run.host_name)[:80].strip(".-") or "host"
    return f"vetting-{host}-run-{run.id}.{kind}"


async def compared(console: Console, visit: Visit) -> Answer:
    number, wanted = visit.number("run"), other(visit)

    def look() -> tuple[RunRow, RunRow | None, list[RunRow]]:
        run = runs.get(number)
        good = firmware.good_run_before(run.host_id, number)
        beside = runs.get(wanted) if wanted else good
        return run, beside, [one for one in runs.listing(host_id=run.host_id, limit=RUNS_TO_CHOOSE) if one.id != number]

    run, beside, choices = await console.store.read(look)
    if beside is not None and beside.id == number:
        raise BadInput(f"run {number} is the same as itself; choose another run to hold it against")
    found, reports = None, None
    if beside is not None:
        found, reports = await console.store.read(lambda: hold_against(beside.id, number))
    values = {
        "run": run, "beside": beside, "choices": choices, "found": found, "reports": reports, "asked": bool(wanted),
    }  # fmt: skip
    return View(template="compare.html.j2", title=f"Run {number} beside another", nav="runs", values=values)


def hold_against(before: int, after: int) -> tuple[Comparison, tuple[Report, Report]]:
    """Inside `Store.read`, which is off the loop: two long runs take their time."""
    reports = gathering.gather(before), gathering.gather(after)
    return compare(*reports), reports


def other(visit: Visit) -> int:
    """The run that was asked for; 0: the host's last good one. Raises BadInput, NotFound."""
    said = (visit.query.get("number", "") or visit.query.get("with", "")).strip()
    if not said:
        return 0
    if not said.isascii() or not said.isdigit():
        raise BadInput(f"{said[:40]!r} is not the number of a run")
    if len(said) > 15:
        raise NotFound(f"there is no run with a number of {len(said)} digits")
    return int(said)


PAGES = (
    Page(path=RUN + "/report", need=Need.VIEWER, show=shown),
    Page(path=RUN + "/report.html", need=Need.VIEWER, show=html),
    Page(path=RUN + "/report.json", need=Need.VIEWER, show=json),
    Page(path=RUN + "/compare", need=Need.VIEWER, show=compared),
)
