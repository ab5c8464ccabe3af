"""A tree of YAML values into frozen dataclasses, by their type hints. Every mistake is written down and reading goes on.

A field's name says its unit: `_s` (and `seconds`) takes "2h", "1h30m", "90s" or a number of seconds, `_bytes` takes "4GiB", "512MB" or a
number of bytes. Ranges stand in RANGES, by key path or by field name.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vetting.config.document import SHOWN, Node
from vetting.config.mistakes import Book, one_of
from vetting.config.rules import objections

T = TypeVar("T")

DAY_S = 86400.0
DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": DAY_S}
SIZES = {
    "B": 1,
    "kB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
    "TB": 10**12,
    "TiB": 2**40,
}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|min|m|h|d)\s*)+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")

# Lowest and highest value. What is not listed: times 0 to 30 days, `_bytes` from 0, other numbers from 0.
RANGES: Mapping[str, tuple[float, float]] = {
    "port": (1, 65535),
    "http_port": (0, 65535),
    "netconsole.port": (0, 65535),
    "lease_s": (120, 7 * DAY_S),
    "interval_s": (1, 60),
    "session_idle_s": (300, 30 * DAY_S),
    "session_limit_s": (300, 365 * DAY_S),
    "max_destructive": (1, 1000),
    "max_reboots": (1, 1000),
    "dispatch_s": (60, 7 * DAY_S),
    "by_hand_s": (60, 30 * DAY_S),
    "repeat_times": (1, 100),
    "hold_samples": (1, 1000),
    "limit": (-1e18, 1e18),
    "max_temp_c": (0, 150),
    "ram_cover": (0, 1),
    "floor_fraction": (0, 1),
    "mem_pct": (1, 90),
    "max_sag_percent": (0, 50),
    "cycles": (1, 10),
    "parallel": (1, 64),
    "iperf_parallel": (1, 64),
    "cpu_workers": (0, 4096),
    "poll_s": (1, 3600),
    "sample_s": (0.1, 60),
    "lost_after_s": (20, DAY_S),
    "grace_s": (1, 7 * DAY_S),
    "surface_floor_mb_s": (1, 100_000),
    "countdown_s": (0, 3600),
    "ram_floor_bytes": (1, 2**50),
    "ram_s_per_gib": (0, 3600),
    "fio_size_bytes": (2**20, 2**50),
    "sample_bytes": (2**20, 2**60),
}
LONGEST_TEXT = 1000


def section(
    node: Node, kind: type[T], path: str, book: Book, *, base: T | None = None, skip: tuple[str, ...] = ()
) -> T | None:
    """A dataclass from a section: `base` (or the defaults) with the fields that the section names.

    None, with the reason in the book, where it is no section or a field without a default is absent. `skip` are keys
    that the caller reads itself.
    """
    if node.value is None:
        node = Node({}, node.line)  # a key with nothing under it: all of it commented out
    if not isinstance(node.value, dict):
        book.note(path, node.line, f"must be a section of keys and values, it is {node.kind}")
        return None
    hints, known = get_type_hints(kind), {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for name, child in node.value.items():
        below = f"{path}.{name}" if path else name
        if name in skip:
            continue
        if name not in known:
            book.note(below, child.key_line, f"there is no such key; {one_of(name, {*known, *skip})}")
            continue
        current = getattr(base, name) if base is not None else None
        found[name] = value(child, hints[name], below, book, base=current)
        for why in objections(kind.__name__, name, found[name]):
            book.note(below, child.line, why)
    if base is not None:
        return replace(base, **{name: got for name, got in found.items() if got is not None})  # type: ignore[type-var]
    needed = [item.name for item in known.values() if item.default is MISSING and item.default_factory is MISSING]
    absent = [name for name in needed if name not in found and name not in skip]
    for name in absent:
        book.note(f"{path}.{name}" if path else name, node.line, "is missing; it has no default")
    if absent or any(found[name] is None for name in needed if name in found):
        return None
    made = kind(**{name: got for name, got in found.items() if got is not None})
    for why in objections(kind.__name__, "", made):
        book.note(path, node.line, why)
    return made


def value(node: Node, hint: Any, path: str, book: Book, *, base: Any = None) -> Any:
    """One value of a field's type; None with the reason in the book where it is not one."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [part for part in parts if part is not types.NoneType]
        return None if node.value is None else value(node, inner[0], path, book, base=base)
    if isinstance(hint, type) and is_dataclass(hint):
        return section(node, hint, path, book, base=base)
    if origin is tuple:
        return _list(node, parts[0], path, book)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(node, parts[1], path, book)
    if hint is range:
        return _ports(node, path, book)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _word(node, hint, path, book)
    if hint is bool:
        return _expect(node, isinstance(node.value, bool), node.value, "true or false", path, book)
    if hint is str:
        return _text(node, path, book)
    return _number(node, hint, path, book)


def _expect(node: Node, right: bool, got: Any, wanted: str, path: str, book: Book) -> Any:
    if right:
        return got
    book.note(path, node.line, f"must be {wanted}, it is {node.kind}")
    return None


def _list(node: Node, part: Any, path: str, book: Book) -> tuple[Any, ...] | None:
    if node.value is None:
        return ()
    if not isinstance(node.value, tuple):
        book.note(path, node.line, f"must be a list, it is {node.kind}")
        return None
    read = [value(item, part, f"{path}[{number}]", book) for number, item in enumerate(node.value)]
    return tuple(item for item in read if item is not None)


def _mapping(node: Node, part: Any, path: str, book: Book) -> dict[str, Any] | None:
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        book.note(path, node.line, f"must be a section of names, it is {node.kind}")
        return None
    read = {name: value(child, part, f"{path}.{name}", book) for name, child in node.value.items()}
    return {name: got for name, got in read.items() if got is not None}


def _word(node: Node, kind: type[StrEnum], path: str, book: Book) -> StrEnum | None:
    words = [str(member) for member in kind]
    if node.text in words and not isinstance(node.value, dict | tuple):
        return kind(node.text)
    book.note(path, node.line, f"must be one of {', '.join(words)}, it is {node.kind}")
    return None


def _text(node: Node, path: str, book: Book) -> str | None:
    """A number is taken as it was written (a serial may look like one); true, false and nothing are not."""
    if isinstance(node.value, bool) or not isinstance(node.value, str | int | float):
        book.note(path, node.line, f"must be text, it is {node.kind}; put it in quotes if it is meant so")
        return None
    if len(node.text) > LONGEST_TEXT or any(ord(letter) < 32 or ord(letter) == 127 for letter in node.text):
        book.note(path, node.line, f"must be one line of at most {LONGEST_TEXT} characters without control characters")
        return None
    return node.text


def _number(node: Node, hint: Any, path: str, book: Book) -> float | int | None:
    name = path.rpartition(".")[2]
    wanted = "a whole number" if hint is int else "a number"
    got = node.value
    if isinstance(got, str) and _is_time(name):
        wanted, got = 'a duration such as 90s, 10min or "1h30m"', _duration(got)
    elif isinstance(got, str) and name.endswith("_bytes"):
        wanted, got = "a size such as 4GiB or 512MiB", _size(got)
    if isinstance(got, bool) or not isinstance(got, int | float):
        book.note(path, node.line, f"must be {wanted}, it is {node.kind}")
        return None
    if not isfinite(got):
        book.note(path, node.line, f"must be a finite number, it is {node.text[:SHOWN]}")
        return None
    if hint is int and got != int(got):
        book.note(path, node.line, f"must be a whole number, it is {node.text[:SHOWN]}")
        return None
    low, high = RANGES.get(path) or RANGES.get(name) or (0, 30 * DAY_S if _is_time(name) else 1e18)
    if not low <= got <= high:
        book.note(path, node.line, f"must be between {low:g} and {high:g}, it is {node.text[:SHOWN]}")
        return None
    return int(got) if hint is int else float(got)


def _is_time(name: str) -> bool:
    return name == "seconds" or (name.endswith("_s") and not name.endswith("mb_s"))


def _duration(text: str) -> float | None:
    if not _DURATION.fullmatch(text.strip()):
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)", text)
    return sum(float(number) * DURATIONS[unit] for number, unit in parts)


def _size(text: str) -> float | int | None:
    match = _SIZE.fullmatch(text.strip())
    unit = match[2] if match else ""
    if match is None or unit not in SIZES:
        return None
    size = float(match[1]) * SIZES[unit]
    return int(size) if size == int(size) else size


def _ports(node: Node, path: str, book: Book) -> range | None:
    """`5201-5232`, or one number."""
    match = re.fullmatch(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?", node.text.strip())
    if match is None or isinstance(node.value, dict | tuple | bool):
        book.note(path, node.line, f"must be ports such as 5201-5232, it is {node.kind}")
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        book.note(path, node.line, f"must run from a lower to a higher port between 1 and 65535, it is {node.text}")
        return None
    return range(first, last + 1)
