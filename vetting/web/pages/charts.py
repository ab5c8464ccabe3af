"""The charts of a run: what they draw as JSON, what is new as it comes, and every series as a table."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from vetting.domain.errors import BadInput, NotFound
from vetting.gate import HEADERS
from vetting.orchestrator.bus import News
from vetting.report import text
from vetting.web.chartdata import NAME, SIGNS
from vetting.web.console import Console
from vetting.web.visit import Answer, Need, Page, View, Visit

EVERY_S = 1.0  # samples go out at most so often
MOST_POINTS = 2000  # of one event; where more has come, the browser reads everything afresh
WAIT_S = 0.3  # that the run's page waits for the table; on a long soak the first reading takes seconds
LONGEST_MS = 10**15


async def series_json(console: Console, visit: Visit) -> Answer:
    """What the charts draw. With `from` and `to` (ms since the epoch) that piece of the time, finer."""
    run_id = visit.number("run")
    if "from" in visit.query or "to" in visit.query:
        begin_ms, end_ms = _moment(visit, "from"), _moment(visit, "to")
        if begin_ms >= end_ms:
            raise BadInput("`from` must be before `to`")
        piece = msgspec.json.encode(await console.charts.window(run_id, begin_ms, end_ms))
        return web.Response(body=piece, content_type="application/json", headers=HEADERS)
    drawn = await console.charts.read(run_id)
    headers = {**HEADERS, "Vary": "Accept-Encoding"}
    if "gzip" in visit.request.headers.get("Accept-Encoding", ""):
        return web.Response(
            body=drawn.packed, content_type="application/json", headers={**headers, "Content-Encoding": "gzip"}
        )
    return web.Response(body=drawn.body, content_type="application/json", headers=headers)


async def charts_page(console: Console, visit: Visit) -> Answer:
    """The charts alone, for a screen on the wall; and every series in words, for readers without scripts."""
    run_id = visit.number("run")
    drawn = await console.charts.read(run_id)
    values = {"charts_run": run_id, "charts_table": drawn.rows, "charts_left_out": drawn.data.left_out}
    title = f"Charts of run {run_id}"
    return View(template="charts.html.j2", title=title, values=values, nav="runs", feeds=(RunCharts(console, run_id),))


async def chart_values(console: Console, run_id: int) -> dict[str, Any]:
    """What `_run_charts.html.j2` needs of a page that includes it."""
    reading = asyncio.ensure_future(console.charts.read(run_id))
    done, _ = await asyncio.wait([reading], timeout=WAIT_S)
    if not done:
        reading.cancel()  # the reading itself goes on, for the script asks for it next
    table = reading.result().rows if done else None  # without it the page links to the table
    return {"charts_run": run_id, "charts_table": table}


@dataclass(slots=True)
class RunCharts:
    """New samples, at most once a second, of those series that the charts show; breaches at once."""

    console: Console
    run_id: int
    pieces: Collection[str] = ()
    kinds: Collection[str] = frozenset({"run.samples", "run.breach", "run.moved", "run.attempt", "run.progress"})
    _points: dict[tuple[int, int], list[float]] = field(
        default_factory=dict
    )  # (series, second) -> low, high, sum, count
    _last: dict[int, tuple[int, float | None]] = field(default_factory=dict)
    _afresh: bool = False
    _sent_at: float = -math.inf

    @property
    def address(self) -> str:
        return f"run-charts/{self.run_id}"

    @property
    def key(self) -> str:
        return self.address

    def touched(self, news: News) -> Collection[str]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        return ""

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        """Whatever comes of this run carries out what was gathered, once a second at most."""
        match news.kind:
            case "run.samples":
                self._gather(news.data["names"], news.data["samples"])
            case "run.breach":
                known = self.console.charts.known(self.run_id) or {}
                yield "breach", {"run": self.run_id, "id": known.get(news.data["series"]), **_breach(news.data)}
            case "run.moved" | "run.attempt":
                self._afresh = True  # stages begin and end
        if (self._last or self._afresh) and not 0 <= news.at - self._sent_at < EVERY_S:
            self._sent_at = news.at
            yield "samples", self._taken()

    def _gather(self, names: list[str], samples: Iterable[tuple[int, int, float]]) -> None:
        known = self.console.charts.known(self.run_id) or {}
        for place, at_ms, value in samples:
            series = known.get(names[place])
            if series is None:
                self._afresh = True  # one that no chart has yet
                continue
            if at_ms >= self._last.get(series, (0, None))[0]:
                self._last[series] = (at_ms, value if math.isfinite(value) else None)
            if not math.isfinite(value):
                continue
            second = at_ms // 1000
            point = self._points.get((series, second))
            if point is None:
                if len(self._points) >= MOST_POINTS:
                    self._afresh = True
                    continue
                self._points[series, second] = [value, value, value, 1]
            else:
                point[:] = min(point[0], value), max(point[1], value), point[2] + value, point[3] + 1

    def _taken(self) -> dict[str, Any]:
        points, last, afresh = self._points, self._last, self._afresh
        self._points, self._last, self._afresh = {}, {}, False
        if afresh:
            return {"run": self.run_id, "afresh": True}
        return {
            "run": self.run_id,
            "points": [
                (series, second, _short(low), _short(high), _short(total / count))
                for (series, second), (low, high, total, count) in points.items()
            ],
            "last": [(series, at_ms, _short(value)) for series, (at_ms, value) in last.items()],
        }


def feed(console: Console, visit: Visit, argument: str) -> RunCharts:
    """Raises NotFound."""
    if not argument.isdecimal() or len(argument) > 15:
        raise NotFound("there is no run with this number")
    return RunCharts(console, int(argument))


def _breach(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "change": data["change"],
        "series": text.clean(data["series"], NAME),
        "severity": data["severity"],
        "first_ms": int(data["first_at"] * 1000),
        "last_ms": int(data["last_at"] * 1000),
        "worst": _short(data["worst"]),
        "op": SIGNS[data["op"]],
        "limit": _short(data["limit"]),
    }


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def _moment(visit: Visit, name: str) -> int:
    said = visit.query.get(name, "")
    if not said.isdecimal() or not said.isascii() or int(said[:17]) > LONGEST_MS:
        raise BadInput(f"`{name}` is {said[:40]!r}, not a time in milliseconds since 1970; give both `from` and `to`")
    return int(said)


PAGES = (
    Page(path=r"/runs/{run:\d+}/series.json", need=Need.VIEWER, show=series_json),
    Page(path=r"/runs/{run:\d+}/charts", need=Need.VIEWER, show=charts_page),
)
