"""How a stage puts a question to a program, and what becomes of a question without an answer.

Three answers are kept apart: the program is not installed (ToolMissing), it said nothing that can be read (Unread), or it
told us. What was left unanswered on purpose is written down in an Unanswered and ends in the inventory, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun
from vetting.parsers.errors import ParseError, bounded
from vetting.stages.base import Deps

T = TypeVar("T")
PROBE_LIMIT_S = 60.0  # lshw and dmidecode of a full four-socket server take under ten seconds


class Unread(Exception):
    """A program that was asked gave nothing that can be read: an ERROR of the stage that needs it."""


@dataclass(slots=True)
class Unanswered:
    """What the host did not tell, and why. Both lists go into the inventory."""

    absent_tools: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def without(self, tool: str) -> None:
        if tool not in self.absent_tools:
            self.absent_tools.append(tool)


def why_not(ended: ToolRun, exits: Sequence[int] = (0,)) -> str:
    """How a run of a program ended where that is no good end; empty where it is."""
    if not ended.timed_out and ended.signal is None and ended.exit_code in exits:
        return ""
    said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    last = f" ({bounded(said[-1])})" if said else ""
    return f"{' '.join(ended.argv[:6])} {ended.how_it_ended}{last}"


async def ask(
    deps: Deps,
    argv: Sequence[str],
    parse: Callable[[str], T],
    *,
    limit_s: float = PROBE_LIMIT_S,
    exits: Sequence[int] = (0,),
    keep: str = "",
) -> T:
    """What a program told on its stdout, parsed. Raises ToolMissing, and Unread for a bad end or unreadable words."""
    ended = await deps.run(argv, limit_s=limit_s, keep=keep)
    if why := why_not(ended, exits):
        raise Unread(why)
    return readable(parse, ended.stdout)


def readable(parse: Callable[[str], T], text: str) -> T:
    """The parsed text. Raises Unread where the parser refuses it."""
    try:
        return parse(text)
    except ParseError as why:
        raise Unread(str(why)) from why


async def ask_if_there(
    deps: Deps,
    argv: Sequence[str],
    parse: Callable[[str], T],
    missing: Unanswered,
    *,
    limit_s: float = PROBE_LIMIT_S,
    exits: Sequence[int] = (0,),
) -> T | None:
    """As `ask`, of a program that the stage can do without: None, and written down, where it is absent or unreadable."""
    try:
        return await ask(deps, argv, parse, limit_s=limit_s, exits=exits)
    except ToolMissing as why:
        missing.without(why.tool)
    except Unread as why:
        missing.unreadable[argv[0]] = str(why)
    return None


def text_of(deps: Deps, path: str) -> str | None:
    """The stripped text of a small file; None where it is not there or cannot be read."""
    try:
        return deps.read(path).strip()
    except OSError:
        return None


def number_of(deps: Deps, path: str) -> int | None:
    """A decimal number in a small file; None where there is none."""
    text = text_of(deps, path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
