"""People who sign in to the console. Every function is called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from typing import TypedDict, Unpack

from vetting.domain.errors import Conflict
from vetting.domain.roles import Role, key_of
from vetting.store.models import User
from vetting.store.rows import UserRow, row


class UserChanges(TypedDict, total=False):
    role: str
    password: str
    disabled: bool
    last_seen_at: float


def any_there() -> bool:
    """Whether there is anybody at all."""
    return bool(User.select().exists())


def create(name: str, role: Role, password: str, *, now: float, by: str) -> UserRow:
    """A new person; `password` is its hash with everything that checks it. Raises Conflict where the name is taken."""
    if (there := find(name)) is not None:
        raise Conflict(f"there is already a user named {there.name!r}; choose another name")
    made = User.create(name=name, key=key_of(name), role=role, password=password, created_at=now, created_by=by)
    return row(UserRow, made)


def find(name: str) -> UserRow | None:
    """By name, whatever its upper and lower case."""
    record = User.get_or_none(User.key == key_of(name))
    return None if record is None else row(UserRow, record)


def by_id(user_id: int) -> UserRow | None:
    record = User.get_or_none(User.id == user_id)
    return None if record is None else row(UserRow, record)


def listing() -> list[UserRow]:
    """All of them, by name."""
    return [row(UserRow, record) for record in User.select().order_by(User.key)]


def change(user_id: int, **changes: Unpack[UserChanges]) -> None:
    User.update(**changes).where(User.id == user_id).execute()


def remove(user_id: int) -> None:
    """With all sessions; what was done under the name stays in the audit log."""
    User.delete().where(User.id == user_id).execute()


def operators_beside(user_id: int) -> int:
    """How many could still change things if this one could not."""
    others = (User.id != user_id) & (User.role == Role.OPERATOR.value) & ~User.disabled
    return int(User.select().where(others).count())
