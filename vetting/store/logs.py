"""What host and tools said, a row a line: filtered by stage, searched by text, followed by id."""

from __future__ import annotations

from collections.abc import Sequence

import peewee as pw

from vetting.store.models import LogLine
from vetting.store.rows import LogRow, row

ROWS_A_STATEMENT = 100  # six values each; SQLite before 3.32 took 999 in one statement
LEVELS = ("debug", "info", "warning", "error")


Line = tuple[str, int, str, str, str]
"""Stage, time in ms since the epoch, level, source, text."""


def append(run_id: int, lines: Sequence[Line]) -> list[int]:
    """Adds lines; returns the id of each, which grow in the order of the lines."""
    rows = [(run_id, *line) for line in lines]
    columns = [LogLine.run, LogLine.stage, LogLine.at_ms, LogLine.level, LogLine.source, LogLine.text]
    for at in range(0, len(rows), ROWS_A_STATEMENT):
        LogLine.insert_many(rows[at : at + ROWS_A_STATEMENT], fields=columns).execute()
    if not rows:
        return []
    newest = LogLine.select(LogLine.id).where(LogLine.run == run_id).order_by(LogLine.id.desc()).limit(len(rows))
    return [record.id for record in newest][::-1]


def lines(
    run_id: int,
    *,
    stage: str | None = None,
    at_least: str = "debug",
    contains: str = "",
    after_id: int = 0,
    limit: int = 1000,
) -> list[LogRow]:
    """Lines in the order in which they came. `after_id` goes on from a line that was seen (an SSE connection that came
    back); `at_least` is the lowest level; `contains` is plain text, in any case of its ASCII letters."""
    query = _chosen(run_id, stage, at_least, contains).where(LogLine.id > after_id).order_by(LogLine.id).limit(limit)
    return [row(LogRow, record) for record in query]


def before(
    run_id: int,
    *,
    stage: str | None = None,
    at_least: str = "debug",
    contains: str = "",
    before_id: int | None = None,
    limit: int = 200,
) -> list[LogRow]:
    """As `lines`, the newest of them, or the newest before a line; oldest first."""
    query = _chosen(run_id, stage, at_least, contains).order_by(LogLine.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(LogLine.id < before_id)
    return [row(LogRow, record) for record in query][::-1]


def _chosen(run_id: int, stage: str | None, at_least: str, contains: str) -> pw.ModelSelect[LogLine]:
    query = LogLine.select().where(LogLine.run == run_id)
    if stage is not None:
        query = query.where(LogLine.stage == stage)
    if at_least != LEVELS[0]:
        query = query.where(LogLine.level.in_(LEVELS[LEVELS.index(at_least) :]))
    if contains:
        query = query.where(LogLine.text.contains(contains))
    return query


def last_lines(run_id: int, *, stage: str | None = None, source: str = "", limit: int = 200) -> list[LogRow]:
    """The newest lines, oldest of them first."""
    query = LogLine.select().where(LogLine.run == run_id).order_by(LogLine.id.desc()).limit(limit)
    if stage is not None:
        query = query.where(LogLine.stage == stage)
    if source:
        query = query.where(LogLine.source == source)
    return [row(LogRow, record) for record in query][::-1]


def count(run_id: int) -> int:
    """How many lines there are."""
    return int(LogLine.select().where(LogLine.run == run_id).count())


def drop(run_id: int, *, before_ms: int) -> int:
    """Forgets lines from before a time; returns how many. For the janitor."""
    return int(LogLine.delete().where((LogLine.run == run_id) & (LogLine.at_ms < before_ms)).execute())
