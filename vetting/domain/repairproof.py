"""Proves a repair: that the parts named as replaced were, and that nothing else changed, by the inventories before and after.

What tells no serial cannot be proved and is said to be so. A part that still has its old serial, or a part that changed and that
nobody named, fails SpecValidate until a person accepts it: somebody took the wrong DIMM, or left a card half seated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from vetting.domain.difference import Difference
from vetting.domain.inventory import Inventory
from vetting.domain.naming import known
from vetting.domain.outcome import Severity
from vetting.domain.repair import SILENT, WORDS, Part, PartKind, Repair
from vetting.domain.repairdimms import dimms
from vetting.domain.repairfitted import Fitted, came_and_went, fitted, swapped
from vetting.domain.specdiff import unreadable


class Proof(StrEnum):
    PROVED = "proved"
    REFUTED = "not replaced"
    UNPROVABLE = "cannot be proved"
    UNREAD = "could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartProof:
    part: Part
    proof: Proof
    text: str
    gone: tuple[str, ...] = ()  # serials, as compared, that this part took with it
    came: tuple[str, ...] = ()  # and that it brought


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Something else that is not as it was. INFO: the repair explains it; WARNING: it moved, or may be nothing; CRITICAL: a
    part changed that nobody named."""

    severity: Severity
    component: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """`before_run`: the run whose inventory it was compared with; 0 where there was none."""

    parts: tuple[PartProof, ...]
    beside: tuple[Beside, ...] = ()
    before_run: int = 0

    @property
    def gone(self) -> frozenset[str]:
        """Serials of parts that were proved to be gone, as compared."""
        return frozenset(one for proof in self.parts if proof.proof is Proof.PROVED for one in proof.gone)


WEIGHTS = {Proof.PROVED: Severity.INFO, Proof.REFUTED: Severity.CRITICAL, Proof.UNPROVABLE: Severity.WARNING,
           Proof.UNREAD: Severity.CRITICAL}  # fmt: skip


def prove(repair: Repair, before: Inventory | None, after: Inventory, *, before_run: int = 0) -> Proved:
    """What the two inventories say to a repair. `before` None: no run before this one looked into the host."""
    if before is None:
        return Proved(parts=tuple(_alone(part, after) for part in repair.parts))
    proofs: dict[Part, PartProof] = {}
    beside: list[Beside] = []
    topics = {PartKind.DIMM: "dimms", PartKind.DISK: "disks", PartKind.NIC: "nics", PartKind.GPU: "gpus"}
    for kind, topic in topics.items():
        parts = tuple(part for part in repair.parts if part.kind is kind)
        if kind is PartKind.DIMM:
            told, others = dimms(parts, before.dimms, after.dimms, run=before_run)
        else:
            told, others = swapped(parts, fitted(kind, before), fitted(kind, after), run=before_run)
        now, then = unreadable(after, topic), unreadable(before, topic)
        for part, word, text, gone, came in told:
            proof = PartProof(part=part, proof=Proof(word), text=text, gone=gone, came=came)
            proofs[part] = _as_read(proof, now, then)
        for severity, component, text in others:
            beside.append(
                _as_seen(Beside(severity=severity, component=component, text=text), kind, repair, now or then)
            )
    for part in repair.parts:
        if part.kind is PartKind.BOARD:
            proofs[part] = _board(part, before, after)
        elif part.kind in SILENT:
            proofs[part] = _silent(part)
    beside += _machine(repair, before, after)
    return Proved(parts=tuple(proofs[part] for part in repair.parts), beside=tuple(beside), before_run=before_run)


def standing(proved: Proved, after: Inventory, earlier: Iterable[tuple[int, PartProof]]) -> Proved:
    """With what an earlier run after the same repair has proved, and what has not changed since: a run that is started again would
    else find the new part there already. `earlier`: (run, proof), newest first."""
    there = serials(after)
    proofs = [(run, one) for run, one in earlier if one.proof is Proof.PROVED and one.came]
    parts = []
    for one in proved.parts:
        if one.proof is Proof.REFUTED:
            for run, proof in proofs:
                if _same_part(one.part, proof.part) and there.issuperset(proof.came) and not there & set(proof.gone):
                    one = replace(
                        proof, part=one.part, text=f"{proof.text}; run {run} proved it, and it is as it was then"
                    )
                    break
        parts.append(one)
    return replace(proved, parts=tuple(parts))


def serials(inventory: Inventory) -> frozenset[str]:
    """Of everything in a host that tells one, as compared."""
    kinds = (PartKind.DISK, PartKind.NIC, PartKind.GPU)
    told = {one.key for kind in kinds for one in fitted(kind, inventory)}
    told |= {known(one.serial) for one in inventory.dimms or ()} | {known(inventory.identity.board_serial)}
    return frozenset(told - {""})


def _same_part(one: Part, other: Part) -> bool:
    if one.kind is not other.kind:
        return False
    pairs = ((one.slot, other.slot), (one.old, other.old), (one.new, other.new))
    told = [(known(a), known(b)) for a, b in pairs if known(a) and known(b)]
    return all(a == b for a, b in told) and (bool(told) or one.kind is PartKind.BOARD)


def differences(proved: Proved) -> tuple[Difference, ...]:
    """The same as rows of SpecValidate: what is critical in them stops the run."""
    rows = [
        Difference(
            field=f"repair.{one.proof.name.lower()}", component=str(one.part.kind), expected=one.part.new, found="",
            severity=WEIGHTS[one.proof], text=one.text, unknown=one.proof is Proof.UNREAD,
        )
        for one in proved.parts
    ]  # fmt: skip
    rows += [
        Difference(field="repair.beside", component=one.component, expected="", found="", severity=one.severity, text=one.text)
        for one in proved.beside
    ]  # fmt: skip
    return tuple(rows)


def _as_read(proof: PartProof, now: str, then: str) -> PartProof:
    """What could not be read now accuses nobody, and what could not be read then proves nothing."""
    if now and proof.proof is Proof.REFUTED:
        return replace(proof, proof=Proof.UNREAD, text=f"{proof.text}; but not everything could be read ({now})")
    if then and proof.proof is Proof.PROVED and not proof.gone:
        return replace(
            proof, proof=Proof.UNPROVABLE, text=f"{proof.text}; but not everything could be read then ({then})"
        )
    return proof


def _as_seen(beside: Beside, kind: PartKind, repair: Repair, unread: str) -> Beside:
    """A board brings network ports of its own; what could not be read may be there all the same."""
    if kind is PartKind.NIC and any(part.kind is PartKind.BOARD for part in repair.parts):
        return replace(
            beside,
            severity=Severity.INFO,
            text=f"{beside.text.partition(': it changed')[0]}, as a new board brings its own",
        )
    if unread and beside.severity is Severity.CRITICAL:
        return replace(
            beside, severity=Severity.WARNING, text=f"{beside.text}; but not everything could be read ({unread})"
        )
    return beside


def _alone(part: Part, after: Inventory) -> PartProof:
    nothing = "no run before this one looked into the host, so there is nothing to compare with"
    there: tuple[Fitted, ...] = ()
    if part.kind is PartKind.DIMM:
        there = tuple(Fitted(key=known(one.serial), told=one.serial) for one in after.dimms or ())
    elif part.kind in (PartKind.DISK, PartKind.NIC, PartKind.GPU):
        there = fitted(part.kind, after)
    wanted = came_and_went(part)[1]
    if wanted and there and wanted not in {one.key for one in there} and not any(wanted in one.also for one in there):
        return PartProof(
            part=part, proof=Proof.REFUTED, text=f"{part.named}: the new one, {part.new}, is not in this machine"
        )
    return PartProof(part=part, proof=Proof.UNPROVABLE, text=f"{part.named}: {nothing}")


def _silent(part: Part) -> PartProof:
    text = f"{part.named}: that it was replaced cannot be proved, for a {WORDS[part.kind]} tells no serial"
    return PartProof(part=part, proof=Proof.UNPROVABLE, text=text)


def _board(part: Part, before: Inventory, after: Inventory) -> PartProof:
    was, now = before.identity, after.identity
    old, new = known(was.board_serial), known(now.board_serial)
    if part.new and new and known(part.new) != new:
        text = f"the system board has serial {now.board_serial}; the new one was to have {part.new}"
        return PartProof(part=part, proof=Proof.REFUTED, text=text)
    if old and new:
        if old == new:
            text = f"the system board still has serial {now.board_serial}: the board named as replaced was not replaced"
            return PartProof(part=part, proof=Proof.REFUTED, text=text)
        text = f"the system board was replaced: {was.board_serial} → {now.board_serial}"
        return PartProof(part=part, proof=Proof.PROVED, text=text, gone=(old,), came=(new,))
    if known(was.smbios_uuid) and known(now.smbios_uuid) and known(was.smbios_uuid) != known(now.smbios_uuid):
        text = f"the system board was replaced: its UUID was {was.smbios_uuid} and is {now.smbios_uuid}"
        return PartProof(part=part, proof=Proof.PROVED, text=text)
    text = "the system board: that it was replaced cannot be proved, for it tells no serial and no new UUID"
    return PartProof(part=part, proof=Proof.UNPROVABLE, text=text)


def _machine(repair: Repair, before: Inventory, after: Inventory) -> Iterator[Beside]:
    """Board, processors and supplies: what no part of a list tells."""
    kinds = {part.kind for part in repair.parts}
    for what, old, new in (
        ("UUID", before.identity.smbios_uuid, after.identity.smbios_uuid),
        ("system serial", before.identity.system_serial, after.identity.system_serial),
        ("serial of the system board", before.identity.board_serial, after.identity.board_serial),
    ):
        if known(old) and known(new) and known(old) != known(new):
            by_board = PartKind.BOARD in kinds
            tail = "as a new board has it" if by_board else "so the system board, or the whole machine, changed too"
            yield Beside(severity=Severity.INFO if by_board else Severity.CRITICAL, component="host",
                         text=f"the {what} was {old} and is {new}: {tail}")  # fmt: skip
    of_cpu = Severity.INFO if PartKind.CPU in kinds else Severity.CRITICAL
    too = "" if PartKind.CPU in kinds else ": it changed too"
    if known(before.cpu.model) and known(after.cpu.model) and known(before.cpu.model) != known(after.cpu.model):
        text = f"the processor was a {before.cpu.model} and is a {after.cpu.model}{too}"
        yield Beside(severity=of_cpu, component="cpu", text=text)
    if before.cpu.sockets > 0 and after.cpu.sockets > 0 and before.cpu.sockets != after.cpu.sockets:
        text = f"{before.cpu.sockets} processors were fitted, and {after.cpu.sockets} are{too}"
        yield Beside(severity=of_cpu, component="cpu", text=text)
    if before.psu_count is not None and after.psu_count is not None and before.psu_count != after.psu_count:
        fewer = after.psu_count < before.psu_count
        text = f"{before.psu_count} power supplies were there, and {after.psu_count} are"
        yield Beside(severity=Severity.CRITICAL if fewer else Severity.WARNING, component="psu", text=text)
