"""Finished server-sent events: bytes that any number of viewers share."""

from __future__ import annotations

import json
import math
import re
from typing import Any

LINE_END = re.compile(r"\r\n|\r|\n")  # as the format has it; `splitlines` knows more, and would tear a text at U+2028


def frame_of(event: str, data: str, id: str = "") -> bytes:
    """One event; without a name it is HTML to be swapped in. With an id the browser counts all before it as seen."""
    lines = [f"id: {id}"] if id else []
    if event:
        lines.append(f"event: {event}")
    lines += [f"data: {line}" for line in LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


def seen_until(id: str) -> bytes:
    """Nothing but: all until here is seen."""
    return f"id: {id}\n\n".encode()


def value_of(value: Any) -> str:
    """JSON that a browser takes: a number that is none (a sensor's NaN) is null there."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value
