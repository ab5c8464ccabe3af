"""Writes reports: on demand, to the data directory, and as the last stage of a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from vetting.clock import Clock
from vetting.domain.errors import BadInput, Refusal, Unavailable
from vetting.domain.outcome import ArtifactRef, Outcome, Verdict
from vetting.domain.states import CLOSED, Event, RunState
from vetting.orchestrator import baselines, gathering
from vetting.orchestrator.latest import TEMPERATURES
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.records import REPORTING
from vetting.report import html, json
from vetting.report.model import Report
from vetting.store import Store, artifacts, attempts, peaks, runs
from vetting.store.artifacts import Room, Stored
from vetting.store.sentences import in_words

log = logging.getLogger(__name__)
T = TypeVar("T")
TakeTurn = Callable[[Callable[[Turn], object]], Awaitable[object]]

RENDERERS: dict[str, Callable[[Report], bytes]] = {
    "html": lambda report: html.render(report).encode(),
    "json": json.render,
}
MEDIA = {"report.html": "text/html", "report.json": "application/json"}
FOLDER = "reports"
OVER = frozenset({RunState.FAILED, RunState.FAILED_HOLDING, *CLOSED})  # where a verdict stands with the run


class Reporting:
    def __init__(self, *, store: Store, room: Room, data_dir: Path, clock: Clock) -> None:
        self._store = store
        self._room = room
        self._data_dir = data_dir
        self._clock = clock
        self._one_at_a_time: dict[int, asyncio.Lock] = {}

    async def render(self, run_id: int, kind: str) -> bytes:
        """A run's report of this moment, "html" or "json". Raises NotFound, BadInput."""
        renderer = renderer_of(kind)
        report = await self._store.read(lambda: gathering.gather(run_id))
        return await asyncio.to_thread(renderer, report)

    async def write(self, run_id: int) -> Path:
        """Writes both files, notes the verdict with a run that is over or held, and returns the path of report.html.

        Raises NotFound; Unavailable where the disk does not take it or does not give it back.
        """
        async with self._lock(run_id):
            report = await self._store.read(lambda: gathering.gather(run_id))
            path, files = await asyncio.to_thread(self._put, report)
            now = self._clock.now()

            def noted() -> None:
                state = RunState(report.run.state)
                if state in OVER and runs.change_in(run_id, state, **_verdict_of(report, path)) and files:
                    self._record(run_id, files, now=now)

            await self._store.write(noted)
            return path

    async def complete(self, run_id: int, turn: TakeTurn) -> None:
        """The stage Reporting: writes the report of the completed run, then completes it in one turn.

        Where the report cannot be written the attempt is an ERROR and the run is held. A run that is not in Reporting
        is left as it is.
        """
        run = await self._store.read(lambda: runs.get(run_id))
        if run.state is not RunState.REPORTING:
            return
        try:
            hottest = await self._store.read(lambda: peaks.highest(run_id, TEMPERATURES))
            await turn(lambda now: self._tell_heat(now, run_id, hottest))
            async with self._lock(run_id):
                report = await self._store.read(lambda: gathering.gather(run_id, closing=True))
                path, files = await asyncio.to_thread(self._put, report)
        except Exception as error:
            log.exception("the report of run %d could not be written", run_id)
            why = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
            await turn(lambda now: self._failed(now, run_id, f"the report could not be written: {why}"))
            return
        await turn(lambda now: self._done(now, run_id, report, path, files, hottest))

    def _tell_heat(self, turn: Turn, run_id: int, hottest: Mapping[str, float]) -> None:
        running = attempts.running(run_id)
        if running is not None and running.stage == REPORTING:
            baselines.tell_heat(turn, runs.get(run_id), running.attempt, hottest)

    def _done(
        self,
        turn: Turn,
        run_id: int,
        report: Report,
        path: Path,
        files: dict[str, Stored],
        hottest: Mapping[str, float],
    ) -> None:
        run = runs.get(run_id)
        running = attempts.running(run_id)
        if run.state is not RunState.REPORTING or running is None:
            return  # somebody cancelled it while we wrote
        refs = tuple(
            ArtifactRef(name=name, media_type=MEDIA[name], sha256=one.sha256, size_bytes=one.size_bytes)
            for name, one in files.items()
        )
        attempts.close_attempt(
            run_id, REPORTING, running.attempt, now=turn.at, verdict=Verdict.PASS, posted_verdict=Verdict.PASS,
            outcome=Outcome.ok(artifacts=refs),
        )  # fmt: skip
        self._record(run_id, files, now=turn.at)
        turn.say("run.attempt", run_id, stage=REPORTING, attempt=running.attempt, verdict=str(Verdict.PASS))
        baselines.remember(turn, run, hottest)
        turn.move(run, Event.STAGE_PASSED, ended_at=turn.at, **_verdict_of(report, path))

    def _failed(self, turn: Turn, run_id: int, why: str) -> None:
        run = runs.get(run_id)
        running = attempts.running(run_id)
        if run.state is not RunState.REPORTING:
            return
        if running is not None:
            turn.close_attempt(run, running, Verdict.ERROR, why)
        turn.park(run, Event.STAGE_FAILED, REPORTING, why)

    def _record(self, run_id: int, files: dict[str, Stored], *, now: float) -> None:
        """The artifacts' rows of the newest attempt at Reporting. Inside `Store.write`."""
        latest = attempts.latest(run_id, REPORTING)
        if latest is not None:
            for name, one in files.items():
                artifacts.replace(run_id, REPORTING, latest.attempt, name, MEDIA[name], one, now=now)

    def _put(self, report: Report) -> tuple[Path, dict[str, Stored]]:
        """Writes both files under a person's name for them; those of a completed run beside the other evidence too."""
        folder = self._data_dir / FOLDER / f"run-{report.run.id}"
        files = {f"report.{kind}": renderer(report) for kind, renderer in RENDERERS.items()}
        for name, content in files.items():
            put(folder / name, content)
        read_back(folder / "report.html", folder / "report.json", report)
        if report.run.state != RunState.COMPLETED:
            return folder / "report.html", {}
        return folder / "report.html", {name: self._room.keep(report.run.id, data) for name, data in files.items()}

    def _lock(self, run_id: int) -> asyncio.Lock:
        """One writer of a run's files at a time; a lock that nobody holds is forgotten."""
        for number in [key for key, lock in self._one_at_a_time.items() if not lock.locked() and key != run_id]:
            del self._one_at_a_time[number]
        return self._one_at_a_time.setdefault(run_id, asyncio.Lock())


def renderer_of(kind: str) -> Callable[[Report], bytes]:
    """Raises BadInput."""
    if kind not in RENDERERS:
        raise BadInput(f"there is no report format {kind!r}; choose one of {', '.join(RENDERERS)}")
    return RENDERERS[kind]


def put(path: Path, content: bytes) -> None:
    """Replaces a file whole or not at all, safe on disk when this returns. Raises Unavailable."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise in_words(error, str(path)) from error


def read_back(html_path: Path, json_path: Path, report: Report) -> None:
    """Raises Unavailable where the disk does not give back what was written, or what was written is no report."""
    try:
        page = html_path.read_bytes().decode()
        data = json.parse(json_path.read_bytes())
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"the report in {html_path.parent} cannot be read back: {error}; look at that disk"
        ) from error
    if not page.rstrip().endswith("</html>") or html.escaped(report.verdict.sentence) not in page:
        raise Unavailable(f"{html_path} was cut short on disk; look at that disk, then retry")
    if (data.run.id, data.verdict) != (report.run.id, report.verdict):
        raise Unavailable(f"{json_path} does not hold what was written; look at that disk, then retry")


def _verdict_of(report: Report, path: Path) -> runs.RunChanges:
    said = report.verdict
    return {
        "verdict": said.sentence,
        "verdict_detail": {"word": said.word, "qualifiers": list(said.qualifiers), "report": str(path)},
    }
