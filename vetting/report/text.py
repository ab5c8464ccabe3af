"""Texts and numbers as people read them; what a host says is bounded, and nothing in it can hide or turn a line round."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT = 4096  # characters of one text; an excerpt of a tool's output has at most as many bytes
TAIL = 64  # what the note about the rest may take

# Cc control, Cf format (direction marks, zero width), Cs surrogates, Co private use, Zl and Zp line separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = frozenset("\n\t")


def visible(text: str) -> str:
    """The text with every character that would not show, or would move what stands around it, written as its number."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if letter in _PLAIN or unicodedata.category(letter) not in _HIDDEN:
        return letter
    return f"<U+{ord(letter):04X}>"


def bounded(text: str, limit: int = LIMIT) -> str:
    """The first `limit` characters; what is left out is counted, never silent."""
    if len(text) <= limit + TAIL:
        return text
    return f"{text[:limit]}… ({len(text) - limit} more characters)"


def clean(text: str, limit: int = LIMIT) -> str:
    """Bounded and visible. Doing it twice changes nothing more."""
    return bounded(visible(bounded(text, limit)), limit)


def cleaned(value: T) -> T:
    """A copy of a tree of frozen dataclasses, tuples and texts in which every text is clean."""
    return _cleaned(value)  # type: ignore[no-any-return]


def _cleaned(value: Any) -> Any:
    if type(value) is str:
        return clean(value)
    if isinstance(value, tuple):
        if value and not any(isinstance(part, str | tuple) or is_dataclass(part) for part in value):
            return value  # numbers: the points of a curve
        return tuple(_cleaned(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{part.name: _cleaned(getattr(value, part.name)) for part in fields(value)})
    return value


def finite(value: float | None) -> float | None:
    """The number, or None for what is none or has no end."""
    return value if value is not None and math.isfinite(value) else None


def percent(done: float | None, of: float | None) -> float | None:
    """How much of the whole, rounded down to a tenth: 100 is said of all of it alone."""
    if done is None or of is None or not of > 0:
        return None
    return math.floor(done / of * 1000 + 1e-9) / 10


def percentage(share: float) -> str:
    """77 %, 0.4 %; from ten on whole ones are enough, rounded down."""
    if share < 0.1:
        return "less than 0.1\u00a0%"
    return f"{math.floor(share) if share >= 10 else share:g}\u00a0%"


def number(value: float | None, unit: str = "") -> str:
    """12 345.6 °C; "not a number" for None. Large numbers are grouped, small ones keep four figures."""
    if value is None:
        return "not a number"
    size = abs(value)
    if value == int(value) and size < 1e15:
        said = f"{int(value):,}"
    elif size >= 1000:
        said = f"{value:,.0f}"
    else:
        said = f"{value:.4g}"
    said = said.replace(",", "\u202f")
    return f"{said}\u00a0{UNITS.get(unit, unit)}" if unit else said


UNITS = {"C": "°C", "mb_s": "MB/s", "percent": "%", "RPM": "rpm"}


def size(size_bytes: float) -> str:
    """1.5 MiB"""
    amount, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f}\u00a0{units[0]}" if units[0] == "B" else f"{amount:.1f}\u00a0{units[0]}"


def disk_size(size_bytes: int) -> str:
    """960 GB: disks are sold by powers of ten."""
    amount, units = float(size_bytes), ["B", "kB", "MB", "GB", "TB", "PB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g}\u00a0{units[0]}"


def duration(seconds: float | None) -> str:
    """2 h 03 min, 4 min 10 s, 9.5 s; "unknown" for None."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s" if seconds < 10 and seconds != int(seconds) else f"{seconds:.0f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes}\u00a0min\u00a0{rest:02d}\u00a0s"
    days, hours = divmod(hours, 24)
    return (
        f"{days}\u00a0d\u00a0{hours:02d}\u00a0h\u00a0{minutes:02d}\u00a0min"
        if days
        else f"{hours}\u00a0h\u00a0{minutes:02d}\u00a0min"
    )


def moment(at: float | None) -> str:
    """2026-11-20 08:15:03 UTC; "not yet" for None."""
    if at is None:
        return "not yet"
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}\u00a0UTC"
    except (OverflowError, OSError, ValueError):
        return "an impossible time"


def clock(at: float | None) -> str:
    """08:15:03, within the report's day or days; see `moment`."""
    said = moment(at)
    return said.partition(" ")[2].partition("\u00a0")[0] or said
