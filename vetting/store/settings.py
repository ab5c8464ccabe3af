"""Single values under a name: signing keys, the set-up code, the global STOP. Called in `Store.write` or `Store.read`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from vetting.domain.errors import Unavailable
from vetting.store.models import Setting

T = TypeVar("T")


def get(key: str, kind: type[T]) -> T | None:
    """The value, or None where there is none. Bytes are kept as base64. Raises Unavailable for one of another type."""
    record = Setting.get_or_none(Setting.key == key)
    if record is None:
        return None
    try:
        return msgspec.convert(record.value, kind, builtin_types=())
    except msgspec.ValidationError as error:
        raise Unavailable(
            f"the setting {key!r} does not read as {kind.__name__}: {error}; remove it and set it again"
        ) from error


def put(key: str, value: object, *, now: float) -> None:
    """Sets it, whether it was there or not."""
    if Setting.update(value=value, changed_at=now).where(Setting.key == key).execute() == 0:
        Setting.insert(key=key, value=value, changed_at=now).execute()


def remove(key: str) -> bool:
    """Whether there was one."""
    return bool(Setting.delete().where(Setting.key == key).execute() == 1)
