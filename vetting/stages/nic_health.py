"""Whether a network card's link and its error counters are as they should be: questions to ethtool and sysfs, and rules."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vetting.domain.errors import ToolMissing
from vetting.parsers import ethtool
from vetting.parsers.errors import ParseError
from vetting.parsers.procfs import parse_snmp
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unread, ask

SYSFS = "/sys/class/net/{}/statistics/{}"
# What the kernel counts for every card. Missed and dropped frames tell of a busy host, not of a bad wire: they inform.
JUDGED = (
    "rx_errors",
    "tx_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_length_errors",
    "tx_carrier_errors",
    "collisions",
)
TOLD = ("rx_dropped", "tx_dropped", "rx_missed_errors", "rx_fifo_errors", "rx_over_errors")
CARRIER = "carrier_changes"
# Segments whose checksum did not hold, of the whole host: a card that spoils what it hands over counts nothing itself.
CHECKSUMS = "tcp_bad_checksums"
# Names differ from driver to driver; these words mean a frame that the wire, the plug or the transceiver spoiled.
SPOILED = re.compile(r"crc|fcs|symbol_err|align|jabber|bad_sop|phy_.*err|illegal_byte|code_viol", re.IGNORECASE)
HARMLESS = re.compile(
    r"fec_corrected|corrected_bits|lane\d*_corrected|discard|drop|no_buf|missed|csum_(ok|good|none)", re.IGNORECASE
)
# A broken packet of somebody else's may come by; frames that the wire spoils are many.
CHECKSUM = re.compile(r"(csum|checksum)\w*(err|fail)|bad_checksum", re.IGNORECASE)
STRAY = 10
COUNTERS_TOLD = 64  # of a driver's own; some have thousands, one for each queue


async def link_of(deps: Deps, name: str) -> ethtool.Link | str:
    """What ethtool says of the link, held against the kernel's own word; or why that is unknown. Raises ToolMissing."""
    try:
        told = await ask(deps, ("ethtool", name), ethtool.parse)
    except Unread as why:
        return f"its link cannot be read: {why}"
    if told.name != name:
        return f"ethtool was asked of {name} and speaks of {told.name}"
    kernel = _number(deps, f"/sys/class/net/{name}/speed")  # -1: unknown, as without a link
    if told.speed_mb_s and kernel and kernel > 0 and told.speed_mb_s != kernel:
        return f"ethtool says {told.speed_mb_s} Mb/s of its link, the kernel {kernel} Mb/s"
    return told


def link_trouble(link: ethtool.Link, pinned_mb_s: int) -> tuple[str, str]:
    """What accuses the card, and what a person should know; both empty for a link at its speed."""
    if link.detected is False:
        return "it has lost its link", ""
    speed, own = link.speed_mb_s, link.capable_mb_s
    if pinned_mb_s:
        if speed is None or not speed >= pinned_mb_s:
            return f"its link runs at {speed or 'unknown'} Mb/s, expected {pinned_mb_s} Mb/s", ""
        return _duplex(link), ""
    partner = max(link.partner_mb_s, default=None)
    if speed is None or own is None or speed >= own:
        return _duplex(link), ""
    if partner is not None and speed >= partner:
        return _duplex(
            link
        ), f"its link runs at {speed} of {own} Mb/s: the other end offers no more than {partner} Mb/s"
    return f"its link runs at {speed} Mb/s, the card is capable of {own} Mb/s", ""


def _duplex(link: ethtool.Link) -> str:
    return "its link is half duplex" if link.full_duplex is False else ""


async def counters_of(deps: Deps, name: str) -> dict[str, int]:
    """The kernel's counters of a card, and the driver's own for spoiled frames. What cannot be read is absent."""
    found = {each: _number(deps, SYSFS.format(name, each)) for each in (*JUDGED, *TOLD)}
    found[CARRIER] = _number(deps, f"/sys/class/net/{name}/{CARRIER}")
    found[CHECKSUMS] = _bad_checksums(deps)
    counters = {each: value for each, value in found.items() if value is not None}
    try:
        own = await ask(deps, ("ethtool", "-S", name), ethtool.parse_counters)
    except (Unread, ToolMissing):
        own = {}  # many drivers keep none of their own: "no stats available"
    spoiled = [each for each in own if (SPOILED.search(each) or CHECKSUM.search(each)) and not HARMLESS.search(each)]
    return {**counters, **{f"ethtool.{each}": own[each] for each in spoiled[:COUNTERS_TOLD]}}


def errors_grown(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """What grew and accuses the card, in words. One change of the carrier is enough: the link was up before."""

    def growth(name: str) -> int:
        return after[name] - before[name] if name in before and name in after else 0

    grown = []
    # Some drivers count frames that the host was too slow for as receive errors as well.
    slow = sum(max(growth(each), 0) for each in ("rx_missed_errors", "rx_fifo_errors", "rx_over_errors"))
    for name in (*JUDGED, CARRIER, CHECKSUMS, *(each for each in before if each.startswith("ethtool."))):
        if growth(name) > (slow if name == "rx_errors" else STRAY if CHECKSUM.search(name) else 0):
            grown.append(f"{name} grew by {growth(name)}")
    return grown


def _bad_checksums(deps: Deps) -> int | None:
    try:
        return parse_snmp(deps.read("/proc/net/snmp")).get("Tcp.InCsumErrors")
    except (OSError, ParseError):
        return None


def _number(deps: Deps, path: str) -> int | None:
    try:
        return int(deps.read(path))
    except (OSError, ValueError):
        return None
