"""What a machine tells when it asks for its boot script: read once, bounded, and believed in nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vetting.domain.errors import BadInput
from vetting.domain.naming import mac_of

LONGEST = 80  # of one hint
HINTS = ("platform", "arch", "maker", "product", "serial", "uuid")
MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Asked:
    mac: str  # lower case, with colons
    what: str  # the other hints in one line, for the list of unknown hosts


def read(query: Mapping[str, str]) -> Asked:
    """Raises BadInput where no MAC address is named."""
    named = query.get("mac", "")
    mac = mac_of(named) if MAC.fullmatch(named) else ""
    if not mac:
        raise BadInput("name the machine by its MAC address: /boot/script?mac=52:54:00:12:34:56")
    hints = (f"{name} {text}" for name in HINTS if (text := plain(query.get(name, ""))))
    return Asked(mac, ", ".join(hints)[:400])


def plain(text: str) -> str:
    """A stranger's text on one bounded line, printable letters alone."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[: LONGEST * 2]).split())[
        :LONGEST
    ]
