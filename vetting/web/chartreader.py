"""Reads what the charts show: everything once, then what is new; many who ask at once share one reading."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from vetting.domain.states import CLOSED
from vetting.store import attempts, runs, samples, thresholds
from vetting.store.db import Store
from vetting.store.rows import SeriesRow
from vetting.store.samples import Mark
from vetting.web.chartdata import chart_data, names_of, rows
from vetting.web.chartgrid import Grid
from vetting.web.chartshape import ChartData, Row

RUNS_KEPT = 12
AT_ONCE = 2  # of the store's readers: a soak's first look takes seconds, and others want to read too
CLOCK_SET_S = 3600.0  # a sample seems older than its run where our clock was set back; much older ones are made up


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was read, ready to be sent."""

    data: ChartData
    body: bytes  # JSON
    packed: bytes  # the same by gzip
    ids: Mapping[str, int]  # raw names of all series shown -> what live samples call them
    rows: list[Row]


@dataclass(slots=True)
class _Kept:
    """A run whose charts somebody looks at."""

    grid: Grid | None = None
    mark: Mark = field(default_factory=Mark)
    drawn: Drawn | None = None
    now: asyncio.Task[Drawn] | None = None
    next: asyncio.Task[Drawn] | None = None


class ChartReader:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def read(self, run_id: int) -> Drawn:
        """The run's charts as they are now. Raises NotFound.

        Whoever asks while one reading goes on gets the next one, together with all others: what was stored before the
        question is in the answer, and a crowd costs two readings.
        """
        kept = self._kept.setdefault(run_id, _Kept())
        self._kept.move_to_end(run_id)
        self._let_go()
        if kept.now is None:
            kept.now = task = asyncio.create_task(self._reading(run_id, kept), name=f"charts of run {run_id}")
        elif kept.next is None:
            kept.next = task = asyncio.create_task(self._after(kept.now, run_id, kept), name=f"charts of run {run_id}")
        else:
            task = kept.next
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits any more
        return await asyncio.shield(task)

    def known(self, run_id: int) -> Mapping[str, int] | None:
        """The names that were last shown; None where nobody looked."""
        kept = self._kept.get(run_id)
        return kept.drawn.ids if kept and kept.drawn else None

    async def window(self, run_id: int, begin_ms: int, end_ms: int) -> ChartData:
        """A piece of the time, as fine as it can be shown, with the series that stand out in the whole. Raises NotFound."""
        kept = self._kept.get(run_id)
        drawn = kept.drawn if kept and kept.drawn else await self.read(run_id)
        chosen = {line.id for chart in drawn.data.charts for line in chart.lines}

        def look() -> ChartData:
            run = runs.get(run_id)
            points, _ = samples.everything(run_id, t0_ms=begin_ms, t1_ms=end_ms)
            grid = Grid.over(points, begin_ms=begin_ms, end_ms=end_ms)
            return _shape(run_id, grid, samples.series_of(run_id), ended=run.state in CLOSED, chosen=chosen)

        async with self._turn:
            return await self._store.read(look)

    async def _after(self, before: asyncio.Task[Drawn], run_id: int, kept: _Kept) -> Drawn:
        await asyncio.wait([before])
        kept.now, kept.next = kept.next, None
        return await self._reading(run_id, kept)

    async def _reading(self, run_id: int, kept: _Kept) -> Drawn:
        try:
            async with self._turn:
                return await self._store.read(lambda: _look(run_id, kept))
        finally:
            if kept.next is None:
                kept.now = None

    def _let_go(self) -> None:
        """Forgets the runs that nobody asked for longest."""
        idle = [run_id for run_id, kept in self._kept.items() if kept.now is None]
        for run_id in idle[: max(0, len(self._kept) - RUNS_KEPT)]:
            del self._kept[run_id]


def _look(run_id: int, kept: _Kept) -> Drawn:
    run = runs.get(run_id)
    earliest_ms = int((run.created_at - CLOCK_SET_S) * 1000)
    grid, kept.grid = kept.grid, None  # whatever goes wrong from here on: the next one begins afresh
    fresh = samples.arrived(run_id, kept.mark) if grid is not None else None
    if grid is None or fresh is None or any(earliest_ms <= one.at_ms[0] < grid.begin_ms for one in fresh[0].values()):
        points, kept.mark = samples.everything(run_id, t0_ms=earliest_ms)
        firsts = [one.at_ms[0] for one in points.values() if one.at_ms]
        lasts = [one.at_ms[-1] for one in points.values() if one.at_ms]
        grid = Grid.over(points, begin_ms=min(firsts, default=earliest_ms), end_ms=max(lasts, default=0))
    else:
        points, kept.mark = fresh
        grid.add(points)
    series = samples.series_of(run_id)
    data = _shape(run_id, grid, series, ended=run.state in CLOSED)
    body = msgspec.json.encode(data)
    if kept.drawn is None or kept.drawn.body != body:
        table = rows(grid, series, thresholds.breaches_of(run_id))
        kept.drawn = Drawn(data, body, gzip.compress(body, 2), names_of(data, series), table)
    kept.grid = grid if grid.tracks else None
    return kept.drawn


def _shape(run_id: int, grid: Grid, series: list[SeriesRow], *, ended: bool, chosen: Collection[int] = ()) -> ChartData:
    return chart_data(
        run_id, grid, series, thresholds.thresholds_of(run_id), thresholds.breaches_of(run_id),
        attempts.attempts_of(run_id), ended=ended, chosen=chosen,
    )  # fmt: skip
