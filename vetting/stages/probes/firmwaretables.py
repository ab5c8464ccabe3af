"""The firmware's own description of the machine (SMBIOS, by dmidecode), where the machine has one.

Small virtual machines and some boards have none: that is written down as unreadable and nothing is made up in its place.
Where the kernel shows the tables, dmidecode has to be there and to make sense.
"""

from __future__ import annotations

import re
from collections import Counter

from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import FoundDimm
from vetting.parsers import dmidecode
from vetting.parsers.dmidecode import Dimm, Dmi
from vetting.parsers.errors import ParseError, bounded
from vetting.stages.base import Deps
from vetting.stages.probes.asking import PROBE_LIMIT_S, Unanswered, Unread, why_not

TABLES = "/sys/firmware/dmi/tables/DMI"
TOPICS = ("dimms", "identity", "psu")  # of Inventory.unreadable: what only these tables tell
# Where the kernel shows no tables dmidecode looks in the memory of the machine. 3.4 says why it may not, 3.6 only that.
NO_TABLES = re.compile(
    r"No SMBIOS nor DMI entry point found|Can't read memory from /dev/mem"
    r"|/dev/mem: (?:No such file|Operation not permitted|Permission denied)"
)


async def dmi(deps: Deps, missing: Unanswered) -> Dmi | None:
    """The tables; None where the machine has none. Raises ToolMissing or Unread where it has and they cannot be read."""
    there = bool(deps.glob(TABLES))
    try:
        ended = await deps.run(["dmidecode"], limit_s=PROBE_LIMIT_S, keep="dmidecode.txt")
    except ToolMissing as why:
        if there:
            raise
        missing.without(why.tool)
        _without(missing, str(why))
        return None
    said = NO_TABLES.search(ended.text)
    if said and not there:
        _without(missing, f"this machine shows no SMBIOS tables (dmidecode: {said[0]})")
        return None
    if why_bad := why_not(ended):
        raise Unread(why_bad)
    try:
        return dmidecode.parse(ended.stdout)
    except ParseError as why:
        raise Unread(str(why)) from why


def _without(missing: Unanswered, why: str) -> None:
    for topic in TOPICS:
        missing.unreadable[topic] = why


def dimms(tables: Dmi) -> tuple[FoundDimm, ...]:
    """The populated slots; boards that use one locator twice get the bank before it."""
    populated = [each for each in tables.dimms if each.populated]
    twice = Counter(each.locator for each in populated)
    return tuple(_dimm(each, twice[each.locator] > 1) for each in populated)


def _dimm(told: Dimm, ambiguous: bool) -> FoundDimm:
    locator = " ".join(filter(None, (told.bank if ambiguous else None, told.locator))) or "unnamed"
    return FoundDimm(
        locator=bounded(locator),
        bank=bounded(told.bank or ""),
        size_bytes=told.size_bytes or 0,
        serial=bounded(told.serial or ""),
        part_number=bounded(told.part_number or ""),
        manufacturer=bounded(told.manufacturer or ""),
        speed_mt_s=told.configured_mt_s or told.speed_mt_s or 0,
    )


def psu_count(tables: Dmi) -> int | None:
    """Power supplies that the firmware says are present; None where it describes none."""
    if not tables.power_supplies:
        return None
    return sum(1 for each in tables.power_supplies if (each.status or "").startswith("Present"))
