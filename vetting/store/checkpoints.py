"""Where a long work on one component of a run stood, for the boot that may follow. One row a component: the newest."""

from __future__ import annotations

from vetting.store.models import Checkpoint
from vetting.store.rows import CheckpointRow, row


def keep(checkpoint: CheckpointRow) -> CheckpointRow:
    """Takes the place of an older one. Returns what is kept now: of two, a later attempt's, then the greater number's."""
    known = find(checkpoint.run_id, checkpoint.stage, checkpoint.component)
    if known is not None and (known.attempt, known.seq) >= (checkpoint.attempt, checkpoint.seq):
        return known
    forget(checkpoint.run_id, checkpoint.stage, checkpoint.component)
    Checkpoint.create(
        run=checkpoint.run_id,
        stage=checkpoint.stage,
        component=checkpoint.component,
        attempt=checkpoint.attempt,
        seq=checkpoint.seq,
        boot_id=checkpoint.boot_id,
        heads_sha256=checkpoint.heads_sha256,
        text=checkpoint.text,
        at=checkpoint.at,
    )
    return checkpoint


def find(run_id: int, stage: str, component: str) -> CheckpointRow | None:
    mine = (Checkpoint.run == run_id) & (Checkpoint.stage == stage) & (Checkpoint.component == component)
    record = Checkpoint.get_or_none(mine)
    return None if record is None else row(CheckpointRow, record)


def forget(run_id: int, stage: str = "", component: str = "") -> int:
    """Those of a run, of one stage of it, or of one component there; returns how many."""
    query = Checkpoint.run == run_id
    if stage:
        query &= Checkpoint.stage == stage
    if component:
        query &= Checkpoint.component == component
    return int(Checkpoint.delete().where(query).execute())
