"""What no stage may decide: missing programs, breakage, deadlines, hardware errors and counters that moved."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from tests.fakes.orchestrator import over
from tests.unit.agent.conftest import Bench, TinyStage, never_ends, stages
from tests.unit.domain import healthy
from vetting.agent.delivery import slim
from vetting.agent.runner import judged
from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import FoundDimm
from vetting.domain.outcome import Counter, Finding, Outcome, Severity, ToolRecord, Verdict
from vetting.parsers.errors import ParseError
from vetting.stages.base import Deps

MCE = "2,77,5000000,-;MCE: Killing stress-ng-vm:4242 due to hardware memory corruption fault at 7f0000\n"
READ_ERROR = "3,78,6000000,-;I/O error, dev sda, sector 2048 op 0x0:(READ)\n"


async def outcome_of(bench: Bench, stage: TinyStage) -> Outcome:
    """The outcome as the orchestrator hears it."""
    server = bench.orchestrator
    server.answers = {(stage.name, 1): over()}
    server.claims_again(current_stage=stage.name)
    async with bench.running(stages(stage)):
        await server.until(lambda: server.results)
    return server.results[0].outcome


async def test_a_missing_program_is_an_error_and_never_a_skip(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        await deps.run(["no-such-tool"], limit_s=1)
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    assert outcome.verdict is Verdict.ERROR
    assert "the program 'no-such-tool' is not installed" in outcome.reason


async def test_all_programs_that_a_stage_declares_are_looked_for_before_it_begins(bench: Bench) -> None:
    stage = TinyStage("SMART", tools=("sh", "no-such-a", "no-such-b"))
    outcome = await outcome_of(bench, stage)
    assert outcome.verdict is Verdict.ERROR
    assert "'no-such-a'" in outcome.reason
    assert "'no-such-b'" in outcome.reason
    assert "'sh'" not in outcome.reason
    assert not stage.jobs


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ToolMissing("fio", "fio"), "install the package fio"),
        (ParseError("smartctl", "not JSON", "garbage"), "the output of smartctl cannot be read"),
        (ZeroDivisionError("oh"), "the stage broke: ZeroDivisionError: oh"),
        (asyncio.CancelledError(), "the stage ended itself without an outcome"),
    ],
)
async def test_a_stage_that_breaks_is_an_error(bench: Bench, raised: BaseException, reason: str) -> None:
    async def act(deps: Deps) -> Outcome:
        raise raised

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    assert outcome.verdict is Verdict.ERROR
    assert reason in outcome.reason


async def test_the_traceback_of_a_broken_stage_is_in_the_log(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        raise ZeroDivisionError("oh")

    await outcome_of(bench, TinyStage("SMART", act))
    assert any("Traceback" in line for line in bench.orchestrator.lines)


async def test_a_stage_that_the_agent_does_not_know_is_an_error(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over()}
    async with bench.running(stages()):
        await server.until(lambda: server.results)
    assert server.results[0].outcome.verdict is Verdict.ERROR
    assert "knows no stage named 'Inventory'" in server.results[0].outcome.reason


async def test_a_stage_past_its_deadline_is_cancelled_and_an_error(bench: Bench) -> None:
    outcome = await outcome_of(bench, TinyStage("Burn", never_ends, limit=0.05))
    assert outcome.verdict is Verdict.ERROR
    assert "still running at its deadline" in outcome.reason


async def test_a_hardware_error_in_the_kernel_log_turns_a_pass_into_a_fail(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        with bench.kernel_log.open("a") as log:
            log.write("6,76,4900000,-;eth0: renamed from veth1\n" + MCE)
        return Outcome.ok("all verified")

    outcome = await outcome_of(bench, TinyStage("CPUStress", act))
    assert outcome.verdict is Verdict.FAIL
    assert outcome.reason.startswith("memory: MCE: Killing stress-ng-vm")
    assert [(f.severity, f.component, f.source) for f in outcome.findings if f.source == "kernel log"] == [
        (Severity.CRITICAL, "memory", "kernel log")
    ]
    told = [finding for batch in bench.orchestrator.logs for finding in batch.findings]
    assert any(finding.component == "memory" for finding in told)


@pytest.mark.parametrize(
    ("times", "verdict"), [(1, Verdict.PASS), (10, Verdict.PASS), (11, Verdict.FAIL), (500, Verdict.FAIL)]
)
async def test_corrected_machine_checks_accuse_a_core_by_their_number(
    bench: Bench, times: int, verdict: Verdict
) -> None:
    async def act(deps: Deps) -> Outcome:
        with bench.kernel_log.open("a") as log:
            for number in range(times):
                log.write(
                    f"0,{80 + number},1,-;mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 6: 9c00004000010090\n"
                )
        return Outcome.ok("all verified")

    outcome = await outcome_of(bench, TinyStage("CPUStress", act))
    assert outcome.verdict is verdict
    assert [counter.after for counter in outcome.counters if counter.name == "corrected_checks"] == [times]
    assert any(
        f"cpu:3: corrected errors that the kernel tells of: +{times}" in finding.text for finding in outcome.findings
    )


async def test_a_disk_that_fails_before_the_inventory_is_known_is_told_by_its_serial(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        with bench.kernel_log.open("a") as log:
            log.write(READ_ERROR)
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("Inventory", act))
    assert outcome.verdict is Verdict.FAIL
    assert outcome.reason.startswith("disk:WD-123: I/O error, dev sda")


async def test_a_memory_error_is_told_of_the_module_to_order(bench: Bench) -> None:
    """By a counter that grew and by a line of the kernel, each with the label that the board gave the slot."""
    count = bench.root / "sys/devices/system/edac/mc/mc0/dimm0/dimm_ce_count"
    count.parent.mkdir(parents=True)
    count.write_text("0\n")
    (count.parent / "dimm_ue_count").write_text("0\n")
    (count.parent / "dimm_label").write_text("CPU1_DIMM_A1\n")
    fitted = (FoundDimm(locator="A1", size_bytes=2**34, serial="18ABE4AE", part_number="M393A2G40DB0-CPB"),)

    async def act(deps: Deps) -> Outcome:
        count.write_text("40\n")
        with bench.kernel_log.open("a") as log:
            log.write("4,80,1,-;EDAC MC0: 40 CE memory read error on CPU1_DIMM_A1 (channel:0 slot:0 page:0x1)\n")
        return Outcome.ok()

    server, stage = bench.orchestrator, TinyStage("CPUStress", act)
    server.answers = {("CPUStress", 1): over()}
    server.claims_again(current_stage="CPUStress", inventory=replace(healthy.INVENTORY, dimms=fitted))
    async with bench.running(stages(stage)):
        await server.until(lambda: server.results)
    outcome = server.results[0].outcome
    assert outcome.verdict is Verdict.FAIL
    assert outcome.reason.startswith(
        "DIMM A1 (serial 18ABE4AE, part M393A2G40DB0-CPB): corrected memory errors (EDAC): +40"
    )
    assert {finding.component for finding in outcome.findings if "CE" in finding.text or "EDAC" in finding.text} == {
        "dimm:A1"
    }
    assert all(
        finding.text.startswith("DIMM A1 (serial") for finding in outcome.findings if finding.component == "dimm:A1"
    )


async def test_a_skip_does_not_hide_a_hardware_error_either(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        with bench.kernel_log.open("a") as log:
            log.write(READ_ERROR)
        return Outcome.skip("no such hardware")

    assert (await outcome_of(bench, TinyStage("GPU", act))).verdict is Verdict.FAIL


async def test_what_the_kernel_said_before_the_agent_came_is_not_this_runs(bench: Bench) -> None:
    bench.kernel_log.write_text(MCE)
    outcome = await outcome_of(bench, TinyStage("CPUStress"))
    assert outcome.verdict is Verdict.PASS
    assert not outcome.findings or all(f.source != "kernel log" for f in outcome.findings)


async def test_what_the_kernel_said_while_the_agent_was_dead_is_found_by_its_successor(bench: Bench) -> None:
    server = bench.orchestrator
    bench.kernel_log.write_text("6,70,1000000,-;all is well\n")
    first = TinyStage("CPUStress", never_ends)
    server.claims_again(current_stage="CPUStress")
    async with bench.running(stages(first)):
        await asyncio.wait_for(first.begun.wait(), 10)
    with bench.kernel_log.open("a") as log:
        log.write(MCE)
    server.claims_again(attempt=2)
    server.answers = {("CPUStress", 2): over()}
    async with bench.running(stages(TinyStage("CPUStress"))):
        await server.until(lambda: server.results)
    assert server.results[0].outcome.verdict is Verdict.FAIL


async def test_an_unreadable_kernel_log_is_said_in_every_outcome(bench: Bench) -> None:
    bench.kernel_log.unlink()
    outcome = await outcome_of(bench, TinyStage("CPUStress"))
    assert outcome.verdict is Verdict.PASS
    assert any("kernel log could not be read" in finding.text for finding in outcome.findings)


async def test_counters_of_the_machine_stand_before_and_after_and_accuse(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        meminfo = bench.root / "proc/meminfo"
        meminfo.write_text(meminfo.read_text().replace("HardwareCorrupted:     0", "HardwareCorrupted:     4"))
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("CPUStress", act))
    grown = {c.name: (c.before, c.after) for c in outcome.counters}
    assert grown["hardware_corrupted_kb"] == (0.0, 4.0)
    assert grown["carrier_changes"] == (2.0, 2.0)
    assert grown["disks"] == (1.0, 1.0)
    assert outcome.verdict is Verdict.FAIL
    assert "HardwareCorrupted" in outcome.reason


async def test_a_disk_that_vanishes_fails_the_host(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        (bench.root / "sys/block/sda/device/uevent").unlink()
        (bench.root / "sys/block/sda/device").rmdir()
        return Outcome.ok()

    assert (await outcome_of(bench, TinyStage("Storage", act))).verdict is Verdict.FAIL


async def test_an_oom_kill_is_our_error_and_not_the_hosts(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        (bench.root / "proc/vmstat").write_text("oom_kill 1\n")
        return Outcome.ok()

    assert (await outcome_of(bench, TinyStage("CPUStress", act))).verdict is Verdict.ERROR


def test_nothing_makes_an_outcome_better() -> None:
    worse = Finding(severity=Severity.CRITICAL, component="cpu", text="x", source="test")
    moved = (Counter(component="host", name="oom_kill", before=0, after=1),)
    for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.CANCELLED):
        outcome = Outcome(verdict=verdict, reason="as the stage said")
        assert judged(outcome, [worse], moved).verdict is verdict
        assert judged(outcome, [worse], moved).reason == "as the stage said"
    assert judged(Outcome.ok(), [worse], moved).verdict is Verdict.FAIL
    assert judged(Outcome.ok(), [], moved).verdict is Verdict.ERROR


async def test_programs_leave_records_and_whole_outputs_as_evidence(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        lines: list[tuple[str, str]] = []
        ended = await deps.run(
            ["sh", "-c", "echo out; echo err >&2; exit 3"], limit_s=10, on_line=lambda *line: lines.append(line)
        )
        assert ended.exit_code == 3
        assert sorted(lines) == [("stderr", "err"), ("stdout", "out")]
        await deps.run(["sh", "-c", "echo '{}'"], limit_s=10, keep="answer.json")
        await deps.run(["sh", "-c", "echo '{}'; echo noise >&2"], limit_s=10, keep="answer.json")
        await deps.run(["true"], limit_s=10)
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    first, second, third, last = outcome.tools
    assert first.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (first.exit_code, first.output, second.output, third.output, last.output) == (
        3, "sh-1.txt", "answer.json", "answer-2.json", "",
    )  # fmt: skip
    assert first.started_s <= first.ended_s <= outcome.ended_s
    kept = bench.orchestrator.artifacts
    assert kept["SMART", 1, "sh-1.txt"] == b"out\n\n--- stderr ---\nerr\n"
    assert kept["SMART", 1, "answer-2.json"] == b"{}\n"
    by_name = {ref.name: ref for ref in outcome.artifacts}
    assert by_name["sh-1.txt"].sha256 == hashlib.sha256(kept["SMART", 1, "sh-1.txt"]).hexdigest()


async def test_a_stages_world_is_the_configured_root_and_its_own_scratch(bench: Bench) -> None:
    seen: list[object] = []

    async def act(deps: Deps) -> Outcome:
        seen.append(deps.read("/proc/vmstat"))
        seen.append(deps.glob("/sys/block/sd?"))
        path = deps.write_scratch("../../etc/pass wd", b"mine")
        seen.append((path.endswith("/attempt/scratch/etc-pass-wd"), deps.read(path), len(deps.glob(path[:-1] + "*"))))
        with pytest.raises(OSError):
            deps.read("/proc/nothing")
        return Outcome.ok()

    assert (await outcome_of(bench, TinyStage("SMART", act))).verdict is Verdict.PASS
    assert seen == ["oom_kill 0\n", ["/sys/block/sda"], (True, "mine", 1)]


async def test_an_artifact_over_its_limit_is_cut_and_says_so(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        deps.artifact("big.bin", b"x" * (8 * 1024 * 1024 + 5))
        return Outcome.ok()

    await outcome_of(bench, TinyStage("SMART", act))
    (data,) = bench.orchestrator.artifacts.values()
    assert len(data) == 8 * 1024 * 1024
    assert b"bytes more]" in data[-60:]


async def test_programs_stand_in_the_scratch_folder_and_ours_is_found_from_there(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        where = await deps.run(["pwd"], limit_s=10)
        assert where.stdout.strip() == deps.scratch("x")[:-2]
        ours = await deps.run([*deps.own_program("--version")], limit_s=30)
        assert ours.stdout.startswith("vetting "), ours.text
        return Outcome.ok()

    assert (await outcome_of(bench, TinyStage("SMART", act))).verdict is Verdict.PASS


async def test_evidence_of_hundreds_of_cores_leaves_room_for_what_follows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep over many cores once used the names up before the two passes that the verdict rests on."""
    monkeypatch.setattr("vetting.agent.deps.MAX_ARTIFACTS", 3)

    async def act(deps: Deps) -> Outcome:
        for core in range(6):
            await deps.run(["sh", "-c", f"echo core {core}"], limit_s=10, keep=f"core-{core}.txt")
        await deps.run(["sh", "-c", "echo all cores"], limit_s=10, keep="all.txt")
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    assert [tool.output for tool in outcome.tools][2:] == ["core-2.txt", *["further-output.txt"] * 4]
    further = bench.orchestrator.artifacts["SMART", 1, "further-output.txt"]
    assert b"--- core-3.txt ---\ncore 3\n" in further
    assert b"--- all.txt ---\nall cores\n" in further
    (ref,) = [one for one in outcome.artifacts if one.name == "further-output.txt"]
    assert (ref.sha256, ref.size_bytes) == (hashlib.sha256(further).hexdigest(), len(further))


async def test_evidence_never_fills_the_memory_that_it_lies_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vetting.agent.deps.EVIDENCE_BYTES", 1000)
    monkeypatch.setattr("vetting.agent.evidence.ARTIFACT_BYTES", 400)

    async def act(deps: Deps) -> Outcome:
        for number in range(20):
            await deps.run(["sh", "-c", "printf %0300d 1"], limit_s=10, keep=f"{number}.txt")
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    assert sum(one.size_bytes for one in outcome.artifacts) <= 1400
    assert outcome.tools[-1].output == ""
    assert len(outcome.tools) == 20


async def test_records_of_the_many_make_room_for_those_of_the_few(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eighteen hours of fio on two dozen disks must not push out the load that ran beside them."""
    monkeypatch.setattr("vetting.agent.deps.MAX_TOOLS", 5)

    async def act(deps: Deps) -> Outcome:
        for number in range(9):
            await deps.run(["true", str(number)], limit_s=10)
        await deps.run(["echo", "the load"], limit_s=10)
        return Outcome.ok()

    outcome = await outcome_of(bench, TinyStage("SMART", act))
    assert [tool.argv for tool in outcome.tools] == [
        ("true", "5"), ("true", "6"), ("true", "7"), ("true", "8"), ("echo", "the load"),
    ]  # fmt: skip


def test_a_slim_outcome_keeps_every_record_of_a_program() -> None:
    tools = tuple(
        ToolRecord(argv=("fio", str(number)), version="3", exit_code=0, signal=None, timed_out=False,
                   started_s=0.0, ended_s=1.0, excerpt="x" * 4000)
        for number in range(900)
    )  # fmt: skip
    kept = slim(Outcome.ok(tools=tools)).tools
    assert [tool.argv for tool in kept] == [tool.argv for tool in tools]
    assert not any(tool.excerpt for tool in kept)
