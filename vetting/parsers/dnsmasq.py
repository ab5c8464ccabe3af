"""What dnsmasq says with `log-dhcp`: who asked, what was offered, which loader went out. One line at a time.

Its lines are for people and grow with its versions: what is not known here is None, and nothing depends on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"dnsmasq(?:-(?P<part>dhcp|tftp))?\[\d+\]: (?P<text>.*)")
_MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_ADDRESS = r"(?P<address>\d{1,3}(?:\.\d{1,3}){3})"
_EVENT = re.compile(rf"(?:(?P<xid>\d+) )?(?P<kind>DHCP[A-Z]+|PXE|BOOTP)\([^)]*\) (?:{_ADDRESS} )?{_MAC} ?(?P<rest>.*)")
_HINT = re.compile(r"(?P<xid>\d+) (?P<name>vendor class|user class|bootfile name): (?P<value>.*)")
_SENT = re.compile(rf"sent (?P<path>.+) to {_ADDRESS}")
_NOT_SENT = re.compile(rf"(?:(?P<why>failed sending|file) (?P<path>/.+?)(?: not found for| to) {_ADDRESS})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A packet of a machine, or our answer to one. `rest` is what dnsmasq adds: a loader, "ignored", a reason."""

    kind: str  # DHCPDISCOVER, DHCPOFFER, DHCPREQUEST, DHCPACK, DHCPNAK …, PXE, BOOTP
    mac: str
    address: str
    rest: str
    xid: str

    @property
    def ignored(self) -> bool:
        return "ignored" in self.rest.split() or self.rest.endswith("-ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something about the packet with this number that is told on a line of its own."""

    xid: str
    name: str  # vendor class, user class, bootfile name
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file by TFTP, or that it was not sent (`why`)."""

    name: str
    address: str
    why: str = ""


def parse(line: str) -> Asked | Hint | Sent | None:
    """None for a line that tells nothing about a machine that boots."""
    told = _LINE.fullmatch(line.rstrip())
    if told is None:
        return None
    text = told["text"]
    if told["part"] == "tftp":
        return _transfer(text)
    if (hint := _HINT.fullmatch(text)) is not None:
        return Hint(xid=hint["xid"], name=hint["name"], value=hint["value"])
    if (event := _EVENT.fullmatch(text)) is not None:
        return Asked(
            kind=event["kind"], mac=event["mac"], address=event["address"] or "", rest=event["rest"].strip(),
            xid=event["xid"] or "",
        )  # fmt: skip
    return None


def _transfer(text: str) -> Sent | None:
    if (sent := _SENT.fullmatch(text)) is not None:
        return Sent(name=sent["path"].rpartition("/")[2], address=sent["address"])
    if (broken := _NOT_SENT.fullmatch(text)) is not None:
        why = "there is no such file" if broken["why"] == "file" else "the transfer broke off"
        return Sent(name=broken["path"].rpartition("/")[2], address=broken["address"], why=why)
    return None
