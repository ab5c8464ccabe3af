"""Where a host is not what its spec says, or not what it was. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from vetting.domain.outcome import Severity
from vetting.store.models import Difference
from vetting.store.rows import DifferenceRow, row


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDifference:
    """One difference as the comparison found it."""

    kind: str  # spec | firmware | last good run | repair
    severity: Severity
    component: str
    field: str
    expected: str
    found: str
    text: str


def put(run_id: int, attempt: int, differences: Iterable[NewDifference]) -> None:
    """The differences that one attempt at SpecValidate found, in place of those that were there."""
    Difference.delete().where((Difference.run == run_id) & (Difference.attempt == attempt)).execute()
    for one in differences:
        Difference.insert(run=run_id, attempt=attempt, **asdict(one)).execute()


def differences_of(run_id: int, attempt: int | None = None) -> list[DifferenceRow]:
    """The differences of a run, or of one attempt at SpecValidate."""
    query = Difference.select().where(Difference.run == run_id).order_by(Difference.id)
    if attempt is not None:
        query = query.where(Difference.attempt == attempt)
    return [row(DifferenceRow, record) for record in query]
