"""Records of /sys/fs/pstore: what a dying kernel left in the firmware's memory, ERST or a reserved piece of RAM.

A crash is one record or several, each beginning `Panic#1 Part2`; Part1 holds the newest lines. The name tells the kind
(`dmesg`, `console`, `pmsg`) and the place. A record that the kernel could not unpack ends in `.enc.z`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vetting.parsers import crash
from vetting.parsers.errors import bounded
from vetting.parsers.netconsole import printable

HEADER = re.compile(r"(?P<why>[A-Za-z]{3,12})#(?P<count>\d{1,9}) Part(?P<part>\d{1,9})\s*$")
LINES = 4000  # of one record


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    name: str
    why: str  # Panic, Oops, Emergency …; empty where it does not say
    part: int  # 1 is the newest
    lines: tuple[str, ...]


def parse(name: str, raw: bytes) -> Record:
    """One record. Never raises: firmware may hand back anything."""
    lines = [printable(line) for line in raw.split(b"\n")[:LINES]]
    head = HEADER.match(lines[0]) if lines else None
    if head is None:
        return Record(name=name, why="", part=1, lines=tuple(line for line in lines if line.strip()))
    return Record(
        name=name, why=head["why"], part=int(head["part"]), lines=tuple(line for line in lines[1:] if line.strip())
    )


def said(records: Iterable[Record]) -> str:
    """What the records tell in one line: their headlines, else the last line, else that nobody can read them."""
    ordered = sorted(records, key=lambda one: -one.part)
    lines = [line for one in ordered for line in one.lines]
    if found := crash.headlines(lines):
        return "; ".join(found)
    why = next((one.why for one in ordered if one.why), "")
    last = bounded(crash.STAMP.sub("", lines[-1]), crash.HEADLINE_CHARS) if lines else ""
    return f"{why}, its last line: {last}" if why and last else last or why or "it holds no text"


def crashes(records: Mapping[str, bytes]) -> tuple[Record, ...]:
    """All records of a folder, by their names."""
    return tuple(parse(name, raw) for name, raw in sorted(records.items()))
