"""Every key of vetting.yaml with type, range and default, from the dataclasses; what a key does is written by people."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from tools.docs.tables import duration, size, table, written
from vetting.config.reading import DAY_S, RANGES
from vetting.config.reading import _is_time as is_time
from vetting.config.values import Boot, Channel, Console, Heartbeat, HostClass, Iperf, Limits, Netconsole, Server
from vetting.domain.profiles import Profile
from vetting.domain.thresholds import Threshold

SECTIONS: Mapping[str, tuple[type, str]] = {
    "server": (Server, "server."),
    "boot": (Boot, "boot."),
    "console": (Console, "console."),
    "netconsole": (Netconsole, "netconsole."),
    "iperf": (Iperf, "iperf."),
    "heartbeat": (Heartbeat, "heartbeat."),
    "limits": (Limits, "limits."),
    "thresholds": (Threshold, "thresholds[]."),
    "profiles": (Profile, "profiles.NAME."),
    "classes": (HostClass, "classes.NAME."),
    "notify": (Channel, "notify[]."),
}
# Profile.name is the key of the section itself, and `base` is read before the profile is made.
NOT_KEYS = {(Profile, "name")}
BASE = ["`profiles.NAME.base`", "name of a profile", "quick"]


def maker(section: str) -> Callable[[str], str]:
    return lambda old: section_table(section, old)


def section_table(section: str, old: str) -> str:
    """Raises Unwritten for a key that nobody has described."""
    kind, stem = SECTIONS[section]
    rows = [[f"`{key}`", told, default] for key, told, default in keys_of(kind, stem)]
    if section == "profiles":
        rows.insert(0, BASE)
    return table(("key", "type", "default", "effect"), written(old, rows, what="what it does:"))


def keys_of(kind: type, stem: str) -> Iterator[tuple[str, str, str]]:
    """(key path, type with its range, default) of each key below a section, sections in it included."""
    hints = get_type_hints(kind)
    for item in fields(kind):
        hint = hints[item.name]
        if (kind, item.name) in NOT_KEYS:
            continue
        if isinstance(hint, type) and is_dataclass(hint):
            yield from keys_of(hint, f"{stem}{item.name}.")
        elif get_origin(hint) is tuple and isinstance(part := get_args(hint)[0], type) and is_dataclass(part):
            yield from keys_of(part, f"{stem}{item.name}[].")
        else:
            path = f"{stem}{item.name}"
            yield path, type_words(path, hint), default_words(item, hint)


def type_words(name: str, hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return type_words(name, next(part for part in parts if part is not types.NoneType))
    if origin is tuple:
        return f"list of {type_words('', parts[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return f"section of {type_words('', parts[1])}"
    if hint is range:
        return "ports, `FIRST-LAST`"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"one of {', '.join(f'`{member}`' for member in hint)}"
    if hint in (bool, str):
        return "true or false" if hint is bool else "text"
    return number_words(name, hint)


def number_words(path: str, hint: Any) -> str:
    """A number with its unit and range."""
    name = path.rpartition(".")[2]
    low, high = RANGES.get(path) or RANGES.get(name) or (0, 30 * DAY_S if is_time(name) else 1e18)
    if is_time(name):
        return f"duration, {duration(low)} to {duration(high)}"
    if name.endswith("_bytes"):
        return f"size, from {size(low)}"
    word = "whole number" if hint is int else "number"
    if high >= 1e18:
        return word if low < 0 else f"{word}, from {low:g}"
    return f"{word}, {low:g} to {high:g}"


def default_words(item: Field[Any], hint: Any) -> str:
    if item.default is MISSING and item.default_factory is MISSING:
        return "must be given"
    value = item.default_factory() if item.default_factory is not MISSING else item.default
    return value_words(item.name, value)


def value_words(name: str, value: Any) -> str:
    """A value as the file would say it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, range):
        return f"{value[0]}-{value[-1]}"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "empty"
    if isinstance(value, Mapping):
        return "empty" if not value else ", ".join(map(str, value))
    if isinstance(value, int | float) and is_time(name):
        return duration(value)
    if isinstance(value, int | float) and name.endswith("_bytes"):
        return size(value)
    return f"{value:g}" if isinstance(value, float) else (str(value) or "empty")
