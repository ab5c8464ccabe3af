"""Who did what to which thing, when and why: added to and never changed. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from typing import Any

from vetting.store.models import Audit
from vetting.store.rows import AuditRow, row


def add(
    *,
    at: float,
    who: str,
    what: str,
    target: str = "",
    why: str = "",
    run_id: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """One deed. Write it in the function that does it. No token, key or ticket belongs into `detail`."""
    Audit.insert(at=at, who=who, what=what, target=target, why=why, run_id=run_id, detail=detail or {}).execute()


def entries(*, run_id: int | None = None, before_id: int | None = None, limit: int = 200) -> list[AuditRow]:
    """Newest first; `before_id` pages on."""
    query = Audit.select().order_by(Audit.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(Audit.run_id == run_id)
    if before_id is not None:
        query = query.where(Audit.id < before_id)
    return [row(AuditRow, record) for record in query]
