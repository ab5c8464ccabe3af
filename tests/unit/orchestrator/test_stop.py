"""The global STOP: a file, and nothing writes to a disk any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.config import Config
from vetting.domain.errors import Conflict
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.states import RunState
from vetting.orchestrator import stopping
from vetting.orchestrator.dispatcher import Dispatcher


@pytest.fixture
def stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where STOP lies in this test; set it with `touch`."""
    path = tmp_path / "STOP"
    monkeypatch.setattr(stopping, "NAME", str(path))
    return path


def test_what_cannot_be_looked_at_counts_as_set(tmp_path: Path) -> None:
    config = replace(Config(), server=replace(Config().server, data_dir=str(tmp_path)))
    assert stopping.why_stopped(config) == ""
    (tmp_path / "STOP").symlink_to("/nowhere")
    assert stopping.why_stopped(config) == f"STOP is set: no run writes to a disk until {tmp_path}/STOP is removed"
    (tmp_path / "STOP").unlink()
    (tmp_path / "loop").symlink_to("loop")
    beyond = replace(config, server=replace(config.server, data_dir=str(tmp_path / "loop")))
    assert "cannot be looked at" in stopping.why_stopped(beyond)


async def test_no_permit_is_issued_and_the_agent_hears_why(world: World, stop: Path) -> None:
    run_id = await world.begun()
    stop.touch()
    for stage in ("Inventory", "Firmware", "SMART"):
        assert (await world.post(run_id, stage)).permit_refused == ""
    reply = await world.post(run_id, "CPUStress")
    assert (reply.next_stage, reply.permit) == ("Storage", "")
    assert reply.permit_refused.startswith("STOP is set")
    claim = await world.claim(world.token)
    assert (claim.current_stage, claim.permit) == ("Storage", "")
    assert claim.permit_refused.startswith("STOP is set")
    stop.unlink()
    claim = await world.claim(world.token)
    assert claim.permit and not claim.permit_refused


async def test_a_stage_that_writes_is_cancelled_and_held_and_no_other_is(world: World, stop: Path) -> None:
    run_id = await world.begun()
    stop.touch()
    assert (await world.beat(run_id)).command.cmd == "none"
    stop.unlink()
    await world.reach(run_id, "Storage")
    assert (await world.beat(run_id)).command.cmd == "none"
    stop.touch()
    command = (await world.beat(run_id)).command
    assert (command.cmd, command.stage) == ("cancel_stage", "Storage")
    assert command.reason.startswith("STOP is set")
    cancelled = Outcome(verdict=Verdict.CANCELLED, reason=command.reason, started_s=100.0, ended_s=101.0)
    assert (await world.post(run_id, "Storage", outcome=cancelled)).state == "FailedHolding"
    run = await world.run(run_id)
    assert run.failed_stage == "Storage"
    assert "STOP is set" in run.reason
    await world.progress.retry(run_id, who="tester", because=wire.Because())
    command = (await world.beat(run_id, "holding")).command
    assert (command.cmd, command.permit) == ("retry_stage", "")
    assert command.permit_refused.startswith("STOP is set")


async def test_a_run_that_writes_to_nothing_goes_on(world: World, stop: Path) -> None:
    stop.touch()
    run_id = await world.begun(non_destructive=True, confirm_serials=())
    for stage in ("Inventory", "Firmware", "SMART", "CPUStress"):
        await world.post(run_id, stage)
    assert (await world.run(run_id)).stage == "Storage"
    assert (await world.beat(run_id)).command.cmd == "none"


async def test_runs_that_erase_wait_in_the_queue_and_are_not_started_by_hand(world: World, stop: Path) -> None:
    stop.touch()
    with pytest.raises(Conflict, match="STOP is set"):
        await world.started()
    host_id = (await world.views.hosts())[0].id
    await world.progress.reporter_beat(
        host_id, wire.ReporterBeat(boot_id="installed", version="1", allowed=True, ways=("efi",))
    )
    run_id = (await world.started(start_by="reporter")).run_id
    dispatcher = Dispatcher(store=world.store, progress=world.progress, clock=world.clock, config=world.config)
    await dispatcher.once()
    assert await world.state(run_id) is RunState.QUEUED
    stop.unlink()
    await dispatcher.once()
    assert await world.state(run_id) is RunState.WAITING_REBOOT
