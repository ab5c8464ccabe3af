"""What ethtool says of a network card: its link (no option), its driver (-i), its counters (-S)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import whole

TOOL = "ethtool"
MODE = re.compile(r"\b(\d{2,7})base\w{0,20}/(?:Full|Half)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    name: str
    speed_mb_s: int | None  # negotiated, megabits per second; None: unknown, as without a link
    full_duplex: bool | None
    autonegotiation: bool | None
    detected: bool | None
    port: str | None  # Twisted Pair, FIBRE, Direct Attach Copper …
    supported_mb_s: tuple[int, ...]  # distinct speeds, ascending; empty: not reported
    partner_mb_s: tuple[int, ...]  # what the other end offers

    @property
    def capable_mb_s(self) -> int | None:
        """The fastest mode that the card itself supports; None: not reported."""
        return max(self.supported_mb_s, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    driver: str
    version: str | None
    firmware: str | None
    bus: str | None


def parse(text: str) -> Link:
    """stdout of `ethtool eth0`. Raises ParseError where it tells of no device."""
    match = re.search(r"^Settings for (\S{1,40}):", text, re.MULTILINE)
    if not match:
        raise ParseError(TOOL, "no settings in it", text)
    fields = _fields(text[match.end() :])
    speed = re.match(r"(\d{1,7})Mb/s", fields.get("Speed", ""))
    duplex = fields.get("Duplex", "")
    return Link(
        name=match[1],
        speed_mb_s=int(speed[1]) if speed else None,
        full_duplex={"Full": True, "Half": False}.get(duplex),
        autonegotiation={"on": True, "off": False}.get(fields.get("Auto-negotiation", "")),
        detected={"yes": True, "no": False}.get(fields.get("Link detected", "").partition(" ")[0]),
        port=fields.get("Port"),
        supported_mb_s=_speeds(fields.get("Supported link modes", "")),
        partner_mb_s=_speeds(fields.get("Link partner advertised link modes", "")),
    )


def _fields(text: str) -> dict[str, str]:
    """Fields by name; lines without a colon of their own go on with the field before."""
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if colon and not MODE.match(line.strip()):
            name = key
            fields[name] = [value.strip()]
        elif name:
            fields[name].append(line.strip())
    return {key: " ".join(values).strip() for key, values in fields.items()}


def _speeds(modes: str) -> tuple[int, ...]:
    return tuple(sorted({int(speed) for speed in MODE.findall(modes)}))


def parse_driver(text: str) -> Driver:
    """stdout of `ethtool -i eth0`. Raises ParseError."""
    fields = _fields(text)
    if not fields.get("driver"):
        raise ParseError(TOOL, "no driver in it", text)

    def told(key: str) -> str | None:
        value = fields.get(key, "")
        return None if value in ("", "N/A", "n/a") else value

    return Driver(
        driver=fields["driver"], version=told("version"), firmware=told("firmware-version"), bus=told("bus-info")
    )


def parse_counters(text: str) -> dict[str, int]:
    """stdout of `ethtool -S eth0`: counter -> value. "no stats available" raises ParseError, like anything else."""
    if not re.search(r"^NIC statistics:", text, re.MULTILINE):
        raise ParseError(TOOL, "no NIC statistics in it", text)
    counters: dict[str, int] = {}
    for line in text.partition("NIC statistics:")[2].splitlines():
        name, colon, value = line.rpartition(":")
        if colon and name.strip():
            counters[name.strip()] = whole(TOOL, value, name.strip())
    return counters
