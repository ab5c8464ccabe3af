"""Browsers that people signed in with, by the hash of their secret. Called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from vetting.store.models import Session
from vetting.store.rows import SessionRow, row


def create(user_id: int, secret_hash: str, *, now: float, peer: str) -> SessionRow:
    made = Session.create(user=user_id, secret_hash=secret_hash, peer=peer, created_at=now, seen_at=now)
    return row(SessionRow, made)


def find(secret_hash: str) -> SessionRow | None:
    """Whether it has ended by now is the caller's to say."""
    record = Session.get_or_none(Session.secret_hash == secret_hash)
    return None if record is None else row(SessionRow, record)


def of_user(user_id: int) -> list[SessionRow]:
    """Those that were used last come first."""
    found = Session.select().where(Session.user == user_id).order_by(Session.seen_at.desc(), Session.id.desc())
    return [row(SessionRow, record) for record in found]


def seen(session_id: int, *, now: float) -> bool:
    """False where it was ended meanwhile."""
    return bool(Session.update(seen_at=now).where(Session.id == session_id).execute() == 1)


def end(session_id: int) -> bool:
    """False where it was over already."""
    return bool(Session.delete().where(Session.id == session_id).execute() == 1)


def end_all_of(user_id: int, *, but: str = "") -> int:
    """Ends a person's sessions, all but the one with this hash; says how many."""
    theirs = (Session.user == user_id) & (Session.secret_hash != but)
    return int(Session.delete().where(theirs).execute())


def end_older(*, seen_before: float, created_before: float) -> int:
    """Ends those that are past one of their two limits."""
    past = (Session.seen_at <= seen_before) | (Session.created_at <= created_before)
    return int(Session.delete().where(past).execute())
