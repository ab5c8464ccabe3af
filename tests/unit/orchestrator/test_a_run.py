"""What can happen to a run, against a real database: nothing advances on trust, nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import BadInput, Conflict, IllegalMove, NotAllowed, StageMismatch
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.outcome import Finding, Outcome, Severity, Verdict, Work
from vetting.domain.states import RunState
from vetting.store import attempts, audit, findings, runs, tokens


async def test_an_honest_host_walks_all_eleven_stages_and_completes(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "PSU")
    reply = await world.post(run_id, "PSU")
    assert (reply.verdict, reply.next_stage) == ("PASS", "")
    run = await world.run(run_id)
    assert run.state is RunState.COMPLETED
    assert "not vetted" in run.verdict  # a sprint is no vetting
    view = await world.views.run(run_id)
    assert [attempt.stage for attempt in view.attempts] == [
        "Inventory", "Firmware", "SpecValidate", "SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU",
        "Reporting",
    ]  # fmt: skip
    assert (await world.beat(run_id, "idle")).command.cmd == "shutdown"


async def test_a_result_for_another_stage_parks_the_run(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    replayed = honest.outcome("Inventory", ended_s=102.0)  # run again, not sent again
    with pytest.raises(StageMismatch, match="CPUStress"):
        await world.post(run_id, "Inventory", attempt=1, outcome=replayed)
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "Inventory (expected CPUStress)")


async def test_the_same_result_again_gets_the_same_answer_and_changes_nothing(world: World) -> None:
    run_id = await world.begun()
    first = await world.post(run_id, "Inventory")
    await world.post(run_id, "Firmware")
    assert await world.post(run_id, "Inventory") == first
    assert await world.state(run_id) is RunState.SMART
    assert len(await world.attempts(run_id, "Inventory")) == 1


async def test_a_result_for_a_stage_that_never_was_parks_the_run_and_names_both(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    with pytest.raises(StageMismatch):
        await world.post(run_id, "Inventory", attempt=7)
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "Inventory (expected CPUStress)")
    assert (await world.attempts(run_id, "CPUStress"))[0].verdict is Verdict.INTERRUPTED
    beat = await world.beat(run_id, "running", stage="CPUStress", attempt=1)
    assert beat.command.cmd == "cancel_stage"


async def test_a_failed_stage_is_held_and_named(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "SMART")
    reply = await world.post(
        run_id, "SMART", outcome=honest.outcome("SMART", verdict=Verdict.FAIL, reason="it is dying")
    )
    assert (reply.verdict, reply.state, reply.next_stage) == ("FAIL", "FailedHolding", "")
    run = await world.run(run_id)
    assert (run.failed_stage, run.held_from) == ("SMART", RunState.SMART)
    hold = wire.Hold(boot_id=world.boot_id, addresses=("10.0.0.9",), reason="SMART")
    answer = await world.progress.hold(run_id, hold)
    assert answer.authorized_key.startswith("ssh-ed25519 ")
    again = await world.progress.hold(run_id, hold)
    assert again.authorized_key == answer.authorized_key  # one key a run


async def test_a_retry_enters_the_failed_stage_again_on_the_parked_agent(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "SMART")
    await world.post(run_id, "SMART", outcome=honest.outcome("SMART", verdict=Verdict.ERROR, reason="no smartctl"))
    await world.progress.retry(run_id, who="ann", because=wire.Because())
    command = (await world.beat(run_id, "holding")).command
    assert (command.cmd, command.stage, command.attempt) == ("retry_stage", "SMART", 2)
    assert (await world.run(run_id)).failed_stage == ""
    assert (await world.beat(run_id, "running")).command.cmd == "none"
    assert (await world.post(run_id, "SMART", attempt=2)).verdict == "PASS"
    assert [one.verdict for one in await world.attempts(run_id, "SMART")] == [Verdict.ERROR, Verdict.PASS]


async def test_what_the_wipe_probe_did_not_find_nobody_can_allow(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "Storage")
    await world.post(run_id, "Storage", outcome=Outcome.error("fio was not there"))
    because = wire.Because(reason="whatever is on it may go", flags=("wipe_probe",))
    with pytest.raises(Conflict, match="does not speak to what stopped Storage"):
        await world.progress.override(run_id, who="ann", because=because)
    assert (await world.run(run_id)).state is RunState.FAILED_HOLDING


async def test_an_override_carries_its_flag_asks_why_and_is_kept(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "Storage")
    await world.post(run_id, "Storage", outcome=Outcome.error("UnexpectedData: LVM on disk:D1"))
    with pytest.raises(BadInput, match="reason"):
        await world.progress.override(run_id, who="ann", because=wire.Because(flags=("wipe_probe",)))
    with pytest.raises(BadInput, match="knows wipe_probe"):
        await world.progress.override(run_id, who="ann", because=wire.Because(reason="x", flags=("wipe_all",)))
    because = wire.Because(reason="old data, may go", flags=("wipe_probe",))
    await world.progress.override(run_id, who="ann", because=because)
    command = (await world.beat(run_id, "holding")).command
    assert (command.cmd, command.override_flags) == ("retry_stage", ("wipe_probe",))
    assert '"overrides\\":[\\"wipe_probe\\"]' in command.permit
    kept = await world.store.read(lambda: audit.entries(run_id=run_id))
    assert ("ann", "run.override", "old data, may go") in [(one.who, one.what, one.why) for one in kept]


async def test_cancel_mid_stage_stops_the_agent_and_powers_off(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    await world.progress.cancel(run_id, who="ann", because=wire.Because(reason="wrong host"))
    assert (await world.beat(run_id, "running", stage="CPUStress", attempt=1)).command.cmd == "cancel_stage"
    cancelled = honest.outcome("CPUStress", verdict=Verdict.CANCELLED)
    assert (await world.post(run_id, "CPUStress", outcome=cancelled)).state == "Cancelled"
    assert (await world.beat(run_id, "idle")).command.cmd == "shutdown"


async def test_cancel_from_a_hold_reboots_the_host(world: World) -> None:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=Outcome.fail("nothing here"))
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    assert (await world.beat(run_id, "holding")).command.cmd == "reboot"


async def test_release_ends_a_hold_and_powers_off(world: World) -> None:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=Outcome.fail("nothing here"))
    await world.progress.release(run_id, who="ann", because=wire.Because())
    assert await world.state(run_id) is RunState.RELEASED
    assert (await world.beat(run_id, "holding")).command.cmd == "shutdown"
    with pytest.raises(IllegalMove):
        await world.progress.cancel(run_id, who="ann", because=wire.Because())


async def test_an_agent_started_again_in_the_same_boot_runs_the_stage_as_a_new_attempt(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    reply = await world.claim(world.token)
    assert (reply.current_stage, reply.attempt, reply.holding) == ("CPUStress", 2, False)
    assert (await world.attempts(run_id, "CPUStress"))[0].verdict is Verdict.INTERRUPTED
    with pytest.raises(StageMismatch):  # what the dead agent had still to say is kept, and not counted
        await world.post(run_id, "CPUStress", attempt=1)
    assert await world.state(run_id) is RunState.CPU_STRESS
    assert (await world.post(run_id, "CPUStress", attempt=2)).verdict == "PASS"


async def test_another_boot_in_a_stage_holds_the_host_as_rebooted(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    host_id = (await world.run(run_id)).host_id
    ticket = await world.progress.boot_requested(host_id)
    run = await world.run(run_id)
    assert (run.state, run.reason) == (RunState.FAILED_HOLDING, "rebooted unexpectedly during CPUStress")
    world.boot_id = "boot-two"
    assert (await world.claim(ticket)).holding
    found = await world.store.read(lambda: findings.findings_of(run_id))
    assert any("rebooted unexpectedly" in one.text and one.component == "host" for one in found)


async def test_a_heartbeat_from_another_boot_is_a_reboot_too(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "Burn")
    await world.beat(run_id, "running", boot_id="boot-two")
    assert (await world.run(run_id)).reason == "rebooted unexpectedly during Burn"


async def test_a_ticket_opens_once_and_a_second_agent_is_refused_and_told_of(world: World) -> None:
    ticket = (await world.started()).ticket
    run_id = (await world.claim(ticket)).run_id
    await world.beat(run_id)
    with pytest.raises(NotAllowed):
        await world.claim(ticket, boot_id="a-rogue-boot")
    found = await world.store.read(lambda: findings.findings_of(run_id))
    assert [one.severity for one in found] == [Severity.CRITICAL]
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "Inventory")
    assert (await world.beat(run_id, "running", stage="Inventory", attempt=1)).command.cmd == "cancel_stage"
    await world.progress.retry(run_id, who="ann", because=wire.Because())  # she looked, and it is the right machine
    assert (await world.post(run_id, "Inventory", attempt=2)).verdict == "PASS"


async def test_a_host_with_a_new_board_is_let_in_once_a_person_said_so(world: World) -> None:
    first = await world.begun()
    await world.progress.cancel(first, who="ann", because=wire.Because())
    repaired = Identity(smbios_uuid="11111111-2222-4333-8444-555555555555", macs=(honest.MAC,), disk_serials=("D1",))
    held = await world.claim((await world.started()).ticket, identity=repaired)
    assert held.holding
    assert "vetting host relearn honest" in (await world.run(held.run_id)).reason
    with pytest.raises(BadInput, match="--reason"):
        await world.people.relearn_host("honest", who="ann", why=" ")
    await world.people.relearn_host("honest", who="ann", why="new main board")
    await world.progress.cancel(held.run_id, who="ann", because=wire.Because())
    assert not (await world.claim((await world.started()).ticket, identity=repaired)).holding


async def test_late_results_of_a_run_are_kept_up_to_a_number(world: World) -> None:
    run_id = await world.begun()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    for number in range(attempts.MOST_LATE + 5):
        with pytest.raises(StageMismatch):
            await world.post(run_id, "Burn", attempt=number)
    assert len(await world.store.read(lambda: attempts.late_results_of(run_id))) == attempts.MOST_LATE


async def test_a_flood_of_findings_is_cut_and_a_critical_one_still_gets_through(world: World) -> None:
    run_id = await world.begun()
    flood = tuple(
        Finding(severity=Severity.INFO, component="host", text=f"noise {n}", source="k")
        for n in range(findings.MOST + 9)
    )
    worst = Finding(severity=Severity.CRITICAL, component="cpu:1", text="machine check", source="k")
    added = await world.store.write(lambda: findings.add(run_id, "Inventory", 1, (*flood, worst), at=1.0))
    assert added == findings.MOST + 1
    assert (await world.post(run_id, "Inventory")).verdict == "FAIL"


async def test_evidence_of_an_attempt_that_ended_long_ago_is_not_added_to(world: World) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"late"

    run_id = await world.begun()
    await world.post(run_id, "Inventory")
    world.clock.pass_s(601)
    with pytest.raises(Conflict, match="has ended"):
        await world.intake.artifact(
            run_id, stage="Inventory", attempt=1, name="x", sha256="", media_type="text/plain", body=body(), max_bytes=9
        )


@pytest.mark.parametrize("secret", ["", "nonsense", "x" * 4000])
async def test_an_unknown_ticket_gets_the_same_words(world: World, secret: str) -> None:
    await world.started()
    with pytest.raises(NotAllowed, match="opens nothing here"):
        await world.claim(secret)


async def test_an_expired_ticket_opens_nothing(world: World) -> None:
    ticket = (await world.started()).ticket
    world.clock.pass_s(3600)
    with pytest.raises(NotAllowed):
        await world.claim(ticket)


async def test_another_machine_is_held_at_the_claim_and_tests_nothing(world: World) -> None:
    run_id = await world.begun()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    ticket = (await world.started()).ticket
    stranger = Identity(smbios_uuid="11111111-2222-4333-8444-555555555555", macs=("52:54:00:00:00:99",))
    reply = await world.claim(ticket, identity=stranger)
    assert reply.holding
    run = await world.run(reply.run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "claim")
    with pytest.raises(Conflict):
        await world.progress.retry(reply.run_id, who="ann", because=wire.Because())


async def test_a_start_without_a_fresh_reporter_is_refused_with_the_way_out(world: World) -> None:
    await world.people.add_host(wire.HostEdit(name="quiet", spec=ExpectedSpec()), who="ann")
    with pytest.raises(Conflict, match=r"/register/quick\.sh"):
        await world.started(host="quiet", start_by="reporter", confirm_serials=())


async def test_a_reporter_is_told_to_reboot_and_a_silent_one_fails_the_dispatch(world: World) -> None:
    await world.people.add_host(wire.HostEdit(name="honest", spec=honest.SPEC), who="ann")
    host_id = (await world.views.host("honest")).id
    beat = wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",))
    assert (await world.progress.reporter_beat(host_id, beat)).cmd == "none"
    first = await world.started(start_by="reporter")
    await world.progress.dispatch(first.run_id)
    assert (await world.progress.reporter_beat(host_id, beat)).cmd == "reboot_for_vetting"
    await world.progress.cancel(first.run_id, who="ann", because=wire.Because())
    second = await world.started(start_by="reporter")
    world.clock.pass_s(61)
    await world.progress.dispatch(second.run_id)
    run = await world.run(second.run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")


async def test_what_will_be_erased_has_to_be_confirmed_exactly(world: World) -> None:
    for confirmed in ((), ("D2",), ("D1", "D2")):
        with pytest.raises(Conflict, match="D1"):
            await world.started(confirm_serials=confirmed)
    assert (await world.started(confirm_serials=(), non_destructive=True)).ticket


async def test_a_host_with_an_active_run_takes_no_second_one(world: World) -> None:
    run_id = await world.begun()
    with pytest.raises(Conflict, match=f"run {run_id}"):
        await world.started()


async def test_a_permit_names_the_confirmed_disk_and_only_storage_and_burn_get_one(world: World) -> None:
    run_id = await world.begun()
    seen: dict[str, str] = {}
    for stage in ("Inventory", "Firmware", "SMART", "CPUStress"):
        reply = await world.post(run_id, stage)
        seen[reply.next_stage] = reply.permit
    assert [stage for stage, permit in seen.items() if permit] == ["Storage"]
    assert '\\"serial\\":\\"D1\\"' in seen["Storage"]


async def test_no_permit_for_a_non_destructive_run(world: World) -> None:
    run_id = await world.begun(non_destructive=True, confirm_serials=())
    await world.post(run_id, "Inventory")
    await world.post(run_id, "Firmware")
    await world.post(run_id, "SMART")
    assert (await world.post(run_id, "CPUStress")).permit == ""


async def test_a_critical_difference_holds_the_run_in_spec_validate_until_accepted(world: World) -> None:
    disks = (honest.DISK, ExpectedDisk(serial="D2"))
    await world.people.add_host(wire.HostEdit(name="honest", spec=replace(honest.SPEC, disks=disks)), who="ann")
    run_id = await world.begun(confirm_serials=("D1", "D2"))
    await world.post(run_id, "Inventory")
    assert (await world.post(run_id, "Firmware")).state == "FailedHolding"
    run = await world.run(run_id)
    assert run.failed_stage == "SpecValidate"
    assert "D2" in run.reason
    because = wire.Because(reason="D2 is at the repair shop", flags=("accept_differences",))
    await world.progress.override(run_id, who="ann", because=because)
    assert await world.state(run_id) is RunState.SMART
    assert (await world.beat(run_id, "holding")).command.stage == "SMART"


@pytest.mark.parametrize(
    ("stage", "changes", "verdict", "says"),
    [
        ("CPUStress", {"cells": ()}, "ERROR", "no result for cpu"),
        ("CPUStress", {"tools": ()}, "ERROR", "stress-ng"),
        ("CPUStress", {"verdict": Verdict.SKIP, "reason": "no stress-ng"}, "ERROR", "may not be skipped"),
        ("CPUStress", {"ended_s": float("nan")}, "ERROR", "clock"),
        ("CPUStress", {"ended_s": 90000.0}, "ERROR", "the host counted"),
        ("Storage", {"verdict": Verdict.SKIP, "reason": "busy"}, "ERROR", "may not be skipped"),
        ("Network", {"cells": ()}, "ERROR", "nic:"),
        (
            "Burn",
            {"findings": (Finding(severity=Severity.CRITICAL, component="cpu:1", text="machine check", source="k"),)},
            "FAIL",
            "machine check",
        ),
    ],
)
async def test_a_pass_that_does_not_agree_with_the_records_is_refused(
    world: World, stage: str, changes: dict[str, object], verdict: str, says: str
) -> None:
    run_id = await world.begun()
    await world.reach(run_id, stage)
    reply = await world.post(run_id, stage, outcome=honest.outcome(stage, **changes))
    assert reply.verdict == verdict
    assert any(says in text for text in reply.objections), reply.objections
    assert reply.state == "FailedHolding"


async def test_a_pass_over_half_of_the_disk_is_refused(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "Storage")
    told = honest.outcome("Storage")
    half = Work(what="bytes verified", done=32 * honest.MIB, of=64 * honest.MIB, unit="bytes")
    cell = replace(told.cells[0], work=(half,))
    assert (await world.post(run_id, "Storage", outcome=told.but(cells=(cell,)))).verdict == "ERROR"


async def test_a_pass_is_refused_when_heartbeats_stopped(world: World) -> None:
    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    world.clock.pass_s(honest.SPRINT.lost_after_s + 5)
    reply = await world.post(run_id, "CPUStress")
    assert reply.verdict == "ERROR"
    assert any("heartbeats stopped" in text for text in reply.objections)


async def test_a_promised_artifact_that_never_came_refuses_the_pass(world: World) -> None:
    from vetting.domain.outcome import ArtifactRef

    run_id = await world.begun()
    await world.reach(run_id, "CPUStress")
    promised = ArtifactRef(name="stress-ng-1.txt", media_type="text/plain", sha256="0" * 64, size_bytes=3)
    reply = await world.post(run_id, "CPUStress", outcome=honest.outcome("CPUStress", artifacts=(promised,)))
    assert any("never came" in text for text in reply.objections)


async def test_two_moves_at_once_one_wins(world: World) -> None:
    run_id = await world.begun()
    run = await world.run(run_id)
    moved = await world.store.write(
        lambda: (
            runs.move(run_id, run.state, RunState.CANCELLED),
            runs.move(run_id, run.state, RunState.FIRMWARE),
        )
    )
    assert moved == (True, False)


async def test_tokens_are_stored_as_hashes_only(world: World) -> None:
    run_id = await world.begun()
    run = await world.run(run_id)
    assert run.token_hash == tokens.hash_of(world.token)
    assert world.token.encode() not in world.store.path.read_bytes()
    assert await world.people.run_of(world.token) == run_id


async def test_a_token_is_no_good_an_hour_after_the_run(world: World) -> None:
    run_id = await world.begun()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    assert await world.people.run_of(world.token) == run_id
    world.clock.pass_s(3601)
    with pytest.raises(NotAllowed):
        await world.people.run_of(world.token)
