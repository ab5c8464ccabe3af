"""Hosts that do not stay up: reset, frozen, panicked in the middle of a stage."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.lab.hardware import Disk, Hardware
from tests.lab.host import Host
from tests.lab.orchestrator import Orchestrator
from tests.lab.rack import Rack
from tests.lab.run import Run
from tests.lab.waiting import until

# CPUStress lasts long enough to be met in the middle, and a silent host is given up soon.
LONG = {"profiles": {"lab": {"cpu_stress": {"cpu_s": 120}, "lost_after_s": 40}}}


async def in_cpu_stress(serve: Orchestrator, host: Host) -> Run:
    await serve.know(host)
    run = await serve.start_run(host, non_destructive=True)
    await host.power_on()
    await run.reaches("CPUStress", limit_s=400)
    return run


async def report_of(serve: Orchestrator, run: Run) -> dict[str, Any]:
    """The report of a run that has not ended, as the operator gets it from the database."""
    path = serve.folder / f"held-{run.id}.json"
    path.unlink(missing_ok=True)
    told = await serve.cli("report", str(run.id), "--format", "json", "-o", str(path))
    assert told.exit_code == 0, told.stderr
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def is_reset(serve: Orchestrator, host: Host) -> None:
    run = await in_cpu_stress(serve, host)
    await host.reset()
    view = await run.held(limit_s=120)
    assert view.failed_stage == "CPUStress" and "rebooted unexpectedly during CPUStress" in view.reason, run.words()
    await host.power_off()


async def is_frozen(serve: Orchestrator, host: Host) -> None:
    run = await in_cpu_stress(serve, host)
    await host.freeze()
    view = await run.reaches("Failed", limit_s=120)
    assert "lost during CPUStress" in view.reason, run.words()
    await host.thaw()
    view = await run.held(limit_s=90)
    assert view.failed_stage == "CPUStress", run.words()
    await host.power_off()


async def panics(serve: Orchestrator, host: Host) -> None:
    run = await in_cpu_stress(serve, host)
    await host.panic()
    await host.console_says("Kernel panic - not syncing", limit_s=60)
    view = await run.held(
        limit_s=240
    )  # as rebooted, or as lost where the way back took longer than a lost host is given
    assert view.failed_stage == "CPUStress", run.words()

    async def told(source: str) -> bool:
        found = [one["text"] for one in (await report_of(serve, run))["findings"] if one["source"] == source]
        return any("sysrq triggered crash" in text for text in found)

    # netconsole speaks at once; what the firmware kept is read by the agent of the next boot.
    await until(
        lambda: told("netconsole"), limit_s=30, said="the last words by netconsole", context=run.words, every_s=3.0
    )
    await until(lambda: told("pstore"), limit_s=300, said="the last words by pstore", context=run.words, every_s=8.0)
    words = (await report_of(serve, run))["last_words"]
    assert any("Kernel panic - not syncing: sysrq triggered crash" in one["lines"] for one in words), words


@pytest.mark.timeout(900)
async def test_a_host_that_is_reset_frozen_or_panics_is_held_with_the_reason(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator(changes=LONG)
    hosts = [
        await rack.host(Hardware(name=name, disks=(Disk(serial=f"DATA-{name}"),), crash_store=name == "panics"))
        for name in ("reset", "frozen", "panics")
    ]
    await asyncio.gather(is_reset(serve, hosts[0]), is_frozen(serve, hosts[1]), panics(serve, hosts[2]))
