"""A run after a repair, against a real database: the right part and nothing else, and the test that failed until it may be believed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDimm, FoundDisk, Inventory
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.repair import Part, PartKind, Repair
from vetting.domain.states import RunState
from vetting.orchestrator import gathering
from vetting.report.model import RepairShown
from vetting.store import audit, repairs, runs

STAGES = ("Inventory", "Firmware", "SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU")
A1 = Part(kind=PartKind.DIMM, slot="A1", old="OLD", new="NEW")


def dimm(slot: str, serial: str) -> FoundDimm:
    return FoundDimm(locator=f"DIMM_{slot}", serial=serial, size_bytes=512 * honest.MIB)


BEFORE = replace(honest.INVENTORY, dimms=(dimm("A1", "OLD"), dimm("A2", "KEEP")))
AFTER = replace(BEFORE, dimms=(dimm("A1", "NEW"), dimm("A2", "KEEP")))


@dataclass
class Bench:
    """A host that is repaired: runs of it end as the test says."""

    world: World

    slow: bool = False  # the memory is tested for as long as a new DIMM asks for

    async def post(
        self, run_id: int, stage: str, inventory: Inventory, attempt: int = 1, **changes: Any
    ) -> wire.ResultReply:
        if stage == "CPUStress" and self.slow and not changes:
            cpu, *rest = honest.outcome(stage).tools  # one after the other
            ram = tuple(
                replace(one, started_s=101.0 + 3 * place, ended_s=104.0 + 3 * place) for place, one in enumerate(rest)
            )
            self.world.clock.pass_s(ram[-1].ended_s - 101.5)
            changes = {"ended_s": ram[-1].ended_s, "tools": (cpu, *ram)}
        outcome = honest.outcome(stage, **changes)
        if stage == "Inventory":
            outcome = outcome.but(data={"inventory": msgspec.to_builtins(inventory)})
        return await self.world.post(run_id, stage, attempt, outcome)

    async def walk(self, run_id: int, inventory: Inventory, to: str = "") -> None:
        """Believed passes up to the stage `to`, which is then the open one; through all without it."""
        for stage in STAGES:
            if stage == to:
                return
            reply = await self.post(run_id, stage, inventory)
            assert reply.verdict in ("PASS", "SKIP"), (stage, reply)
            if reply.state == "FailedHolding":
                return

    async def failed(self, stage: str, *, after_s: float, reason: str = "a bit flipped in DIMM A1") -> int:
        """A run that fails in a stage after so many seconds, and is released."""
        run_id = await self.world.begun()
        await self.walk(run_id, BEFORE, to=stage)
        self.world.clock.pass_s(after_s)
        bad: dict[str, Any] = {
            "verdict": Verdict.FAIL,
            "reason": reason,
            "started_s": 100.0,
            "ended_s": 100.0 + after_s,
        }
        assert (await self.post(run_id, stage, BEFORE, **bad)).verdict == "FAIL"
        await self.world.progress.release(run_id, who="ann", because=wire.Because(reason="to the bench"))
        return run_id

    async def repaired(self, *parts: Part, confidence: float = 0.95, **changes: Any) -> int:
        self.slow = True
        return await self.world.begun(repair=Repair(parts=parts, confidence=confidence), **changes)

    async def told(self, run_id: int) -> RepairShown:
        report = await self.world.store.read(lambda: gathering.gather(run_id))
        assert report.repair is not None
        return report.repair

    async def verdict(self, run_id: int) -> Any:
        return await self.world.store.read(lambda: gathering.verdict(run_id))


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


async def test_the_right_part_changed_and_the_test_that_failed_passes_often_enough(bench: Bench) -> None:
    failed = await bench.failed("Burn", after_s=2.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="Burn")
    replies = [await bench.post(run_id, "Burn", AFTER, attempt) for attempt in range(1, 7)]
    assert [one.next_stage for one in replies] == ["Burn"] * 5 + ["GPU"]  # 3.0 x 2 s of load, 1 s in each pass
    assert [one.next_attempt for one in replies] == [2, 3, 4, 5, 6, 1]
    for stage in STAGES[7:]:
        await bench.post(run_id, stage, AFTER)
    assert await bench.world.state(run_id) is RunState.COMPLETED
    told = await bench.told(run_id)
    assert [(one.proof, one.text) for one in told.parts] == [("proved", "DIMM DIMM_A1 was replaced: OLD → NEW")]
    assert told.beside == ()
    assert told.repeated is not None
    assert (told.repeated.run_id, told.repeated.failures, told.repeated.passes) == (failed, 1, 6)
    assert told.repeated.enough
    assert "Confidence reached: 95 %; 95 % was asked for." in told.words
    assert not any("confidence" in text for text in (await bench.verdict(run_id)).qualifiers)


async def test_a_part_that_was_not_replaced_fails_and_is_named(bench: Bench) -> None:
    await bench.failed("CPUStress", after_s=1.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, BEFORE)
    run = await bench.world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "SpecValidate")
    assert "DIMM DIMM_A1 still has serial OLD: the part named as replaced was not replaced" in run.reason
    assert (await bench.verdict(run_id)).word == "failed"


async def test_what_else_changed_fails_and_is_named_until_a_person_accepts_it(bench: Bench) -> None:
    await bench.failed("CPUStress", after_s=1.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, replace(AFTER, dimms=(dimm("A1", "NEW"), dimm("A2", "ALSO"))))
    run = await bench.world.run(run_id)
    assert "DIMM DIMM_A2 changed too, and nobody named it: KEEP → ALSO" in run.reason
    because = wire.Because(reason="A2 was swapped for a spare", flags=("accept_differences",))
    await bench.world.progress.override(run_id, who="ann", because=because)
    assert await bench.world.state(run_id) is RunState.SMART
    assert any("A2 changed too" in one.text for one in (await bench.told(run_id)).beside)
    assert any("A2 was swapped for a spare" in text for text in (await bench.verdict(run_id)).qualifiers)


async def test_a_failure_in_a_repetition_fails_the_stage(bench: Bench) -> None:
    await bench.failed("Burn", after_s=2.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="Burn")
    assert (await bench.post(run_id, "Burn", AFTER)).next_stage == "Burn"
    reply = await bench.post(run_id, "Burn", AFTER, 2, verdict=Verdict.FAIL, reason="a bit flipped again")
    assert (reply.verdict, reply.state) == ("FAIL", "FailedHolding")
    assert (await bench.verdict(run_id)).sentence == "Failed in Burn: a bit flipped again."
    await bench.world.progress.retry(run_id, who="ann", because=wire.Because())
    assert (await bench.post(run_id, "Burn", AFTER, 3)).next_stage == "Burn"  # it begins to count anew
    told = (await bench.told(run_id)).repeated
    assert told is not None
    assert (told.passes, told.clean_s) == (1, 1.0)


async def test_what_a_dead_agent_interrupted_counts_neither_way(bench: Bench) -> None:
    await bench.failed("Burn", after_s=2.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="Burn")
    await bench.post(run_id, "Burn", AFTER)
    await bench.world.claim(bench.world.token)  # the agent is back within the same boot
    assert (await bench.post(run_id, "Burn", AFTER, 3)).next_attempt == 4
    told = (await bench.told(run_id)).repeated
    assert told is not None
    assert told.passes == 2


async def test_a_bound_that_binds_is_told_with_the_confidence_that_was_reached(bench: Bench) -> None:
    await bench.failed("Burn", after_s=5.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="Burn")
    replies = [await bench.post(run_id, "Burn", AFTER, attempt) for attempt in range(1, 11)]
    assert replies[-1].next_stage == "GPU"  # limits.repeat_times, where 15 s are asked for
    for stage in STAGES[7:]:
        await bench.post(run_id, stage, AFTER)
    told = await bench.told(run_id)
    assert told.repeated is not None
    assert (told.repeated.passes, told.repeated.enough) == (10, False)
    assert any("Confidence reached: 86 % of the 95 % that was asked for" in text for text in told.words)
    verdict = await bench.verdict(run_id)
    assert verdict.word == "passed, not vetted"
    assert "confidence in the repair: 86 % instead of 95 %, Burn passed 10 times after it" in verdict.qualifiers


async def test_a_lower_confidence_asks_for_fewer_passes(bench: Bench) -> None:
    await bench.failed("Burn", after_s=2.0)
    run_id = await bench.repaired(A1, confidence=0.5)
    await bench.walk(run_id, AFTER, to="Burn")
    replies = [await bench.post(run_id, "Burn", AFTER, attempt) for attempt in (1, 2)]
    assert [one.next_stage for one in replies] == ["Burn", "GPU"]  # ln 2 x 2 s


async def test_failures_of_several_runs_are_counted_together_and_a_good_run_ends_them(bench: Bench) -> None:
    good = await bench.world.begun()
    await bench.walk(good, BEFORE)
    assert await bench.world.state(good) is RunState.COMPLETED
    await bench.failed("Burn", after_s=2.0)
    second = await bench.failed("Burn", after_s=4.0)
    run_id = await bench.repaired(A1)
    row = await bench.world.store.read(lambda: repairs.find(run_id))
    assert row is not None
    history = row.ordered.history
    assert history is not None
    assert (history.stage, history.run_id, history.failures, history.attempts) == ("Burn", second, 2, 2)
    assert history.load_s == pytest.approx(6.0)


async def test_a_test_that_only_looks_is_not_repeated(bench: Bench) -> None:
    await bench.failed("SMART", after_s=30.0, reason="it is dying")
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER)
    assert await bench.world.state(run_id) is RunState.COMPLETED
    assert len(await bench.world.attempts(run_id, "SMART")) == 1
    told = await bench.told(run_id)
    assert told.repeated is not None
    assert told.repeated.enough
    assert any("a single pass is all that it can tell" in text for text in told.words)


async def test_a_test_that_is_not_run_any_more_is_told_and_bars_a_vetting(bench: Bench) -> None:
    run_id = await bench.world.begun()
    await bench.walk(run_id, BEFORE, to="Storage")
    await bench.post(run_id, "Storage", BEFORE, verdict=Verdict.FAIL, reason="a sector was lost")
    await bench.world.progress.release(run_id, who="ann", because=wire.Because())
    run_id = await bench.repaired(A1, non_destructive=True, confirm_serials=())
    await bench.walk(run_id, AFTER, to="Storage")
    skip = Outcome.skip("the run is non-destructive")
    assert (await bench.world.post(run_id, "Storage", 1, skip.but(started_s=100.0, ended_s=101.0))).verdict == "SKIP"
    idle = tuple(
        replace(one, verdict=Verdict.SKIP, work=()) if one.component == "disk" else one
        for one in honest.outcome("Burn").cells
    )
    for stage in STAGES[5:]:
        changes: dict[str, Any] = {"cells": idle} if stage == "Burn" else {}
        await bench.post(run_id, stage, AFTER, **changes)
    assert (
        "Storage, which failed before the repair, was not passed after it" in (await bench.verdict(run_id)).qualifiers
    )


async def test_the_stages_of_the_new_part_run_longer_for_this_run_alone(bench: Bench) -> None:
    run_id = await bench.repaired(A1)
    sprint = bench.world.config.profiles["sprint"]
    run = await bench.world.run(run_id)
    assert (run.profile.cpu_stress.ram_s, sprint.cpu_stress.ram_s) == (3, 1)
    assert bench.world.claimed is not None
    assert bench.world.claimed.profile == run.profile
    raised = (await bench.told(run_id)).raised
    assert ("cpu_stress.ram_s", "1 s", "3 s") in [(one.knob, one.before, one.after) for one in raised]
    kept = await bench.world.store.read(lambda: audit.entries(run_id=run_id))
    assert [one.detail.get("replaced") for one in kept if one.what == "run.start"] == [["DIMM A1"]]


async def test_a_memory_test_as_short_as_the_profile_has_it_is_not_believed_after_a_dimm_was_replaced(
    bench: Bench,
) -> None:
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="CPUStress")
    reply = await bench.world.post(run_id, "CPUStress")
    assert reply.verdict == "ERROR"
    assert any("planned were 4 s" in text for text in reply.objections)


async def test_a_spec_that_still_names_the_old_dimm_is_a_warning_once_the_repair_is_proved(bench: Bench) -> None:
    spec = replace(honest.SPEC, dimm_serials=("OLD", "KEEP"))
    await bench.world.people.add_host(wire.HostEdit(name="honest", macs=(honest.MAC,), spec=spec), who="tester")
    await bench.failed("CPUStress", after_s=0.2)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="CPUStress")
    assert await bench.world.state(run_id) is RunState.CPU_STRESS
    report = await bench.world.store.read(lambda: gathering.gather(run_id))
    (row,) = [one for one in report.differences if one.field == "dimm.missing"]
    assert row.severity == "warning"
    assert "it was replaced, and the expected spec still names it" in row.text


async def test_a_spec_that_names_another_missing_dimm_still_fails(bench: Bench) -> None:
    spec = replace(honest.SPEC, dimm_serials=("OLD", "NOWHERE"))
    await bench.world.people.add_host(wire.HostEdit(name="honest", macs=(honest.MAC,), spec=spec), who="tester")
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER)
    assert "NOWHERE" in (await bench.world.run(run_id)).reason


async def test_a_disk_that_the_spec_does_not_know_is_told_before_the_start(bench: Bench) -> None:
    await bench.failed("SMART", after_s=1.0)
    part = Part(kind=PartKind.DISK, slot="bay 1", old="D1", new="D2")
    with pytest.raises(Conflict, match="still has the disk D1, which was replaced"):
        await bench.repaired(part)
    with pytest.raises(Conflict, match="does not have the new disk D2"):
        await bench.repaired(replace(part, old=""))
    with pytest.raises(BadInput, match="say which disk was replaced"):
        await bench.repaired(Part(kind=PartKind.DISK))
    with pytest.raises(BadInput, match="no slot of honest is called 'Z9': run 1 saw DIMM_A1, DIMM_A2"):
        await bench.repaired(Part(kind=PartKind.DIMM, slot="Z9"))


async def test_a_new_disk_is_tested_whole_and_its_name_is_found_in_the_spec(bench: Bench) -> None:
    await bench.failed("SMART", after_s=1.0)
    spec = replace(honest.SPEC, disks=(ExpectedDisk(serial="D2", size_bytes=64 * honest.MIB),))
    await bench.world.people.edit_host("honest", wire.HostEdit(name="honest", macs=(honest.MAC,), spec=spec), who="ann")
    run_id = await bench.repaired(Part(kind=PartKind.DISK, slot="bay 1", old="d1"), confirm_serials=("D2",))
    assert (await bench.world.run(run_id)).profile.storage.thorough == ("D2",)
    there = replace(
        BEFORE, disks=(FoundDisk(name="sda", serial="D2", size_bytes=64 * honest.MIB, transport="sata", smart=True),)
    )
    await bench.walk(run_id, there, to="SMART")
    told = await bench.told(run_id)
    assert [one.proof for one in told.parts] == ["proved"]
    assert told.parts[0].text == "disk in bay 1 was replaced: D1 → D2"


async def test_a_host_that_no_run_looked_into_proves_nothing_and_says_so(bench: Bench) -> None:
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER)
    assert await bench.world.state(run_id) is RunState.COMPLETED
    told = await bench.told(run_id)
    assert told.parts[0].proof == "cannot be proved"
    assert "nothing to compare" in told.compared
    assert told.words == ("No test had failed since the host was last good, so none was repeated.",)
    assert any("nothing to compare with" in text for text in (await bench.verdict(run_id)).qualifiers)


async def test_a_run_without_a_repair_is_as_it_was(bench: Bench) -> None:
    await bench.failed("CPUStress", after_s=60.0)
    run_id = await bench.world.begun()
    await bench.walk(run_id, AFTER)
    assert await bench.world.state(run_id) is RunState.COMPLETED
    assert len(await bench.world.attempts(run_id, "CPUStress")) == 1
    report = await bench.world.store.read(lambda: gathering.gather(run_id))
    assert report.repair is None


async def test_a_later_change_of_the_limits_does_not_reach_a_run_that_began(bench: Bench) -> None:
    run_id = await bench.repaired(A1)
    row = await bench.world.store.read(lambda: (repairs.find(run_id), runs.get(run_id)))
    assert row[0] is not None
    assert row[0].ordered.bounds.times == bench.world.config.limits.repeat_times


async def test_a_repair_that_went_wrong_at_first_is_compared_with_what_was_before_it(bench: Bench) -> None:
    """The wrong DIMM was taken, the run said so, and both slots were put right: that is the repair, and no move."""
    await bench.failed("Burn", after_s=0.5)
    wrong = await bench.repaired(A1)
    await bench.walk(wrong, replace(BEFORE, dimms=(dimm("A1", "OLD"), dimm("A2", "NEW"))))
    assert (await bench.world.run(wrong)).failed_stage == "SpecValidate"
    await bench.world.progress.release(wrong, who="ann", because=wire.Because(reason="the other slot"))
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="Burn")
    told = await bench.told(run_id)
    assert [one.proof for one in told.parts] == ["proved"]
    assert told.beside == ()
    assert told.repeated is not None
    assert told.repeated.stage == "Burn"  # and not the comparison that failed in between


async def test_a_run_that_is_started_again_after_the_same_repair_knows_that_it_was_proved(bench: Bench) -> None:
    await bench.failed("Burn", after_s=0.5)
    first = await bench.repaired(A1)
    await bench.walk(first, AFTER, to="CPUStress")
    await bench.world.progress.cancel(first, who="ann", because=wire.Because(reason="the power went"))
    again = await bench.repaired(A1)
    await bench.walk(again, AFTER, to="CPUStress")
    told = await bench.told(again)
    assert [one.proof for one in told.parts] == ["proved"]
    assert f"run {first} proved it, and it is as it was then" in told.parts[0].text
    await bench.world.progress.cancel(again, who="ann", because=wire.Because(reason="and again"))
    back = await bench.repaired(A1)
    await bench.walk(back, BEFORE)
    assert "has serial OLD; the new one was to have NEW" in (await bench.world.run(back)).reason


BOARD = Part(kind=PartKind.BOARD, note="burnt VRM")
OTHER = replace(honest.IDENTITY, smbios_uuid="0d15ea5e-0000-4000-8000-000000000001")


async def test_a_new_board_is_proved_once_a_person_had_the_identity_learned_anew(bench: Bench) -> None:
    await bench.failed("Burn", after_s=0.5)
    started = await bench.world.started(repair=Repair(parts=(BOARD,)))
    assert any("vetting host relearn honest" in note for note in started.notes)
    assert (await bench.world.claim(started.ticket, identity=OTHER)).holding
    run = await bench.world.run(started.run_id)
    assert "the SMBIOS UUID is 0d15ea5e" in run.reason
    assert "`vetting host relearn honest`" in run.reason
    await bench.world.progress.cancel(run.id, who="ann", because=wire.Because(reason="relearn first"))
    await bench.world.people.relearn_host("honest", who="ann", why="new board")
    bench.slow = True
    run_id = (await bench.world.started(repair=Repair(parts=(BOARD,)))).run_id
    await _claimed(bench.world, run_id)
    await bench.walk(run_id, replace(BEFORE, identity=OTHER), to="CPUStress")
    told = await bench.told(run_id)
    assert [one.proof for one in told.parts] == ["proved"]
    assert [(one.severity, "as a new board has it" in one.text) for one in told.beside] == [("info", True)]


async def test_another_board_that_nobody_named_fails(bench: Bench) -> None:
    await bench.failed("Burn", after_s=0.5)
    await bench.world.people.relearn_host("honest", who="ann", why="new board")
    run_id = (await bench.world.started(repair=Repair(parts=(A1,)))).run_id
    await _claimed(bench.world, run_id)
    bench.slow = True
    await bench.walk(run_id, replace(AFTER, identity=OTHER))
    assert "so the system board, or the whole machine, changed too" in (await bench.world.run(run_id)).reason


async def _claimed(world: World, run_id: int) -> None:
    """By a fresh ticket: the machine asks for its boot script."""
    run = await world.run(run_id)
    await world.claim(await world.progress.boot_requested(run.host_id), identity=OTHER)


async def test_a_stage_that_is_skipped_at_last_is_not_asked_for_ever(bench: Bench) -> None:
    """Sensors that went away between two passes: the run goes on, and says that it is not sure."""
    world = bench.world
    await bench.failed("PSU", after_s=2.0)
    run_id = await bench.repaired(A1)
    await bench.walk(run_id, AFTER, to="PSU")
    assert (await bench.post(run_id, "PSU", AFTER)).next_attempt == 2
    skip = Outcome.skip("no telemetry").but(started_s=100.0, ended_s=101.0)
    assert (await world.post(run_id, "PSU", 2, skip)).verdict == "SKIP"
    assert await world.state(run_id) is RunState.COMPLETED
    assert len(await world.attempts(run_id, "PSU")) == 2
    assert any(
        "confidence in the repair: 39 % instead of 95 %" in text for text in (await bench.verdict(run_id)).qualifiers
    )
