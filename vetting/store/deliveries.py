"""Numbered batches that a host sends until it hears that they were taken: which were taken already."""

from __future__ import annotations

from vetting.store.models import Delivery


def take(run_id: int, kind: str, boot_id: str, seq: int) -> bool:
    """True for a batch that is new, False for one that was taken before: then store nothing of it and answer the same.

    Numbers of one kind ("sensor", "log") and one boot grow; gaps are allowed. Call it in the function that stores the
    batch, so that both are committed or neither.
    """
    mine = (Delivery.run == run_id) & (Delivery.kind == kind) & (Delivery.boot_id == boot_id)
    if Delivery.update(seq=seq).where(mine & (Delivery.seq < seq)).execute() == 1:
        return True
    if Delivery.select().where(mine).exists():
        return False
    Delivery.insert(run=run_id, kind=kind, boot_id=boot_id, seq=seq).execute()
    return True
