"""Dispatcher and watchdog: what they do on their own, and what they must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fakes import honest
from tests.fakes.clock import FakeClock
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.outcome import Verdict
from vetting.domain.states import RunState
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.dispatcher import Dispatcher
from vetting.orchestrator.services import Services
from vetting.orchestrator.supervise import Health, Status
from vetting.orchestrator.watchdog import Watchdog


def _watchdog(world: World) -> Watchdog:
    return Watchdog(store=world.store, progress=world.progress, clock=world.clock, config=world.config)


def _dispatcher(world: World, **limits: Any) -> Dispatcher:
    config = replace(world.config, limits=replace(world.config.limits, **limits))
    return Dispatcher(store=world.store, progress=world.progress, clock=world.clock, config=config)


async def test_a_silent_host_is_lost_and_held_when_it_speaks_again(world: World) -> None:
    watchdog = _watchdog(world)
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    await world.beat(run_id)
    world.clock.pass_s(honest.SPRINT.lost_after_s - 1)
    await watchdog.once()
    assert await world.state(run_id) is RunState.CPU_STRESS
    world.clock.pass_s(2)
    await watchdog.once()
    run = await world.run(run_id)
    assert (run.state, run.reason) == (RunState.FAILED, "lost during CPUStress")
    beat = await world.beat(run_id, "running", stage="CPUStress", attempt=1)
    assert (beat.state, beat.command.cmd) == ("FailedHolding", "cancel_stage")


async def test_a_stage_past_its_deadline_is_an_error_and_held(world: World) -> None:
    watchdog = _watchdog(world)
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    attempt = await world.open_attempt(run_id)
    assert attempt is not None
    for _ in range(int(attempt.deadline_s // 30) + 1):
        world.clock.pass_s(30)
        await world.beat(run_id)
        await watchdog.once()
    assert await world.state(run_id) is RunState.FAILED_HOLDING
    assert (await world.attempts(run_id, "CPUStress"))[0].verdict is Verdict.ERROR
    assert (await world.beat(run_id, "running", stage="CPUStress", attempt=1)).command.cmd == "cancel_stage"


async def test_after_its_own_restart_the_watchdog_waits_three_heartbeats(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    world.clock.pass_s(100_000)  # the orchestrator was down for a day
    watchdog = _watchdog(world)
    await watchdog.once()
    world.clock.pass_s(29)
    await watchdog.once()
    assert await world.state(run_id) is RunState.CPU_STRESS


async def test_a_deadline_counts_the_stage_and_not_our_own_absence(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    watchdog = _watchdog(world)
    world.clock.pass_s(31)
    await world.beat(run_id)
    await watchdog.once()
    assert await world.state(run_id) is RunState.CPU_STRESS


async def test_so_many_destructive_runs_at_a_time_and_the_others_wait(world: World) -> None:
    dispatcher = _dispatcher(world, max_destructive=1)
    beat = wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",))
    run_ids = []
    for name in ("one", "two"):
        await world.people.add_host(wire.HostEdit(name=name, spec=honest.SPEC), who="ann")
        await world.progress.reporter_beat((await world.views.host(name)).id, beat)
        run_ids.append((await world.started(host=name, start_by="reporter")).run_id)
    await dispatcher.once()
    assert [await world.state(run_id) for run_id in run_ids] == [RunState.WAITING_REBOOT, RunState.QUEUED]
    await world.progress.cancel(run_ids[0], who="ann", because=wire.Because())
    await dispatcher.once()
    assert await world.state(run_ids[1]) is RunState.WAITING_REBOOT


async def test_a_held_host_keeps_nobody_from_being_dispatched(world: World) -> None:
    held = await world.begun()
    await world.post(held, "Inventory", outcome=honest.outcome("Inventory", verdict=Verdict.FAIL))
    dispatcher = _dispatcher(world, max_destructive=1)
    await world.people.add_host(wire.HostEdit(name="two", spec=honest.SPEC), who="ann")
    await world.progress.reporter_beat(
        (await world.views.host("two")).id, wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",))
    )
    waiting = (await world.started(host="two", start_by="reporter")).run_id
    await dispatcher.once()
    assert await world.state(waiting) is RunState.WAITING_REBOOT


async def test_a_host_that_never_boots_fails_the_dispatch_without_a_loop(world: World) -> None:
    dispatcher = _dispatcher(world, by_hand_s=100.0)
    run_id = (await world.started()).run_id
    await dispatcher.once()
    assert await world.state(run_id) is RunState.BOOTING
    world.clock.pass_s(101)
    await dispatcher.once()
    await dispatcher.once()
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")


def test_a_program_is_as_it_is_since_its_last_change_and_the_worst_stands_first() -> None:
    clock = FakeClock()
    services = Services(Bus(), clock)
    status = Status("iperf3 on 5201", Health.UP)
    services.told(status)
    services.told(Status("dnsmasq", Health.UP))
    began = clock.now()
    clock.pass_s(60)
    status.health, status.why, status.restarts = Health.WAITING, "killed", 1  # a supervisor changes its own and tells
    assert [one.health for one in services.statuses()] == [Health.UP, Health.UP]
    services.told(status)
    assert [(one.name, one.health, one.since) for one in services.statuses()] == [
        ("iperf3 on 5201", Health.WAITING, began + 60),
        ("dnsmasq", Health.UP, began),
    ]
    assert services.troubles() == ("iperf3 on 5201 waiting to restart (killed)",)
