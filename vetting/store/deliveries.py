"""Numbered batches that a host sends until it hears that they were taken: which were taken already."""

from __future__ import annotations

from typing import Any

from vetting.store.memo import execute
from vetting.store.models import Delivery


def take(run_id: int, kind: str, boot_id: str, seq: int) -> bool:
    """True for a batch that is new, False for one that was taken before: then store nothing of it and answer the same.

    Numbers of one kind ("sensor", "log") and one boot grow; gaps are allowed. Call it in the function that stores the
    batch, so that both are committed or neither.
    """
    moved = execute(Delivery, "take", _taking, (seq, run_id, kind, boot_id, seq))
    if moved.rowcount == 1:
        return True
    if Delivery.select().where(_mine(run_id, kind, boot_id)).exists():
        return False
    Delivery.insert(run=run_id, kind=kind, boot_id=boot_id, seq=seq).execute()
    return True


def _mine(run_id: int, kind: str, boot_id: str) -> Any:
    return (Delivery.run == run_id) & (Delivery.kind == kind) & (Delivery.boot_id == boot_id)


def _taking() -> Any:
    return Delivery.update(seq=0).where(_mine(0, "", "") & (Delivery.seq < 0))
