"""DIMMs before and after a repair: known by the label of their slot and by their serial, so that a move can be told from a swap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from vetting.domain.inventory import FoundDimm
from vetting.domain.naming import known, plain
from vetting.domain.outcome import Severity
from vetting.domain.repair import Part
from vetting.domain.repairfitted import Other, Serials, Told

Slots = dict[str, FoundDimm]


def slots_of(found: Sequence[FoundDimm] | None) -> Slots:
    """Label of the slot -> what is fitted there. Boards that give several slots one label get them numbered."""
    slots: Slots = {}
    for dimm in found or ():
        label, number = dimm.locator, 2
        while label in slots:
            label, number = f"{dimm.locator} #{number}", number + 1
        slots[label] = dimm
    return {label: dimm for label, dimm in slots.items() if dimm.size_bytes > 0}


def slot_called(slot: str, labels: Sequence[str]) -> str:
    """The label that a person means: A1 for DIMM_A1 or CPU1_DIMM_A1. Empty where none fits, or more than one."""
    bare = plain(slot)
    if not bare:
        return ""
    by_name = {label: plain(label) for label in dict.fromkeys(labels)}
    same = [label for label, name in by_name.items() if name == bare]
    ends = [label for label, name in by_name.items() if _ends(name, bare) or _ends(name, bare.removeprefix("dimm"))]
    fitting = same or ends
    return fitting[0] if len(fitting) == 1 else ""


def _ends(name: str, bare: str) -> bool:
    """Whether a label ends in what was typed, and not in the middle of a number: 1 is not the end of A11."""
    return bool(bare) and name.endswith(bare) and not re.search(r"\d$", name[: -len(bare)] if bare[0].isdigit() else "")


def neighbours(slot: str, found: Sequence[FoundDimm] | None) -> tuple[str, ...]:
    """Labels of the slots that share a letter or channel with this one, as boards number them: A2 and A3 beside A1."""
    labels = tuple(slots_of(found))
    label = slot_called(slot, labels)
    stem = label.rstrip("0123456789")
    return tuple(one for one in labels if one != label and label and one.rstrip("0123456789") == stem)


def dimms(
    parts: Sequence[Part], before: Sequence[FoundDimm] | None, after: Sequence[FoundDimm] | None, *, run: int
) -> tuple[list[Told], list[Other]]:
    """What became of each DIMM that was named, and which others changed or moved."""
    was, now = slots_of(before), slots_of(after)
    if before is None or after is None:
        why = f"run {run} could not read the DIMMs" if before is None else "the DIMMs cannot be read"
        return [(part, "cannot be proved", f"{part.named}: {why}", (), ()) for part in parts], []
    looked = _Look(was, now, run)
    labels = {part: _label(part, was, now) for part in parts}
    told = [(part, *looked.told(part, labels[part])) for part in parts]
    return told, list(looked.others({label for label in labels.values() if label}))


def _label(part: Part, was: Slots, now: Slots) -> str:
    """Where it sits: by its slot, else by its old serial, else by its new one."""
    if label := slot_called(part.slot, (*was, *now)):
        return label
    for serial, slots in ((known(part.old), was), (known(part.new), now)):
        for label, dimm in slots.items():
            if serial and known(dimm.serial) == serial:
                return label
    return ""


class _Look:
    def __init__(self, was: Slots, now: Slots, run: int) -> None:
        self.was, self.now, self.run = was, now, run
        counts = [Counter(known(dimm.serial) for dimm in slots.values()) for slots in (was, now)]
        self.shared = {serial for count in counts for serial, times in count.items() if times > 1}
        self.where_was = {self._own(dimm): label for label, dimm in was.items() if self._own(dimm)}
        self.where_now = {self._own(dimm): label for label, dimm in now.items() if self._own(dimm)}

    def _own(self, dimm: FoundDimm) -> str:
        """Its serial as compared; empty where it tells none, or one that another DIMM tells too."""
        serial = known(dimm.serial)
        return "" if serial in self.shared else serial

    def told(self, part: Part, label: str) -> tuple[str, str, Serials, Serials]:
        if not label:
            return (
                "could not be read",
                f"{part.named}: no slot of this host is called so; it has {', '.join(self.now)}",
                (),
                (),
            )
        old, new = self.was.get(label), self.now.get(label)
        name = f"DIMM {label}"
        if new is None:
            return "not replaced", f"{name} is empty: nothing is fitted, or it is not seen", (), ()
        serial, before = self._own(new), self._own(old) if old else ""
        if not serial or (old is not None and not before):
            return (
                "cannot be proved",
                f"{name}: that it was replaced cannot be proved, for it tells no serial of its own",
                (),
                (),
            )
        if old is not None and serial == before:
            text = f"{name} still has serial {new.serial}: the part named as replaced was not replaced"
            return "not replaced", text, (), ()
        if known(part.new) and known(part.new) != serial:
            return "not replaced", f"{name} has serial {new.serial}; the new one was to have {part.new}", (), ()
        if serial in self.where_was:
            text = f"{name} now has {new.serial}, which was in {self.where_was[serial]}: it was moved, not replaced"
            return "not replaced", text, (), ()
        for left in dict.fromkeys((before, known(part.old))):
            if left and left in self.where_now:
                dimm = self.now[self.where_now[left]]
                text = f"the old DIMM {dimm.serial} of {name} is still in this machine, in {self.where_now[left]}"
                return "not replaced", text, (), ()
        gone = tuple(one for one in dict.fromkeys((before, known(part.old))) if one)
        if old is None:
            return "proved", f"{name} is new: {new.serial}; run {self.run} saw nothing in that slot", gone, (serial,)
        noted = f" (noted was {part.old})" if known(part.old) and known(part.old) != before else ""
        return "proved", f"{name} was replaced: {old.serial}{noted} → {new.serial}", gone, (serial,)

    def others(self, named: set[str]) -> Iterator[Other]:
        """Slots that nobody named and that are not as they were. What moved is told once, where it is now."""
        for label in dict.fromkeys((*self.was, *self.now)):
            old, new = self.was.get(label), self.now.get(label)
            before, serial = self._own(old) if old else "", self._own(new) if new else ""
            if label in named or (old and new and before and before == serial):
                continue
            if new is not None and serial and serial in self.where_was:
                text = f"DIMM {new.serial} moved from {self.where_was[serial]} to {label}"
                yield Severity.WARNING, f"dimm:{label}", text
            elif new is None and before in self.where_now:
                continue  # told where it is now
            elif old is None and new is not None:
                yield (
                    Severity.CRITICAL,
                    f"dimm:{label}",
                    f"DIMM {label} is new ({new.serial}): it changed too, and nobody named it",
                )
            elif new is None and old is not None:
                yield (
                    Severity.CRITICAL,
                    f"dimm:{label}",
                    f"DIMM {label} ({old.serial}) is gone: it changed too, and nobody named it",
                )
            elif old is not None and new is not None and (text := _other(old, new)):
                yield Severity.CRITICAL, f"dimm:{label}", f"DIMM {label} changed too, and nobody named it: {text}"


def _other(old: FoundDimm, new: FoundDimm) -> str:
    """How two DIMMs differ, by what both tell; empty where they may be one."""
    if known(old.serial) and known(new.serial):
        return f"{old.serial} → {new.serial}" if known(old.serial) != known(new.serial) else ""
    if known(old.part_number) and known(new.part_number) and known(old.part_number) != known(new.part_number):
        return f"{old.part_number} → {new.part_number}"
    if old.size_bytes != new.size_bytes:
        return f"{old.size_bytes / 1024**3:g} GiB → {new.size_bytes / 1024**3:g} GiB"
    return ""
