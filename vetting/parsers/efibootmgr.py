"""What `efibootmgr -v` says of the firmware's boot entries; versions 17 (Debian 12) and 18 (Debian 13, Ubuntu 24.04)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError

TOOL = "efibootmgr"
ENTRY = re.compile(r"Boot([0-9A-Fa-f]{4})([* ]) ?(.*)$")
ADDRESS = re.compile(r"MAC[(:]([0-9a-fA-F]{12})[,)]")
NETWORK_WORDS = re.compile(r"\b(PXE|IPv4|NIC|LAN|Network|Netboot)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    number: str  # four upper-case hexadecimal digits
    active: bool
    label: str
    path: str  # the device path; empty where none is printed

    @property
    def mac(self) -> str:
        """The network card it boots from, as 52:54:00:12:34:56; empty where it names none."""
        match = ADDRESS.search(self.path) or ADDRESS.search(self.label)
        digits = match[1].lower() if match else ""
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    @property
    def wish(self) -> int | None:
        """How well it suits a PXE boot, less is better: over IPv4, by HTTP, a card without more words, a name alone.

        None: it does not boot from the network, or over IPv6 alone.
        """
        network = bool(self.mac) or ("VenHw(" in self.path and bool(NETWORK_WORDS.search(self.label)))
        if not network or "HD(" in self.path or "IPv6(" in self.path:
            return None
        if "IPv4(" in self.path:
            return 1 if "Uri(" in self.path else 0
        return 2 if self.mac else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BootManager:
    entries: tuple[Entry, ...]
    order: tuple[str, ...]
    current: str
    next: str  # empty: the order decides


def parse(text: str) -> BootManager:
    """stdout. Raises ParseError where there is no entry, or BootOrder names none."""
    said: dict[str, str] = {}
    entries = []
    for line in text.splitlines():
        if match := ENTRY.match(line):
            label, _, path = match[3].partition("\t")
            if not path:  # version 18 without a terminal, and copies of a screen: two blanks and more
                label, _, path = match[3].partition("  ")
            entries.append(
                Entry(number=match[1].upper(), active=match[2] == "*", label=label.strip(), path=path.strip())
            )
        elif match := re.match(r"(BootCurrent|BootNext|BootOrder): *([0-9A-Fa-f,]*)$", line.strip()):
            said[match[1]] = match[2].upper()
    order = tuple(number for number in said.get("BootOrder", "").split(",") if number)
    if not entries or not order:
        raise ParseError(TOOL, "no boot entries and no BootOrder in it", text)
    return BootManager(
        entries=tuple(entries), order=order, current=said.get("BootCurrent", ""), next=said.get("BootNext", "")
    )


def network_entry(known: BootManager, macs: frozenset[str]) -> Entry | None:
    """The entry for a boot from the network by one of these cards; None where there is none.

    Active before inactive, then by `Entry.wish`, then in the order of the firmware. An entry that names no card at all
    (some firmware writes only a vendor's number) is taken where none names one of ours.
    """
    places = {number: place for place, number in enumerate(known.order)}
    fitting = [entry for entry in known.entries if entry.wish is not None and (entry.mac in macs or not entry.mac)]
    if not fitting:
        return None
    return min(fitting, key=lambda entry: (not entry.active, entry.wish, places.get(entry.number, len(places))))
