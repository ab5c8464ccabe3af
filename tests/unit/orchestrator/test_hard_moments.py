"""Moments between two states: whoever speaks then must neither advance a run nor lose it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import Conflict, NotAllowed, StageMismatch
from vetting.domain.hostspec import ExpectedDisk, Identity
from vetting.domain.inventory import Sensor
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.states import RunState
from vetting.orchestrator.watchdog import Watchdog
from vetting.store import attempts, findings, runs


def _watchdog(world: World) -> Watchdog:
    watchdog = Watchdog(store=world.store, progress=world.progress, clock=world.clock, config=world.config)
    world.clock.pass_s(31)
    return watchdog


async def _in_reporting(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    """A run whose report is still being written."""

    async def still_writing(run_id: int, turn: object) -> None:
        return None

    run_id = await world.begun()
    await world.reach(run_id, "PSU")
    with monkeypatch.context() as patch:
        patch.setattr(world.progress._reporting, "complete", still_writing)
        await world.post(run_id, "PSU")
    assert await world.state(run_id) is RunState.REPORTING
    return run_id


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.ERROR])
async def test_no_agent_reports_in_our_place(world: World, monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    run_id = await _in_reporting(world, monkeypatch)
    said = Outcome(verdict=verdict, reason="I did it", started_s=100.0, ended_s=101.0)
    with pytest.raises(StageMismatch):
        await world.post(run_id, "Reporting", outcome=said)
    assert await world.state(run_id) is RunState.REPORTING
    await world.progress.resume()
    assert await world.state(run_id) is RunState.COMPLETED
    assert [one.verdict for one in await world.attempts(run_id, "Reporting")] == [Verdict.PASS]
    late = await world.store.read(lambda: attempts.late_results_of(run_id))
    assert [one.stage for one in late] == ["Reporting"]


async def test_an_agent_that_starts_again_while_the_report_is_written_waits_for_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await _in_reporting(world, monkeypatch)
    reply = await world.claim(world.token)
    assert (reply.current_stage, reply.attempt, reply.holding, reply.current_state) == ("", 0, False, "Reporting")
    assert [one.verdict for one in await world.attempts(run_id, "Reporting")] == [None]
    await world.progress.resume()
    assert await world.state(run_id) is RunState.COMPLETED
    assert (await world.beat(run_id, "idle")).command.cmd == "shutdown"


async def test_a_lost_host_that_boots_again_comes_into_the_hold_and_not_to_its_own_disk(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    host_id = (await world.run(run_id)).host_id
    watchdog = _watchdog(world)
    world.clock.pass_s(600)  # a big server takes longer to start than it may be silent
    await watchdog.once()
    assert await world.state(run_id) is RunState.FAILED
    ticket = await world.progress.boot_requested(host_id)
    assert ticket
    world.boot_id = "boot-two"
    assert (await world.claim(ticket)).holding
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "CPUStress")
    found = [one.text for one in await world.store.read(lambda: findings.findings_of(run_id))]
    assert any("lost during CPUStress" in text for text in found)
    assert any("started again" in text for text in found)


async def test_a_lost_host_takes_no_second_run_before_a_person_settled_the_first(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    watchdog = _watchdog(world)
    world.clock.pass_s(600)
    await watchdog.once()
    with pytest.raises(Conflict, match=f"run {run_id}"):
        await world.started()
    await world.progress.cancel(run_id, who="ann", because=wire.Because(reason="it was switched off"))
    second = await world.started()
    assert second.run_id != run_id
    await world.beat(run_id, "holding")  # the agent of then
    assert await world.state(run_id) is RunState.CANCELLED


async def test_a_host_whose_run_is_settled_boots_its_own_disk(world: World) -> None:
    run_id = await world.begun()
    host_id = (await world.run(run_id)).host_id
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    assert await world.progress.boot_requested(host_id) == ""


async def test_another_machine_does_not_slip_into_a_hold(world: World) -> None:
    """A held host that boots again gets a new ticket; its claim is held against the record as the first one was."""
    run_id = await world.begun()
    await world.reach(run_id, "Storage")
    host_id = (await world.run(run_id)).host_id
    ticket = await world.progress.boot_requested(host_id)
    stranger = Identity(smbios_uuid="11111111-2222-4333-8444-555555555555", macs=("52:54:00:00:00:99",))
    with pytest.raises(NotAllowed):
        await world.claim(ticket, identity=stranger, boot_id="boot-of-another")
    assert (await world.run(run_id)).boot_id != "boot-of-another"
    found = await world.store.read(lambda: findings.findings_of(run_id))
    assert any("is not honest" in one.text for one in found)


async def test_a_claim_whose_answer_was_lost_may_be_made_again_after_a_reboot_too(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    await world.beat(run_id)
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    world.boot_id = "boot-two"
    first = await world.claim(ticket)
    again = await world.claim(ticket)  # the first answer never arrived
    assert again.holding
    assert again.token != first.token


async def test_the_inventory_of_the_run_reaches_an_agent_that_lost_it_with_the_boot(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "Network")
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    world.boot_id = "boot-two"
    assert (await world.claim(ticket)).inventory == honest.INVENTORY


async def test_an_old_ticket_says_nothing_about_a_run_that_is_over(world: World) -> None:
    ticket = (await world.started()).ticket
    run_id = (await world.claim(ticket)).run_id
    await world.reach(run_id, "PSU")
    await world.post(run_id, "PSU")
    assert await world.state(run_id) is RunState.COMPLETED
    with pytest.raises(NotAllowed):
        await world.claim(ticket, boot_id="a-rogue-boot")
    assert await world.store.read(lambda: findings.findings_of(run_id)) == []


async def test_an_alarm_is_told_once_however_often_the_old_ticket_is_tried(world: World) -> None:
    ticket = (await world.started()).ticket
    run_id = (await world.claim(ticket)).run_id
    for number in range(5):
        with pytest.raises(NotAllowed):
            await world.claim(ticket, boot_id=f"rogue-{number}")
    assert len(await world.store.read(lambda: findings.findings_of(run_id))) == 1


async def test_a_stage_entered_again_gives_its_agent_time_to_come_back(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "SMART")
    await world.post(run_id, "SMART", outcome=honest.outcome("SMART", verdict=Verdict.ERROR, reason="no smartctl"))
    watchdog = _watchdog(world)
    world.clock.pass_s(10_000)  # held for hours, the cable out
    await world.progress.retry(run_id, who="ann", because=wire.Because())
    await watchdog.once()
    assert await world.state(run_id) is RunState.SMART
    world.clock.pass_s(honest.SPRINT.lost_after_s + 1)
    await watchdog.once()
    assert await world.state(run_id) is RunState.FAILED


async def test_disks_are_written_from_the_live_image_alone(world: World) -> None:
    ticket = (await world.started()).ticket
    reply = await world.claim(ticket, live_image=False)
    assert reply.holding
    run = await world.run(reply.run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "claim")
    assert "live image" in run.reason


async def test_a_host_that_never_claimed_is_known_by_the_addresses_of_its_record(world: World) -> None:
    ticket = (await world.started()).ticket
    other = Identity(smbios_uuid="11111111-2222-4333-8444-555555555555", macs=("52:54:00:00:00:99",))
    reply = await world.claim(ticket, identity=other)
    assert reply.holding
    assert "MAC" in (await world.run(reply.run_id)).reason


async def test_a_run_that_writes_nothing_may_be_claimed_anywhere(world: World) -> None:
    ticket = (await world.started(non_destructive=True, confirm_serials=())).ticket
    assert not (await world.claim(ticket, live_image=False)).holding


async def test_a_disk_that_was_exchanged_is_a_matter_of_the_spec_and_not_of_the_first_claim(world: World) -> None:
    """A repaired host has to get through: the person who edits its spec says which disks it has."""
    run_id = await world.begun()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    spec = replace(honest.SPEC, disks=(ExpectedDisk(serial="D2", size_bytes=64 * honest.MIB),))
    await world.people.edit_host("honest", wire.HostEdit(name="honest", macs=(honest.MAC,), spec=spec), who="ann")
    ticket = (await world.started(confirm_serials=("D2",))).ticket
    repaired = replace(honest.IDENTITY, disk_serials=("D2",))
    assert not (await world.claim(ticket, identity=repaired)).holding


async def test_a_dead_disk_holds_a_run_that_would_write_and_says_what_to_do(world: World) -> None:
    run_id = await world.begun()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    ticket = (await world.started()).ticket
    reply = await world.claim(ticket, identity=replace(honest.IDENTITY, disk_serials=("OTHER",)))
    assert reply.holding
    why = (await world.run(reply.run_id)).reason
    assert "D1" in why
    assert "spec" in why and "non-destructive" in why


@pytest.mark.parametrize(("heard", "verdict"), [(True, "PASS"), (False, "ERROR")])
async def test_after_our_restart_heat_is_looked_up_in_the_records_and_not_taken_on_trust(
    world: World, heard: bool, verdict: str
) -> None:
    """We came back in the last second of a load: what its sensors said before is in the database, or it never was."""
    name = "temp.coretemp.package-id-0"
    sensor = Sensor(series=name, unit="C", source="/sys/class/hwmon/hwmon0/temp1_input")
    found = msgspec.to_builtins(replace(honest.INVENTORY, sensors=(sensor,)))
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=honest.outcome("Inventory", data={"inventory": found}))
    for stage in ("Firmware", "SMART"):
        await world.post(run_id, stage)
    for seq in range(8):
        world.clock.pass_s(5)
        await world.beat(run_id)
        samples = (wire.Sample(0, 0, 50.0),) if heard else ()
        batch = wire.SensorBatch(
            boot_id=world.boot_id, seq=seq, stage="CPUStress", now_ms=0, names=(name,), units=("C",), samples=samples
        )
        await world.intake.samples(run_id, batch)
    world.means.witnesses._runs.clear()  # as a restart does
    await world.beat(run_id)
    reply = await world.post(run_id, "CPUStress")
    assert reply.verdict == verdict, reply.objections
    assert heard or name in reply.objections[0]


async def test_a_short_stage_is_believed_after_our_restart(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    world.means.witnesses._runs.clear()
    await world.beat(run_id)
    assert (await world.post(run_id, "CPUStress")).verdict == "PASS"


async def test_the_hold_key_is_in_nothing_that_leaves(world: World) -> None:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=Outcome.fail("nothing here"))
    answer = await world.progress.hold(run_id, wire.Hold(boot_id=world.boot_id, addresses=("10.0.0.9",), reason="x"))
    run = await world.store.read(lambda: runs.get(run_id))
    secret = run.hold_private_key.splitlines()[1]
    for shown in (
        repr(run), wire.encode(answer).decode(), wire.encode(await world.views.run(run_id)).decode(),
        (await world.views.report(run_id, "html")).decode(), (await world.views.report(run_id, "json")).decode(),
    ):  # fmt: skip
        assert secret not in shown
        assert world.token not in shown
