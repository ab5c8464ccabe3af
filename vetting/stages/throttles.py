"""The kernel's counts of cores and processors that were slowed down for heat: all together, and which ones they are."""

from __future__ import annotations

from collections.abc import Mapping

from vetting.stages.base import Deps
from vetting.stages.topology import Place

PATTERN = "/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"
MOST_NAMED = 8


def readings(deps: Deps) -> dict[str, int]:
    """Path -> count; empty on a machine that has none."""
    found: dict[str, int] = {}
    for path in deps.glob(PATTERN):
        try:
            found[path] = int(deps.read(path))
        except (OSError, ValueError):
            continue
    return found


def sums(counts: Mapping[str, int]) -> dict[str, int]:
    """Name of each counter -> its sum over all CPUs."""
    found: dict[str, int] = {}
    for path, count in counts.items():
        name = path.rpartition("/")[2]
        found[name] = found.get(name, 0) + count
    return found


def grown(name: str, before: Mapping[str, int], after: Mapping[str, int], places: Mapping[int, Place]) -> str:
    """Who it was: processors for a count of packages, else cores, each with its growth. CPUs of one core count as one."""
    who: dict[str, int] = {}
    for path, count in after.items():
        growth = count - before.get(path, count)
        if path.endswith(f"/{name}") and growth > 0:
            cpu = int(path.split("/")[5].removeprefix("cpu"))
            place = places.get(cpu) or Place(cpu=cpu)
            named = place.processor if name.startswith("package") else place.core_words
            named = named or place.words
            who[named] = max(growth, who.get(named, 0))
    first = [f"{named} {growth} times" for named, growth in sorted(who.items(), key=lambda each: -each[1])]
    more = f" and {len(first) - MOST_NAMED} more" if len(first) > MOST_NAMED else ""
    return ", ".join(first[:MOST_NAMED]) + more
