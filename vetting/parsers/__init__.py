"""WHAT A TOOL SAID: one file a tool, text in, frozen values out; ParseError for anything else, None for what was not captured."""

from __future__ import annotations

from vetting.parsers.errors import ParseError

__all__ = ["ParseError"]
