"""A host that rebooted claims anew and tells what it found: with which attempt it is put, and what it is asked to compare."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import Conflict
from vetting.domain.image import LiveImage
from vetting.domain.outcome import Counter, Finding, Outcome, Severity
from vetting.domain.states import RunState
from vetting.store import findings, runs

IMAGE = LiveImage(version="0.2", kernel="6.12", packages={"fio": "3.39"})
CRASH = Finding(severity=Severity.CRITICAL, component="host", text="pstore holds a crash record", source="pstore")
RECORD = b"Panic#1 Part1\n"
WAY_TOO_LATE_S = 3600.0


async def claimed(world: World, **said: Any) -> int:
    return (await world.claim((await world.started()).ticket, **said)).run_id


async def rebooted_in(world: World, run_id: int, stage: str) -> wire.ClaimReply:
    await world.reach(run_id, stage)
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    world.clock.pass_s(1200)  # a server takes its time
    world.boot_id = "boot-two"
    return await world.claim(ticket, sel_record_id=99)


async def told(world: World, run_id: int) -> None:
    batch = wire.LogBatch(boot_id="boot-two", seq=1, now_ms=0, findings=(CRASH,))
    await world.intake.lines(run_id, batch)


async def upload(world: World, run_id: int, stage: str, attempt: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield RECORD

    await world.intake.artifact(
        run_id, stage=stage, attempt=attempt, name="pstore-dmesg", sha256=hashlib.sha256(RECORD).hexdigest(),
        media_type="text/plain", body=body(), max_bytes=1000,
    )  # fmt: skip


async def test_the_claim_s_image_and_the_bmc_s_newest_record_are_kept_with_the_run(world: World) -> None:
    run_id = await claimed(world, image=IMAGE, sel_record_id=7)
    run = await world.run(run_id)
    assert (run.image, run.sel_record_id) == (IMAGE, 7)
    assert (await world.views.run(run_id)).image == "0.2"


async def test_an_agent_that_starts_again_without_a_word_of_the_image_takes_nothing_away(world: World) -> None:
    run_id = await claimed(world, image=IMAGE, sel_record_id=7)
    await world.claim(world.token, sel_record_id=None)
    run = await world.run(run_id)
    assert (run.image, run.sel_record_id) == (IMAGE, 7)


async def test_a_host_that_rebooted_is_told_its_failed_attempt_and_the_last_record_known(world: World) -> None:
    run_id = await claimed(world, sel_record_id=7)
    reply = await rebooted_in(world, run_id, "CPUStress")
    assert (reply.holding, reply.failed_stage, reply.failed_attempt, reply.sel_record_id) == (True, "CPUStress", 1, 7)
    assert (await world.run(run_id)).sel_record_id == 7, "what the new boot sees is not what was known before"


async def test_every_result_moves_the_last_record_known(world: World) -> None:
    run_id = await claimed(world, sel_record_id=7)
    counter = Counter(component="host", name="sel_record_id", before=7.0, after=9.0)
    await world.post(run_id, "Inventory", outcome=replace(honest.outcome("Inventory"), counters=(counter,)))
    assert (await world.run(run_id)).sel_record_id == 9
    unread = Counter(component="host", name="sel_record_id", before=9.0, after=None)
    await world.post(run_id, "Firmware", outcome=replace(honest.outcome("Firmware"), counters=(unread,)))
    assert (await world.run(run_id)).sel_record_id == 9


async def test_a_claim_that_goes_on_names_no_failed_attempt(world: World) -> None:
    run_id = await claimed(world)
    assert world.claimed is not None and (world.claimed.failed_stage, world.claimed.failed_attempt) == ("", 0)
    assert await world.state(run_id) is RunState.INVENTORY


async def test_what_the_next_boot_finds_belongs_to_the_attempt_that_ran(world: World) -> None:
    run_id = await claimed(world)
    reply = await rebooted_in(world, run_id, "CPUStress")
    await told(world, run_id)
    await upload(world, run_id, reply.failed_stage, reply.failed_attempt)
    found = await world.store.read(lambda: findings.findings_of(run_id, "CPUStress", 1))
    assert CRASH.text in [one.text for one in found]
    hold = wire.Hold(boot_id="boot-two", addresses=("10.0.0.5",), reason="it rebooted")
    await world.progress.hold(run_id, hold)
    report = (await world.reporting.render(run_id, "html")).decode()
    assert CRASH.text in report and "pstore-dmesg" in report


async def test_evidence_of_an_attempt_before_the_failed_one_comes_too_late(world: World) -> None:
    run_id = await claimed(world)
    await rebooted_in(world, run_id, "CPUStress")
    with pytest.raises(Conflict):
        await upload(world, run_id, "Inventory", 1)


async def test_evidence_of_a_passed_attempt_comes_too_late(world: World) -> None:
    run_id = await claimed(world)
    await world.reach(run_id, "CPUStress")
    world.clock.pass_s(WAY_TOO_LATE_S)
    with pytest.raises(Conflict):
        await upload(world, run_id, "SMART", 1)


async def test_a_crash_that_is_told_in_the_hold_bars_vetted_and_spares_the_attempt_after_it(world: World) -> None:
    run_id = await claimed(world)
    await rebooted_in(world, run_id, "CPUStress")
    await told(world, run_id)
    await world.progress.retry(run_id, who="tester", because=wire.Because())
    reply = await world.post(run_id, "CPUStress", attempt=2)
    assert reply.verdict == "PASS", reply.objections
    for stage in ("Storage", "Network", "Burn", "GPU", "PSU"):
        await world.post(run_id, stage)
    assert await world.state(run_id) is RunState.COMPLETED
    assert any(CRASH.text in said for said in (await world.views.run(run_id)).qualifiers)


async def test_a_stage_failed_by_its_outcome_takes_the_host_s_later_findings_too(world: World) -> None:
    run_id = await claimed(world)
    await world.reach(run_id, "SMART")
    await world.post(run_id, "SMART", outcome=Outcome.fail("a bad disk"))
    await told(world, run_id)
    found = await world.store.read(lambda: findings.findings_of(run_id, "SMART", 1))
    assert CRASH.text in [one.text for one in found]
    assert (await world.store.read(lambda: runs.get(run_id))).state is RunState.FAILED_HOLDING
