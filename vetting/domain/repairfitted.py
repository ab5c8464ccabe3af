"""Parts that are known by a serial of their own wherever they sit: disks, network cards by their addresses, GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vetting.domain.inventory import Inventory
from vetting.domain.naming import BMC_LINK_DRIVERS, known, mac_of, plain
from vetting.domain.outcome import Severity
from vetting.domain.repair import WORDS, Part, PartKind

ELSEWHERE = frozenset({"loop", "usb", "iscsi", "fc", "fcoe", "nbd", "rbd"})  # transports
Serials = tuple[str, ...]  # as compared
Told = tuple[
    Part, str, str, Serials, Serials
]  # part, a `repairproof.Proof` by its word, in words, serials that went, that came
Other = tuple[Severity, str, str]  # severity, component, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """One part as an inventory has it. `key`: its serial as compared; `also`: other spellings of it; `group`: the card that it
    is a port of; `where`: names by which a person may call its place."""

    key: str
    told: str
    kind: str = ""
    about: str = ""
    also: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    group: str = ""

    @property
    def words(self) -> str:
        return f"{self.told} ({self.about})" if self.about else self.told

    @property
    def component(self) -> str:
        return f"{self.kind}:{self.told}"


def fitted(kind: PartKind, inventory: Inventory) -> tuple[Fitted, ...]:
    """Those that tell who they are; each once."""
    if kind is PartKind.DISK:
        found = [
            Fitted(
                key=known(one.serial) or known(one.wwn),
                told=one.serial or one.wwn,
                kind="disk",
                about=one.model,
                also=(known(one.wwn),),
            )
            for one in inventory.disks
            if not _elsewhere(one.transport)
        ]
    elif kind is PartKind.NIC:
        found = [
            Fitted(key=mac_of(one.mac), told=one.mac, kind="nic", about=one.name, where=(one.name, one.pci, _card(one.pci)),
                   group=_card(one.pci))
            for one in inventory.nics
            if one.physical and one.driver not in BMC_LINK_DRIVERS
        ]  # fmt: skip
    else:
        found = [
            Fitted(key=known(one.uuid) or known(one.serial), told=one.uuid or one.serial, kind="gpu", about=one.name,
                   also=(known(one.serial),), where=(one.pci, one.name))
            for one in inventory.gpus
        ]  # fmt: skip
    return tuple({one.key: one for one in found if one.key}.values())


def _elsewhere(transport: str) -> bool:
    """What comes by a network, or with a person, is no part of the machine. A disk behind a RAID controller is one."""
    return transport in ELSEWHERE or transport.startswith("nvme-")


def _card(pci: str) -> str:
    """A port's address without its function: the ports of one card share it."""
    return pci.rpartition(".")[0]


def came_and_went(part: Part) -> tuple[str, str]:
    """The part's old and new serial as compared; empty where they were not told."""
    if part.kind is PartKind.NIC:
        return mac_of(part.old), mac_of(part.new)
    return known(part.old), known(part.new)


def swapped(
    parts: Sequence[Part], before: Sequence[Fitted], after: Sequence[Fitted], *, run: int
) -> tuple[list[Told], list[Other]]:
    """What became of each part that was named, and what else came or went."""
    looked = _Swap(before, after, run)
    exact = [part for part in parts if any(came_and_went(part))]  # who is named by serial is served before who is not
    told = {part: looked.told(part) for part in (*exact, *(part for part in parts if part not in exact))}
    return [(part, *told[part]) for part in parts], list(looked.others())


class _Swap:
    def __init__(self, before: Sequence[Fitted], after: Sequence[Fitted], run: int) -> None:
        self.before = {one.key: one for one in before}
        self.after = {one.key: one for one in after}
        self.gone = {key: one for key, one in self.before.items() if key not in self.after}
        self.came = {key: one for key, one in self.after.items() if key not in self.before}
        self.run = run

    def told(self, part: Part) -> tuple[str, str, Serials, Serials]:
        old, new = came_and_went(part)
        target = _find(self.before.values(), old, part.slot)
        card = [one for one in self.before.values() if target and target.group and one.group == target.group]
        for one in card or ([target] if target else []):
            if one.key in self.after:
                text = (
                    f"{part.named} still has {self.after[one.key].words}: the part named as replaced was not replaced"
                )
                return "not replaced", text, (), ()
        fresh = _find(self.after.values(), new, "")
        if new and fresh is None:
            return "not replaced", f"{part.named}: the new one, {part.new}, is not in this machine", (), ()
        if fresh is not None and fresh.key in self.before:
            return "not replaced", f"{part.named}: {fresh.words} was there before, in run {self.run}", (), ()
        if fresh is None:
            fresh = self._one_that_came(target)
        if fresh is None:
            return "not replaced", f"{part.named}: no new one is in this machine, all are as in run {self.run}", (), ()
        if target is None and not old:  # nobody said which: the first that went and that nobody else named
            target = next(iter(self.gone.values()), None)
        went = [
            one for one in self.gone.values() if target and (one is target or (one.group and one.group == target.group))
        ]
        arrived = [one for one in self.came.values() if one is fresh or (one.group and one.group == fresh.group)]
        for one in went:
            del self.gone[one.key]
        for one in arrived:
            del self.came[one.key]
        fresh_ones = tuple(one.key for one in arrived)
        was = ", ".join(one.words for one in went)
        now = ", ".join(one.words for one in arrived)
        if not was:
            unseen = part.old or "the old one"
            return (
                "proved",
                f"{part.named} is new: {now}; {unseen} was not seen any more in run {self.run}",
                (),
                fresh_ones,
            )
        return "proved", f"{part.named} was replaced: {was} → {now}", tuple(one.key for one in went), fresh_ones

    def _one_that_came(self, target: Fitted | None) -> Fitted | None:
        """The part that took the place, where one did; else any that nobody named."""
        same = [one for one in self.came.values() if target and target.group and one.group == target.group]
        return next(iter((*same, *self.came.values())), None)

    def others(self) -> Iterator[Other]:
        for verb, those in (("is gone", self.gone), ("is new", self.came)):
            for one in those.values():
                name = f"{WORDS[PartKind(one.kind)]} {one.words}"
                yield (
                    Severity.CRITICAL,
                    one.component,
                    f"{name} {verb} since run {self.run}: it changed too, and nobody named it",
                )


def _find(those: Iterable[Fitted], serial: str, slot: str) -> Fitted | None:
    """By serial where one is told, else by the name of its place."""
    if serial:
        return next((one for one in those if serial == one.key or serial in one.also), None)
    place = plain(slot)
    return next((one for one in those if place and place in [plain(where) for where in one.where if where]), None)
