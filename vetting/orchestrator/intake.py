"""Takes in what agents send all the time: samples, log lines, findings, artifacts. Judges samples as they come.

Acknowledged means committed. A batch that is sent again is known by its number and not stored twice.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import BadInput, Conflict, TooLarge
from vetting.domain.limits import Breach, BreachChange, BreachEvent, Judge, applies, covers
from vetting.domain.states import CLOSED, RunState
from vetting.domain.thresholds import Threshold
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.latest import Latest
from vetting.orchestrator.progress import refuse_closed
from vetting.orchestrator.witness import Witnesses
from vetting.store import artifacts, attempts, deliveries, findings, logs, runs, samples, thresholds
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, BreachRow, RunRow

MAX_TEXT = 4000  # characters of one log line
MAX_NAME = 120
EVIDENCE_MAY_FOLLOW_S = 600.0  # of an attempt that ended without its agent: cancelled, past its deadline, interrupted
MAX_UNIT = 20
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
        self.latest = Latest(clock)

    async def samples(self, run_id: int, batch: wire.SensorBatch) -> int:
        """Stores a batch and judges it against the run's thresholds. Returns how many samples were stored."""
        if len(batch.samples) > wire.MAX_SAMPLES or len(batch.names) > wire.MAX_SAMPLES:
            raise BadInput(f"a batch holds at most {wire.MAX_SAMPLES} samples and as many names; send several")
        if len(batch.names) != len(batch.units) or not all(
            0 <= sample.series < len(batch.names) for sample in batch.samples
        ):
            raise BadInput("every sample's series must be an index into names, and units must be as many as names")
        watched = await self._watch(run_id)
        names, units = [name[:MAX_NAME] for name in batch.names], [unit[:MAX_UNIT] for unit in batch.units]
        now_ms = int(self._clock.now() * 1000)
        dated = [
            (sample.series, now_ms - max(batch.now_ms - sample.at_ms, 0), sample.value) for sample in batch.samples
        ]
        stage, attempt = watched.stage, watched.attempt
        events: list[BreachEvent] = []

        def store() -> bool:
            if not deliveries.take(run_id, "samples", batch.boot_id, batch.seq):
                return False
            samples.append_batch(run_id, stage, names, units, dated)
            for series, at_ms, value in dated:
                events.extend(watched.judge.feed(names[series], value, at_ms / 1000))
            if events:
                _record(run_id, events, stage=stage, attempt=attempt)
            return True

        try:
            if not await self._store.write(store):
                return 0
        except (
            BaseException
        ):  # the judge may know of a breach that was not written: the next one begins from the records
            self._watched.pop(run_id, None)
            raise
        counts = Counter(names[series] for series, _, _ in dated)
        bad = Counter(names[series] for series, _, value in dated if not math.isfinite(value))
        self._witnesses.heard(run_id, stage, attempt, counts, bad)
        self.latest.heard(run_id, names, dated)
        self._tell_breaches(run_id, events)
        self._bus.stream("run.samples", at=now_ms / 1000, run_id=run_id, names=names, samples=dated)
        return len(dated)

    def _tell_breaches(self, run_id: int, events: list[BreachEvent]) -> None:
        for event in events:
            breach, limit = event.breach, event.breach.threshold
            self._bus.publish(
                "run.breach", at=self._clock.now(), run_id=run_id, change=str(event.change), text=breach.text,
                series=breach.series, op=str(limit.op), limit=limit.limit, severity=str(limit.severity),
                first_at=breach.opened_at, last_at=breach.last_at, worst=breach.worst,
            )  # fmt: skip

    async def _watch(self, run_id: int) -> _Watched:
        watched, turn = self._watched.get(run_id), self._witnesses.turn(run_id)
        if watched is None or watched.turn != turn:
            self._forget_ended()
            judge, now = watched.judge if watched else None, self._clock.now()
            watched = await self._store.write(lambda: _look(run_id, judge, turn, now))
            self._watched[run_id] = watched
        if watched.run.state in CLOSED:
            del self._watched[run_id]
            self.latest.forget(run_id)
        refuse_closed(watched.run)
        return watched

    def _forget_ended(self) -> None:
        """Drops what is kept of runs that ended without another word of their agent."""
        for run_id, watched in list(self._watched.items()):
            if self._witnesses.turn(run_id) != watched.turn and self._witnesses.silence_s(run_id) is None:
                del self._watched[run_id]

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

        found = [
            replace(one, component=one.component[:MAX_NAME], source=one.source[:40], text=one.text[:MAX_TEXT])
            for one in batch.findings
        ]

        def store() -> list[int] | None:
            if not deliveries.take(run_id, "log", batch.boot_id, batch.seq):
                return None
            if found:
                stage, number = _belongs_to(run_id)
                findings.add(run_id, stage, number, found, at=now_ms / 1000)
            return logs.append(run_id, rows)

        ids = await self._store.write(store)
        if ids is None:
            return 0
        if rows:
            self._bus.publish("run.log", at=now_ms / 1000, run_id=run_id, lines=rows, ids=ids)
        for finding in found:
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
        late = known.ended_at is not None and self._clock.now() - known.ended_at > EVIDENCE_MAY_FOLLOW_S
        if late and not await self._store.read(lambda: _failed_there(run_id, known)):
            raise Conflict(f"attempt {attempt} at {stage} has ended; nothing is added to its evidence any more")
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


def _belongs_to(run_id: int) -> tuple[str, int]:
    """The attempt that runs; in a hold the one that failed, for what a host finds of its own crash after it rebooted."""
    run, current = runs.get(run_id), attempts.running(run_id)
    latest = current or attempts.latest(run_id, run.stage)
    return run.stage, latest.attempt if latest else 0


def _failed_there(run_id: int, attempt: AttemptRow) -> bool:
    """Whether the run is held for this very attempt: its host may have taken its time to come back with the evidence."""
    run = runs.get(run_id)
    held = run.state in (RunState.FAILED, RunState.FAILED_HOLDING) and run.stage == attempt.stage
    latest = attempts.latest(run_id, attempt.stage)
    return held and latest is not None and latest.id == attempt.id


def _look(run_id: int, judge: Judge | None, turn: int, now: float) -> _Watched:
    """The run as it is now; its judge learns of a new stage."""
    run, current = runs.get(run_id), attempts.running(run_id)
    attempt = current.attempt if current else 0
    if judge is None:
        judge = _judge_anew(run_id, run.stage)
    elif judge.stage != run.stage:
        _record(run_id, judge.enter(run.stage, now), stage=run.stage, attempt=attempt)
    return _Watched(run=run, judge=judge, stage=run.stage, attempt=attempt, turn=turn)


def _judge_anew(run_id: int, stage: str) -> Judge:
    """A judge that goes on from the breaches on record; those whose threshold is not in force here are closed."""
    rows, going_on = thresholds.thresholds_of(run_id), []
    for one in thresholds.open_breaches(run_id):
        limit = next((row for row in rows if applies(row, stage) and _broke(row, one)), None)
        if limit is None:
            thresholds.close_breach(one.id)
            continue
        going_on.append(
            Breach(
                series=one.series, threshold=limit, opened_at=one.first_at, last_at=one.last_at, worst=one.worst,
                bad_samples=one.samples,
            )
        )  # fmt: skip
    return Judge(rows, stage=stage, open_breaches=going_on)


def _broke(row: Threshold, breach: BreachRow) -> bool:
    same = (row.op, row.limit, row.severity) == (breach.op, breach.limit, breach.severity)
    return same and covers(row, breach.series)


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
