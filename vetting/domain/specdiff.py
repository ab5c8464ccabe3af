"""Expected spec against found inventory: differences by severity.

A pinned value that could not be read is a difference too (`unknown`), never agreement: it asks for an ERROR, while a
value that was read and is wrong asks for a FAIL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vetting.domain.difference import SEVERITIES, Difference, Rows, severity_mistake, verdict_of
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec
from vetting.domain.identity import identity_conflicts
from vetting.domain.inventory import FoundDisk, FoundNic, Inventory
from vetting.domain.naming import known, mac_of, same_wwn
from vetting.domain.outcome import Severity

__all__ = [
    "SEVERITIES",
    "Difference",
    "compare",
    "find_disk",
    "identity_conflicts",
    "severity_mistake",
    "unreadable",
    "verdict_of",
]

MIB = 1024**2
GIB = 1024**3
KERNEL_SHARE = 0.04  # of the memory that firmware and kernel keep to themselves before MemTotal is counted
KERNEL_KEEPS_BYTES = 256 * MIB  # and at least this

# Without an answer of these programs a topic is unknown, not empty.
TOLD_BY = {
    "disks": ("lsblk",),
    "dimms": ("dmidecode",),
    "nics": ("ip",),
    "gpus": ("nvidia-smi",),
    "psu": ("ipmitool",),
    "cpu": ("lscpu",),
}


def unreadable(inventory: Inventory, topic: str) -> str:
    """Why a topic (`disks`, `dimms`, `nics`, `gpus`, `psu`, `cpu`, `memory`) could not be read, or empty.

    Keys of `Inventory.unreadable` are a topic, the program that would have told it, or begin with one: `disks:sdb`.
    """
    for key, why in sorted(inventory.unreadable.items()):
        if re.split(r"[:. /]", key, maxsplit=1)[0] in (topic, *TOLD_BY.get(topic, ())):
            return f"{key}: {why}"
    return ""


def compare(spec: ExpectedSpec, inventory: Inventory) -> tuple[Difference, ...]:
    """Every way in which the host is not what its spec pins. Firmware pins: `vetting.domain.firmware`."""
    valid = {name: word for name, word in spec.severities.items() if not severity_mistake(name, word)}
    rows = Rows(valid)
    rows.same("manufacturer", spec.manufacturer, inventory.manufacturer)
    rows.same("product", spec.product, inventory.product)
    rows.same("system_serial", spec.system_serial, inventory.identity.system_serial)
    _cpu(rows, spec, inventory)
    _memory(rows, spec, inventory)
    _dimms(rows, spec, inventory)
    _disks(rows, spec, inventory)
    _nics(rows, spec, inventory)
    _gpus(rows, spec, inventory)
    rows.count("psu_count", "psu", spec.psu_count, inventory.psu_count, unreadable(inventory, "psu"))
    bad = [severity_mistake(name, word) for name, word in sorted(spec.severities.items()) if name not in valid]
    return (*rows.rows, *(_odd_severity(text) for text in bad))


def _odd_severity(text: str) -> Difference:
    return Difference(field="severities", component="host", expected="", found="", severity=Severity.WARNING, text=text)


def _cpu(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    cpu, why = inventory.cpu, unreadable(inventory, "cpu")
    rows.same("cpu_model", spec.cpu_model, cpu.model)
    rows.count("cpu_sockets", "cpu", spec.cpu_sockets or None, cpu.sockets if cpu.sockets > 0 else None, why)
    rows.count("cpu_threads", "cpu", spec.cpu_threads or None, cpu.threads if cpu.threads > 0 else None, why)


def installed_bytes(inventory: Inventory) -> int | None:
    """Memory by the DIMMs that DMI lists; None where it lists none or one of unknown size."""
    sizes = [dimm.size_bytes for dimm in inventory.dimms or ()]
    return sum(sizes) if sizes and all(size > 0 for size in sizes) else None


def _memory(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    """DIMMs by their sum exactly; MemTotal, where DMI is silent, less what firmware and kernel keep.

    A missing DIMM of 24 is 4.2 % of the memory, so the tolerance must stay below that.
    """
    if not spec.memory_bytes:
        return
    installed, total = installed_bytes(inventory), inventory.memory_bytes
    if installed is None and not total > 0:
        rows.unread(
            "memory_bytes",
            "memory",
            spec.memory_bytes,
            unreadable(inventory, "memory") or unreadable(inventory, "dimms"),
        )
        return
    keeps = spec.memory_bytes * KERNEL_SHARE + KERNEL_KEEPS_BYTES
    found = total if installed is None else installed
    least = spec.memory_bytes - keeps if installed is None else spec.memory_bytes
    says = f"{found / GIB:.1f} GiB of memory, expected {spec.memory_bytes / GIB:.1f} GiB"
    if not found >= least:
        rows.add("memory_bytes", "memory", spec.memory_bytes, found, says)
    elif found > spec.memory_bytes + keeps:
        rows.add("memory_bytes.more", "memory", spec.memory_bytes, found, says)
    if installed is not None and not total >= installed - 2 * (installed * KERNEL_SHARE + KERNEL_KEEPS_BYTES):
        text = f"the kernel can use {total / GIB:.1f} GiB of {installed / GIB:.1f} GiB installed"
        rows.add("memory_usable", "memory", installed, total, text)


def _dimms(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    why = unreadable(inventory, "dimms")
    fitted = None if inventory.dimms is None else [dimm for dimm in inventory.dimms if dimm.size_bytes > 0]
    rows.count("dimm_count", "memory", spec.dimm_count or None, None if fitted is None else len(fitted), why)
    if not spec.dimm_serials:
        return
    if fitted is None:
        rows.unread("dimm.missing", "memory", ", ".join(spec.dimm_serials), why)
        return
    found = {known(dimm.serial): dimm for dimm in fitted}
    mute = "" in found
    expected = {known(serial): serial for serial in spec.dimm_serials}
    for name, serial in expected.items():
        if name not in found:
            text = f"the DIMM with serial {serial} is missing"
            text += "; a fitted DIMM tells no serial" if mute else ""
            rows.add("dimm.missing", "memory", serial, "not found", text, unknown=mute)
    for name, dimm in found.items():
        if name and name not in expected:
            text = f"the DIMM {dimm.serial} in {dimm.locator} is not in the spec"
            rows.add("dimm.extra", f"dimm:{dimm.locator}", "not there", dimm.serial, text)


def find_disk(disk: ExpectedDisk, found: Iterable[FoundDisk]) -> FoundDisk | None:
    """The found disk that is the expected one: by serial, or by WWN where one of them has no serial."""
    candidates = tuple(found)
    for one in candidates:
        if known(disk.serial) and known(one.serial) == known(disk.serial):
            return one
    for one in candidates:
        if not (known(one.serial) and known(disk.serial)) and same_wwn(one.wwn, disk.wwn):
            return one
    return None


def _disks(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    expected = [disk for disk in spec.disks if disk.kind == "disk"]
    found = [disk for disk in inventory.disks if disk.transport != "loop"]
    if not expected:
        return
    why = unreadable(inventory, "disks")
    pairs = [(disk, find_disk(disk, found)) for disk in expected]
    taken = {id(one) for _, one in pairs if one is not None}
    mute = [disk.name for disk in found if not known(disk.serial) and id(disk) not in taken]
    for disk, one in pairs:
        if one is not None:
            _one_disk(rows, disk, one)
            continue
        text = f"the disk {disk.serial} is missing"
        text += f"; {', '.join(mute)} could not tell a serial" if mute else f" ({why})" if why else ""
        rows.add("disk.missing", f"disk:{disk.serial}", disk.serial, "not found", text, unknown=bool(mute or why))
    listed = {known(disk.serial) for disk in expected} - {""}
    for one in found:
        if id(one) in taken:
            continue
        if known(one.serial) in listed:
            text = f"the serial {one.serial} is told by more than one device, also by {one.name}"
            rows.add("disk.twice", f"disk:{one.serial}", "once", one.name, text)
        else:
            text = f"the disk {one.serial or one.name} ({one.model or 'unknown model'}) is not in the spec"
            rows.add("disk.extra", f"disk:{one.serial or one.name}", "not there", one.serial or one.name, text)


def _one_disk(rows: Rows, disk: ExpectedDisk, found: FoundDisk) -> None:
    component = f"disk:{disk.serial}"
    if disk.size_bytes:
        if not found.size_bytes > 0:
            rows.unread("disk.size", component, disk.size_bytes)
        elif found.size_bytes != disk.size_bytes:
            text = f"{component} has {found.size_bytes} bytes, expected {disk.size_bytes}"
            rows.add("disk.size", component, disk.size_bytes, found.size_bytes, text)
    if disk.wwn and not same_wwn(disk.wwn, found.wwn):
        if known(found.wwn):
            rows.add(
                "disk.wwn", component, disk.wwn, found.wwn, f"{component} has WWN {found.wwn}, expected {disk.wwn}"
            )
        else:
            rows.unread("disk.wwn", component, disk.wwn)
    if disk.model and known(disk.model) != known(found.model):
        if known(found.model):
            text = f"{component} is a {found.model}, expected a {disk.model}"
            rows.add("disk.model", component, disk.model, found.model, text)
        else:
            rows.unread("disk.model", component, disk.model)


def _nics(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    if not spec.nics:
        return
    why = unreadable(inventory, "nics")
    found = {mac_of(nic.mac): nic for nic in inventory.nics if nic.physical and mac_of(nic.mac)}
    for nic in spec.nics:
        one = found.get(mac_of(nic.mac))
        if one is not None:
            _one_nic(rows, nic, one)
            continue
        text = f"the network card {nic.mac} is missing" + (f" ({why})" if why else "")
        rows.add("nic.missing", f"nic:{nic.mac}", nic.mac, "not found", text, unknown=bool(why))
    listed = {mac_of(nic.mac) for nic in spec.nics}
    for mac, one in found.items():
        if mac not in listed:
            rows.add(
                "nic.extra", f"nic:{mac}", "not there", mac, f"the network card {one.name} ({mac}) is not in the spec"
            )


def _one_nic(rows: Rows, nic: ExpectedNic, found: FoundNic) -> None:
    component = f"nic:{nic.mac}"
    if nic.speed_mb_s:
        if found.link is False:
            rows.add("nic.speed", component, nic.speed_mb_s, "no link", f"{component} ({found.name}) has no link")
        elif found.speed_mb_s is None or not found.speed_mb_s > 0:
            rows.unread("nic.speed", component, f"{nic.speed_mb_s} Mb/s")
        elif not found.speed_mb_s >= nic.speed_mb_s:
            text = f"{component} runs at {found.speed_mb_s} Mb/s, expected {nic.speed_mb_s} Mb/s"
            rows.add("nic.speed", component, nic.speed_mb_s, found.speed_mb_s, text)
    if nic.neighbour and known(nic.neighbour) != known(found.neighbour):
        if known(found.neighbour):
            text = (
                f"{component} ({found.name}) is cabled to the wrong port: {found.neighbour}, expected {nic.neighbour}"
            )
            rows.add("nic.neighbour", component, nic.neighbour, found.neighbour, text)
        else:
            rows.unread("nic.neighbour", component, nic.neighbour, "no LLDP neighbour heard")


def _gpus(rows: Rows, spec: ExpectedSpec, inventory: Inventory) -> None:
    why = unreadable(inventory, "gpus")
    found = None if why and not inventory.gpus else len(inventory.gpus)
    rows.count("gpu_count", "gpu", spec.gpu_count, found, why)
    if not spec.gpu_models:
        return
    if why:
        rows.unread("gpu_models", "gpu", ", ".join(spec.gpu_models), why)
        return
    left = [known(gpu.name) for gpu in inventory.gpus]
    for model in spec.gpu_models:
        if known(model) in left:
            left.remove(known(model))
        else:
            rows.add("gpu_models", "gpu", model, "not found", f"a GPU {model} is missing")
