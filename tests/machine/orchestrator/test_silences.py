"""Who was silent: an agent that is frozen is lost and held; an orchestrator that is killed or frozen blames nobody."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.fakes.rig import attempts_at, until
from tests.machine.orchestrator.conftest import a_bench, brisk
from vetting.store import findings, runs
from vetting.store.db import reading

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]


async def test_a_frozen_agent_is_lost_and_when_it_thaws_it_is_held(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=60, lost_after_s=20)) as bench:
        await bench.until_loaded()
        bench.agent.send(signal.SIGSTOP)
        lost = await bench.until(lambda view: view.state == "Failed", "the watchdog", 90)
        assert (lost.failed_stage, attempts_at(lost, "CPUStress")) == ("CPUStress", ["INTERRUPTED"])
        assert "lost during CPUStress" in lost.verdict
        bench.agent.send(signal.SIGCONT)
        held = await bench.until(lambda view: view.state == "FailedHolding", "the hold")
        await bench.until_unloaded()
        await bench.until_said("held:")
        assert (held.failed_stage, attempts_at(await bench.view(), "CPUStress")) == ("CPUStress", ["INTERRUPTED"])
        assert (await bench.view()).state == "FailedHolding"
        await bench.decide("release")
        assert await bench.agent.ended() == 0
    with reading(bench.server.data / "vetting.db"):
        moves = [(move.event, str(move.to_state)) for move in runs.transitions_of(1)]
        texts = [one.text for one in findings.findings_of(1)]
    assert moves[-3:] == [("host lost", "Failed"), ("held", "FailedHolding"), ("operator released", "Released")]
    assert any(text.startswith("lost during CPUStress: no heartbeat for") for text in texts)


async def test_an_orchestrator_killed_in_cpu_stress_is_waited_for_and_the_stage_passes(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=5)) as bench:
        load = await bench.until_loaded()
        await bench.server.kill()
        await bench.until_said("the orchestrator does not answer; going on without it")
        assert set(bench.agent.load("stress-ng")) & set(load)
        await bench.until_said("CPUStress, attempt 1: ")  # it ended while nobody was there to be told
        await bench.server.start()
        assert await bench.until_completed() == ["PASS"]
        assert await bench.agent.ended() == 0


async def test_a_frozen_orchestrator_calls_nobody_lost_and_believes_the_stage(tmp_path: Path) -> None:
    async with a_bench(tmp_path, brisk(load_s=5, lost_after_s=20)) as bench:
        await bench.until_loaded()
        bench.server.send(signal.SIGSTOP)
        began = time.monotonic()

        async def longer_than_any_host_may_be_silent() -> bool:
            return time.monotonic() - began > 24

        await bench.until_said("CPUStress, attempt 1: ")
        await until(longer_than_any_host_may_be_silent, 60)
        bench.server.send(signal.SIGCONT)
        assert await bench.until_completed() == ["PASS"]
        assert await bench.agent.ended() == 0
    with reading(bench.server.data / "vetting.db"):
        assert "host lost" not in [move.event for move in runs.transitions_of(1)]
    assert "no host is blamed for that time" in bench.server.log.read_text()
