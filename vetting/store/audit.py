"""Who did what to which thing, when and why: added to and never changed. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from typing import Any

from vetting.store.models import Audit, Run
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


def entries(
    *,
    run_id: int | None = None,
    before_id: int | None = None,
    limit: int = 200,
    who: str = "",
    what: str = "",
    host: str = "",
    text: str = "",
) -> list[AuditRow]:
    """Newest first; `before_id` pages on. Two hundred thousand deeds are looked through in some 30 ms without an index.

    `what`: the deed, or its kind with a dot at the end (`run.`). `host`: what was done to it and to its runs. `text`:
    anywhere in who, what, to whom and why, whatever the case.
    """
    query = Audit.select().order_by(Audit.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(Audit.run_id == run_id)
    if before_id is not None:
        query = query.where(Audit.id < before_id)
    if who:
        query = query.where(Audit.who == who)
    if what:
        query = query.where(Audit.what.startswith(what) if what.endswith(".") else Audit.what == what)
    if host:
        of_host = Run.select(Run.id).where(Run.host_name == host)
        query = query.where((Audit.target == host) | Audit.run_id.in_(of_host))
    if text:
        told = [column.contains(text) for column in (Audit.who, Audit.what, Audit.target, Audit.why)]
        query = query.where(told[0] | told[1] | told[2] | told[3])
    return [row(AuditRow, record) for record in query]


def people() -> list[str]:
    """Everybody, and every program, that ever did something here."""
    found = Audit.select(Audit.who).distinct().order_by(Audit.who).limit(500)
    return [str(record.who) for record in found]
