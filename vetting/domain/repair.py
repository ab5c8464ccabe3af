"""What a person says was replaced in a host before a run: which part, where it sits, its serial before and after.

A run that is told so proves it (`repairproof`), looks harder at that part and its neighbours (`repairweight`), and repeats the test
that failed before (`repetition`). What a person types is bounded here; what a host says to it is compared elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from vetting.domain.errors import BadInput
from vetting.domain.naming import known, mac_of

CONFIDENCE = 0.95
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.999
MOST_PARTS = 24
LONGEST = 120  # of a slot or serial
LONGEST_NOTE = 400


class PartKind(StrEnum):
    DISK = "disk"
    DIMM = "dimm"
    NIC = "nic"
    PSU = "psu"
    CPU = "cpu"
    GPU = "gpu"
    BOARD = "board"
    CABLE = "cable"
    OTHER = "other"


WORDS = {
    PartKind.DISK: "disk", PartKind.DIMM: "DIMM", PartKind.NIC: "network card", PartKind.PSU: "power supply",
    PartKind.CPU: "processor", PartKind.GPU: "GPU", PartKind.BOARD: "system board", PartKind.CABLE: "cable", PartKind.OTHER: "part",
}  # fmt: skip
SILENT = frozenset({PartKind.PSU, PartKind.CPU, PartKind.CABLE, PartKind.OTHER})
"""Kinds of which no inventory tells a serial: that they were replaced can be told, and not be proved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part that was replaced. `slot`: A1, bay 3, eno1, PSU 2. Serials may be empty where nobody noted them; of a network
    card they are its MAC addresses."""

    kind: PartKind
    slot: str = ""
    old: str = ""
    new: str = ""
    note: str = ""

    @property
    def named(self) -> str:
        """DIMM A1, disk in bay 3, network card eno1; the serial where no slot was told."""
        where = f"in {self.slot}" if self.kind is PartKind.DISK and self.slot else self.slot
        return f"{WORDS[self.kind]} {where or self.old or self.new}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """`confidence`: with which the test that failed before the repair has to have passed."""

    parts: tuple[Part, ...]
    confidence: float = CONFIDENCE


def mistakes(repair: Repair) -> tuple[str, ...]:
    """What nobody could have meant, one sentence each."""
    return tuple(_mistakes(repair))


def _mistakes(repair: Repair) -> Iterator[str]:
    if not repair.parts:
        yield "a repair names at least one part that was replaced"
    if len(repair.parts) > MOST_PARTS:
        yield f"{len(repair.parts)} parts are named as replaced; a run takes {MOST_PARTS} at most"
    if not (isfinite(repair.confidence) and LEAST_CONFIDENCE <= repair.confidence <= MOST_CONFIDENCE):
        least, most = LEAST_CONFIDENCE * 100, MOST_CONFIDENCE * 100
        yield f"the confidence must be from {least:g} % to {most:g} %, it is {repair.confidence * 100:g} %"
    seen: set[tuple[str, ...]] = set()
    for part in repair.parts:
        yield from _of_part(part)
        mark = (part.kind, *map(known, (part.slot, part.old, part.new)))
        if mark in seen:
            yield f"{part.named} is named twice"
        seen.add(mark)


def _of_part(part: Part) -> Iterator[str]:
    texts = (("slot", part.slot, LONGEST), ("old serial", part.old, LONGEST), ("new serial", part.new, LONGEST),
             ("note", part.note, LONGEST_NOTE))  # fmt: skip
    for what, text, most in texts:
        if len(text) > most or not text.isprintable():
            yield f"the {what} of a {WORDS[part.kind]} must be one line of up to {most} printable characters"
            return
    if part.kind is not PartKind.BOARD and not (part.slot.strip() or part.old.strip() or part.new.strip()):
        yield f"say which {WORDS[part.kind]} was replaced: its slot, or its serial"
    if known(part.old) and known(part.old) == known(part.new):
        yield f"{part.named}: old and new serial are the same ({part.old}), so nothing would have been replaced"
    if part.kind is PartKind.NIC:
        for serial in (part.old, part.new):
            if serial.strip() and not mac_of(serial):
                yield f"a network card is known by its MAC address, and {serial!r} is none"


# A MAC or PCI address has colons of its own: they are no borders between the fields.
_WHOLE = re.compile(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}|[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?")
HOW = "write KIND:SLOT:OLD:NEW, such as dimm:A1:1A2B3C:4D5E6F; what nobody knows stays empty, as in cable:eno1"


def part_of(text: str) -> Part:
    """`dimm:A1:OLD:NEW` as typed after `--replaced`. Raises BadInput."""
    word, _, rest = text.partition(":")
    try:
        kind = PartKind(word.strip().lower())
    except ValueError:
        raise BadInput(f"there is no kind of part {word!r}; there are {', '.join(PartKind)}; {HOW}") from None
    fields = _fields(rest)
    if len(fields) > 3:
        raise BadInput(f"{text!r} has {len(fields) + 1} fields where four are expected; {HOW}")
    slot, old, new = (*fields, "", "", "")[:3]
    return Part(kind=kind, slot=slot.strip(), old=old.strip(), new=new.strip())


def _fields(text: str) -> list[str]:
    fields, begun = [""], 0
    for border in re.finditer(f"({_WHOLE.pattern})|:", text):
        fields[-1] += text[begun : border.start()]
        begun = border.end()
        if border[1]:
            fields[-1] += border[1]
        else:
            fields.append("")
    fields[-1] += text[begun:]
    return fields
