"""The Orion case, with real programs: the agent dies inside CPUStress and comes back, and an old Inventory is replayed.

It happened to the predecessor: the OOM killer took the agent, the restarted agent posted Inventory, and the server passed
whatever stage was current.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import honest
from tests.fakes.rig import attempts_at
from tests.machine.orchestrator.conftest import Bench, a_bench, brisk
from vetting import wire
from vetting.agent.leftovers import processes
from vetting.client import Client
from vetting.domain.errors import StageMismatch
from vetting.store import findings, logs
from vetting.store.db import reading

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]


def alive(pids: list[int]) -> list[int]:
    """Those that still run; a dead one that nobody has fetched yet does not."""
    running = {process.pid for process in processes()}
    return [pid for pid in pids if pid in running]


async def test_an_agent_killed_in_cpu_stress_goes_on_there_with_a_second_attempt(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=5)) as bench:
        orphans = await bench.until_loaded()
        await bench.agent.kill()
        assert alive(orphans)  # the load outlives the agent that watched it
        await bench.agent.start()
        view = await bench.until(lambda view: len(attempts_at(view, "CPUStress")) == 2, "the second attempt")
        assert view.state == "CPUStress"
        assert attempts_at(view, "CPUStress") == ["INTERRUPTED", ""]
        assert attempts_at(view, "Inventory") == ["PASS"]
        await bench.until_said("the agent was restarted: going on with run 1 at CPUStress, attempt 2")
        assert not set(await bench.until_loaded(2)) & set(orphans)
        assert not alive(orphans)
        assert await bench.until_completed() == ["INTERRUPTED", "PASS"]
        assert await bench.agent.ended() == 0
    with reading(bench.server.data / "vetting.db"):
        told = [line.text for line in logs.lines(1, limit=10_000)]
    assert any("the agent was restarted: going on with run 1 at CPUStress" in text for text in told)
    assert any("CPUStress, attempt 2: " in text for text in told)


async def test_an_inventory_posted_by_hand_parks_the_run_and_stops_the_load(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=60)) as bench:
        await bench.until_loaded()
        kept = bench.agent.kept
        replayed = wire.Result(boot_id=kept.boot_id, stage="Inventory", attempt=1, outcome=honest.outcome("Inventory"))
        async with Client(bench.server.url, bench.server.fingerprint, token=kept.token) as by_hand:
            with pytest.raises(StageMismatch) as refused:
                await by_hand.call("/api/agent/result", replayed, wire.ResultReply)
        assert (refused.value.code, refused.value.http_status) == ("stage_mismatch", 409)
        view = await bench.view()
        assert (view.state, view.failed_stage) == ("FailedHolding", "Inventory (expected CPUStress)")
        assert attempts_at(view, "CPUStress") == ["INTERRUPTED"]
        assert attempts_at(view, "Inventory") == ["PASS"]
        await bench.until_unloaded()
        await bench.until_said("held:")
        assert (await bench.view()).state == "FailedHolding"
        assert (await bench.decide("release")).state == "Released"
        assert await bench.agent.ended() == 0


async def test_a_claim_from_another_boot_is_a_host_that_rebooted_unasked(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=60)) as bench:
        await bench.until_loaded()
        kept = bench.agent.kept
        await bench.agent.clear()  # as a reset does: agent and load are gone at once
        claim = wire.Claim(
            protocol=wire.PROTOCOL, agent_version="test", boot_id="another-boot", identity=honest.IDENTITY
        )
        async with Client(bench.server.url, bench.server.fingerprint, token=kept.token) as reborn:
            answer = await reborn.call("/api/agent/claim", claim, wire.ClaimReply)
        assert (answer.holding, answer.current_stage, answer.permit) == (True, "", "")
        await it_is_held_as_rebooted(bench, kept.boot_id)


async def test_an_agent_of_another_boot_with_the_used_ticket_gets_nothing_and_the_run_is_held(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=60)) as bench:
        await bench.until_loaded()
        await bench.agent.clear()
        bench.agent.root = another_boot(tmp_path / "root")
        await bench.agent.start()
        assert await bench.agent.ended() == 2
        last = bench.said().rstrip().splitlines()[-1]
        assert last.startswith("vetting: ")
        assert "opens nothing here" in last
        assert "Traceback" not in bench.said()
        view = await bench.view()
        assert (view.state, attempts_at(view, "CPUStress")) == ("FailedHolding", ["INTERRUPTED"])
        with reading(bench.server.data / "vetting.db"):
            texts = [one.text for one in findings.findings_of(bench.run_id)]
        assert any("a second agent presented the used boot ticket" in text for text in texts)


def another_boot(root: Path) -> Path:
    """This machine's /proc and /sys, but for the kernel's boot id."""
    for name in ("sys", "etc"):
        root.mkdir(exist_ok=True)
        (root / name).symlink_to(f"/{name}")
    proc = root / "proc"
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("aaaaaaaa-0000-4000-8000-000000000000\n")
    for name in ("cmdline", "mounts", "meminfo", "cpuinfo", "stat", "vmstat", "uptime", "net"):
        (proc / name).symlink_to(f"/proc/{name}")
    return root


async def it_is_held_as_rebooted(bench: Bench, first_boot: str) -> None:
    view = await bench.view()
    assert (view.state, view.failed_stage) == ("FailedHolding", "CPUStress")
    assert attempts_at(view, "CPUStress") == ["FAIL"]
    with reading(bench.server.data / "vetting.db"):
        texts = [one.text for one in findings.findings_of(bench.run_id)]
    assert f"rebooted unexpectedly during CPUStress (boot {first_boot[:8]} → another-)" in texts
