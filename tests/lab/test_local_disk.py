"""Who has no business in the live image starts from its own disk, and is left alone."""

from __future__ import annotations

import asyncio

import pytest

from tests.lab import localdisk
from tests.lab.hardware import MIB, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.orchestrator import Orchestrator
from tests.lab.rack import Rack
from tests.lab.waiting import until


async def installed(host: Host, serial: str) -> str:
    """Puts a local system on the host's disk; returns the disk's SHA-256."""
    if host.hardware.firmware.is_uefi:
        await localdisk.fat_with(host.disk_path(serial), {localdisk.EFI_PATH: localdisk.efi_application()})
    else:
        host.write_disk(serial, localdisk.boot_sector())
    return await host.disk_sha256(serial)


def small(name: str, firmware: Firmware = Firmware.BIOS) -> Hardware:
    disk = Disk(serial=f"OS-{name}", size_bytes=48 * MIB, expected=False, bootable=True)
    return Hardware(name=name, firmware=firmware, memory_mib=512, disks=(disk,))


async def noted(serve: Orchestrator, host: Host) -> bool:
    return any(one.mac == host.macs[0] for one in await serve.unknown_hosts())


@pytest.mark.timeout(300)
async def test_a_host_without_a_run_and_a_stranger_start_from_their_own_disks(rack: Rack) -> None:
    serve = await rack.orchestrator()
    known, modern = await rack.host(small("known")), await rack.host(small("modern", Firmware.UEFI))
    stranger = await rack.host(small("stranger"))
    await serve.know(known)
    await serve.know(modern)
    before = {host.name: await installed(host, f"OS-{host.name}") for host in rack.hosts}

    async def starts(host: Host) -> None:
        await host.power_on()
        await host.console_says(localdisk.WORDS, limit_s=200)
        assert await host.powered_off(limit_s=30) == "guest-shutdown"

    await asyncio.gather(*(starts(host) for host in rack.hosts))
    for host in rack.hosts:
        assert await host.disk_sha256(f"OS-{host.name}") == before[host.name]
    assert known.console.said("nothing waits here"), known.words()
    assert not stranger.console.said("vetting:"), "a stranger was served more than silence"
    await until(lambda: noted(serve, stranger), limit_s=10, said="the stranger to be noted", context=serve.words)
    assert not await noted(serve, known)
