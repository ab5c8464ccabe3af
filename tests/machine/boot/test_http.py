"""Scripts and image over a real network: who has the address gets the ticket, who only names it does not."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.fakes.boot_image import lay_out
from tests.machine.boot.conftest import BOOT_URL, HOST, STRANGER, Yard
from tests.machine.boot.conftest import yard as yard
from vetting import proc

pytestmark = pytest.mark.machine

SCRIPT = f"{BOOT_URL}/boot/script?mac={HOST.replace(':', '-')}"
MIB = 1024 * 1024


async def as_stranger(yard: Yard, url: str) -> str:
    argv = yard.net.inside("curl", "--silent", "--max-time", "20", url, site=yard.stranger.namespace)
    return (await proc.run(argv, limit_s=30)).stdout


async def test_the_ticket_goes_to_the_machine_that_has_the_address_and_to_no_other(yard: Yard) -> None:
    await yard.serve(proxy=True)
    run_id = await yard.start_run()
    stolen = await as_stranger(yard, SCRIPT)
    assert "going on to the local disk" in stolen
    assert "vetting.ticket" not in stolen
    await yard.says(
        f"run {run_id}: somebody else asked for the boot script of pve-07: 10.77.0.9 has the MAC address {STRANGER}"
    )
    _, script = await yard.fetch(SCRIPT)
    assert f"vetting.run={run_id} " in script
    assert "vetting.url=https://10.77.0.1:8443 " in script
    assert "console=ttyS0,115200" in script


async def test_the_image_goes_out_to_many_at_once_and_costs_no_memory(yard: Yard) -> None:
    size = 150 * MIB
    await asyncio.to_thread(lay_out, yard.image, initrd=os.urandom(MIB) * 150)
    await yard.serve(proxy=True)
    assert yard.orchestrator.program is not None
    status = Path(f"/proc/{await _python(yard)}/status")
    before = resident_mib(status)
    got = await asyncio.gather(
        *(
            yard.fetch(f"{BOOT_URL}/boot/initrd.img", "--output", "/dev/null", "--write-out", "%{size_download}")
            for _ in range(12)
        )
    )
    assert got == [(0, str(size))] * 12
    assert resident_mib(status) - before < 40


async def _python(yard: Yard) -> int:
    """The orchestrator itself: `ip netns exec` and setpriv become it."""
    assert yard.orchestrator.program is not None
    return yard.orchestrator.program.process.pid


def resident_mib(status: Path) -> float:
    (row,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
    return int(row.split()[1]) / 1024


async def test_a_part_of_the_image_can_be_fetched_again(yard: Yard) -> None:
    await yard.serve(proxy=True)
    status, text = await yard.fetch(f"{BOOT_URL}/boot/initrd.img", "--range", "6-11")
    assert (status, text) == (0, "initrd")


async def test_an_image_that_breaks_while_we_serve_is_not_booted_and_no_run_is_sent_for_it(yard: Yard) -> None:
    await yard.serve(proxy=True)
    await yard.start_run()
    (yard.image / "initrd.img").write_bytes(b"torn")
    _, script = await yard.fetch(SCRIPT)
    assert "the image is half written or damaged" in script
    assert "vetting.ticket" not in script


async def test_without_an_image_serve_goes_on_and_says_how_one_is_made(yard: Yard) -> None:
    await yard.serve(proxy=True, image_dir=str(yard.folder / "nowhere"))
    await yard.says("no host can boot: there is no live image in")
    told = await yard.orchestrator.cli("run", "start", "pve-07", "--non-destructive", "--start-by", "wol")
    assert told.exit_code == 2
    assert "./build.sh image" in told.stderr
