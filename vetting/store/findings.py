"""Things seen that a person should know. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from collections.abc import Iterable

from vetting.domain.outcome import Finding, Severity
from vetting.store.models import FindingRecord
from vetting.store.rows import FindingRow, row

MOST = 2000


def add(run_id: int, stage: str, attempt: int, findings: Iterable[Finding], *, at: float) -> int:
    """Adds those that this attempt does not have yet (a host sends them at once, and again in its outcome).

    Returns how many were new. A host that never stops telling is cut off: after MOST of one attempt nothing but critical
    ones are kept, and of those as many again, which is more than enough to fail it.
    """
    known = {(one.severity, one.component, one.source, one.text) for one in findings_of(run_id, stage, attempt)}
    added = 0
    for one in findings:
        key = (one.severity, one.component, one.source, one.text)
        if key in known or len(known) >= (2 * MOST if one.severity is Severity.CRITICAL else MOST):
            continue
        known.add(key)
        added += 1
        FindingRecord.insert(
            run=run_id,
            stage=stage,
            attempt=attempt,
            at=at,
            severity=one.severity,
            component=one.component,
            source=one.source,
            text=one.text,
        ).execute()
    return added


def findings_of(run_id: int, stage: str | None = None, attempt: int | None = None) -> list[FindingRow]:
    """The findings of a run, of a stage in it, or of one attempt, oldest first."""
    query = FindingRecord.select().where(FindingRecord.run == run_id).order_by(FindingRecord.id)
    if stage is not None:
        query = query.where(FindingRecord.stage == stage)
    if attempt is not None:
        query = query.where(FindingRecord.attempt == attempt)
    return [row(FindingRow, record) for record in query]
