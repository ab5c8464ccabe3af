"""Reading JSON and plain numbers strictly: absent is None, of the wrong kind is a ParseError, never a silent zero."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vetting.parsers.errors import ParseError

WHOLE_DIGITS = 30  # far beyond any counter; int() of a long digit string is slow and Python refuses 4300


def whole(tool: str, text: str, what: str) -> int:
    """A decimal integer as printed by a tool. Raises ParseError."""
    stripped = text.strip()
    digits = stripped.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= WHOLE_DIGITS):
        raise ParseError(tool, f"{what} is not a whole number", text)
    return int(stripped)


def real(tool: str, text: str, what: str) -> float:
    """A finite decimal number. Raises ParseError."""
    try:
        value = float(text)
    except ValueError:
        raise ParseError(tool, f"{what} is not a number", text) from None
    if not math.isfinite(value):
        raise ParseError(tool, f"{what} is not a finite number", text)
    return value


def load(tool: str, text: str) -> Node:
    """The whole text as one JSON value. Raises ParseError on anything else, NaN and too deep nesting included."""

    def refuse(word: str) -> None:
        raise ParseError(tool, f"{word} is no JSON number", text)

    try:
        return Node(tool, json.loads(text, parse_constant=refuse), "")
    except ParseError:
        raise
    except (ValueError, RecursionError) as why:
        raise ParseError(tool, f"not JSON ({why})" if text.strip() else "empty output", text) from None


def embedded(tool: str, text: str) -> tuple[Node, tuple[str, ...]]:
    """The first JSON object that starts a line, and the non-empty lines around it (200 at most).

    For tools that print notes before and errors after their JSON. Raises ParseError where there is none.
    """
    match = re.search(r"^\{", text, re.MULTILINE)
    if not match:
        raise ParseError(tool, "no JSON in it", text)
    try:
        _, end = json.JSONDecoder().raw_decode(text, match.start())
    except (ValueError, RecursionError) as why:
        raise ParseError(tool, f"its JSON is broken ({why})", text[match.start() :]) from None
    around = text[: match.start()] + "\n" + text[end:]
    return load(tool, text[match.start() : end]), tuple(line.strip() for line in around.splitlines() if line.strip())[
        :200
    ]


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value that knows where it stands, for the error message."""

    tool: str
    value: object
    where: str

    def wrong(self, key: str, wanted: str, value: object) -> ParseError:
        return ParseError(self.tool, f"{self.where}{key} is not {wanted}", repr(value)[:400])

    @property
    def fields(self) -> dict[str, object]:
        if not isinstance(self.value, dict):
            raise self.wrong("", "an object", self.value)
        return self.value

    def get(self, key: str) -> object:
        return self.fields.get(key)

    def has(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def child(self, key: str) -> Node:
        """The object under `key`; an empty one where it is absent, so that its own fields are absent too."""
        value = self.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(key, "an object", value)
        return Node(self.tool, value, f"{self.where}{key}.")

    def needed(self, key: str) -> Node:
        if not self.has(key):
            raise ParseError(self.tool, f"{self.where}{key} is missing", repr(self.value)[:400])
        return self.child(key)

    def each(self, key: str) -> Iterator[Node]:
        """The objects of the list under `key`; none where it is absent."""
        value = self.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.wrong(key, "a list", value)
        for place, item in enumerate(value):
            yield Node(self.tool, item, f"{self.where}{key}[{place}].")

    def text(self, key: str) -> str | None:
        value = self.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(key, "a text", value)

    def whole(self, key: str) -> int | None:
        """An integer; older tools print some of them as text."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return whole(self.tool, value, f"{self.where}{key}")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self.wrong(key, "a whole number", value)

    def real(self, key: str) -> float | None:
        """A finite number, as float."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return real(self.tool, value, f"{self.where}{key}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return number
        raise self.wrong(key, "a finite number", value)

    def flag(self, key: str) -> bool | None:
        """A truth value; older tools print it as "0", "1" or the number."""
        value = self.get(key)
        if value is None or isinstance(value, bool):
            return value
        if value in (0, 1, "0", "1"):
            return value in (1, "1")
        raise self.wrong(key, "true or false", value)
