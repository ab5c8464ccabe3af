"""Hosts without a reporter, switched on from afar: by their management controller, and by a magic packet.

And the ways into the image that the walk does not take: plain PXE with TFTP, and UEFI's HTTP boot.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.lab import localdisk
from tests.lab.hardware import MIB, Bmc, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.rack import Rack
from tests.lab.run import Run

FIRST_FETCH_S = 200


async def fetches_kernel(run: Run) -> None:
    """The host asked for its own script and is loading the image; the rest of the way is the walk's."""
    await run.reaches("Booting", limit_s=FIRST_FETCH_S)
    await run.host.console_says(f"run {run.id} of {run.host.name} waits for this machine", limit_s=FIRST_FETCH_S)
    await run.host.console_says("initrd.img", limit_s=FIRST_FETCH_S)
    await run.host.power_off()


@pytest.mark.timeout(500)
async def test_a_bmc_and_a_magic_packet_start_hosts_into_the_image(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator()
    disk = Disk(serial="OS-BMC", size_bytes=16 * MIB, expected=False, bootable=True)
    managed = await rack.host(Hardware(name="managed", bmc=Bmc.LAN, disk_first=True, disks=(disk,)))
    asleep = await rack.host(Hardware(name="asleep"))
    assert managed.bmc is not None
    managed.write_disk("OS-BMC", localdisk.boot_sector())
    await rack.wakes_on_lan(asleep)
    await serve.know(managed, bmc=managed.bmc.record, bmc_password=managed.bmc.password)
    await serve.know(asleep)

    async def by_bmc() -> None:
        run = await serve.start_run(managed, start_by="power", non_destructive=True)
        await fetches_kernel(run)
        assert not managed.console.said(localdisk.WORDS), "its own disk came first: the BMC was not told to boot by PXE"

    async def by_magic_packet() -> None:
        await fetches_kernel(await serve.start_run(asleep, start_by="wol", non_destructive=True))

    await asyncio.gather(by_bmc(), by_magic_packet())


@pytest.mark.timeout(500)
async def test_plain_pxe_and_http_boot_reach_the_image(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator()
    plain = await rack.host(Hardware(name="plain", firmware=Firmware.BIOS_PXE))
    modern = await rack.host(Hardware(name="modern", firmware=Firmware.UEFI_HTTP))

    async def comes(host: Host) -> None:
        await serve.know(host)
        run = await serve.start_run(host, non_destructive=True)
        await host.power_on()
        await fetches_kernel(run)

    await asyncio.gather(comes(plain), comes(modern))
    assert plain.console.said("PXE->EB"), "the BIOS host did not run the loader that it got by TFTP"
    assert modern.console.said("Start HTTP Boot over IPv4"), "the UEFI host did not boot by HTTP"
