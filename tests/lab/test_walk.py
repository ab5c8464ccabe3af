"""From power-on to the report: firmware, DHCP, TFTP, iPXE, HTTP, the live image, eleven stages, power-off."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.lab.hardware import MIB, Bus, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.rack import Rack
from tests.lab.run import Run
from vetting.domain.states import STAGE_ORDER


def hardware(name: str, firmware: Firmware) -> Hardware:
    return Hardware(
        name=name, firmware=firmware,
        disks=(
            Disk(serial=f"BOOT-{name}", size_bytes=16 * MIB, expected=False, bootable=True),
            Disk(serial=f"SPARE-{name}", size_bytes=16 * MIB, bus=Bus.NVME, expected=False),
            Disk(serial=f"SATA-{name}"),
            Disk(serial=f"NVME-{name}", bus=Bus.NVME),
        ),
    )  # fmt: skip


async def fill(host: Host, serial: str, *, seed: int) -> str:
    """Random bytes all over a disk; returns their SHA-256."""
    host.write_disk(serial, random.Random(seed).randbytes(host.disk(serial).size_bytes))
    return await host.disk_sha256(serial)


def judged(report: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["verdict"] for stage in report["stages"]}


@pytest.mark.timeout(900)
async def test_a_bios_and_a_uefi_host_walk_from_power_on_to_the_report(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator()
    hosts = [
        await rack.host(hardware("bios", Firmware.BIOS)),
        await rack.host(hardware("uefi", Firmware.UEFI)),
    ]

    async def walk(host: Host, seed: int) -> tuple[Run, dict[str, str]]:
        untouched = {
            disk.serial: await fill(host, disk.serial, seed=seed) for disk in host.hardware.disks if not disk.expected
        }
        await serve.know(host)
        run = await serve.start_run(host)
        await host.power_on()
        await run.claimed(limit_s=300)
        await run.passes(limit_s=500)
        assert await host.powered_off(limit_s=90) == "guest-shutdown"
        return run, untouched

    for run, untouched in await asyncio.gather(*(walk(host, seed) for seed, host in enumerate(hosts))):
        report = run.report()
        assert set(judged(report)) == set(STAGE_ORDER)
        assert [name for name, verdict in judged(report).items() if verdict != "PASS"] == ["GPU"], run.words()
        assert report["image"], "the report does not say which live image tested the host"
        for serial, before in untouched.items():
            assert await run.host.disk_sha256(serial) == before, f"{serial} is in no spec and was written"
        for disk in run.host.hardware.disks:
            data = run.host.disk_path(disk.serial).read_bytes()
            if disk.expected:
                assert len(data.strip(b"\0")) > disk.size_bytes // 2, f"{disk.serial} was to be written and was not"
