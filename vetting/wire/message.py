"""What all messages are made of, and the one shape of an error."""

from __future__ import annotations

from typing import Any

import msgspec

PROTOCOL = 1
MAX_SAMPLES = 500  # in one batch
HEARTBEAT_S = 10.0


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages: immutable, JSON objects."""


class ErrorBody(Message, frozen=True, kw_only=True):
    code: str
    message: str
    detail: dict[str, Any] = {}


class ErrorReply(Message, frozen=True, kw_only=True):
    error: ErrorBody
