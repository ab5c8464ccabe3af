"""What a stage can show: its attempts, what was covered of what, what was found, and every program's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from vetting.domain.errors import NotFound
from vetting.domain.states import STAGE_ORDER
from vetting.gate import HEADERS
from vetting.orchestrator import passages
from vetting.orchestrator.gathering import breaches_shown, findings_shown
from vetting.orchestrator.records import Records, read
from vetting.orchestrator.tested import coverage
from vetting.report.model import AttemptShown, BreachShown, CounterShown, Coverage, FindingShown, LateShown
from vetting.store import samples
from vetting.store.rows import ArtifactRow
from vetting.web.console import Console
from vetting.web.pages.run_view import shown_of
from vetting.web.visit import Answer, Need, Page, View, Visit

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDetail:
    """Everything of one stage. `files`: of an attempt by the host's own names for them."""

    name: str
    shown: object
    attempts: tuple[AttemptShown, ...]  # newest first
    coverage: tuple[Coverage, ...]
    findings: tuple[FindingShown, ...]
    breaches: tuple[BreachShown, ...]
    counters: dict[int, tuple[CounterShown, ...]]  # by attempt: those that grew, or could not be read
    files: dict[int, dict[str, ArtifactRow]]
    late: tuple[LateShown, ...]


def read_detail(run_id: int, stage: str) -> StageDetail:
    """Inside `Store.read`. Raises NotFound."""
    if stage not in STAGE_ORDER:
        raise NotFound(f"there is no stage {stage[:40]!r}; there are {', '.join(STAGE_ORDER)}")
    records = read(run_id)
    series = tuple(one.name for one in samples.series_of(run_id))
    return detail_of(records, series, stage)


def detail_of(records: Records, series: tuple[str, ...], stage: str) -> StageDetail:
    (found,) = [one for one in passages.stages(records) if one.name == stage]
    rows = [row for row in records.attempts if row.stage == stage]
    counters: dict[int, list[CounterShown]] = {}
    for counter in passages.counters(records):
        if counter.stage == stage and counter.delta != 0:
            counters.setdefault(counter.attempt, []).append(counter)
    files: dict[int, dict[str, ArtifactRow]] = {}
    for row in records.artifacts:
        if row.stage == stage:
            files.setdefault(row.attempt, {})[row.name] = row
    return StageDetail(
        name=stage,
        shown=shown_of(records.run, stage, rows),
        attempts=found.attempts[::-1],
        coverage=tuple(row for row in coverage(records, series) if row.stage == stage),
        findings=tuple(one for one in findings_shown(records) if one.stage == stage),
        breaches=tuple(one for one in breaches_shown(records) if one.stage == stage),
        counters={attempt: tuple(those) for attempt, those in counters.items()},
        files=files,
        late=tuple(one for one in passages.late(records) if one.stage == stage),
    )


async def stage_page(console: Console, visit: Visit) -> Answer:
    run_id, stage = visit.number("run"), visit.path["stage"]
    detail = await console.store.read(lambda: read_detail(run_id, stage))
    values = {"run_id": run_id, "detail": detail, "takes": visit.operator}
    return View(template="run_stage.html.j2", title=f"{stage} of run {run_id}", values=values, nav="runs")


async def artifact(console: Console, visit: Visit) -> Answer:
    """A file of the run, for the disk and never for show: saved ends of disks hold what was on them."""
    run_id, number = visit.number("run"), visit.number("artifact")
    body = await console.desk.files.content(run_id, number, who=visit.who.name)
    listed = await console.desk.files.listing(run_id)
    name = next((file_name(one.name) for one in listed if one.id == number), "")
    named = {"Content-Disposition": f'attachment; filename="run-{run_id}-{number}{name}"'}
    return web.Response(body=body, content_type="application/octet-stream", headers={**HEADERS, **named})


def file_name(told: str) -> str:
    """The host's own word for it, as far as a file may be called so."""
    safe = UNSAFE.sub("-", told)[:80].strip(".-")
    return f"-{safe}" if safe else ""


PAGES = (
    Page(path=r"/runs/{run:\d+}/stages/{stage:\w+}", need=Need.VIEWER, show=stage_page),
    Page(path=r"/runs/{run:\d+}/artifacts/{artifact:\d+}", need=Need.OPERATOR, show=artifact),
)
