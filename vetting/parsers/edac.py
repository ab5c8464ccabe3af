"""Memory error counters of the EDAC drivers: the tree under /sys/devices/system/edac/mc, given as path -> text.

Documented in the kernel's Documentation/driver-api/edac.rst and Documentation/ABI/testing/sysfs-devices-edac.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import whole

SOURCE = "edac"
FILES = ("ce_count", "ue_count", "ce_noinfo_count", "ue_noinfo_count", "mc_name")
PLACE = re.compile(r"(?:^|/)mc/(mc\d{1,4})/(?:((?:dimm|rank)\d{1,4})/)?([a-z0-9_]{1,40})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DimmErrors:
    """None: the file was not there or could not be read, which is UNKNOWN."""

    name: str  # dimm0, rank3
    label: str  # as the board or the kernel calls it: CPU_SrcID#0_MC#0_Chan#0_DIMM#0
    location: str
    corrected: int | None
    uncorrected: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    name: str  # mc0
    driver: str
    corrected: int | None  # of all its DIMMs
    uncorrected: int | None
    corrected_nowhere: int | None  # those that it could not assign to a DIMM
    uncorrected_nowhere: int | None
    dimms: tuple[DimmErrors, ...]


def parse(tree: Mapping[str, str]) -> tuple[Controller, ...]:
    """Controllers in order; none where no EDAC driver is loaded. Raises ParseError on a count that is no number."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for path, text in tree.items():
        if match := PLACE.search(path):
            found.setdefault(match[1], {}).setdefault(match[2] or "", {})[match[3]] = text.strip()
    return tuple(_controller(name, found[name]) for name in sorted(found, key=_order))


def _order(name: str) -> tuple[str, int]:
    return name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :])


def _count(files: Mapping[str, str], name: str) -> int | None:
    return whole(SOURCE, files[name], name) if name in files else None


def _controller(name: str, parts: Mapping[str, dict[str, str]]) -> Controller:
    own = parts.get("", {})
    return Controller(
        name=name,
        driver=own.get("mc_name", ""),
        corrected=_count(own, "ce_count"),
        uncorrected=_count(own, "ue_count"),
        corrected_nowhere=_count(own, "ce_noinfo_count"),
        uncorrected_nowhere=_count(own, "ue_noinfo_count"),
        dimms=tuple(_dimm(each, parts[each]) for each in sorted(filter(None, parts), key=_order)),
    )


def _dimm(name: str, files: Mapping[str, str]) -> DimmErrors:
    size = _count(files, "size")
    return DimmErrors(
        name=name,
        label=files.get("dimm_label", "") or name,
        location=files.get("dimm_location", ""),
        corrected=_count(files, "dimm_ce_count"),
        uncorrected=_count(files, "dimm_ue_count"),
        size_bytes=None if size is None else size * 2**20,
    )


def totals(controllers: tuple[Controller, ...]) -> tuple[int, int]:
    """(corrected, uncorrected) of the whole machine. Raises ParseError where a controller's count is unknown."""
    corrected = [each.corrected for each in controllers]
    uncorrected = [each.uncorrected for each in controllers]
    if None in corrected or None in uncorrected:
        raise ParseError(SOURCE, "a memory controller's counters could not be read")
    return sum(filter(None, corrected)), sum(filter(None, uncorrected))
