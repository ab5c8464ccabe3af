"""What came of one row, as it is kept and printed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec


class Came(StrEnum):
    CAUGHT = "caught"
    MISSED = "missed"
    SPOILED = "spoiled"  # the fault did not get in, or the rack was in trouble: nothing is known
    NOT_TRIED = "not tried"
    NOT_REACHED = "not reached"  # the campaign ended before
    HEALTHY = "healthy"  # a control, as it should be
    FALSE_ALARM = "false alarm"


GOOD = (Came.CAUGHT, Came.HEALTHY, Came.NOT_TRIED)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds`: from the injection to the words, or from the start of the stage where the fault was there at power-on."""

    name: str
    row: str  # empty for a control
    title: str
    came: Came
    profile: str = ""
    stage: str = ""
    verdict: str = ""
    words: str = ""
    seconds: float | None = None
    again: bool = False  # the rack was in trouble, or could not measure: worth another try
    wall_s: float = 0.0  # of the whole row
    notes: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()  # for a miss: what was said
    versions: dict[str, str] = {}

    @property
    def key(self) -> str:
        return f"{self.name} {self.profile}".strip()

    def but(self, **changes: Any) -> Result:
        return msgspec.structs.replace(self, **changes)


def kept(path: Path) -> dict[str, Result]:
    """Results of a campaign that goes on; the last word on a row counts."""
    if not path.exists():
        return {}
    rows = [msgspec.json.decode(line, type=Result) for line in path.read_bytes().splitlines() if line.strip()]
    return {row.key: row for row in rows}


def keep(path: Path, result: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(result) + b"\n")
