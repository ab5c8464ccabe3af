"""A run as a live table in the terminal; where there is no terminal, a line for each change."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vetting import wire
from vetting.asking import visible
from vetting.domain.states import STAGE_ORDER

if TYPE_CHECKING:
    from types import TracebackType

    from rich.live import Live as RichLive
    from rich.table import Table

SIGNS = {"PASS": "✓", "FAIL": "✗", "ERROR": "!", "SKIP": "–", "CANCELLED": "×", "INTERRUPTED": "↻", "": "…"}
STYLES = {"PASS": "green", "FAIL": "bold red", "ERROR": "bold yellow", "SKIP": "dim", "": "cyan"}


class Live:
    """Shows one run after another state of it. Status is told by sign and word, colour only adds to it."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int, str]] = set()
        self._live: RichLive | None = None
        self._console_told = False

    def __enter__(self) -> Live:
        if sys.stdout.isatty():
            from rich.live import Live as RichLive

            self._live = RichLive(refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: wire.RunView, console: str) -> None:
        if self._live is not None:
            self._live.update(_table(view, console))
            return
        if not self._console_told:
            self._console_told = True
            print(f"run {view.id} of {visible(view.host)}, profile {view.profile}; console at {console}", flush=True)
        for attempt in view.attempts:
            key = (attempt.stage, attempt.attempt, attempt.verdict)
            if key not in self._told:
                self._told.add(key)
                print(_line(attempt), flush=True)


def _line(attempt: wire.AttemptView) -> str:
    word = attempt.verdict or "runs"
    again = f" (attempt {attempt.attempt})" if attempt.attempt > 1 else ""
    reason = f": {visible(attempt.reason)}" if attempt.reason else ""
    lasted = f" in {attempt.ended_at - attempt.started_at:.1f} s" if attempt.ended_at else ""
    return f"{SIGNS.get(attempt.verdict, '?')} {attempt.stage}{again} {word}{lasted}{reason}"


def _table(view: wire.RunView, console: str) -> Table:
    from rich.table import Table

    title = f"run {view.id} of {visible(view.host)} · profile {view.profile} · {view.state}"
    table = Table(title=title, caption=f"console at {console}", expand=False)
    for head in ("stage", "verdict", "time", "planned", "progress"):
        table.add_column(head, justify="right" if head in ("time", "planned") else "left")
    by_stage: dict[str, list[wire.AttemptView]] = {}
    for attempt in view.attempts:
        by_stage.setdefault(attempt.stage, []).append(attempt)
    for stage in STAGE_ORDER:
        for attempt in by_stage.get(stage, []):
            style = STYLES.get(attempt.verdict, "")
            name = stage if attempt.attempt == 1 else f"{stage} #{attempt.attempt}"
            word = f"{SIGNS.get(attempt.verdict, '?')} {attempt.verdict or 'runs'}"
            ended = attempt.ended_at or time.time()
            said = visible(attempt.reason) if attempt.verdict else _progress(attempt.progress)
            planned = f"{attempt.planned_s:.0f} s" if attempt.planned_s else ""
            table.add_row(name, word, f"{max(ended - attempt.started_at, 0):.0f} s", planned, said[:70], style=style)
        if stage not in by_stage:
            table.add_row(stage, "", "", "", "", style="dim")
    return table


def _progress(progress: wire.Progress) -> str:
    if not progress.of:
        return visible(progress.note)
    part = f"{progress.done:.0f} of {progress.of:.0f} {progress.unit}"
    return f"{part} {visible(progress.note)}".strip()
