"""Takes in what agents send all the time: samples, log lines, findings, artifacts. Judges samples as they come.

Acknowledged means committed. A batch that is sent again is known by its number and not stored twice.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import BadInput, TooLarge
from vetting.domain.limits import Breach, BreachChange, BreachEvent, Judge
from vetting.domain.states import CLOSED
from vetting.domain.thresholds import Threshold
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.progress import refuse_closed
from vetting.orchestrator.witness import Witnesses
from vetting.store import artifacts, attempts, deliveries, findings, logs, runs, samples, thresholds
from vetting.store.db import Store
from vetting.store.rows import BreachRow, RunRow

MAX_TEXT = 4000  # characters of one log line
MAX_NAME = 120
DISK_CHUNK_BYTES = 256 * 1024


@dataclass(slots=True)
class _Watched:
    """What is kept of a run between two batches."""

    run: RunRow
    judge: Judge
    stage: str
    attempt: int
    turn: int


class Intake:
    def __init__(self, *, store: Store, bus: Bus, clock: Clock, witnesses: Witnesses, room: artifacts.Room) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._witnesses = witnesses
        self._room = room
        self._watched: dict[int, _Watched] = {}

    async def samples(self, run_id: int, batch: wire.SensorBatch) -> int:
        """Stores a batch and judges it against the run's thresholds. Returns how many samples were stored."""
        if len(batch.samples) > wire.MAX_SAMPLES or len(batch.names) > wire.MAX_SAMPLES:
            raise BadInput(f"a batch holds at most {wire.MAX_SAMPLES} samples and as many names; send several")
        if len(batch.names) != len(batch.units) or not all(
            0 <= sample.series < len(batch.names) for sample in batch.samples
        ):
            raise BadInput("every sample's series must be an index into names, and units must be as many as names")
        watched = await self._watch(run_id)
        now_ms = int(self._clock.now() * 1000)
        dated = [
            (sample.series, now_ms - max(batch.now_ms - sample.at_ms, 0), sample.value) for sample in batch.samples
        ]
        stage, attempt = watched.stage, watched.attempt
        events: list[BreachEvent] = []

        def store() -> bool:
            if not deliveries.take(run_id, "samples", batch.boot_id, batch.seq):
                return False
            samples.append_batch(run_id, stage, batch.names, batch.units, dated)
            for series, at_ms, value in dated:
                events.extend(watched.judge.feed(batch.names[series], value, at_ms / 1000))
            if events:
                _record(run_id, events, stage=stage, attempt=attempt)
            return True

        if not await self._store.write(store):
            return 0
        counts = Counter(batch.names[sample.series] for sample in batch.samples)
        bad = Counter(batch.names[sample.series] for sample in batch.samples if not math.isfinite(sample.value))
        self._witnesses.heard(run_id, stage, attempt, counts, bad)
        self._tell_breaches(run_id, events)
        self._bus.stream("run.samples", at=now_ms / 1000, run_id=run_id, names=batch.names, samples=dated)
        return len(dated)

    def _tell_breaches(self, run_id: int, events: list[BreachEvent]) -> None:
        for event in events:
            self._bus.publish(
                "run.breach", at=self._clock.now(), run_id=run_id, change=str(event.change), text=event.breach.text
            )

    async def _watch(self, run_id: int) -> _Watched:
        watched, turn = self._watched.get(run_id), self._witnesses.turn(run_id)
        if watched is None or watched.turn != turn:
            judge, now = watched.judge if watched else None, self._clock.now()
            watched = await self._store.write(lambda: _look(run_id, judge, turn, now))
            self._watched[run_id] = watched
        if watched.run.state in CLOSED:
            del self._watched[run_id]
        refuse_closed(watched.run)
        return watched

    async def lines(self, run_id: int, batch: wire.LogBatch) -> int:
        """Stores log lines and findings; they are dated by our clock and cut to a bounded length."""
        now_ms = int(self._clock.now() * 1000)
        rows = [
            (
                line.stage[:40],
                now_ms - max(batch.now_ms - line.at_ms, 0),
                line.level[:10],
                line.source[:40],
                line.text[:MAX_TEXT],
            )
            for line in batch.lines
        ]

        def store() -> bool:
            if not deliveries.take(run_id, "log", batch.boot_id, batch.seq):
                return False
            logs.append(run_id, rows)
            if batch.findings:
                run, current = runs.get(run_id), attempts.running(run_id)
                number = current.attempt if current else 0
                findings.add(run_id, run.stage, number, batch.findings, at=now_ms / 1000)
            return True

        if not await self._store.write(store):
            return 0
        if rows:
            self._bus.publish("run.log", at=now_ms / 1000, run_id=run_id, lines=rows)
        for finding in batch.findings:
            self._bus.publish(
                "run.finding", at=now_ms / 1000, run_id=run_id, severity=str(finding.severity),
                component=finding.component, text=finding.text,
            )  # fmt: skip
        return len(rows)

    async def artifact(
        self,
        run_id: int,
        *,
        stage: str,
        attempt: int,
        name: str,
        sha256: str,
        media_type: str,
        body: AsyncIterator[bytes],
        max_bytes: int,
    ) -> wire.ArtifactReply:
        """Stores a file under a name that we make; the host's own name is only text. Raises BadInput, TooLarge."""
        known, used_bytes = await self._store.read(
            lambda: (attempts.find(run_id, stage, attempt), artifacts.used_bytes(run_id))
        )
        if known is None:
            raise BadInput(f"run {run_id} has no attempt {attempt} at {stage[:40]}")
        with self._room.receive(run_id, used_bytes=used_bytes) as incoming:
            async for part in _in_parts(body):
                if incoming.size_bytes + len(part) > max_bytes:
                    raise TooLarge(f"an artifact has at most {max_bytes} bytes; cut it and say so in it")
                await asyncio.to_thread(incoming.write, part)
            stored = await asyncio.to_thread(incoming.settle, sha256.lower())
        now = self._clock.now()
        kept = await self._store.write(
            lambda: artifacts.add(run_id, stage, attempt, name[:MAX_NAME], media_type[:80], stored, now=now)
        )
        return wire.ArtifactReply(name=kept.name, sha256=kept.sha256, size_bytes=kept.size_bytes)


async def _in_parts(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in parts worth a trip to the disk's thread."""
    part = bytearray()
    async for chunk in body:
        part += chunk
        if len(part) >= DISK_CHUNK_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _look(run_id: int, judge: Judge | None, turn: int, now: float) -> _Watched:
    """The run as it is now. Its judge goes on from the breaches that were open, and learns of a new stage."""
    run, current = runs.get(run_id), attempts.running(run_id)
    attempt = current.attempt if current else 0
    if judge is None:
        going_on = [_as_breach(one) for one in thresholds.open_breaches(run_id)]
        judge = Judge(thresholds.thresholds_of(run_id), stage=run.stage, open_breaches=going_on)
    elif judge.stage != run.stage:
        _record(run_id, judge.enter(run.stage, now), stage=run.stage, attempt=attempt)
    return _Watched(run=run, judge=judge, stage=run.stage, attempt=attempt, turn=turn)


def _as_breach(one: BreachRow) -> Breach:
    limit = Threshold(series=one.series, op=one.op, limit=one.limit, severity=one.severity)
    return Breach(
        series=one.series, threshold=limit, opened_at=one.first_at, last_at=one.last_at, worst=one.worst,
        bad_samples=one.samples,
    )  # fmt: skip


def _record(run_id: int, events: Sequence[BreachEvent], *, stage: str, attempt: int) -> None:
    for event in events:
        breach, limit = event.breach, event.breach.threshold
        if event.change is BreachChange.OPENED:
            thresholds.open_breach(
                run_id, stage=stage, attempt=attempt, series=breach.series, op=limit.op, limit=limit.limit,
                severity=limit.severity, first_at=breach.opened_at, last_at=breach.last_at, worst=breach.worst,
                samples=breach.bad_samples,
            )  # fmt: skip
            continue
        for row in thresholds.open_breaches(run_id):
            if (row.series, row.op, row.limit) == (breach.series, limit.op, limit.limit):
                thresholds.extend_breach(row.id, last_at=breach.last_at, worst=breach.worst, samples=breach.bad_samples)
                if event.change is BreachChange.CLOSED:
                    thresholds.close_breach(row.id)
