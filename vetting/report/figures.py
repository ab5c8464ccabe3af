"""When a figure moved: beyond what it moves by from one run of a sound host to the next, and for better or worse.

The spreads are wide enough for fans, warm rooms and a link that others use; what lies within one is called the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vetting.report.text import duration, number


class Turn(StrEnum):
    """What became of something from one run to the other."""

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """`share` of the earlier value and `least` in the figure's unit: the larger of both is no news.

    `good`: which way is better; "" where neither is.
    """

    share: float
    least: float
    good: str  # up | down | ""


SPREADS = {  # by unit
    "C": Spread(share=0.0, least=3.0, good="down"),
    "MB/s": Spread(share=0.05, least=1.0, good="up"),
    "MiB/s": Spread(share=0.05, least=1.0, good="up"),
    "Mb/s": Spread(share=0.05, least=10.0, good="up"),
    "/s": Spread(share=0.10, least=1.0, good="up"),  # I/O and stress-ng's operations
    "1/s": Spread(share=0.10, least=1.0, good="up"),
    "ms": Spread(share=0.25, least=0.5, good="down"),
    "MHz": Spread(share=0.05, least=50.0, good="up"),
    "events": Spread(share=0.0, least=0.0, good="down"),  # what a drive has counted in its life
    "/GB": Spread(share=0.5, least=10.0, good="down"),  # retransmits
    "B": Spread(share=0.05, least=0.0, good="up"),  # memory that was tested
}
ELSE = Spread(share=0.10, least=0.0, good="")
WEAR = Spread(share=0.0, least=0.0, good="down")
TIMES = Spread(share=0.10, least=10.0, good="")  # seconds that a stage took
MINUS = "\u2212"


def spread_of(series: str, unit: str) -> Spread:
    return WEAR if series.endswith(".percentage_used") else SPREADS.get(unit, ELSE)


def turned(before: float, after: float, spread: Spread) -> Turn:
    """SAME within the spread."""
    moved = after - before
    if abs(moved) <= max(abs(before) * spread.share, spread.least):
        return Turn.SAME
    if not spread.good:
        return Turn.CHANGED
    return Turn.BETTER if (moved > 0) == (spread.good == "up") else Turn.WORSE


def amount(before: float, after: float, unit: str = "") -> str:
    """+4 °C (+6 %): how much it moved. Empty where it did not."""
    moved = after - before
    if moved == 0:
        return ""
    return f"{_signed(moved, number(abs(moved), unit))}{_share(before, moved)}"


def amount_s(before: float, after: float) -> str:
    """The same for a time: +2 min 03 s (+12 %)."""
    moved = after - before
    return f"{_signed(moved, duration(abs(moved)))}{_share(before, moved)}" if abs(moved) >= 0.05 else ""


def _signed(moved: float, said: str) -> str:
    return f"{'+' if moved > 0 else MINUS}{said}"


def _share(before: float, moved: float) -> str:
    if before == 0:
        return ""
    percent = moved / abs(before) * 100
    said = f"{abs(percent):.0f}" if abs(percent) >= 1 else f"{abs(percent):.1f}"
    return f" ({_signed(percent, said)}\u00a0%)" if said != "0.0" else ""
