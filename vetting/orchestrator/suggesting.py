"""What was probably replaced in a host: by what failed in it last, and by what its expected spec names anew. A person decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vetting.domain.inventory import Inventory
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.repair import LONGEST, Part, PartKind
from vetting.domain.repetition import History
from vetting.orchestrator import failures
from vetting.orchestrator.found import last_inventory
from vetting.store import attempts, cells, findings
from vetting.store.rows import HostRow

MOST = 4
KINDS = {"disk": PartKind.DISK, "dimm": PartKind.DIMM, "nic": PartKind.NIC, "gpu": PartKind.GPU, "psu": PartKind.PSU,
         "cpu": PartKind.CPU, "memory": PartKind.DIMM}  # fmt: skip


def suggested(host: HostRow, history: History | None) -> tuple[Part, ...]:
    """The likeliest first. Inside `Store.read`."""
    found = last_inventory(host.id)
    inventory = found.inventory if found else None
    parts: list[Part] = list(_renamed(host, inventory)) if inventory else []
    for part in _failing(history, inventory) if history else ():
        twin = next((place for place, one in enumerate(parts) if _same(one, part)), None)
        if twin is None:
            parts.append(part)
        else:
            parts[twin] = replace(parts[twin], slot=parts[twin].slot or part.slot, old=parts[twin].old or part.old)
    return tuple(parts[:MOST])


def _same(one: Part, other: Part) -> bool:
    if one.kind is not other.kind:
        return False
    return bool(known(one.old) and known(one.old) == known(other.old)) or bool(one.slot and one.slot == other.slot)


def _renamed(host: HostRow, inventory: Inventory) -> Iterator[Part]:
    """What the spec names and the last run did not see, beside what that run saw and the spec does not name any more."""
    spec = host.spec
    if spec.disks:
        named = {known(disk.serial): disk.serial for disk in spec.disks if disk.kind == "disk" and known(disk.serial)}
        seen = {
            known(one.serial): one
            for one in inventory.disks
            if known(one.serial) and one.transport not in ("loop", "usb")
        }
        fresh = [serial for name, serial in named.items() if name not in seen]
        gone = [one.serial for name, one in seen.items() if name not in named]
        if fresh:
            yield from (Part(kind=PartKind.DISK, old=old, new=new) for old, new in _pairs(gone, fresh))
    if spec.dimm_serials and inventory.dimms:
        listed = {known(serial): serial for serial in spec.dimm_serials if known(serial)}
        fitted = {known(one.serial): one for one in inventory.dimms if known(one.serial)}
        fresh = [serial for name, serial in listed.items() if name not in fitted]
        left = [one for name, one in fitted.items() if name not in listed]
        for place, serial in enumerate(fresh[: len(left)]):
            yield Part(kind=PartKind.DIMM, slot=left[place].locator[:LONGEST], old=left[place].serial, new=serial)
    if spec.nics:
        wanted = [mac_of(nic.mac) for nic in spec.nics]
        there = {mac_of(one.mac): one for one in inventory.nics if one.physical and mac_of(one.mac)}
        fresh = [mac for mac in wanted if mac and mac not in there]
        others = [one for mac, one in there.items() if mac not in wanted]
        for place, mac in enumerate(fresh[: len(others)]):
            yield Part(kind=PartKind.NIC, slot=others[place].name[:LONGEST], old=others[place].mac, new=mac)


def _pairs(gone: list[str], fresh: list[str]) -> Iterator[tuple[str, str]]:
    for place, serial in enumerate(fresh):
        yield (gone[place] if place < len(gone) else ""), serial


def _failing(history: History, inventory: Inventory | None) -> Iterator[Part]:
    """What the failing attempt accused."""
    rows = [row for row in attempts.attempts_of(history.run_id) if row.stage == history.stage and failures.failed(row)]
    if not rows:
        return
    number = rows[-1].attempt
    accused = [
        row.component for row in cells.cells_of(history.run_id, history.stage, number) if row.verdict is Verdict.FAIL
    ]
    accused += [
        row.component
        for row in findings.findings_of(history.run_id, history.stage, number)
        if row.severity is Severity.CRITICAL
    ]
    told: set[str] = set()
    exact = {one.partition(":")[0] for one in accused if ":" in one}
    for component in accused:
        word, _, name = component.partition(":")
        kind = KINDS.get(word)
        vague = word == "memory" and "dimm" in exact  # a DIMM is named beside it
        if kind is None or component in told or vague:
            continue
        told.add(component)
        yield _part(kind, name.strip()[:LONGEST], inventory)


def _part(kind: PartKind, name: str, inventory: Inventory | None) -> Part:
    """With what the inventory knows of it."""
    if kind is PartKind.DISK:
        return Part(kind=kind, old=name)
    if kind is PartKind.NIC and mac_of(name):
        card = next((one for one in (inventory.nics if inventory else ()) if mac_of(one.mac) == mac_of(name)), None)
        return Part(kind=kind, slot=card.name[:LONGEST] if card else "", old=mac_of(name))
    if kind is PartKind.GPU:
        return Part(kind=kind, old=name)
    if kind is PartKind.DIMM and inventory and inventory.dimms:
        dimm = next((one for one in inventory.dimms if name and one.locator == name), None)
        return Part(kind=kind, slot=name, old=dimm.serial if dimm and known(dimm.serial) else "")
    return Part(kind=kind, slot=name)
