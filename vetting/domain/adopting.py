"""What was found, as an expected spec for a person to look over. Nothing here decides which disk may be erased.

A disk that the old spec let a run write stays so only while it is that very disk, by serial, size and WWN; every other one
comes as `write: false`. Inventory does not know what lies on a disk, or that the installed system starts from it; a person does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from vetting.domain.disks import LOCAL_TRANSPORTS, normal_serial
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, MeasuredLimit
from vetting.domain.inventory import SEVERAL, FirmwareItem, FoundDisk, Inventory
from vetting.domain.naming import known, mac_of, same_wwn
from vetting.domain.specdiff import find_disk, installed_bytes, unreadable
from vetting.domain.yardsticks import likeness

LONGEST = 1000  # of a text that a spec may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """`notes`: what a person should know before saving it, one sentence each."""

    spec: ExpectedSpec
    notes: tuple[str, ...] = ()


def adopt(found: Inventory, old: ExpectedSpec) -> Adopted:
    """The old spec with everything that was read of the host in place of what it said. Pins of firmware, limits and severities
    stay; so does whatever could not be read."""
    notes: list[str] = []
    disks = _disks(found, old, notes)
    fitted = [dimm for dimm in found.dimms or () if dimm.size_bytes > 0]
    serials = tuple(_text(dimm.serial) for dimm in fitted)
    telling = bool(serials) and all(known(serial) for serial in serials) and len(set(serials)) == len(serials)
    gpus = () if unreadable(found, "gpus") else tuple(_text(gpu.name) for gpu in found.gpus)
    spec = replace(
        old,
        manufacturer=_told(found.manufacturer) or old.manufacturer,
        product=_told(found.product) or old.product,
        system_serial=_told(found.identity.system_serial) or old.system_serial,
        cpu_model=_told(found.cpu.model) or old.cpu_model,
        cpu_sockets=max(found.cpu.sockets, 0) or old.cpu_sockets,
        cpu_threads=max(found.cpu.threads, 0) or old.cpu_threads,
        memory_bytes=installed_bytes(found) or max(found.memory_bytes, 0) or old.memory_bytes,
        dimm_count=len(fitted) or old.dimm_count,
        dimm_serials=serials if telling else old.dimm_serials,
        disks=disks,
        nics=_nics(found, old),
        gpu_count=old.gpu_count if unreadable(found, "gpus") else len(found.gpus),
        gpu_models=gpus or (old.gpu_models if unreadable(found, "gpus") else ()),
        psu_count=old.psu_count if found.psu_count is None else found.psu_count,
    )
    if found.dimms and not telling:
        notes.append("Not every DIMM tells a serial of its own, so their serials are not pinned anew; their number is.")
    notes += [
        f"{topic} could not be read ({_text(why)[:200]}); what the spec said of it stays."
        for topic, why in sorted(found.unreadable.items())
    ]
    return Adopted(spec=_without_limits_of_the_gone(found, old, spec, notes), notes=tuple(notes))


def _without_limits_of_the_gone(
    found: Inventory, old: ExpectedSpec, new: ExpectedSpec, notes: list[str]
) -> ExpectedSpec:
    """A floor of a card or disk that is no longer expected, or of a model that the host no longer has, would make every run an
    ERROR: nothing can measure it."""
    gone = {f"nic:{mac_of(nic.mac)}" for nic in old.nics} - {f"nic:{mac_of(nic.mac)}" for nic in new.nics}
    gone |= {f"disk:{disk.serial}" for disk in old.disks} - {f"disk:{disk.serial}" for disk in new.disks}
    models: dict[str, set[str]] = {}
    if not unreadable(found, "disks"):
        models["disk"] = {likeness(f"disk:{disk.serial}", found) for disk in found.disks}
    if not unreadable(found, "gpus"):
        models["gpu"] = {gpu.name for gpu in found.gpus}

    def stays(limit: MeasuredLimit) -> bool:
        alike = models.get(limit.component.partition(":")[0])
        of_a_model_here = limit.like == "*" or alike is None or any(fnmatchcase(one, limit.like) for one in alike)
        return limit.component not in gone and of_a_model_here

    floors, ceilings = tuple(filter(stays, new.floors)), tuple(filter(stays, new.ceilings))
    dropped = len(new.floors) + len(new.ceilings) - len(floors) - len(ceilings)
    if dropped:
        notes.append(f"{dropped} floors and ceilings named parts that were not found: they are no longer in this spec.")
    return replace(new, floors=floors, ceilings=ceilings)


def _disks(found: Inventory, old: ExpectedSpec, notes: list[str]) -> tuple[ExpectedDisk, ...]:
    if unreadable(found, "disks") and not found.disks:
        return old.disks
    count = Counter(known(disk.serial) for disk in found.disks)
    adopted: list[ExpectedDisk] = []
    for disk in _own(found.disks):
        where = f"{_text(disk.name)[:40]} ({_told(disk.model)[:80] or 'unknown model'})"
        if not known(disk.serial):
            notes.append(f"The disk {where} tells no serial, so no spec can name it: it is left out.")
        elif count[known(disk.serial)] > 1:
            notes.append(
                f"{count[known(disk.serial)]} devices tell the serial {_text(disk.serial)[:80]}: the disk {where} is left out."
            )
        elif not _holdable(disk.serial):
            notes.append(f"The serial of the disk {where} is not plain text of one line: it is left out.")
        else:
            adopted.append(_disk(disk, old, notes))
    kept = [disk for disk in old.disks if disk.kind != "disk"]
    gone = [disk for disk in old.disks if disk.kind == "disk" and find_disk(disk, found.disks) is None]
    notes += [
        f"The disk {_text(disk.serial)[:80]} was expected and not found: it is no longer in this spec." for disk in gone
    ]
    if safe := [disk for disk in adopted if not disk.write]:
        notes.append(
            f"{len(safe)} of {len(adopted)} disks come as write: false. Nothing is written to them until you say write: true for each."
        )
    return (*adopted, *kept)


def _disk(found: FoundDisk, old: ExpectedSpec, notes: list[str]) -> ExpectedDisk:
    named = [disk for disk in old.disks if known(disk.serial) == known(found.serial) and disk.kind == "disk"]
    before = named[0] if len(named) == 1 else None  # what is named twice may mean another disk
    very_same = before is not None and _same(before, found)
    if before is not None and before.write and not very_same:
        notes.append(
            f"The disk {_text(found.serial)[:80]} has another size or WWN than the spec said, so it comes as write: false."
        )
    local = not found.transport or found.transport in LOCAL_TRANSPORTS
    return ExpectedDisk(
        serial=found.serial.strip(),
        wwn=_told(found.wwn),
        model=_told(found.model),
        size_bytes=max(found.size_bytes, 0),
        write=before is not None and before.write and very_same and local,
    )


def _same(before: ExpectedDisk, found: FoundDisk) -> bool:
    """Serials are compared as they are before a write: case counts."""
    size = not before.size_bytes or before.size_bytes == found.size_bytes
    named = normal_serial(before.serial) == normal_serial(found.serial)
    return named and size and (not before.wwn or same_wwn(before.wwn, found.wwn))


def _own(disks: Iterable[FoundDisk]) -> Iterator[FoundDisk]:
    """Without those that were made for the test, or come from elsewhere and go again."""
    return (disk for disk in disks if disk.transport not in ("loop", "usb"))


def _nics(found: Inventory, old: ExpectedSpec) -> tuple[ExpectedNic, ...]:
    """Cards that were found, each with what a person said of it before. A card that has no link keeps its speed unpinned."""
    if unreadable(found, "nics") and not found.nics:
        return old.nics
    before = {mac_of(nic.mac): nic for nic in old.nics}
    made: dict[str, ExpectedNic] = {}
    for nic in found.nics:
        mac = mac_of(nic.mac)
        if not nic.physical or not mac:
            continue
        known_before = before.get(mac, ExpectedNic(mac=mac))
        speed = nic.speed_mb_s if nic.link and nic.speed_mb_s and nic.speed_mb_s > 0 else known_before.speed_mb_s
        made.setdefault(
            mac,
            replace(
                known_before, mac=mac, name=_told(nic.name), speed_mb_s=speed,
                neighbour=_told("" if SEVERAL in nic.neighbour else nic.neighbour) or known_before.neighbour,
            ),
        )  # fmt: skip
    return tuple(made.values())


def pin_now(spec: ExpectedSpec, found: Iterable[FirmwareItem]) -> ExpectedSpec:
    """The spec with every part's firmware pinned to the version that was found. A pin of a part that was not found stays, and so
    does `at_least` of one that is pinned already."""
    items = {
        (item.component, item.identifier): item
        for item in found
        if known(item.version) and _holdable(item.version) and _holdable(item.identifier)
    }
    old = {(pin.component, _bare(pin)): pin for pin in spec.firmware}
    pins: dict[tuple[str, str], FirmwarePin] = {}
    for item in items.values():
        before = old.get((item.component, item.identifier.strip()))
        pins[item.component, item.identifier.strip()] = FirmwarePin(
            component=item.component, identifier=item.identifier.strip(), version=item.version.strip(),
            at_least=before.at_least if before else False,
        )  # fmt: skip
    kept = {key: pin for key, pin in old.items() if key not in pins}
    return replace(spec, firmware=(*pins.values(), *kept.values()))


def _bare(pin: FirmwarePin) -> str:
    return pin.identifier.strip().removeprefix(f"{pin.component}:")


def _told(text: str) -> str:
    """What may be pinned: a text that says something and that a spec can hold; else nothing."""
    return text.strip() if known(text) and _holdable(text) else ""


def _holdable(text: str) -> bool:
    bare = text.strip()
    return 0 < len(bare) <= LONGEST and bare.isprintable()


def _text(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
