"""The one part of a host that is not like its fellows: a memory module of another size or speed among equal ones.

Mixed hosts are common and sound, so only a single odd module among at least four is worth a word: half a bank was filled on
purpose, one module was fitted by mistake. Disks, cards and cores are compared by what they measured (`vetting.domain.baseline`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from vetting.domain.baseline import SOURCE
from vetting.domain.inventory import FoundDimm, Inventory
from vetting.domain.outcome import Finding, Severity

FEWEST = 4
GIB = 1024**3


def odd_dimms(found: Inventory) -> tuple[Finding, ...]:
    """At most one finding each for size and speed; empty where the modules could not be read."""
    fitted = [dimm for dimm in found.dimms or () if dimm.size_bytes > 0]
    return tuple(_odd(fitted)) if len(fitted) >= FEWEST else ()


def _odd(fitted: Sequence[FoundDimm]) -> Iterator[Finding]:
    sizes = [f"{dimm.size_bytes / GIB:g} GiB" for dimm in fitted]
    speeds = [f"{dimm.speed_mt_s} MT/s" if dimm.speed_mt_s > 0 else "" for dimm in fitted]
    for what, told in (("holds", sizes), ("runs at", speeds)):
        common, times = Counter(told).most_common(1)[0]
        if times != len(fitted) - 1 or not common:
            continue
        odd = next(number for number, one in enumerate(told) if one != common)
        if not told[odd]:
            continue  # it tells none, which is no other
        dimm = fitted[odd]
        text = f"{what} {told[odd]}, the other {times} memory modules of this host {_plural(what)} {common}"
        yield Finding(
            severity=Severity.WARNING, component=f"dimm:{dimm.serial or dimm.locator}",
            text=f"the module in {dimm.locator or 'an unnamed slot'} {text}", source=SOURCE,
        )  # fmt: skip


def _plural(what: str) -> str:
    return {"holds": "hold", "runs at": "run at"}[what]
