"""Firmware snapshots: (run, component, identifier). Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vetting.domain.inventory import FirmwareItem
from vetting.domain.states import RunState
from vetting.store.models import FirmwareSnapshot, Run
from vetting.store.rows import RunRow, row


def put(run_id: int, items: Iterable[FirmwareItem]) -> None:
    """The snapshot of a run, in place of the one that was there. Of twins with one identifier the last counts."""
    FirmwareSnapshot.delete().where(FirmwareSnapshot.run == run_id).execute()
    for item in {(one.component, one.identifier): one for one in items}.values():
        FirmwareSnapshot.insert(
            run=run_id,
            component=item.component,
            identifier=item.identifier,
            version=item.version,
            detail=item.detail,
        ).execute()


def firmware_of(run_id: int) -> tuple[FirmwareItem, ...]:
    """The snapshot of a run, empty where it has none."""
    query = FirmwareSnapshot.select().where(FirmwareSnapshot.run == run_id).order_by(FirmwareSnapshot.id)
    return tuple(
        FirmwareItem(component=one.component, identifier=one.identifier, version=one.version, detail=one.detail)
        for one in query
    )


def good_run_before(host_id: int, run_id: int, states: Collection[RunState] = (RunState.COMPLETED,)) -> RunRow | None:
    """The newest run of the host before this one that ended in one of `states`: what "before" means in the report."""
    query = (
        Run.select()
        .where((Run.host == host_id) & (Run.id < run_id) & Run.state.in_([str(state) for state in states]))
        .order_by(Run.id.desc())
    )
    record = query.first()
    return None if record is None else row(RunRow, record)
