"""What happens while somebody looks away: the orchestrator itself, or one of its services between its look and its deed."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.outcome import Verdict
from vetting.domain.states import RunState
from vetting.orchestrator.dispatcher import Dispatcher
from vetting.orchestrator.watchdog import Watchdog


def _watchdog(world: World) -> Watchdog:
    return Watchdog(
        store=world.store,
        progress=world.progress,
        clock=world.clock,
        config=world.config,
        witnesses=world.means.witnesses,
    )


def _dispatcher(world: World) -> Dispatcher:
    limits = replace(world.config.limits, dispatch_s=100.0, by_hand_s=100.0)
    config = replace(world.config, limits=limits)
    return Dispatcher(store=world.store, progress=world.progress, clock=world.clock, config=config)


async def test_an_orchestrator_that_was_frozen_calls_nobody_lost(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    watchdog = _watchdog(world)
    await world.beat(run_id)
    world.clock.pass_s(10_000)
    watchdog.back(world.clock.now(), 9_998)
    world.clock.pass_s(31)  # its own three heartbeats are over
    await watchdog.once()
    assert await world.state(run_id) is RunState.CPU_STRESS
    world.clock.pass_s(honest.SPRINT.lost_after_s)
    await watchdog.once()
    assert await world.state(run_id) is RunState.FAILED


async def test_a_stage_that_ran_while_we_were_frozen_is_believed(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    watchdog = _watchdog(world)
    await world.beat(run_id)
    world.clock.pass_s(10_000)
    watchdog.back(world.clock.now(), 9_998)
    assert (await world.post(run_id, "CPUStress")).verdict == "PASS"


async def test_the_same_silence_without_an_absence_of_ours_is_not_believed(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    await world.beat(run_id)
    world.clock.pass_s(10_000)
    reply = await world.post(run_id, "CPUStress")
    assert reply.verdict == "ERROR"
    assert any("heartbeats stopped for" in text for text in reply.objections)


async def test_the_watchdog_itself_notices_that_it_was_stopped(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    await world.beat(run_id)
    watchdog, turns = _watchdog(world), 0

    class Enough(Exception):
        pass

    async def once() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            world.clock.pass_s(500)  # stopped in the middle of its second look
        if turns == 3:
            raise Enough

    watchdog.once = once  # type: ignore[method-assign]
    try:
        await watchdog.run()
    except Enough:
        pass
    silence_s = world.means.witnesses.silence_s(run_id)
    assert silence_s is not None
    assert silence_s < 10


async def test_after_a_restart_a_result_has_time_to_be_posted_again(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    world.clock.pass_s(100_000)  # the orchestrator was down; the stage ended long ago and its result waits
    watchdog = _watchdog(world)
    world.clock.pass_s(44)
    await world.beat(run_id)
    await watchdog.once()
    assert await world.state(run_id) is RunState.CPU_STRESS
    world.clock.pass_s(2)
    await world.beat(run_id)
    await watchdog.once()
    assert await world.state(run_id) is RunState.FAILED_HOLDING


async def test_a_run_that_moves_under_the_dispatchers_eyes_is_left_alone(world: World) -> None:
    run_id = await world.begun()
    before = await world.run(run_id)
    await world.progress.dispatch(run_id)
    await world.progress.dispatch_failed(run_id, "nobody came")
    assert await world.run(run_id) == before


async def test_an_attempt_that_ended_since_the_watchdog_looked_is_not_ended_again(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "SMART")
    seen, run = await world.open_attempt(run_id), await world.run(run_id)
    assert seen is not None
    await world.claim(world.token)  # the agent starts again: attempt 2
    await world.progress.past_deadline(run_id, seen)
    assert await world.state(run_id) is run.state
    assert [one.verdict for one in await world.attempts(run_id, "SMART")] == [Verdict.INTERRUPTED, None]


async def test_a_host_that_spoke_since_the_watchdog_looked_is_not_lost(world: World) -> None:
    run_id = await world.begun()
    world.clock.pass_s(10_000)
    await world.beat(run_id)
    await world.progress.lost(run_id, 10_000)
    assert await world.state(run_id) is RunState.INVENTORY


async def test_after_a_restart_reporters_are_waited_for(world: World) -> None:
    await world.people.add_host(wire.HostEdit(name="one", spec=honest.SPEC), who="ann")
    host_id, beat = (
        (await world.views.host("one")).id,
        wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",)),
    )
    await world.progress.reporter_beat(host_id, beat)
    run_id = (await world.started(host="one", start_by="reporter")).run_id
    world.clock.pass_s(3600)  # the orchestrator was down
    dispatcher = _dispatcher(world)
    await dispatcher.once()
    assert await world.state(run_id) is RunState.QUEUED
    world.clock.pass_s(30)
    await world.progress.reporter_beat(host_id, beat)
    await dispatcher.once()
    assert await world.state(run_id) is RunState.WAITING_REBOOT


async def test_a_reporter_that_stays_silent_after_our_restart_fails_the_dispatch(world: World) -> None:
    await world.people.add_host(wire.HostEdit(name="one", spec=honest.SPEC), who="ann")
    await world.progress.reporter_beat(
        (await world.views.host("one")).id, wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",))
    )
    run_id = (await world.started(host="one", start_by="reporter")).run_id
    dispatcher = _dispatcher(world)
    world.clock.pass_s(61)
    await dispatcher.once()
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")


async def test_a_host_that_boots_while_we_restart_may_still_claim(world: World) -> None:
    run_id = (await world.started()).run_id
    world.clock.pass_s(3600)
    dispatcher = _dispatcher(world)
    await dispatcher.once()
    assert await world.state(run_id) is RunState.BOOTING
