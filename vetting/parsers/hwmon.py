"""The kernel's hardware monitors: which sensors a host has, what their series are called, what a reading means.

Units and file names: the kernel's Documentation/hwmon/sysfs-interface.rst. Nothing here reads a file: `PATTERNS` says
which ones to read, `discover` takes their texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from vetting.domain.inventory import Sensor

FOLDER = "/sys/class/hwmon"


UNCONNECTED_C = 120.0  # an input of a monitor chip with nothing on it reads 125, 127 or more; no idle machine is so hot


class Quantity(NamedTuple):
    series: str
    unit: str
    divisor: float


QUANTITIES = {
    "temp": Quantity("temp", "C", 1000.0),
    "power": Quantity("power", "W", 1_000_000.0),
    "in": Quantity("volt", "V", 1000.0),
    "curr": Quantity("curr", "A", 1000.0),
    "fan": Quantity("fan", "RPM", 1.0),
}
PATTERNS: tuple[str, ...] = (
    f"{FOLDER}/hwmon*/name",
    *(f"{FOLDER}/hwmon*/{kind}*_{part}" for kind in QUANTITIES for part in ("input", "label", "fault", "enable")),
    f"{FOLDER}/hwmon*/power*_average",
)
_FILE = re.compile(r"(?P<folder>.*/hwmon(?P<number>\d+))/(?P<kind>[a-z]+)(?P<channel>\d+)_(?P<part>input|average)")
_SERIES_CHARS = 40  # of a chip's or a channel's name


def discover(files: Mapping[str, str]) -> tuple[Sensor, ...]:
    """The sensors of a host from path -> text of the files that PATTERNS match; a file that cannot be read is left out.

    A second chip of the same name gets a number, a second channel of the same label its channel's. Sensors that say of
    themselves that they are faulty or switched off are left out, and inputs to which nothing is connected.
    """
    chips = _chip_names(files)
    found: dict[str, Sensor] = {}
    for match in sorted(filter(None, map(_FILE.fullmatch, files)), key=_place):
        folder, kind, channel = match["folder"], match["kind"], match["channel"]
        stem = f"{folder}/{kind}{channel}"
        quantity = QUANTITIES.get(kind)
        if quantity is None or folder not in chips:
            continue
        if match["part"] == "average" and f"{stem}_input" in files:
            continue
        if files.get(f"{stem}_fault", "0").strip() == "1" or files.get(f"{stem}_enable", "1").strip() == "0":
            continue
        value = reading(match.string, files[match.string])
        if value is None or (kind == "temp" and not value < UNCONNECTED_C):
            continue
        label = slug(files.get(f"{stem}_label", "")) or f"{kind}{channel}"
        series = f"{quantity.series}.{chips[folder]}.{label}"
        if series in found:
            series += f"-{channel}"
        found.setdefault(series, Sensor(series=series, unit=quantity.unit, source=match.string))
    return tuple(found.values())


def reading(path: str, text: str) -> float | None:
    """A sensor file's text in the unit of its series; None where it is no plain number."""
    match = _FILE.fullmatch(path)
    quantity = QUANTITIES.get(match["kind"]) if match else None
    if quantity is None or not re.fullmatch(r"\s*-?\d{1,15}\s*", text):
        return None
    return int(text) / quantity.divisor


def slug(text: str) -> str:
    """A host's word as part of a series name: lower case letters, digits and single dashes, at most 40."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_SERIES_CHARS].strip("-")


def _chip_names(files: Mapping[str, str]) -> dict[str, str]:
    """Folder -> name, unique: `coretemp`, `coretemp-1`."""
    folders = [path.removesuffix("/name") for path in files if re.fullmatch(r".*/hwmon\d+/name", path)]
    names: dict[str, str] = {}
    for folder in sorted(folders, key=_number):
        name = slug(files[f"{folder}/name"]) or "chip"
        twins = sum(1 for other in names.values() if other == name or re.fullmatch(re.escape(name) + r"-\d+", other))
        names[folder] = f"{name}-{twins}" if twins else name
    return names


def _number(folder: str) -> int:
    return int(folder.rpartition("hwmon")[2])


def _place(match: re.Match[str]) -> tuple[int, str, int]:
    return int(match["number"]), match["kind"], int(match["channel"])
