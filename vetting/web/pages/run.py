"""The page of a run: its head, the eleven stages, a stage's evidence, log and charts, hold and decisions; live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vetting.domain.errors import NotFound
from vetting.domain.states import STAGE_ORDER
from vetting.domain.verdict import RunVerdict, Word
from vetting.orchestrator import passages
from vetting.orchestrator.bus import News
from vetting.orchestrator.gathering import breaches_shown, differences_shown, findings_shown, judged, repair_shown
from vetting.orchestrator.records import Records, read
from vetting.orchestrator.repairs import KIND
from vetting.report.model import (
    AuditShown,
    BreachShown,
    DifferenceShown,
    FindingShown,
    FirmwareShown,
    LateShown,
    RepairShown,
    TransitionShown,
)
from vetting.store import firmware, logs, samples
from vetting.web.console import Console
from vetting.web.pages import charts, evidence, run_log
from vetting.web.pages.hold import hold_shown
from vetting.web.pages.run_actions import WORDS
from vetting.web.pages.run_view import RunNow, read_now
from vetting.web.visit import Answer, Need, Page, View, Visit

HEAD, NOW, TRACK, ACTIONS, HOLD, REPAIR, FOUND, STORY = (
    "run-head", "run-now", "run-track", "run-actions", "run-hold", "run-repair", "run-found", "run-story",
)  # fmt: skip
TEMPLATES = {
    HEAD: "_run_head.html.j2",
    NOW: "_run_now.html.j2",
    TRACK: "_run_track.html.j2",
    ACTIONS: "_run_actions.html.j2",
    HOLD: "_run_hold.html.j2",
    REPAIR: "_run_repair.html.j2",
    FOUND: "_run_found.html.j2",
    STORY: "_run_story.html.j2",
}
TOUCHED: dict[str, tuple[str, ...]] = {  # kind of news -> the pieces that it makes stale
    "run.progress": (NOW, TRACK),
    "run.moved": tuple(TEMPLATES),
    "run.attempt": (HEAD, NOW, TRACK, REPAIR, FOUND),
    "run.hold": (HEAD, HOLD, ACTIONS),
    "run.finding": (FOUND,),
    "run.breach": (FOUND,),
}
FULL = frozenset({HEAD, REPAIR, FOUND, STORY})  # pieces for which everything on record is read
WAYS = {
    "reporter": "its reporter reboots it",
    "wol": "woken over the network",
    "power": "powered on by its BMC",
    "manual": "booted by hand",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What costs a reading of all records."""

    verdict: RunVerdict
    findings: tuple[FindingShown, ...]
    breaches: tuple[BreachShown, ...]
    differences: tuple[DifferenceShown, ...]
    firmware: tuple[FirmwareShown, ...]
    late: tuple[LateShown, ...]
    transitions: tuple[TransitionShown, ...]  # newest first
    deeds: tuple[AuditShown, ...]  # newest first: what people did that moved nothing
    good_before: int | None  # the host's last good run
    repair: RepairShown | None  # of a run after a repair

    @property
    def sentence(self) -> str:
        """Without the qualifiers, which stand beside it one by one."""
        if self.verdict.word is Word.VETTED:
            return "Every stage passed."
        if self.verdict.word is Word.PASSED:
            return "Every stage passed, and something stands against calling it vetted:"
        return self.verdict.sentence


def read_whole(run_id: int) -> Whole:
    """Inside `Store.read`. Raises NotFound."""
    records = read(run_id)
    series = tuple(one.name for one in samples.series_of(run_id))
    good = firmware.good_run_before(records.run.host_id, run_id)
    return Whole(
        verdict=judged(records, series),
        findings=findings_shown(records),
        breaches=breaches_shown(records),
        differences=tuple(one for one in differences_shown(records) if one.kind != KIND),  # a repair has its place
        firmware=tuple(
            FirmwareShown(component=one.component, identifier=one.identifier, version=one.version, detail=one.detail)
            for one in records.firmware
        ),
        late=passages.late(records),
        transitions=tuple(_moves(records)),
        deeds=tuple(one for one in passages.audit(records) if one.what in ("run.hold_key", "artifact.take"))[::-1],
        good_before=good.id if good else None,
        repair=repair_shown(records),
    )


def _moves(records: Records) -> Iterator[TransitionShown]:
    for row in reversed(records.transitions):
        yield TransitionShown(
            at=row.at, from_state=str(row.from_state or ""), event=row.event, to_state=str(row.to_state),
            who=row.who, why=row.why,
        )  # fmt: skip


def values_of(console: Console, now: RunNow, whole: Whole | None, *, operator: bool) -> dict[str, Any]:
    """What every piece of the page is rendered with."""
    return {
        "now": console.clock.now(),
        "it": now,
        "run": now.run,
        "whole": whole,
        "may": operator,
        "hold": hold_shown(now.run, operator=operator),
        "ways": WAYS,
        "action_words": {decision.name: words for decision, words in WORDS.items()},
    }


async def run_page(console: Console, visit: Visit) -> Answer:
    run_id, choice = visit.number("run"), run_log.Wanted()

    def look() -> tuple[RunNow, Whole, evidence.StageDetail | None, list[run_log.Line]]:
        now = read_now(run_id)
        asked = visit.query.get("stage", "") or now.worth_a_look
        detail = evidence.read_detail(run_id, asked) if asked in STAGE_ORDER else None
        return now, read_whole(run_id), detail, run_log.shown(run_log.read_lines(run_id, choice, run_log.SHOWN))

    now, whole, detail, lines = await console.store.read(look)
    values = {
        **values_of(console, now, whole, operator=visit.operator),
        **await charts.chart_values(console, run_id),
        "run_id": run_id,
        "detail": detail,
        "takes": visit.operator,
        "lines": lines,
        "choice": choice,
        "stages": STAGE_ORDER,
        "levels": logs.LEVELS,
        "picked": "stage" in visit.query,
    }
    return View(
        template="run.html.j2",
        title=f"Run {run_id} of {now.run.host_name}",
        values=values,
        nav="runs",
        feeds=(RunFeed(console, run_id, visit.operator), charts.RunCharts(console, run_id)),
    )


@dataclass(frozen=True, slots=True)
class RunFeed:
    """A run's pieces; operators see buttons in them, so that there are two of each."""

    console: Console
    run_id: int
    operator: bool

    @property
    def address(self) -> str:
        return f"run/{self.run_id}"

    @property
    def key(self) -> str:
        return f"run/{self.run_id}/{'operator' if self.operator else 'viewer'}"

    @property
    def pieces(self) -> Collection[str]:
        return tuple(TEMPLATES)

    def touched(self, news: News) -> Collection[str]:
        return TOUCHED.get(news.kind, ()) if news.run_id == self.run_id else ()

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        """Log lines as they come; that an attempt began or ended, for whoever looks at its stage."""
        if news.run_id != self.run_id:
            return
        if news.kind == "run.log" and (event := run_log.log_event(news)) is not None:
            yield event
        elif news.kind in ("run.attempt", "run.finding", "run.breach"):
            yield "stage", {"run": self.run_id, "stage": str(news.data.get("stage", ""))}

    async def render(self, ids: Collection[str]) -> str:
        full = bool(FULL.intersection(ids))
        now, whole = await self.console.store.read(
            lambda: (read_now(self.run_id), read_whole(self.run_id) if full else None)
        )
        values = values_of(self.console, now, whole, operator=self.operator)
        looks = self.console.looks
        return "".join(looks.piece(template, values) for id, template in TEMPLATES.items() if id in ids)


def feed(console: Console, visit: Visit, argument: str) -> RunFeed:
    """Raises NotFound."""
    if not (argument.isascii() and argument.isdigit()) or len(argument) > 15:
        raise NotFound("there is no run with this number")
    return RunFeed(console, int(argument), visit.operator)


PAGES = (Page(path=r"/runs/{run:\d+}", need=Need.VIEWER, show=run_page),)
