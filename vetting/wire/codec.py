"""Messages to bytes and back, strictly or as the field needs it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from vetting.domain.errors import BadInput

T = TypeVar("T")


def encode(message: object) -> bytes:
    """Compact JSON bytes of a message. Not-a-number is refused: it would turn into null."""
    return _ENCODER.encode(message)


def decode(raw: bytes | bytearray | memoryview, kind: type[T], *, strict: bool = False) -> T:
    """A message from JSON bytes. Raises BadInput with the path of the mistake.

    `strict` refuses unknown fields; without it they are listed by `unknown_fields`.
    """
    try:
        message = _decoder(kind).decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is not a valid {kind.__name__}: {error}") from error
    if strict and (extra := unknown_fields(raw, message)):
        raise BadInput(f"the body has unknown fields: {', '.join(extra)}")
    return message


def unknown_fields(raw: bytes | bytearray | memoryview, message: object) -> list[str]:
    """Paths of the fields in `raw` that the decoded message did not take up."""
    return sorted(_extra(msgspec.json.decode(raw), msgspec.to_builtins(message), "$"))


def _extra(sent: object, taken: object, path: str) -> list[str]:
    if isinstance(sent, dict) and isinstance(taken, dict):
        found = [f"{path}.{key}" for key in sent if key not in taken]
        return found + [x for key in sent if key in taken for x in _extra(sent[key], taken[key], f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(taken, list | tuple):
        pairs = zip(sent, taken, strict=False)
        return [x for number, (a, b) in enumerate(pairs) for x in _extra(a, b, f"{path}[{number}]")]
    return []


_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(kind)
    return _DECODERS[kind]
