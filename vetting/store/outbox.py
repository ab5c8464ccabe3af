"""Notifications that wait to be sent: written with what they tell of, sent by whoever has time, retried."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vetting.store.models import Outbox
from vetting.store.rows import OutboxRow, row

PENDING, SENT, DEAD = "pending", "sent", "dead"


def add(event: str, payload: dict[str, Any], channels: Iterable[str], *, now: float, run_id: int | None = None) -> None:
    """One entry for each channel, so that a dead one does not hold up the others."""
    for channel in channels:
        Outbox.insert(
            event=event, payload=payload, channel=channel, run_id=run_id, next_at=now, created_at=now
        ).execute()


def due(*, now: float, limit: int = 20) -> list[OutboxRow]:
    """What should be sent by now, that which has waited longest first."""
    query = (
        Outbox.select().where((Outbox.state == PENDING) & (Outbox.next_at <= now)).order_by(Outbox.next_at, Outbox.id)
    )
    return [row(OutboxRow, record) for record in query.limit(limit)]


def sent(entry_id: int, *, now: float) -> bool:
    """Compare-and-set: True when this call marked it as sent."""
    return _settle(entry_id, state=SENT, sent_at=now, tries=Outbox.tries + 1, last_error="")


def failed(entry_id: int, *, next_at: float, error: str) -> bool:
    """It is tried again at `next_at`."""
    return _settle(entry_id, next_at=next_at, tries=Outbox.tries + 1, last_error=error)


def give_up(entry_id: int, *, error: str) -> bool:
    """It is not tried again; it stays, for people to see."""
    return _settle(entry_id, state=DEAD, tries=Outbox.tries + 1, last_error=error)


def entries(*, state: str | None = None, limit: int = 200) -> list[OutboxRow]:
    """Newest first."""
    query = Outbox.select().order_by(Outbox.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Outbox.state == state)
    return [row(OutboxRow, record) for record in query]


def pending_count() -> int:
    """How many wait."""
    return int(Outbox.select().where(Outbox.state == PENDING).count())


def _settle(entry_id: int, **changes: Any) -> bool:
    return bool(Outbox.update(changes).where((Outbox.id == entry_id) & (Outbox.state == PENDING)).execute() == 1)
