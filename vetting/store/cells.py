"""The ledger: what became of each component in each attempt. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from collections.abc import Iterable

from vetting.domain.outcome import Cell
from vetting.store.models import CellRecord
from vetting.store.rows import CellRow, row


def put(run_id: int, stage: str, attempt: int, cells: Iterable[Cell]) -> None:
    """The cells of one attempt, in place of those that were there: an attempt can be put twice without harm."""
    mine = (CellRecord.run == run_id) & (CellRecord.stage == stage) & (CellRecord.attempt == attempt)
    CellRecord.delete().where(mine).execute()
    rows = [
        {
            "run": run_id,
            "stage": stage,
            "attempt": attempt,
            "component": cell.component,
            "verdict": cell.verdict,
            "reason": cell.reason,
            "work": cell.work,
        }
        for cell in cells
    ]
    if rows:
        CellRecord.insert_many(rows).execute()


def cells_of(run_id: int, stage: str | None = None, attempt: int | None = None) -> list[CellRow]:
    """The cells of a run, of a stage in it, or of one attempt, in the order in which they were put."""
    query = CellRecord.select().where(CellRecord.run == run_id).order_by(CellRecord.id)
    if stage is not None:
        query = query.where(CellRecord.stage == stage)
    if attempt is not None:
        query = query.where(CellRecord.attempt == attempt)
    return [row(CellRow, record) for record in query]
