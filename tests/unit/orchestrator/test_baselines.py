"""Hosts of one class, run after run: what is far from usual stands in the report as a warning, and only a pin fails anybody."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from tests.fakes import honest
from tests.fakes.siblings import Sibling, Sick, ill, well
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.inventory import FoundDimm
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.states import RunState
from vetting.orchestrator import gathering
from vetting.store import baselines, findings, hosts, measurements
from vetting.store.rows import FindingRow

STAGES = ("Inventory", "Firmware", "SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU")


async def known(world: World, twin: Sibling, spec: ExpectedSpec | None = None) -> None:
    await world.people.add_host(wire.HostEdit(name=twin.name, macs=twin.macs, spec=spec or twin.spec), who="tester")


async def begun(world: World, twin: Sibling) -> int:
    serials = tuple(disk.serial for disk in twin.spec.disks)
    request = wire.StartRun(host=twin.name, profile="sprint", start_by="manual", confirm_serials=serials)
    started = await world.progress.start(request, who="tester")
    return (await world.claim(started.ticket, identity=twin.identity)).run_id


async def post(world: World, run_id: int, twin: Sibling, stage: str, sick: Sick = well) -> wire.ResultReply:
    """Long enough for every stage's plan, with heartbeats."""
    outcome = twin.outcome(stage, sick)
    attempt = await world.open_attempt(run_id)
    assert attempt is not None
    world.clock.pass_s(attempt.planned_s + 1.5)
    outcome = outcome.but(ended_s=outcome.started_s + attempt.planned_s + 1)
    posted = wire.Result(boot_id=world.boot_id, stage=stage, attempt=attempt.attempt, outcome=outcome)
    return await world.progress.result(run_id, posted)


async def walked(world: World, twin: Sibling, sick: Sick = well) -> int:
    run_id = await begun(world, twin)
    for stage in STAGES:
        reply = await post(world, run_id, twin, stage, sick)
        assert reply.verdict in ("PASS", "SKIP"), (stage, reply.objections)
    assert await world.state(run_id) is RunState.COMPLETED
    return run_id


async def words(world: World, run_id: int) -> list[FindingRow]:
    return [one for one in await world.store.read(lambda: findings.findings_of(run_id)) if one.source == "baseline"]


async def test_a_class_of_sound_hosts_is_silent_and_one_sick_part_is_told_once_in_the_report(world: World) -> None:
    twins = [Sibling(number, random.Random(number)) for number in range(4)]
    for twin in twins:
        await known(world, twin)
        assert await words(world, await walked(world, twin)) == []
    sick = ill("disk:T2D1", 0.2, "iops", "mean")
    run_id = await walked(world, twins[2], sick)
    (word,) = await words(world, run_id)
    assert (word.severity, word.stage, word.component) == (Severity.WARNING, "Storage", "disk:T2D1")
    for said in (
        "median of 3 like it in this host",
        "last good runs of 4 hosts of its class",
        "this host's last good run (3)",
    ):
        assert said in word.text
    report = await world.store.read(lambda: gathering.gather(run_id))
    assert [one.text for one in report.findings] == [word.text]
    again = await walked(world, twins[3], ill("nic:52:54:00:00:03:01", 0.5, "to_server"))
    assert [one.component for one in await words(world, again)] == ["nic:52:54:00:00:03:01"]
    slow = await walked(world, twins[0], ill("cpu:5", 0.5))
    assert [one.component for one in await words(world, slow)] == ["cpu:5"]
    assert await words(world, await walked(world, twins[1])) == []


async def test_what_another_version_measured_is_no_baseline(world: World) -> None:
    for number in range(4):
        twin = Sibling(number, random.Random(number), versions={"stress-ng": "stress-ng, version 0.18.02"})
        await known(world, twin)
        await walked(world, twin)
    newer = Sibling(1, random.Random(9), versions={"stress-ng": "stress-ng, version 0.19.03"})
    run_id = await walked(
        world, newer, lambda row: replace(row, value=row.value * 0.4) if "bogo" in row.series else row
    )
    assert await words(world, run_id) == []


async def test_a_removed_host_and_one_of_another_make_are_no_baseline(world: World) -> None:
    twins = [Sibling(number, random.Random(number)) for number in range(4)]
    for twin in twins:
        await known(world, twin)
        await walked(world, twin)
    await world.people.remove_host(twins[3].name, who="tester", why="sold")
    await world.people.remove_host(twins[2].name, who="tester", why="sold")
    run_id = await walked(
        world, twins[0], lambda row: replace(row, value=row.value * 0.5) if ".write." in row.series else row
    )
    (word,) = await words(world, run_id)
    assert "of its class" not in word.text
    assert "this host's last good run (1)" in word.text


async def test_an_odd_memory_module_is_told_with_the_inventory(world: World) -> None:
    class Odd(Sibling):
        @property
        def inventory(self):  # type: ignore[no-untyped-def]
            whole = super().inventory
            odd = FoundDimm(locator="B9", size_bytes=16 * 1024**3, serial="ODD", speed_mt_s=3200)
            return replace(whole, dimms=(*(whole.dimms or ()), odd))

    twin = Odd(1, random.Random(1))
    await known(world, twin)
    run_id = await begun(world, twin)
    await post(world, run_id, twin, "Inventory")
    (word,) = await words(world, run_id)
    assert (word.stage, word.component) == ("Inventory", "dimm:ODD")


async def test_what_is_no_number_is_stored_and_compared_with_nothing(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    run_id = await walked(world, twin, lambda row: replace(row, value=math.nan) if "iops" in row.series else row)
    assert await words(world, run_id) == []
    kept = await world.store.read(lambda: measurements.measurements_of(run_id, "Storage"))
    assert any(math.isnan(row.value) for row in kept)


async def test_the_hottest_of_a_run_is_told_with_its_report(world: World) -> None:
    twins = [Sibling(number, random.Random(number)) for number in range(4)]
    for twin in twins:
        await known(world, twin)
        run_id = await begun(world, twin)
        await post(world, run_id, twin, "Inventory")
        await warmed(world, run_id, 61 + twin.number)
        for stage in STAGES[1:]:
            await post(world, run_id, twin, stage)
        assert await words(world, run_id) == []
    run_id = await begun(world, twins[1])
    await post(world, run_id, twins[1], "Inventory")
    await warmed(world, run_id, 89)
    for stage in STAGES[1:]:
        await post(world, run_id, twins[1], stage)
    (word,) = await words(world, run_id)
    assert (word.stage, word.component) == ("Reporting", "temp.coretemp.package-id-0")
    report = await world.store.read(lambda: gathering.gather(run_id))
    assert "27 °C above the 62 °C of this host's last good run (2)" in str([one.text for one in report.findings])


async def warmed(world: World, run_id: int, celsius: float) -> None:
    at_ms = int(world.clock.now() * 1000)
    batch = wire.SensorBatch(
        boot_id=world.boot_id, seq=1, stage="Firmware", now_ms=at_ms, names=("temp.coretemp.package-id-0",), units=("C",),
        samples=(wire.Sample(0, at_ms, celsius),),
    )  # fmt: skip
    await world.intake.samples(run_id, batch)


# pins ----------------------------------------------------------------------------------------------------------------

FLOOR = MeasuredLimit(stage="Storage", series="disk.*.fio.iops", component="disk:*", value=40_000, unit="/s")


async def test_a_pinned_floor_that_is_broken_fails_the_run_and_names_the_part(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin, replace(twin.spec, floors=(FLOOR,)))
    run_id = await begun(world, twin)
    for stage in STAGES[:4]:
        await post(world, run_id, twin, stage)
    reply = await post(world, run_id, twin, "Storage", ill("disk:T1D3", 0.5, "iops"))
    assert reply.verdict == "FAIL"
    assert "disk:T1D3" in reply.objections[0]
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "Storage")
    assert "pinned floor 40000 /s" in run.reason
    report = await world.store.read(lambda: gathering.gather(run_id))
    assert report.verdict.word == "failed"
    assert "pinned floor 40000 /s" in report.verdict.sentence


async def test_a_pinned_measurement_that_never_came_is_an_error_and_the_same_host_passes_with_it(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin, replace(twin.spec, floors=(FLOOR,)))
    await walked(world, twin)
    run_id = await begun(world, twin)
    for stage in STAGES[:4]:
        await post(world, run_id, twin, stage)
    silent = lambda row: replace(row, series="disk.gone.iops") if row.component == "disk:T1D3" else row  # noqa: E731
    reply = await post(world, run_id, twin, "Storage", silent)
    assert reply.verdict == "ERROR"
    assert "is pinned and was not measured" in reply.objections[0]


async def test_the_baseline_of_a_host_is_its_last_good_run_and_no_other(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    first = await walked(world, twin)
    broken = await begun(world, twin)
    await post(world, broken, twin, "Inventory")
    outcome = honest.outcome("Firmware", verdict=Verdict.FAIL, reason="no")
    await world.progress.result(
        broken, wire.Result(boot_id=world.boot_id, stage="Firmware", attempt=1, outcome=outcome)
    )
    host_id = (await world.store.read(lambda: hosts.by_name(twin.name))).id  # type: ignore[union-attr]

    def kept(stage: str) -> list[int]:
        from vetting.orchestrator.baselines import digest_of

        rows = baselines.of_class("", stage, profile=digest_of(honest.SPRINT), host_id=host_id)
        return [row.run_id for row in rows]

    assert await world.store.read(lambda: kept("Storage")) == [first]
