"""The numbers that a stage concludes with. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from vetting.domain.outcome import Measurement
from vetting.store.models import MeasurementRecord
from vetting.store.rows import MeasurementRow


def put(run_id: int, stage: str, attempt: int, measurements: Iterable[Measurement], *, kind: str = "") -> None:
    """The measurements of one attempt and kind, in place of those that were there. Not-a-number is kept as such."""
    mine = (MeasurementRecord.run == run_id) & (MeasurementRecord.stage == stage)
    same = mine & (MeasurementRecord.attempt == attempt) & (MeasurementRecord.kind == kind)
    MeasurementRecord.delete().where(same).execute()
    rows = [
        {
            "run": run_id,
            "stage": stage,
            "attempt": attempt,
            "series": one.series,
            "component": one.component,
            "value": None if math.isnan(one.value) else one.value,
            "unit": one.unit,
            "kind": kind,
        }
        for one in measurements
    ]
    for at in range(0, len(rows), 100):
        MeasurementRecord.insert_many(rows[at : at + 100]).execute()


def measurements_of(run_id: int, stage: str | None = None, kind: str | None = None) -> list[MeasurementRow]:
    """The measurements of a run, in the order in which they were put; `nan` where it was not a number."""
    query = MeasurementRecord.select().where(MeasurementRecord.run == run_id).order_by(MeasurementRecord.id)
    if stage is not None:
        query = query.where(MeasurementRecord.stage == stage)
    if kind is not None:
        query = query.where(MeasurementRecord.kind == kind)
    return [
        MeasurementRow(
            id=one.id,
            run_id=run_id,
            stage=one.stage,
            attempt=one.attempt,
            series=one.series,
            component=one.component,
            value=math.nan if one.value is None else one.value,
            unit=one.unit,
            kind=one.kind,
        )
        for one in query
    ]
