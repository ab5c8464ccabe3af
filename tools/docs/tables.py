"""Markdown tables, and values as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


class Unwritten(Exception):
    """A person has to write something that no program can know."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its last line break; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def by_hand(old: str, column: int) -> dict[str, str]:
    """First cell -> the cell of a column, of a table that stands in a page."""
    found: dict[str, str] = {}
    for line in old.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) > column and not set(cells[0]) <= {"-"}:
            found[cells[0]] = cells[column]
    return found


def written(old: str, rows: Iterable[Sequence[str]], *, what: str) -> list[list[str]]:
    """The rows, each with the text that a person wrote for it in the table's last column. Raises Unwritten."""
    done = [list(row) for row in rows]
    texts = by_hand(old, len(done[0])) if done else {}
    if absent := [row[0] for row in done if not texts.get(row[0])]:
        raise Unwritten(
            f"nobody has written {what} {', '.join(absent)}: add a row that begins with it and has the text in its last "
            f"column, column {len(done[0]) + 1}; the columns between are filled in"
        )
    return [[*row, texts[row[0]]] for row in done]


def duration(seconds: float) -> str:
    """`2 min`, `1 h`, `0.5 s`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def size(count: float) -> str:
    """`4 GiB`, `1536 MiB`, `0`."""
    for unit, unit_bytes in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= unit_bytes and count % unit_bytes == 0:
            return f"{count / unit_bytes:g} {unit}"
    return f"{count:g} B" if count else "0"
