"""What was replaced before a run, and what the run proved of it. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from vetting.domain.repairorder import RepairOrder
from vetting.domain.repairproof import Proved
from vetting.store.models import Repair
from vetting.store.rows import RepairRow, row


def add(run_id: int, order: RepairOrder) -> None:
    """With the run, at its start."""
    Repair.insert(run=run_id, ordered=order).execute()


def prove(run_id: int, proved: Proved) -> None:
    """What SpecValidate found; a later attempt at it takes the place of an earlier one."""
    Repair.update(proved=proved).where(Repair.run == run_id).execute()


def find(run_id: int) -> RepairRow | None:
    """None for a run that is no run after a repair."""
    record = Repair.get_or_none(Repair.run == run_id)
    return None if record is None else row(RepairRow, record)
