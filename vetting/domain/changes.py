"""What became another machine part since the host's last good run: told beside the differences from the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vetting.domain.difference import Difference
from vetting.domain.inventory import Inventory
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Severity
from vetting.domain.specdiff import KERNEL_SHARE, installed_bytes


def changes(before: Inventory, after: Inventory) -> tuple[Difference, ...]:
    """What is another machine part than at the host's last good run. Information and warnings: the spec is the gate."""
    return tuple(_changes(before, after))


def _changes(before: Inventory, after: Inventory) -> Iterator[Difference]:
    for name, old, new in (
        ("product", before.product, after.product),
        ("system_serial", before.identity.system_serial, after.identity.system_serial),
        ("board_serial", before.identity.board_serial, after.identity.board_serial),
        ("cpu_model", before.cpu.model, after.cpu.model),
        ("microcode", before.cpu.microcode, after.cpu.microcode),
    ):
        if known(old) != known(new):
            severity = Severity.INFO if name == "microcode" else Severity.WARNING
            yield _change(name, "host", old, new, severity)
    for name, one, two in (
        ("cpu_threads", before.cpu.threads, after.cpu.threads),
        ("psu_count", before.psu_count, after.psu_count),
    ):
        if one != two:
            yield _change(name, "host", str(one), str(two), Severity.WARNING)
    was, now = installed_bytes(before) or before.memory_bytes, installed_bytes(after) or after.memory_bytes
    if abs(was - now) > max(was, now) * KERNEL_SHARE:
        yield _change("memory_bytes", "memory", str(was), str(now), Severity.WARNING)
    yield from _swapped(
        "dimm",
        {known(one.serial): one.locator for one in before.dimms or () if known(one.serial)},
        {known(one.serial): one.locator for one in after.dimms or () if known(one.serial)},
    )
    yield from _swapped("disk", _serials(before), _serials(after))
    yield from _swapped("nic", _macs(before), _macs(after))
    yield from _swapped("gpu", {one.uuid: one.name for one in before.gpus}, {one.uuid: one.name for one in after.gpus})


def _serials(inventory: Inventory) -> dict[str, str]:
    return {known(one.serial): one.model for one in inventory.disks if known(one.serial) and one.transport != "loop"}


def _macs(inventory: Inventory) -> dict[str, str]:
    return {mac_of(one.mac): one.name for one in inventory.nics if one.physical and mac_of(one.mac)}


def _swapped(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """Parts that went and came, by their identity, which is the key; the value says where or what they are."""
    for serial in sorted(before.keys() - after.keys()):
        yield _change(f"{kind}.gone", f"{kind}:{serial}", f"{serial} ({before[serial]})", "", Severity.WARNING)
    for serial in sorted(after.keys() - before.keys()):
        yield _change(f"{kind}.new", f"{kind}:{serial}", "", f"{serial} ({after[serial]})", Severity.INFO)


def _change(name: str, component: str, before: str, after: str, severity: Severity) -> Difference:
    text = f"{name}: {before or 'unknown'} at the last good run, {after or 'unknown'} now"
    if name.endswith((".gone", ".new")):
        text = f"{name.partition('.')[0]} {before or after} {'is gone' if before else 'is new'} since the last good run"
    return Difference(field=name, component=component, expected=before, found=after, severity=severity, text=text)
