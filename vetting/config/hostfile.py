"""A host's expected spec as text: read strictly, for the command line and the console alike, and written in one order.

Every mistake is told at once with its key path and line, as those of vetting.yaml are, and by the same reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from vetting.config.document import Node, parse
from vetting.config.mistakes import Book, ConfigErrors
from vetting.config.reading import section
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.naming import mac_of

GIB = 1024**3
NOTHING_SAVED = "nothing was saved"


def read(raw: bytes | str, file: str = "the expected spec") -> ExpectedSpec:
    """The spec in a text. Raises ConfigErrors with every mistake."""
    book = Book()
    root = parse(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw, book)
    spec = section(root, ExpectedSpec, "", book) if root is not None else None
    if root is not None and isinstance(root.value, dict):
        _own_names(root.value, "disks", "serial", " ".join, book)
        _own_names(root.value, "nics", "mac", lambda words: mac_of("".join(words)), book)
    if book.mistakes or spec is None:
        raise ConfigErrors(file, book.mistakes, so=NOTHING_SAVED)
    return spec


def _own_names(top: dict[str, Node], key: str, name: str, same: Callable[[list[str]], str], book: Book) -> None:
    """Disks are known by their serial and cards by their address: each has its own."""
    items = top[key].value if key in top and isinstance(top[key].value, tuple) else ()
    seen: dict[str, int] = {}
    for number, item in enumerate(items):
        told = item.value.get(name) if isinstance(item.value, dict) else None
        as_compared = same(told.text.split()) if told is not None and told.text else ""
        if told is None or not as_compared:
            continue
        if as_compared in seen:
            text = f"{told.text[:80]!r} is listed twice, first in line {seen[as_compared]}; every part has its own"
            book.note(f"{key}[{number}].{name}", told.line, text)
        seen.setdefault(as_compared, told.line)


HEAD = """\
# What this host should consist of. A line that is left out, or begins with #, is not pinned and not compared.
"""
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("The machine.", ("manufacturer", "product", "system_serial")),
    ("Processors and memory.", ("cpu_model", "cpu_sockets", "cpu_threads", "memory_bytes", "dimm_count", "dimm_serials")),
    (
        (
            "Disks, each by its serial. write: true lets a destructive run ERASE and test the disk; with write: false its health\n"
            "# is read and nothing is ever written to it. Without a write line a disk may be erased."
        ),
        ("disks",),
    ),
    ("Network cards, each by its MAC address. Speeds in megabits per second.", ("nics",)),
    ("Graphics cards and power supplies.", ("gpu_count", "gpu_models", "psu_count")),
    (
        'Firmware that must be there. identifier "*" means every part of that kind; at_least: true takes newer ones too.',
        ("firmware",),
    ),
    ("Limits of this host, in place of the class's and the shared ones.", ("max_temp_c", "disk_iops_floor", "disk_p99_ceiling_ms")),
    (
        (
            "What measurements must reach, or may not exceed: every part that component and like name. One that is not measured is\n"
            "# an ERROR. With a profile: in runs of that alone; with a tool: only as that version of it measures."
        ),
        ("floors", "ceilings"),
    ),
    ("How much a difference weighs: critical, warning or info.", ("severities",)),
)  # fmt: skip
HINTS = {
    "manufacturer": "Dell Inc.", "product": "PowerEdge R650", "system_serial": "ABC1234", "cpu_model": "Intel(R) Xeon(R) Gold 6338",
    "cpu_sockets": 2, "cpu_threads": 128, "memory_bytes": 512 * GIB, "dimm_count": 16, "dimm_serials": ("1A2B3C4D",),
    "disks": ({"serial": "S4XYZ123", "size_bytes": 960197124096, "write": False},), "nics": ({"mac": "52:54:00:12:34:56", "speed_mb_s": 10000},),
    "gpu_count": 0, "gpu_models": ("NVIDIA A10",), "psu_count": 2,
    "firmware": ({"component": "bios", "identifier": "*", "version": "2.14.1", "at_least": True},),
    "max_temp_c": 90, "disk_iops_floor": 20000, "disk_p99_ceiling_ms": 20,
    "floors": ({"stage": "Storage", "series": "disk.*.fio.iops", "value": 20000, "unit": "/s", "component": "disk:*", "like": "SAMSUNG PM883*"},),
    "ceilings": ({"stage": "Storage", "series": "disk.*.fio.p99", "value": 20, "unit": "ms", "component": "disk:*", "profile": "quick"},),
    "severities": {"disk.extra": "critical"},
}  # fmt: skip
"""What a line that is not there would look like."""

DEFAULTS = {part.name: getattr(ExpectedSpec(), part.name) for part in fields(ExpectedSpec)}
ALWAYS = ("write",)  # written even where it is the default: what may be erased must be read, not known


def write(spec: ExpectedSpec) -> str:
    """The spec as `read` takes it back, every field in its place; what is not pinned is there as an example, commented out."""
    lines = [HEAD]
    for about, names in GROUPS:
        lines.append(f"# {about}")
        for name in names:
            value = getattr(spec, name)
            if value != DEFAULTS[name]:
                lines += _entry(name, value)
            else:
                lines += [f"#{line}" for line in _entry(name, HINTS[name])]
        lines.append("")
    return "\n".join(lines)


def _entry(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}:", *(f"  {key}: {_scalar(key, word)}" for key, word in sorted(value.items()))]
    if isinstance(value, tuple):
        return [f"{name}:", *(line for item in value for line in _item(item))]
    return [f"{name}: {_scalar(name, value)}"]


def _item(item: Any) -> list[str]:
    if isinstance(item, str):
        return [f"  - {_scalar('', item)}"]
    pairs = item.items() if isinstance(item, dict) else ((part.name, _told(item, part)) for part in fields(item))
    said = [f"{name}: {_scalar(name, value)}" for name, value in pairs if value is not None]
    return [f"  {'- ' if number == 0 else '  '}{line}" for number, line in enumerate(said)]


def _told(item: Any, part: Any) -> Any:
    value = getattr(item, part.name)
    return None if value == part.default and part.name not in ALWAYS else value


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if name == "memory_bytes" and value and value % GIB == 0:
            return f"{value // GIB}GiB"
        return str(value)
    if isinstance(value, float):
        return f"{value:.12g}" if f"{value:.12g}".replace(".", "").replace("-", "").isdigit() else repr(value)
    return quoted(str(value))


def quoted(text: str) -> str:
    """A YAML text in double quotes in which nothing is hidden: what would not show stands as its number."""
    return '"' + "".join(_letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable() and letter <= "\U0010ffff" and not "\ud800" <= letter <= "\udfff":
        return letter
    return f"\\U{ord(letter):08X}"
