"""The limits a run was seeded with, and where they were broken. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from vetting.domain.errors import BadInput
from vetting.domain.outcome import Severity
from vetting.domain.thresholds import Op, Threshold
from vetting.store.models import Breach, ThresholdRecord
from vetting.store.rows import BreachRow


def seed(run_id: int, thresholds: Iterable[Threshold]) -> None:
    """The thresholds of a run, in place of those it had. Raises BadInput for a limit that is not a number."""
    ThresholdRecord.delete().where(ThresholdRecord.run == run_id).execute()
    for one in thresholds:
        if math.isnan(one.limit):
            raise BadInput(f"the threshold on {one.series!r} has a limit that is not a number; give it one")
        ThresholdRecord.insert(
            run=run_id,
            series=one.series,
            op=one.op,
            limit=one.limit,
            severity=one.severity,
            hold_samples=one.hold_samples,
            stages=one.stages,
            required=one.required,
        ).execute()


def thresholds_of(run_id: int) -> tuple[Threshold, ...]:
    """The thresholds of a run in the order in which they were seeded."""
    query = ThresholdRecord.select().where(ThresholdRecord.run == run_id).order_by(ThresholdRecord.id)
    return tuple(
        Threshold(
            series=one.series,
            op=one.op,
            limit=one.limit,
            severity=one.severity,
            hold_samples=one.hold_samples,
            stages=one.stages,
            required=one.required,
        )
        for one in query
    )


def open_breach(
    run_id: int,
    *,
    stage: str,
    attempt: int,
    series: str,
    op: Op,
    limit: float,
    severity: Severity,
    first_at: float,
    last_at: float,
    worst: float,
    samples: int,
) -> BreachRow:
    """A breach that goes on; `worst` may be not-a-number."""
    made = Breach.create(
        run=run_id,
        stage=stage,
        attempt=attempt,
        series=series,
        op=op,
        limit=limit,
        severity=severity,
        first_at=first_at,
        last_at=last_at,
        worst=_number(worst),
        samples=samples,
        open=True,
    )
    return _row(made)


def extend_breach(breach_id: int, *, last_at: float, worst: float, samples: int) -> bool:
    """What an open breach has come to; `samples` is the count of all of them. False where it is closed or gone."""
    changes = Breach.update(last_at=last_at, worst=_number(worst), samples=samples)
    return bool(changes.where((Breach.id == breach_id) & Breach.open).execute() == 1)


def close_breach(breach_id: int) -> bool:
    """Compare-and-set: True when this call closed it."""
    return bool(Breach.update(open=False).where((Breach.id == breach_id) & Breach.open).execute() == 1)


def close_breaches(run_id: int) -> int:
    """Closes those that are open, at the end of a run or stage; returns how many there were."""
    return int(Breach.update(open=False).where((Breach.run == run_id) & Breach.open).execute())


def open_breaches(run_id: int) -> list[BreachRow]:
    """Breaches that go on."""
    return [one for one in breaches_of(run_id) if one.open]


def breaches_of(run_id: int, stage: str | None = None) -> list[BreachRow]:
    """The breaches of a run or of a stage in it, oldest first."""
    query = Breach.select().where(Breach.run == run_id).order_by(Breach.id)
    if stage is not None:
        query = query.where(Breach.stage == stage)
    return [_row(record) for record in query]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _row(one: Breach) -> BreachRow:
    return BreachRow(
        id=one.id,
        run_id=one.run_id,  # type: ignore[attr-defined]
        stage=one.stage,
        attempt=one.attempt,
        series=one.series,
        op=one.op,
        limit=one.limit,
        severity=one.severity,
        first_at=one.first_at,
        last_at=one.last_at,
        worst=math.nan if one.worst is None else one.worst,
        samples=one.samples,
        open=one.open,
    )
