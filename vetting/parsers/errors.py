"""The one error of all parsers: a tool said something that we do not understand."""

from __future__ import annotations

EXCERPT_CHARS = 200


class ParseError(ValueError):
    """Output that is not what the tool prints, so nothing may be concluded from it: an ERROR of the stage, never a zero.

    `tool` is the program, `what` says what was wrong, `excerpt` is at most 200 characters of what it said, made printable.
    """

    def __init__(self, tool: str, what: str, text: str = "") -> None:
        self.tool = tool
        self.what = bounded(what)
        self.excerpt = bounded(text)
        said = f"; it said: {self.excerpt}" if self.excerpt else "; it said nothing" if not text else ""
        super().__init__(f"the output of {tool} cannot be read: {self.what}{said}")


def bounded(text: str, limit: int = EXCERPT_CHARS) -> str:
    """One printable line of at most `limit` characters; the text came from a host."""
    flat = " ".join(text[: limit * 4].split())
    printable = "".join(each if each.isprintable() else "?" for each in flat)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
