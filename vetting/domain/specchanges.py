"""What a person is about to change in a host's expected spec, in words; and which disks it would newly let a run erase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from vetting.domain.disks import normal_serial, normal_wwn
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, MeasuredLimit

NAMES = {
    "manufacturer": "manufacturer", "product": "product", "system_serial": "serial of the machine", "cpu_model": "processor model",
    "cpu_sockets": "processor sockets", "cpu_threads": "processor threads", "memory_bytes": "memory", "dimm_count": "number of DIMMs",
    "dimm_serials": "serials of the DIMMs", "gpu_count": "number of GPUs", "gpu_models": "GPU models", "psu_count": "number of power supplies",
    "max_temp_c": "highest temperature (°C)", "disk_iops_floor": "fewest IOPS of a disk",
    "disk_p99_ceiling_ms": "highest p99 latency of a disk (ms)",
}  # fmt: skip
UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))


def changes(old: ExpectedSpec, new: ExpectedSpec) -> tuple[str, ...]:
    """Every change, one sentence each, disks first; empty where nothing changes."""
    return (
        *_disks(old, new),
        *_plain(old, new),
        *_nics(old, new),
        *_firmware(old, new),
        *_limits(old, new),
        *_severities(old, new),
    )


def newly_erasable(old: ExpectedSpec, new: ExpectedSpec) -> tuple[ExpectedDisk, ...]:
    """Disks that a destructive run may erase by the new spec, and could not by the old one; also those that are another disk now."""
    before = {_key(disk): disk for disk in old.disks if disk.write}
    return tuple(disk for disk in new.disks if disk.write and not _stays(before.get(_key(disk)), disk))


def _stays(before: ExpectedDisk | None, disk: ExpectedDisk) -> bool:
    """Whether it was writable before, and pinned at least as narrowly as now: a looser pin lets other disks in."""
    if before is None or before.kind != disk.kind:
        return False
    size = disk.size_bytes == before.size_bytes or not before.size_bytes
    return size and (not before.wwn or normal_wwn(disk.wwn) == normal_wwn(before.wwn))


def named(disk: ExpectedDisk) -> str:
    """`S4XYZ (Samsung PM883, 960 GB)`"""
    about = [part for part in (disk.model, _size(disk.size_bytes) if disk.size_bytes else "") if part]
    return f"{disk.serial} ({', '.join(about)})" if about else disk.serial


def _key(disk: ExpectedDisk) -> str:
    return normal_serial(disk.serial)


def _disks(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    before, after = {_key(disk): disk for disk in old.disks}, {_key(disk): disk for disk in new.disks}
    erasable = {_key(disk) for disk in newly_erasable(old, new)}
    for key, disk in after.items():
        was = before.get(key)
        if was is None:
            may = "a destructive run will ERASE it" if disk.write else "it is never written"
            yield f"disk {named(disk)} is expected now; {may}"
            continue
        if was.write != disk.write:
            yield f"disk {named(disk)}: {'a destructive run will ERASE it from now on' if disk.write else 'it is no longer written'}"
        told = [f"{part.name} {_said(getattr(was, part.name))} → {_said(getattr(disk, part.name))}"
                for part in fields(disk) if part.name not in ("serial", "write") and getattr(was, part.name) != getattr(disk, part.name)]  # fmt: skip
        if told:
            loose = (
                " (a destructive run may now ERASE another disk than before)"
                if disk.write and was.write and key in erasable
                else ""
            )
            yield f"disk {disk.serial}: {', '.join(told)}{loose}"
    for key, disk in before.items():
        if key not in after:
            yield f"disk {named(disk)} is no longer expected: it will not be tested"


def _plain(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    nothing = ExpectedSpec()
    for field, name in NAMES.items():
        was, now = getattr(old, field), getattr(new, field)
        if was == now:
            continue
        if now == getattr(nothing, field):
            yield f"{name} is no longer pinned (was {_of(field, was)})"
        elif was == getattr(nothing, field):
            yield f"{name} is pinned to {_of(field, now)}"
        else:
            yield f"{name}: {_of(field, was)} → {_of(field, now)}"


def _nics(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    before, after = {nic.mac.lower(): nic for nic in old.nics}, {nic.mac.lower(): nic for nic in new.nics}
    yield from (f"network card {mac} is expected now" for mac in after if mac not in before)
    yield from (f"network card {mac} is no longer expected" for mac in before if mac not in after)
    for mac, nic in after.items():
        if mac in before and (told := _parts(before[mac], nic)):
            yield f"network card {mac}: {told}"


def _firmware(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    before = {(pin.component, pin.identifier): pin for pin in old.firmware}
    after = {(pin.component, pin.identifier): pin for pin in new.firmware}
    for (component, identifier), pin in after.items():
        which = f"firmware of {'every ' if identifier == '*' else ''}{component}{'' if identifier == '*' else f' {identifier}'}"
        was = before.get((component, identifier))
        if was is None:
            yield f"{which} is pinned to {'at least ' if pin.at_least else ''}{pin.version}"
        elif told := _parts(was, pin):
            yield f"{which}: {told}"
    for key in before:
        if key not in after:
            yield f"firmware of {key[0]} {key[1]} is no longer pinned"


def _limits(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    for word, was, now in (("at least", old.floors, new.floors), ("at most", old.ceilings, new.ceilings)):
        before, after = {one.what: one for one in was}, {one.what: one for one in now}
        for key, one in after.items():
            there = before.get(key)
            if there is None:
                yield f"{limited(one)} must be {word} {_amount(one)}"
            elif there != one:
                yield f"{limited(one)} must be {word} {_amount(one)}, was {_amount(there)}"
        yield from (
            f"{limited(one)} is no longer held to {word} {_amount(one)}"
            for key, one in before.items()
            if key not in after
        )


def limited(limit: MeasuredLimit) -> str:
    """`disk.*.fio.iops of every disk:* like SAMSUNG PM883, 960 GB`, and in which runs."""
    which = "" if limit.component == "*" else f" of {limit.component}"
    like = "" if limit.like == "*" else f" like {limit.like}"
    only = "".join((f" in profile {limit.profile}" if limit.profile else "", f" by {limit.tool}" if limit.tool else ""))
    return f"{limit.series}{which}{like}{only}"


def _amount(limit: MeasuredLimit) -> str:
    return f"{limit.value:g} {limit.unit}".strip()


def _severities(old: ExpectedSpec, new: ExpectedSpec) -> Iterator[str]:
    for name in sorted({*old.severities, *new.severities}):
        was, now = old.severities.get(name, "as usual"), new.severities.get(name, "as usual")
        if was != now:
            yield f"a difference in {name} weighs: {was} → {now}"


def _parts(was: ExpectedNic | FirmwarePin, now: ExpectedNic | FirmwarePin) -> str:
    told = [(part.name, getattr(was, part.name), getattr(now, part.name)) for part in fields(now)]
    return ", ".join(f"{name} {_said(one)} → {_said(two)}" for name, one, two in told if one != two and name != "mac")


def _of(field: str, value: object) -> str:
    if field == "memory_bytes" and isinstance(value, int):
        return f"{value / 1024**3:.4g} GiB"
    if field in ("gpu_count", "psu_count"):  # none of them can be pinned
        return str(value)
    return _said(value)


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "nothing"
    return "nothing" if value in ("", 0) and not isinstance(value, bool) else str(value)


def _size(size_bytes: int) -> str:
    return next((f"{size_bytes / unit:.3g} {name}" for unit, name in UNITS if size_bytes >= unit), f"{size_bytes} B")
