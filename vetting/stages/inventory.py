"""Writes down what this host consists of, from every source that tells, and what did not tell.

The kernel, lscpu, lsblk and ip have to answer. Everything else is asked where it is there; an absent or silent source is
named in the inventory, never filled in.
"""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, FoundDisk, FoundGpu, FoundNic, Inventory, Sensor
from vetting.domain.naming import known
from vetting.domain.outcome import Outcome
from vetting.parsers import lscpu, lshw
from vetting.parsers.dmidecode import Dmi
from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.lscpu import Cpus
from vetting.parsers.procfs import CpuEntry, parse_cpuinfo, parse_meminfo
from vetting.stages.base import Deps, Job
from vetting.stages.probes import firmwaretables, gpus, rails
from vetting.stages.probes.asking import Unanswered, Unread, ask, ask_if_there, readable, text_of
from vetting.stages.probes.disks import disks
from vetting.stages.probes.nics import nics

LIMIT_S = 15 * 60.0  # a shelf of drives that spin up one by one, and a BMC that takes its time
ONE_WORD = re.compile(r"[a-z0-9-]{1,40}")


class InventoryStage:
    name: ClassVar[str] = "Inventory"
    does: ClassVar[str] = "Writes down what the host consists of, and what could not be read."
    tools: ClassVar[tuple[str, ...]] = ("lscpu", "lsblk", "ip")

    def planned_s(self, job: Job) -> float:
        return 0.0

    def limit_s(self, job: Job) -> float:
        return LIMIT_S

    async def run(self, deps: Deps) -> Outcome:
        missing = Unanswered()
        try:
            found = await survey(deps, missing)
        except Unread as why:
            return Outcome.error(f"a probe that this host must answer did not: {why}")
        told = msgspec.to_builtins(found)
        deps.artifact("inventory.json", msgspec.json.format(msgspec.json.encode(told), indent=2), "application/json")
        return Outcome.ok(_remark(missing), data={"inventory": told})


async def survey(deps: Deps, missing: Unanswered) -> Inventory:
    """The whole inventory. Raises ToolMissing and Unread for what has to answer."""
    cpus = await ask(deps, ["lscpu", "-J"], lscpu.parse)
    cores = readable(parse_cpuinfo, _needed(deps, "/proc/cpuinfo"))
    memory = readable(parse_meminfo, _needed(deps, "/proc/meminfo"))
    tables = await firmwaretables.dmi(deps, missing)
    there = await disks(deps, missing)
    cards = await nics(deps, missing)
    await ask_if_there(deps, ["lshw", "-json"], lshw.parse, missing, limit_s=180)  # kept whole, as evidence
    return Inventory(
        identity=_identity(tables, cards, there),
        manufacturer=bounded(tables.system.manufacturer or "") if tables else "",
        product=bounded(tables.system.product or "") if tables else "",
        virtual=await _virtual(deps, cpus, missing),
        kernel=bounded(text_of(deps, "/proc/sys/kernel/osrelease") or ""),
        cpu=_cpu(cpus, cores),
        memory_bytes=memory["MemTotal"],
        dimms=firmwaretables.dimms(tables) if tables else None,
        disks=there,
        nics=cards,
        gpus=await _gpus(deps, missing),
        psu_count=firmwaretables.psu_count(tables) if tables else None,
        sensors=(*rails.hwmon_sensors(deps), *await _bmc_sensors(deps, missing)),
        absent_tools=tuple(missing.absent_tools),
        unreadable=dict(missing.unreadable),
    )


def _needed(deps: Deps, path: str) -> str:
    try:
        return deps.read(path)
    except OSError as why:
        raise Unread(f"{path} cannot be read: {why.strerror or why}") from why


def _cpu(cpus: Cpus, cores: tuple[CpuEntry, ...]) -> FoundCpu:
    try:
        online = cpus.online_count
    except ParseError as why:
        raise Unread(str(why)) from why
    if not online:
        raise Unread("lscpu does not tell how many CPUs are online")
    if online != len(cores):
        raise Unread(f"lscpu counts {online} CPUs online, /proc/cpuinfo {len(cores)}")
    return FoundCpu(
        model=bounded(cpus.model or ""),
        sockets=cpus.sockets or 0,
        cores=(cpus.sockets or 0) * (cpus.cores_per_socket or 0),
        threads=online,
        microcode=",".join(sorted({bounded(core.microcode) for core in cores if core.microcode})),
    )


def _identity(tables: Dmi | None, cards: tuple[FoundNic, ...], there: tuple[FoundDisk, ...]) -> Identity:
    return Identity(
        smbios_uuid=(tables.system.uuid or "") if tables else "",
        system_serial=bounded(tables.system.serial or "") if tables else "",
        board_serial=bounded(tables.board.serial or "") if tables else "",
        macs=tuple(sorted({card.mac for card in cards if card.physical and card.mac})),
        disk_serials=tuple(sorted({disk.serial for disk in there if known(disk.serial)})),
    )


async def _virtual(deps: Deps, cpus: Cpus, missing: Unanswered) -> str:
    """Name of the hypervisor, empty on metal: by systemd's look, else by what the processor shows."""
    try:
        said = (await deps.run(["systemd-detect-virt", "--vm"], limit_s=15)).stdout.strip()
    except ToolMissing as why:
        missing.without(why.tool)
        said = ""
    if ONE_WORD.fullmatch(said) and said != "none":
        return said
    if cpus.hypervisor:
        return bounded(cpus.hypervisor).lower()
    return "unknown" if "hypervisor" in cpus.flags else ""


async def _gpus(deps: Deps, missing: Unanswered) -> tuple[FoundGpu, ...]:
    """Raises ToolMissing, Unread for lspci on a machine with a PCI bus: without it a GPU could hide."""
    there = gpus.gpus_among(await gpus.pci_devices(deps))
    told = None
    if any(device.vendor_code == gpus.NVIDIA for device in there):
        try:
            told = await gpus.ask_nvidia(deps, "nvidia-smi.xml")
        except ToolMissing as why:
            missing.without(why.tool)
        except Unread as why:
            missing.unreadable["gpus:names"] = str(why)
    return tuple(gpus.found(device, told) for device in there)


async def _bmc_sensors(deps: Deps, missing: Unanswered) -> list[Sensor]:
    if not rails.has_bmc_device(deps):
        return []
    try:
        return [sensor for sensor, _ in rails.bmc_values(await rails.bmc_readings(deps, "bmc-sensors.txt"))]
    except ToolMissing as why:
        missing.without(why.tool)
    except Unread as why:
        missing.unreadable["bmc sensors"] = str(why)
    return []


def _remark(missing: Unanswered) -> str:
    """For the reason of a pass: what was not asked or did not answer."""
    said = []
    if missing.absent_tools:
        said.append(f"not installed: {', '.join(missing.absent_tools)}")
    if missing.unreadable:
        said.append(f"unreadable: {', '.join(sorted(missing.unreadable))}")
    return "; ".join(said)
