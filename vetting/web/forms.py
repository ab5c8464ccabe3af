"""What a browser posts: read within bounds, and back as typed when it is refused."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qsl

from aiohttp import web

from vetting.domain.errors import BadInput
from vetting.gate import read_within

MOST_FIELDS = 2000


async def read_form(request: web.Request, max_bytes: int) -> dict[str, tuple[str, ...]]:
    """All values of each field of an urlencoded form. Raises BadInput, TooLarge."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadInput(f"this is not a form: it was sent as {request.content_type[:80]!r}")
    body = await read_within(request, max_bytes, what="form")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadInput(f"the form could not be read: {error}; nothing was changed") from error
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value.replace("\r\n", "\n"))
    return fields


def masked(token: str) -> str:
    """The token as a page carries it: other bits each time, so that the length of a compressed page tells nothing of it."""
    raw = bytes.fromhex(token)
    pad = secrets.token_bytes(len(raw))
    return (pad + _xor(pad, raw)).hex()


def is_token_of(token: str, said: str) -> bool:
    """Whether a form carries this session's token, masked or bare."""
    try:
        raw = bytes.fromhex(said)
    except ValueError:
        return False
    own = bytes.fromhex(token)
    if len(raw) == 2 * len(own):
        raw = _xor(raw[: len(own)], raw[len(own) :])
    return hmac.compare_digest(raw, own)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
