"""Columns that hold domain values: written and read as the type they name, so that no caller sees JSON."""

from __future__ import annotations

import zlib
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import peewee

from vetting.domain.errors import BadInput

ZLIB_LEVEL = 6
SHARED_TEXTS = 1024  # decoded values kept for each such column

if TYPE_CHECKING:
    TextColumn = peewee.TextField[Any]
    BlobColumn = peewee.BlobField[Any]
else:  # generic only in the stubs
    TextColumn = peewee.TextField
    BlobColumn = peewee.BlobField


class EnumOf(TextColumn):
    """One of an enumeration's values, as text."""

    def __new__(cls, kind: type[StrEnum], **options: Any) -> EnumOf:
        return super(TextColumn, cls).__new__(cls)

    def __init__(self, kind: type[StrEnum], **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def db_value(self, value: str | None) -> str | None:
        return None if value is None else str(self.kind(value))

    def python_value(self, value: str | None) -> StrEnum | None:
        return None if value is None else self.kind(value)


class JsonOf(TextColumn):
    """A value of a type as JSON text; readable in any database shell.

    A value that could not be read back (not-a-number turns into null) is refused when it is written: BadInput.
    """

    def __new__(cls, kind: Any, *, shared: bool = False, **options: Any) -> JsonOf:
        return super(TextColumn, cls).__new__(cls)

    def __init__(self, kind: Any, *, shared: bool = False, **options: Any) -> None:
        """`shared`: a frozen value that stands the same in many rows; the same text is the same object."""
        super().__init__(**options)
        self._decoder = msgspec.json.Decoder(kind)
        self._decode = lru_cache(maxsize=SHARED_TEXTS)(self._decoder.decode) if shared else self._decoder.decode

    def db_value(self, value: object) -> str | None:
        if value is None:
            return None
        try:
            raw = msgspec.json.encode(value)
            self._decoder.decode(raw)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise BadInput(f"{self.name} cannot be recorded, it would not read back: {error}") from error
        return raw.decode()

    def python_value(self, value: str | None) -> Any:
        return None if value is None else self._decode(value)


class PackedOf(BlobColumn):
    """A large value of a type, MessagePack under zlib.

    MessagePack keeps not-a-number, which JSON cannot say; a whole number beyond 64 bits, which it cannot keep, makes
    the value JSON instead. The first byte tells them apart: a JSON object opens with a brace.
    """

    def __new__(cls, kind: Any, **options: Any) -> PackedOf:
        return super(BlobColumn, cls).__new__(cls)

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def db_value(self, value: object) -> Any:
        if value is None:
            return None
        try:
            raw = msgspec.msgpack.encode(value)
        except OverflowError:
            raw = msgspec.json.encode(value)
        return super().db_value(zlib.compress(raw, ZLIB_LEVEL))  # type: ignore[no-untyped-call]

    def python_value(self, value: bytes | None) -> Any:
        if value is None:
            return None
        raw = zlib.decompress(value)
        if raw[:1] == b"{":
            return msgspec.json.decode(raw, type=self.kind)
        return msgspec.msgpack.decode(raw, type=self.kind)
