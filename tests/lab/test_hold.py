"""A held host: what halts it, who gets in, and the two ways out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.lab import localdisk
from tests.lab.hardware import MIB, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.orchestrator import Orchestrator
from tests.lab.rack import Rack
from tests.lab.run import Run
from vetting import proc
from vetting.domain.outcome import ToolRun


def hardware(name: str, firmware: Firmware) -> Hardware:
    return Hardware(
        name=name, firmware=firmware,
        disks=(
            Disk(serial=f"OS-{name}", size_bytes=48 * MIB, expected=False, bootable=True),
            Disk(serial=f"DATA-{name}"),
        ),
    )  # fmt: skip


async def with_foreign_data(host: Host) -> str:
    """Somebody's file system on the disk that a run would erase, and a local system; returns the data disk's SHA-256."""
    serial = f"DATA-{host.name}"
    made = await proc.run(("mkfs.ext4", "-q", "-F", "-L", "guests", str(host.disk_path(serial))), limit_s=60)
    assert made.exit_code == 0, made.stderr
    host.write_disk(f"OS-{host.name}", localdisk.boot_sector())
    return await host.disk_sha256(serial)


async def halted(run: Run) -> None:
    await run.host.power_on()
    view = await run.held(limit_s=500)
    assert view.failed_stage == "Storage", run.words()
    assert "UnexpectedData" in view.attempts[-1].reason and "ext4" in view.attempts[-1].reason, run.words()


async def knocks(serve: Orchestrator, address: str, key: Path) -> ToolRun:
    """ssh as anybody could try it, with a key of one's own."""
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "ConnectTimeout=10",
        "BatchMode=yes",
        "LogLevel=ERROR",
    )
    words = ("ssh", "-F", "/dev/null", "-i", str(key), *(word for option in options for word in ("-o", option)))
    return await proc.run((*serve.inside, *words, f"root@{address}", "id"), limit_s=60)


@pytest.mark.timeout(900)
async def test_foreign_data_holds_a_host_until_a_person_overrides_or_sends_it_home(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator()
    stays = await rack.host(hardware("stays", Firmware.BIOS))
    leaves = await rack.host(hardware("leaves", Firmware.BIOS))
    before, runs = {}, {}
    for host in (stays, leaves):
        before[host.name] = await with_foreign_data(host)
        await serve.know(host)
        runs[host.name] = await serve.start_run(host)
    await asyncio.gather(*(halted(run) for run in runs.values()))
    run = runs["stays"]
    for host in (stays, leaves):
        assert await host.disk_sha256(f"DATA-{host.name}") == before[host.name], (
            "written before anybody said that it may"
        )

    assert f"vetting.run={run.id}" in await run.entered("cat /proc/cmdline")
    stranger = rack.folder / "stranger"
    assert (
        await proc.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)), limit_s=30)
    ).exit_code == 0
    address = (await run.view()).held_at[0]
    refused = await knocks(serve, address, stranger)
    assert refused.exit_code == 255 and "Permission denied" in refused.stderr, refused.stderr

    async def overridden() -> None:
        await run.decides("override", reason="the guests were moved away", flags=("wipe_probe",))
        await run.reaches("Storage", "Network", "Burn", "GPU", "PSU", "Reporting", "Completed", limit_s=60)
        outside = await run.shell("id")
        assert outside.exit_code != 0, "the door stayed open after the hold"
        await run.passes(limit_s=400)
        assert await stays.powered_off(limit_s=120) == "guest-shutdown"
        assert await stays.disk_sha256("DATA-stays") != before["stays"]
        assert "the guests were moved away" in str(run.report()["overrides"])

    async def sent_home() -> None:
        await runs["leaves"].decides("cancel", reason="wrong host")
        await leaves.console_says(localdisk.WORDS, limit_s=200)
        assert await leaves.powered_off(limit_s=60) == "guest-shutdown"
        assert (await runs["leaves"].view()).state == "Cancelled"
        assert await leaves.disk_sha256("DATA-leaves") == before["leaves"]

    await asyncio.gather(overridden(), sent_home())
