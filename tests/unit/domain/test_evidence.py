"""What a pass must prove: each way of lying, or of being lied to, is injected into a healthy host's outcome."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import healthy
from tests.unit.domain.healthy import DISK, DISK2, INVENTORY, changed, tool
from vetting.domain.evidence import Objection, Plan, Witness, believe, declared, objections
from vetting.domain.ledger import LOOPBACK, expected_components
from vetting.domain.outcome import ArtifactRef, Cell, Counter, Finding, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import DEEP, GIB, QUICK, TASTE, Unobserved
from vetting.domain.states import ORCHESTRATOR_STAGES, STAGE_ORDER
from vetting.domain.thresholds import Op, Threshold

AGENT_STAGES = [name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES]
WITH_CELLS = ["SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU"]
TIMED = ["CPUStress", "Storage", "Network", "Burn", "GPU", "PSU"]


def judged(
    stage: str, *, outcome: Outcome | None = None, plan: Plan | None = None, witness: Witness | None = None
) -> tuple[Objection, ...]:
    """A healthy stage with one part replaced."""
    return objections(
        healthy.outcome(stage) if outcome is None else outcome,
        plan or healthy.plan(stage),
        witness or healthy.witness(stage),
    )


def ours(found: tuple[Objection, ...], *words: str) -> None:
    """There are objections, all of them to us, and they say so in these words."""
    text = "; ".join(one.text for one in found)
    assert found and {one.fault for one in found} == {"us"}, found
    for word in words:
        assert word in text


def hosts(found: tuple[Objection, ...], *words: str) -> None:
    """One of the objections at least accuses the host, in these words."""
    text = "; ".join(one.text for one in found if one.fault == "host")
    assert text, found
    for word in words:
        assert word in text


@pytest.mark.parametrize("stage", AGENT_STAGES)
def test_a_healthy_stage_is_believed(stage: str) -> None:
    assert judged(stage) == ()
    outcome = healthy.outcome(stage)
    assert believe(outcome, healthy.plan(stage), healthy.witness(stage)) == (outcome, ())


@pytest.mark.parametrize(
    "verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.CANCELLED, Verdict.INTERRUPTED, Verdict.MISSING]
)
def test_what_claims_no_pass_is_left_as_it_is(verdict: Verdict) -> None:
    bare = Outcome(verdict=verdict, reason="as it was")
    assert believe(bare, healthy.plan("CPUStress"), healthy.witness("CPUStress")) == (bare, ())


@given(st.sampled_from(AGENT_STAGES), st.sampled_from(list(Verdict)), st.booleans(), st.booleans())
def test_nothing_here_turns_anything_into_a_pass(stage: str, verdict: Verdict, skip_cells: bool, empty: bool) -> None:
    posted = healthy.outcome(stage).but(verdict=verdict)
    if skip_cells:
        posted = posted.but(cells=tuple(replace(one, verdict=Verdict.SKIP) for one in posted.cells))
    if empty:
        posted = Outcome(verdict=verdict)
    recorded, _ = believe(posted, healthy.plan(stage), healthy.witness(stage))
    assert recorded.verdict is posted.verdict or not recorded.passed


# --- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", TIMED)
def test_a_stage_that_ended_too_early_by_the_hosts_own_clock_is_refused(stage: str) -> None:
    outcome = healthy.outcome(stage)
    short = outcome.but(ended_s=outcome.started_s + healthy.planned_s(stage) - 2.1)
    ours(judged(stage, outcome=short), "by the host's clock")


@pytest.mark.parametrize("stage", TIMED)
def test_a_stage_that_ended_too_early_by_our_clock_is_refused(stage: str) -> None:
    early = replace(healthy.witness(stage), received_at=healthy.planned_s(stage) - 2.1)
    ours(judged(stage, witness=early), "by our clock")


def test_two_seconds_less_than_planned_are_enough() -> None:
    outcome = healthy.outcome("Burn")
    exact = outcome.but(ended_s=outcome.started_s + 118.0)
    assert judged("Burn", outcome=exact, witness=replace(healthy.witness("Burn"), received_at=118.0)) == ()


@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf])
def test_times_that_are_no_numbers_are_refused(moment: float) -> None:
    ours(judged("Burn", outcome=healthy.outcome("Burn").but(ended_s=moment)))
    ours(judged("Burn", outcome=healthy.outcome("Burn").but(started_s=moment)))
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), received_at=moment)))
    ours(judged("Inventory", outcome=healthy.outcome("Inventory").but(ended_s=moment)))


def test_a_host_whose_clock_ran_longer_than_ours_is_refused() -> None:
    outcome = healthy.outcome("Burn")
    ours(judged("Burn", outcome=outcome.but(ended_s=outcome.started_s + 3600)), "while 141 s went by here")


def test_heartbeats_that_stopped_refuse_the_pass() -> None:
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), longest_silence_s=60.1)), "heartbeats stopped")
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), longest_silence_s=math.nan)), "heartbeats stopped")


def test_another_boot_accuses_the_host() -> None:
    hosts(judged("Burn", witness=replace(healthy.witness("Burn"), posting_boot_id="boot-2")), "rebooted")


@pytest.mark.parametrize("field", ["posting_boot_id", "claimed_boot_id"])
def test_an_unknown_boot_is_not_the_same_boot(field: str) -> None:
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), **{field: ""})), "boot")  # type: ignore[arg-type]


# --- artifacts ----------------------------------------------------------------------------------------------------


def test_a_promised_artifact_that_never_came_is_refused() -> None:
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), artifacts={})), "out.txt", "never came")


@pytest.mark.parametrize("field", [{"sha256": "cd" * 32}, {"size_bytes": 11}])
def test_an_artifact_other_than_the_promised_one_is_refused(field: dict[str, object]) -> None:
    other = replace(ArtifactRef(name="out.txt", media_type="text/plain", sha256="ab" * 32, size_bytes=10), **field)  # type: ignore[arg-type]
    ours(judged("Burn", witness=replace(healthy.witness("Burn"), artifacts={"out.txt": other})), "not the one")


def test_a_promise_without_a_checksum_is_refused() -> None:
    bare = ArtifactRef(name="out.txt", media_type="text/plain", sha256="", size_bytes=10)
    witness = replace(healthy.witness("Burn"), artifacts={"out.txt": bare})
    ours(judged("Burn", outcome=healthy.outcome("Burn").but(artifacts=(bare,)), witness=witness), "not the one")


def test_a_tools_output_must_be_among_the_artifacts() -> None:
    outcome = healthy.outcome("Inventory").but(tools=(tool("lsblk", output="lsblk-1.txt"),))
    ours(judged("Inventory", outcome=outcome), "lsblk-1.txt")


# --- what was seen beside it --------------------------------------------------------------------------------------


def test_a_critical_breach_accuses_the_host() -> None:
    witness = replace(healthy.witness("Burn"), breaches=("temp.cpu reached 104, limit <= 95",))
    hosts(judged("Burn", witness=witness), "104")


def test_a_critical_finding_accuses_the_host_and_a_warning_does_not() -> None:
    finding = Finding(severity=Severity.CRITICAL, component="cpu:3", text="machine check", source="kernel log")
    hosts(judged("Burn", witness=replace(healthy.witness("Burn"), findings=(finding,))), "cpu:3", "machine check")
    hosts(judged("Burn", outcome=healthy.outcome("Burn").but(findings=(finding,))), "machine check")
    warning = replace(finding, severity=Severity.WARNING)
    assert judged("Burn", witness=replace(healthy.witness("Burn"), findings=(warning,))) == ()


def test_counters_that_grew_are_judged_here_too() -> None:
    grown = Counter(component="memory", name="hardware_corrupted_kb", before=0, after=4)
    hosts(judged("Burn", outcome=healthy.outcome("Burn").but(counters=(grown,))), "HardwareCorrupted")
    killed = Counter(component="host", name="oom_kill", before=0, after=1)
    ours(judged("Burn", outcome=healthy.outcome("Burn").but(counters=(killed,))), "killed for want of memory")


# --- cells and coverage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", WITH_CELLS)
def test_each_promised_component_needs_a_cell_of_its_own(stage: str) -> None:
    outcome = healthy.outcome(stage)
    for left_out in healthy.plan(stage).components:
        rest = tuple(one for one in outcome.cells if one.component != left_out)
        ours(judged(stage, outcome=outcome.but(cells=rest)), left_out, "missing")


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.MISSING, Verdict.INTERRUPTED, Verdict.CANCELLED])
def test_a_pass_with_an_unfinished_cell_is_refused(verdict: Verdict) -> None:
    ours(judged("SMART", outcome=changed(healthy.outcome("SMART"), "disk:WD-2", verdict=verdict)), "disk:WD-2")


def test_a_pass_with_a_failed_cell_accuses_the_host() -> None:
    outcome = changed(healthy.outcome("SMART"), "disk:WD-2", verdict=Verdict.FAIL, reason="it is dying")
    hosts(judged("SMART", outcome=outcome), "disk:WD-2", "it is dying")


COVERED = [
    (stage, name)
    for stage in ("CPUStress", "Storage", "Network", "Burn", "GPU")
    for name in healthy.plan(stage).components
]


@pytest.mark.parametrize(("stage", "component"), COVERED)
def test_a_pass_without_a_word_of_the_work_done_is_refused(stage: str, component: str) -> None:
    ours(judged(stage, outcome=changed(healthy.outcome(stage), component, work=())), component)


@pytest.mark.parametrize(("stage", "component"), COVERED)
@pytest.mark.parametrize("done", [0.0, -1.0, math.nan, math.inf])
def test_no_work_and_numbers_that_are_none_are_refused(stage: str, component: str, done: float) -> None:
    outcome = healthy.outcome(stage)
    (before,) = (one for one in outcome.cells if one.component == component)
    empty = tuple(replace(one, done=done) for one in before.work)
    ours(judged(stage, outcome=changed(outcome, component, work=empty)), component)
    endless = tuple(replace(one, of=done) for one in before.work)
    ours(judged(stage, outcome=changed(outcome, component, work=endless)), component)


def share(stage: str, component: str, part: float) -> tuple[Objection, ...]:
    """The stage with this share of the work of one component."""
    outcome = healthy.outcome(stage)
    (before,) = (one for one in outcome.cells if one.component == component)
    return judged(
        stage, outcome=changed(outcome, component, work=tuple(replace(one, done=one.of * part) for one in before.work))
    )


@pytest.mark.parametrize(
    ("stage", "component", "enough", "short"),
    [
        ("CPUStress", "cpu", 1.0, 111 / 112),
        ("CPUStress", "memory", 0.5, 0.49),
        ("Storage", "disk:WD-1", 1.0, 0.999),
        ("Network", f"nic:{healthy.MAC}", 0.9, 0.89),
        ("Burn", "cpu", 1.0, 0.5),
        ("Burn", "memory", 0.15, 0.14),
        ("GPU", "gpu:GPU-1", 118.5 / 120, 0.9),
    ],
)
def test_coverage_has_to_reach_the_floor_of_its_stage(stage: str, component: str, enough: float, short: float) -> None:
    assert share(stage, component, enough) == ()
    ours(share(stage, component, short), component, "the floor is")


def test_a_direction_counted_in_seconds_lasts_its_whole_time() -> None:
    def with_seconds(done: float) -> tuple[Objection, ...]:
        both = tuple(Work(what=what, done=done, of=60, unit="s") for what in ("sent", "received"))
        return judged("Network", outcome=changed(healthy.outcome("Network"), f"nic:{healthy.MAC}", work=both))

    assert with_seconds(58) == ()
    ours(with_seconds(57), "the floor is 58")


def test_one_direction_of_a_link_is_not_both() -> None:
    one_way = (Work(what="sent", done=25000, of=25000, unit="Mb/s"),)
    ours(
        judged("Network", outcome=changed(healthy.outcome("Network"), f"nic:{healthy.MAC}", work=one_way)),
        "both directions",
    )


@pytest.mark.parametrize(
    ("component", "work"),
    [
        ("cpu", Work(what="cpus", done=2, of=2, unit="cpus")),
        ("memory", Work(what="MiB tested by stress-ng", done=256, of=256, unit="MiB")),
    ],
)
def test_a_part_that_is_called_the_whole_is_not_believed(component: str, work: Work) -> None:
    ours(
        judged("CPUStress", outcome=changed(healthy.outcome("CPUStress"), component, work=(work,))), "called the whole"
    )


def test_the_first_gigabytes_of_a_disk_are_not_its_surface() -> None:
    """deep promises all of the disk; 4 GiB of 480 GB are no proof, whatever the stage calls the whole."""
    plan = replace(healthy.plan("Storage"), profile=DEEP)
    found = objections(healthy.outcome("Storage"), plan, healthy.witness("Storage"))
    ours(found, "called the whole", "480000000000")
    whole = (
        Work(what="surface verified", done=480e9, of=480e9, unit="B"),
        Work(what="fio", done=4e9, of=4e9, unit="B"),
    )
    outcome = healthy.outcome("Storage").but(
        cells=tuple(Cell(component=f"disk:{one.serial}", verdict=Verdict.PASS, work=whole) for one in (DISK, DISK2))
    )
    assert objections(outcome, plan, healthy.witness("Storage")) == ()


# --- tools --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [name for name in AGENT_STAGES if healthy.outcome(name).tools])
def test_a_pass_without_a_program_run_is_refused(stage: str) -> None:
    """On another day the image lacked every test tool, and the run completed green."""
    ours(judged(stage, outcome=healthy.outcome(stage).but(tools=())))


def test_a_stress_ng_that_returned_at_once_is_refused() -> None:
    quick_end = (
        tool("stress-ng", "--cpu", "0", "--verify", lasts=0.01),
        tool("stress-ng", "--vm", "1", "--verify", at=1, lasts=0.01),
    )
    ours(
        judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=quick_end)),
        "on all cores ran 0 s",
        "on the memory ran 0 s",
    )


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("exit_code", [1, 2, 7, None])
def test_a_stress_ng_without_a_clean_end_does_not_count(which: int, exit_code: int | None) -> None:
    tools = list(healthy.outcome("CPUStress").tools)
    tools[which] = replace(tools[which], exit_code=exit_code, signal=None if exit_code else 9)
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=tuple(tools))), "stress-ng")


def test_load_without_verify_does_not_count() -> None:
    tools = tuple(
        replace(one, argv=tuple(word for word in one.argv if word != "--verify"))
        for one in healthy.outcome("CPUStress").tools
    )
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=tools)), "stress-ng")


def test_one_core_at_a_time_does_not_count_as_all_cores() -> None:
    cores = tuple(tool("stress-ng", "--cpu", "1", "--verify", "--taskset", str(n), at=n, lasts=1) for n in range(200))
    memory = tool("stress-ng", "--vm", "1", "--verify", at=300, lasts=120)
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=(*cores, memory))), "on all cores")


def test_runs_side_by_side_count_once() -> None:
    beside = tuple(tool("stress-ng", "--cpu", "0", "--verify", lasts=60) for _ in range(2))
    memory = tool("stress-ng", "--vm", "1", "--verify", at=121, lasts=120)
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=(*beside, memory))), "ran 60 s")
    after = (beside[0], tool("stress-ng", "--cpu", "0", "--verify", at=60, lasts=60))
    sat = tool("stressapptest", "-W", at=242, lasts=65)
    assert judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=(*after, memory, sat))) == ()


def test_the_memorys_time_goes_by_its_size_and_each_tester_has_half_of_it() -> None:
    """252 GiB at half a second each: 126 s instead of 120."""
    load, vm, sat = healthy.outcome("CPUStress").tools
    for tools, words in (
        (
            (load, replace(vm, ended_s=vm.started_s + 60), sat),
            "stress-ng on the memory ran 60 s to a clean end, planned were 63 s",
        ),
        ((load, vm, replace(sat, ended_s=sat.started_s + 60)), "stressapptest on the memory ran 60 s"),
        ((load, vm), "no run of stressapptest on the memory"),
    ):
        ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=tools)), words)


def test_one_tester_of_the_memory_is_not_enough() -> None:
    cells = healthy.outcome("CPUStress").cells
    one = tuple(replace(cell, work=cell.work[:1]) for cell in cells)
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(cells=one)), "must show both testers")


def test_a_burn_whose_memory_the_profile_caps_has_to_reach_the_cap_and_no_more() -> None:
    """`vetting try` on a server with hundreds of GiB loads 1 GiB of it, as its profile says."""
    capped = replace(
        QUICK, burn=replace(QUICK.burn, mem_pct=10), cpu_stress=replace(QUICK.cpu_stress, ram_cap_bytes=GIB)
    )
    plan = replace(healthy.plan("Burn"), profile=capped)

    def burnt(mib: float) -> Outcome:
        loaded = Work(what="MiB loaded", done=mib, of=INVENTORY.memory_bytes / 2**20, unit="MiB")
        return healthy.changed(healthy.outcome("Burn"), "memory", work=(loaded,))

    assert judged("Burn", plan=plan, outcome=burnt(1024)) == ()
    ours(judged("Burn", plan=plan, outcome=burnt(1023)), "the floor is 1024")
    uncapped = replace(plan, profile=replace(QUICK, burn=capped.burn))
    ours(judged("Burn", plan=uncapped, outcome=burnt(1024)), "MiB loaded")


def test_cpu_and_memory_load_at_the_same_time_are_refused() -> None:
    """What took the predecessor's agent."""
    beside = (
        tool("stress-ng", "--cpu", "0", "--verify", lasts=120),
        tool("stress-ng", "--vm", "1", "--verify", at=10, lasts=120),
    )
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=beside)), "at the same time")


@pytest.mark.parametrize("moment", [math.nan, math.inf])
def test_a_program_whose_times_are_no_numbers_does_not_count(moment: float) -> None:
    tools = tuple(replace(one, ended_s=moment) for one in healthy.outcome("CPUStress").tools)
    ours(judged("CPUStress", outcome=healthy.outcome("CPUStress").but(tools=tools)), "ran 0 s")


# --- series -------------------------------------------------------------------------------------------------------


def test_a_sensor_that_this_host_has_and_that_did_not_speak_is_refused_in_every_profile() -> None:
    silent = replace(healthy.witness("Burn"), series={})
    ours(judged("Burn", witness=silent), "temp.coretemp.package-id-0")
    plan = replace(healthy.plan("Burn"), profile=replace(QUICK, unobserved=Unobserved.DECLARE))
    ours(judged("Burn", plan=plan, witness=silent), "temp.coretemp.package-id-0")


def test_sensors_of_the_bmc_are_not_among_the_thermals_of_every_stage() -> None:
    bmc = replace(INVENTORY.sensors[0], series="temp.bmc.inlet", source="bmc")
    plan = replace(healthy.plan("Burn"), inventory=replace(INVENTORY, sensors=(*INVENTORY.sensors, bmc)))
    assert judged("Burn", plan=plan) == ()


def test_thermals_that_stopped_half_way_are_refused() -> None:
    few = replace(healthy.witness("Burn"), series={"temp.coretemp.package-id-0": 5})
    ours(judged("Burn", witness=few), "thermals stopped")


def test_while_we_were_away_nobody_is_blamed_for_what_we_did_not_hear() -> None:
    away = replace(healthy.witness("Burn"), series={}, listened_s=8.0)
    assert judged("Burn", witness=away) == ()


def blind(plan: Plan) -> Plan:
    return replace(plan, inventory=replace(INVENTORY, sensors=()))


def test_a_host_without_a_temperature_sensor_is_an_error_under_load() -> None:
    witness = replace(healthy.witness("Burn"), series={})
    ours(judged("Burn", plan=blind(healthy.plan("Burn")), witness=witness), "no temperature was observed")


def test_a_profile_that_declares_what_it_cannot_observe_only_says_so() -> None:
    plan = blind(replace(healthy.plan("Burn"), profile=replace(QUICK, unobserved=Unobserved.DECLARE)))
    witness = replace(healthy.witness("Burn"), series={})
    assert judged("Burn", plan=plan, witness=witness) == ()
    assert declared(plan, witness) == ("no temperature was observed during the load",)
    assert declared(blind(healthy.plan("Burn")), witness) == ()


POWER = Threshold(series="power.*", op=Op.AT_LEAST, limit=1.0)


def test_a_threshold_whose_series_never_arrived_is_an_error() -> None:
    ours(judged("Burn", plan=replace(healthy.plan("Burn"), thresholds=(POWER,))), "power.*")
    for tolerant in (replace(POWER, required=False), replace(POWER, stages=("PSU",)), replace(POWER, series="temp.*")):
        assert judged("Burn", plan=replace(healthy.plan("Burn"), thresholds=(tolerant,))) == ()


def test_a_series_of_which_no_sample_was_heard_is_not_heard() -> None:
    witness = replace(healthy.witness("Burn"), series={**healthy.witness("Burn").series, "power.psu1": 0})
    ours(judged("Burn", plan=replace(healthy.plan("Burn"), thresholds=(POWER,)), witness=witness), "power.*")


def test_a_stage_of_a_moment_need_not_be_heard() -> None:
    witness = replace(healthy.witness("Firmware"), received_at=3.0, series={})
    outcome = healthy.outcome("Firmware").but(ended_s=1002.0)
    assert judged("Firmware", outcome=outcome, witness=witness) == ()


# --- skips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", AGENT_STAGES)
def test_no_stage_of_a_host_that_has_everything_may_be_skipped(stage: str) -> None:
    """The image lacked every tool and each stage skipped, green: impossible."""
    ours(judged(stage, outcome=Outcome.skip("stress-ng is not installed")), stage, "may not be skipped")


@pytest.mark.parametrize("stage", WITH_CELLS)
def test_no_component_of_a_host_that_has_everything_may_be_skipped(stage: str) -> None:
    for name in healthy.plan(stage).components:
        outcome = changed(healthy.outcome(stage), name, verdict=Verdict.SKIP, reason="tool missing")
        ours(judged(stage, outcome=outcome), name, "may not be skipped")


def skipped(stage: str, plan: Plan) -> tuple[Objection, ...]:
    return objections(Outcome.skip("no such hardware"), plan, replace(healthy.witness(stage)))


def test_gpu_may_be_skipped_only_where_there_is_none() -> None:
    none = replace(healthy.plan("GPU"), inventory=replace(INVENTORY, gpus=()))
    assert skipped("GPU", none) == ()
    ours(skipped("GPU", replace(none, gpu_expected=True)), "expects a GPU")
    ours(skipped("GPU", replace(none, inventory=None)), "no inventory")
    unread = replace(INVENTORY, gpus=(), unreadable={"nvidia-smi": "it hung"})
    ours(skipped("GPU", replace(none, inventory=unread)), "it hung")


def test_storage_may_be_skipped_where_nothing_may_be_written() -> None:
    plan = healthy.plan("Storage")
    assert skipped("Storage", replace(plan, non_destructive=True)) == ()
    assert skipped("Storage", replace(plan, disks=(replace(DISK, write=False),))) == ()
    ours(skipped("Storage", plan), "may write")


def test_a_non_destructive_pass_needs_no_surface() -> None:
    """None of it, a read-only summary."""
    plan = replace(healthy.plan("Storage"), non_destructive=True, planned_s=0.0)
    cells = tuple(Cell(component=name, verdict=Verdict.SKIP, reason="non-destructive") for name in plan.components)
    assert judged("Storage", outcome=healthy.outcome("Storage").but(cells=cells, tools=()), plan=plan) == ()


def test_smart_of_a_disk_may_be_skipped_only_where_it_is_known_to_have_none() -> None:
    outcome = changed(healthy.outcome("SMART"), "disk:WD-2", verdict=Verdict.SKIP, reason="no SMART on this device")

    def with_second(**changes: object) -> tuple[Objection, ...]:
        second = replace(INVENTORY.disks[1], **changes)  # type: ignore[arg-type]
        plan = replace(healthy.plan("SMART"), inventory=replace(INVENTORY, disks=(INVENTORY.disks[0], second)))
        return judged("SMART", outcome=outcome, plan=plan)

    assert with_second(smart=False) == ()
    assert with_second(smart=None, transport="virtio") == ()
    ours(with_second(smart=None), "disk:WD-2")
    ours(with_second(smart=True), "disk:WD-2")
    ours(with_second(serial="OTHER", smart=False), "disk:WD-2")


def test_a_scratch_disk_has_no_health_and_must_be_written() -> None:
    scratch = replace(DISK, serial="loop:1", kind="scratch", path="/tmp/x", size_bytes=1024**3)
    disks = (scratch, replace(DISK2, write=False))
    assert expected_components("SMART", INVENTORY, disks) == ("disk:WD-2",)
    assert expected_components("Storage", INVENTORY, disks) == ("disk:loop:1", "disk:WD-2")
    work = (Work(what="surface verified", done=1024**3, of=1024**3, unit="B"),)
    cells = (
        Cell(component="disk:loop:1", verdict=Verdict.PASS, work=work),
        Cell(component="disk:WD-2", verdict=Verdict.SKIP, reason="read only"),
    )
    plan = replace(
        healthy.plan("Storage"), profile=TASTE, planned_s=8, disks=disks, components=("disk:loop:1", "disk:WD-2")
    )
    outcome = healthy.outcome("Storage").but(cells=cells)
    assert judged("Storage", outcome=outcome, plan=plan) == ()
    ours(judged("Storage", outcome=changed(outcome, "disk:loop:1", verdict=Verdict.SKIP), plan=plan), "may write to it")
    half = (Work(what="surface verified", done=1024**2, of=1024**2, unit="B"),)
    ours(judged("Storage", outcome=changed(outcome, "disk:loop:1", work=half), plan=plan), "called the whole")


def test_burn_leaves_the_disk_out_only_where_it_may_not_write() -> None:
    outcome = changed(healthy.outcome("Burn"), "disk", verdict=Verdict.SKIP, reason="not allowed")
    plan = healthy.plan("Burn")
    assert judged("Burn", outcome=outcome, plan=replace(plan, non_destructive=True)) == ()
    spare = replace(QUICK, burn=replace(QUICK.burn, fio_on_spare=False))
    assert judged("Burn", outcome=outcome, plan=replace(plan, profile=spare)) == ()
    ours(judged("Burn", outcome=outcome), "disk may not be skipped")


def test_on_loopback_a_card_may_be_skipped_and_the_loopback_may_not() -> None:
    both = (Work(what="sent", done=9, of=9, unit="Mb/s"), Work(what="received", done=9, of=9, unit="Mb/s"))
    cells = (
        Cell(component=LOOPBACK, verdict=Verdict.PASS, work=both),
        Cell(component=f"nic:{healthy.MAC}", verdict=Verdict.SKIP, reason="loopback only"),
    )
    plan = replace(healthy.plan("Network"), loopback=True, components=(LOOPBACK,))
    outcome = healthy.outcome("Network").but(cells=cells)
    assert judged("Network", outcome=outcome, plan=plan) == ()
    ours(judged("Network", outcome=changed(outcome, LOOPBACK, verdict=Verdict.SKIP), plan=plan), LOOPBACK)


def test_a_card_that_was_never_loaded_at_a_steady_pace_is_not_believed_and_loopback_needs_none() -> None:
    outcome = healthy.outcome("Network")
    hasty = outcome.but(tools=tuple(one for one in outcome.tools if "-b" not in one.argv))
    ours(judged("Network", outcome=hasty), "no run of iperf3 at a steady pace")
    only_paced = outcome.but(tools=tuple(one for one in outcome.tools if "-b" in one.argv))
    ours(judged("Network", outcome=only_paced), "no run of iperf3 is among")
    both = (Work(what="sent", done=9, of=9, unit="Mb/s"), Work(what="received", done=9, of=9, unit="Mb/s"))
    plan = replace(healthy.plan("Network"), loopback=True, components=(LOOPBACK,))
    alone = hasty.but(cells=(Cell(component=LOOPBACK, verdict=Verdict.PASS, work=both),))
    assert judged("Network", outcome=alone, plan=plan) == ()


def test_a_card_may_be_skipped_where_the_spec_leaves_it_out_and_nowhere_else() -> None:
    second = "02:00:00:00:00:0A"
    left = Cell(component=f"nic:{second.lower()}", verdict=Verdict.SKIP, reason="left out by the host's spec: a trunk")
    outcome = healthy.outcome("Network")
    outcome = outcome.but(cells=(*outcome.cells, left))
    plan = healthy.plan("Network")
    assert judged("Network", outcome=outcome, plan=replace(plan, left_out=(second,))) == ()
    ours(judged("Network", outcome=outcome, plan=plan), "may not be skipped: a card with a link has to be tested")
    nothing = outcome.but(cells=(left,), verdict=Verdict.SKIP, reason="all left out")
    ours(judged("Network", outcome=nothing, plan=replace(plan, left_out=(second,))), "Network may not be skipped")


def test_psu_without_telemetry_passes_as_not_observable() -> None:
    outcome = changed(healthy.outcome("PSU"), "psu", verdict=Verdict.SKIP, reason="not observable")
    assert judged("PSU", outcome=outcome, plan=blind(healthy.plan("PSU"))) == ()
    ours(judged("PSU", outcome=outcome), "volt.12v")
    mute = replace(INVENTORY, sensors=(), unreadable={"bmc sensors": "ipmitool timed out"})
    ours(judged("PSU", outcome=outcome, plan=replace(healthy.plan("PSU"), inventory=mute)), "timed out")


# --- the verdict --------------------------------------------------------------------------------------------------


def test_one_accusation_of_the_host_makes_the_stage_fail_whatever_else_is_ours() -> None:
    witness = replace(healthy.witness("Burn"), posting_boot_id="boot-2", artifacts={})
    recorded, against = believe(healthy.outcome("Burn"), healthy.plan("Burn"), witness)
    assert recorded.verdict is Verdict.FAIL
    assert {one.fault for one in against} == {"host", "us"}
    assert "rebooted" in recorded.reason and "PASS not believed" in recorded.reason


def test_objections_of_ours_alone_make_it_an_error() -> None:
    recorded, _ = believe(healthy.outcome("Burn"), healthy.plan("Burn"), replace(healthy.witness("Burn"), artifacts={}))
    assert recorded.verdict is Verdict.ERROR
    assert recorded.cells == healthy.outcome("Burn").cells


def test_an_accusation_of_the_host_is_not_lost_among_those_of_us() -> None:
    killed = Counter(component="host", name="oom_kill", before=0, after=1)
    hot = replace(healthy.witness("Burn"), breaches=("temp.cpu reached 104, limit <= 95",))
    hosts(judged("Burn", outcome=healthy.outcome("Burn").but(counters=(killed,)), witness=hot), "104")
    cells = (
        Cell(component="disk:WD-1", verdict=Verdict.FAIL, reason="it is dying"),
        Cell(component="disk:WD-2", verdict=Verdict.ERROR, reason="no answer"),
        Cell(component="disk:WD-3", verdict=Verdict.SKIP, reason="no time"),
    )
    hosts(judged("SMART", outcome=healthy.outcome("SMART").but(cells=cells)), "it is dying")
    rebooted = replace(healthy.witness("Burn"), posting_boot_id="boot-2")
    found = judged("Burn", outcome=Outcome.skip("no stress-ng"), witness=rebooted)
    hosts(found, "rebooted")
    assert {one.fault for one in found} == {"host", "us"}


def test_a_whole_stage_may_be_skipped_where_none_of_its_parts_can_be_tested() -> None:
    virtual = replace(INVENTORY, virtual="kvm", disks=tuple(replace(one, smart=None) for one in INVENTORY.disks))
    assert skipped("SMART", replace(healthy.plan("SMART"), inventory=virtual)) == ()
    on_metal = replace(virtual, virtual="")
    ours(skipped("SMART", replace(healthy.plan("SMART"), inventory=on_metal)), "WD-1, WD-2")
    ours(skipped("SMART", replace(healthy.plan("SMART"), inventory=None)), "no inventory")
    assert skipped("PSU", blind(healthy.plan("PSU"))) == ()
    ours(skipped("PSU", replace(healthy.plan("PSU"), inventory=None)), "no inventory")


def test_a_disk_without_a_serial_is_known_by_its_name_in_this_boot() -> None:
    disk = replace(DISK, serial="name:vda", write=False)
    vda = replace(INVENTORY.disks[0], name="vda", serial="", transport="virtio", smart=None)
    plan = replace(healthy.plan("SMART"), disks=(disk,), inventory=replace(INVENTORY, disks=(vda,)))
    assert skipped("SMART", plan) == ()
    ours(skipped("SMART", replace(plan, inventory=replace(INVENTORY, disks=(replace(vda, name="vdb"),)))), "name:vda")
