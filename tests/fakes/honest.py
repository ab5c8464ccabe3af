"""A host that tells the truth: a small machine and, for each stage, the outcome that a believed pass of it needs.

Every figure here is what the evidence rules ask for and nothing beyond; tests take one away and see the pass refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.inventory import FirmwareItem, FoundCpu, FoundDisk, FoundNic, Inventory
from vetting.domain.outcome import Cell, Outcome, ToolRecord, Verdict, Work
from vetting.domain.profiles import (
    TASTE,
    BurnKnobs,
    CpuStressKnobs,
    GpuKnobs,
    NetworkKnobs,
    Profile,
    PsuKnobs,
    StorageKnobs,
    SurfaceMode,
)

MIB = 1024**2
DISK = ExpectedDisk(serial="D1", size_bytes=64 * MIB)
MAC = "52:54:00:00:00:01"
SPEC = ExpectedSpec(disks=(DISK,), cpu_threads=2)
IDENTITY = Identity(smbios_uuid="6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e5f", macs=(MAC,), disk_serials=("D1",))
SPRINT: Profile = replace(
    TASTE,
    name="sprint",
    cpu_stress=CpuStressKnobs(cpu_s=1, ram_s=1, ram_s_per_gib=0.0, core_s=0, ram_cover=0.0),
    storage=StorageKnobs(surface=SurfaceMode.FULL, fio_s=1, countdown_s=1),
    network=NetworkKnobs(seconds=1),
    burn=BurnKnobs(seconds=1, mem_pct=10),
    gpu=GpuKnobs(seconds=1),
    psu=PsuKnobs(seconds=1),
)
"""Every stage may end at once: its planned time is within the slack of the evidence rules."""

INVENTORY = Inventory(
    identity=IDENTITY,
    manufacturer="Test",
    product="Honest",
    kernel="6.12",
    cpu=FoundCpu(model="Two cores", sockets=1, cores=2, threads=2),
    memory_bytes=1024 * MIB,
    dimms=(),
    disks=(FoundDisk(name="sda", serial="D1", size_bytes=64 * MIB, transport="sata", smart=True),),
    nics=(FoundNic(name="eno1", mac=MAC, link=True, speed_mb_s=1000, capable_mb_s=1000),),
)


def _tool(*argv: str) -> ToolRecord:
    return ToolRecord(
        argv=argv, version="1.0", exit_code=0, signal=None, timed_out=False, started_s=100.0, ended_s=101.0, excerpt="ok"
    )  # fmt: skip


def _cell(component: str, *work: Work) -> Cell:
    return Cell(component=component, verdict=Verdict.PASS, work=work)


def _work(what: str, done: float, of: float, unit: str) -> Work:
    return Work(what=what, done=done, of=of, unit=unit)


def _parts(stage: str) -> dict[str, Any]:
    cpus = _work("cpus", 2, 2, "cpus")
    memory = _work("MiB tested", 512, 1024, "MiB")
    testers = tuple(_work(f"MiB tested by {one}", 512, 1024, "MiB") for one in ("stress-ng", "stressapptest"))
    disk = _work("bytes verified", 64 * MIB, 64 * MIB, "bytes")
    link = (_work("forward", 950, 1000, "Mb/s"), _work("reverse", 950, 1000, "Mb/s"))
    match stage:
        case "Inventory":
            return {"data": {"inventory": msgspec.to_builtins(INVENTORY)}, "tools": (_tool("lscpu", "-J"),)}
        case "Firmware":
            items = (FirmwareItem(component="bios", identifier="bios", version="1.0"),)
            return {"data": {"firmware": msgspec.to_builtins(items)}, "tools": (_tool("dmidecode"),)}
        case "SMART":
            return {"cells": (_cell("disk:D1"),), "tools": (_tool("smartctl", "--json", "-x", "/dev/sda"),)}
        case "CPUStress":
            load = _tool("stress-ng", "--cpu", "0", "--verify")
            later = replace(_tool("stress-ng", "--vm", "1", "--verify"), started_s=102.0, ended_s=103.0)
            last = replace(_tool("stressapptest", "-W"), started_s=104.0, ended_s=105.0)
            return {"cells": (_cell("cpu", cpus), _cell("memory", *testers)), "tools": (load, later, last)}
        case "Storage":
            return {"cells": (_cell("disk:D1", disk),), "tools": (_tool("vetting", "surface"), _tool("fio", "job"))}
        case "Network":
            paced = _tool("iperf3", "-c", "127.0.0.1", "-b", "150M")
            return {"cells": (_cell(f"nic:{MAC}", *link),), "tools": (_tool("iperf3", "-c", "127.0.0.1"), paced)}
        case "Burn":
            io = _work("bytes", MIB, MIB, "bytes")
            cells = (_cell("cpu", cpus), _cell("memory", memory), _cell("disk", io), _cell("network", io))
            return {"cells": cells, "tools": (_tool("stress-ng", "--cpu", "0"), _tool("fio", "job"), _tool("iperf3"))}
        case "GPU":
            return {"verdict": Verdict.SKIP, "reason": "no GPU in this host"}
        case "PSU":
            return {"cells": (_cell("psu", _work("burst", 1, 1, "s")),), "tools": (_tool("stress-ng", "--cpu", "0"),)}
    raise ValueError(f"{stage} is not the agent's")


def outcome(stage: str, **changes: Any) -> Outcome:
    """A pass that is believed (GPU: a skip), with whatever the test changes about it."""
    return Outcome(**{"verdict": Verdict.PASS, "started_s": 100.0, "ended_s": 101.0, **_parts(stage), **changes})
