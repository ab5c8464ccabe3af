"""The log of a run: the newest lines on its page, all of them here, by stage, level and text; live ones as events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from vetting.domain.errors import BadInput
from vetting.domain.states import STAGE_ORDER
from vetting.gate import HEADERS
from vetting.orchestrator.bus import News
from vetting.report.text import clean, clock
from vetting.store import logs, runs
from vetting.store.rows import LogRow
from vetting.web.console import Console
from vetting.web.frames import value_of
from vetting.web.visit import Answer, Need, Page, View, Visit

SHOWN = 200  # lines on the run's page, and of one page of the log
MOST = 500  # lines of one answer to our script
MOST_OF_EVENT = 200  # lines of one batch that go out as they are; of more the script is told to ask
TEXT = 1500  # characters of a line as it is shown
LONGEST_ID = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it is shown: nothing in it moves what stands around it."""

    id: int
    stage: str
    at: str
    level: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines somebody wants to see. `stage` "": of all stages."""

    stage: str = ""
    level: str = logs.LEVELS[0]
    contains: str = ""
    after: int = 0
    before: int | None = None

    @property
    def choice(self) -> dict[str, str]:
        """Without the place in it, as a query."""
        said = {
            "stage": self.stage,
            "level": "" if self.level == logs.LEVELS[0] else self.level,
            "contains": self.contains,
        }
        return {name: value for name, value in said.items() if value}

    def link(self, run_id: int, **place: int) -> str:
        return f"/runs/{run_id}/log?{urlencode({**self.choice, **place})}"


def wanted(query: Mapping[str, str]) -> Wanted:
    """Raises BadInput."""
    stage, level = query.get("stage", ""), query.get("level", "") or logs.LEVELS[0]
    if stage and stage not in STAGE_ORDER:
        raise BadInput(f"there is no stage {stage[:40]!r}; there are {', '.join(STAGE_ORDER)}")
    if level not in logs.LEVELS:
        raise BadInput(f"there is no level {level[:40]!r}; there are {', '.join(logs.LEVELS)}")
    before = _id(query, "before")
    return Wanted(
        stage=stage,
        level=level,
        contains=query.get("contains", "")[:200],
        after=_id(query, "after") or 0,
        before=before,
    )


def _id(query: Mapping[str, str], name: str) -> int | None:
    said = query.get(name, "")
    if not said:
        return None
    if not (said.isascii() and said.isdigit()) or len(said) > LONGEST_ID:
        raise BadInput(f"{name} is {said[:40]!r}, and not the number of a line")
    return int(said)


def read_lines(run_id: int, choice: Wanted, limit: int) -> list[LogRow]:
    """Inside `Store.read`: after a line, or the newest (before one)."""
    named = {"stage": choice.stage or None, "at_least": choice.level, "contains": choice.contains, "limit": limit}
    if choice.after:
        return logs.lines(run_id, after_id=choice.after, **named)  # type: ignore[arg-type]
    return logs.before(run_id, before_id=choice.before, **named)  # type: ignore[arg-type]


def shown(rows: Iterable[LogRow]) -> list[Line]:
    return [_line(one.id, (one.stage, one.at_ms, one.level, one.source, one.text)) for one in rows]


def _line(number: int, line: Sequence[Any]) -> Line:
    stage, at_ms, level, source, text = line
    return Line(
        id=number,
        stage=clean(stage, 40),
        at=clock(at_ms / 1000),
        level=level if level in logs.LEVELS else clean(level, 10),
        source=clean(source, 40),
        text=clean(text, TEXT).replace("\n", "↵ "),
    )


def as_told(lines: Iterable[Line]) -> list[list[Any]]:
    """As our script takes them."""
    return [[one.id, one.stage, one.at, one.level, one.source, one.text] for one in lines]


def log_event(news: News) -> tuple[str, Any] | None:
    """What goes out live when lines came."""
    ids, lines = news.data.get("ids"), news.data.get("lines")
    if not ids or not lines:
        return None
    if len(lines) > MOST_OF_EVENT:
        return "log", {"run": news.run_id, "ask": True}
    return "log", {"run": news.run_id, "lines": as_told(_line(*one) for one in zip(ids, lines, strict=True))}


async def log_page(console: Console, visit: Visit) -> Answer:
    """A page of the log; JSON for our script."""
    run_id, choice = visit.number("run"), wanted(visit.query)
    told = "application/json" in visit.request.headers.get("Accept", "")
    limit = MOST if told else SHOWN
    run, rows = await console.store.read(lambda: (runs.get(run_id), read_lines(run_id, choice, limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit] if choice.after else rows[-limit:]
    if told:
        body = value_of({"lines": as_told(shown(rows)), "more": more})
        return web.Response(text=body, content_type="application/json", headers=HEADERS)
    values = {
        "run": run,
        "choice": choice,
        "lines": shown(rows),
        "stages": STAGE_ORDER,
        "levels": logs.LEVELS,
        "older": choice.link(run_id, before=rows[0].id) if rows and (more or choice.after) else "",
        "newer": choice.link(run_id, after=rows[-1].id) if rows and (choice.after or choice.before) else "",
        "newest": choice.link(run_id),
    }
    return View(template="run_log.html.j2", title=f"Log of run {run_id}", values=values, nav="runs")


PAGES = (Page(path=r"/runs/{run:\d+}/log", need=Need.VIEWER, show=log_page),)
