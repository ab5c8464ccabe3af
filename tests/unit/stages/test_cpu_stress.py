"""CPUStress believes work, not exit statuses: what two versions of stress-ng say, well and ill."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import (
    FIXTURES,
    RELEASES,
    host,
    memory,
    own_stat,
    proc_stat,
    recorded,
    sat,
    stressng,
    tool_text,
)
from tests.unit.domain import healthy
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Cell, Outcome, Severity, Verdict
from vetting.domain.profiles import GIB, MIB, TASTE, CpuStressKnobs
from vetting.stages.cpu_memory import memory_to_test, rounds_of
from vetting.stages.cpu_stress import CpuStress

KNOBS = CpuStressKnobs(
    cpu_s=3, ram_s=6, ram_s_per_gib=0, core_s=1, ram_cap_bytes=64 * MIB, ram_floor_bytes=16 * MIB, ram_cover=0.0
)
MODEL = "Intel(R) Xeon(R) Gold 6226R"
TOPOLOGY: dict[str, Text] = {
    "/proc/cpuinfo": "".join(f"processor\t: {n}\nmodel name\t: {MODEL}\n\n" for n in (0, 1)),
    **{f"/sys/devices/system/cpu/cpu{n}/topology/physical_package_id": f"{n}\n" for n in (0, 1)},
    **{f"/sys/devices/system/cpu/cpu{n}/topology/core_id": "4\n" for n in (0, 1)},
    "/sys/devices/system/cpu/cpu1/topology/ppin": "0x2b8e1f4a00c1d2e3\n",
    "/sys/devices/system/cpu/cpu0/topology/ppin": "0x0\n",
}
KNOWN = "".join(f'{{"cpu": {n}, "rounds": 60, "wrong": ""}}\n' for n in (0, 1))
CORE, CPU, VM = "--taskset", "--memcpy 0", "--vm 1"


def asks(release: str) -> list[Says]:
    return [
        Says("stress-ng --verifiable", stdout=recorded(release, "verifiable")[1]),
        Says("stress-ng --help", stdout=recorded(release, "help")[1]),
    ]


def in_use(now_s: float) -> str:
    """64 MiB go while the two testers of the memory run: after the two cores and the 3 s of all of them."""
    return memory(available_mib=3008 if 1005.1 < now_s < 1007.9 or 1008.1 < now_s < 1012.9 else 3072)


def world(
    release: str = "debian12",
    *,
    known: Says | None = None,
    core: Says | None = None,
    cpu: Says | None = None,
    vm: Says | None = None,
    by_sat: Says | None = None,
    knobs: CpuStressKnobs = KNOBS,
    files: dict[str, Text] | None = None,
) -> ScriptedDeps:
    tools = [
        *asks(release),
        known or Says("vetting golden", stdout=KNOWN),
        core or stressng(CORE, release, "core", elapsed_s=1),
        cpu or stressng(CPU, release, "cpu", elapsed_s=3),
        vm or stressng(VM, release, "vm", elapsed_s=3),
        by_sat or sat(release, "pass"),
    ]
    taste = replace(TASTE, cpu_stress=knobs)
    return ScriptedDeps(job(profile=taste), tools, {**host(), "/proc/meminfo": in_use, **(files or {})})


def cell(outcome: Outcome, component: str) -> Cell:
    return next(each for each in outcome.cells if each.component == component)


@pytest.mark.parametrize("release", RELEASES)
async def test_a_healthy_host_passes_with_its_work_counted(release: str) -> None:
    deps = world(release)
    outcome = await CpuStress().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    cpu, memory_cell = cell(outcome, "cpu"), cell(outcome, "memory")
    assert (cpu.work[0].what, cpu.work[0].done, cpu.work[0].of) == ("cpus", 2, 2)
    assert [(work.what, work.done, work.of) for work in memory_cell.work] == [
        ("MiB tested by stress-ng", 64, 4096),
        ("MiB tested by stressapptest", 64, 4096),
    ]
    assert (
        "each byte copied and compared" in memory_cell.reason and "of 4096 MiB: 64 by stress-ng" in memory_cell.reason
    )
    assert {m.series for m in outcome.measurements} >= {
        "clock.mean_mhz",
        "cpu.0.bogo_ops_s",
        "cpu.0.clock_mhz",
        "memory.tested_bytes",
    }
    assert outcome.findings == ()


async def test_memory_load_begins_only_after_the_cpu_load_has_ended() -> None:
    deps = world()
    await CpuStress().run(deps)
    loads = [call for call in deps.calls if call.heavy]
    assert [call.at_s - loads[0].at_s for call in loads] == pytest.approx([0, 1, 2, 5, 8])
    assert [call.argv[0] for call in loads] == ["stress-ng"] * 4 + ["stressapptest"]
    assert ["--vm" in call.argv for call in loads] == [False, False, False, True, False]


async def test_each_version_gets_what_it_verifies_and_understands() -> None:
    old, new = world("debian12"), world("debian13")
    await CpuStress().run(old)
    await CpuStress().run(new)
    assert "--fma" not in old.argvs("stress-ng")[4] and "--no-oom-adjust" not in old.argvs("stress-ng")[4]
    assert {"--fma", "--matrix", "--vecmath", "--vecfp", "--vecshuf", "--no-oom-adjust"} <= set(
        new.argvs("stress-ng")[4]
    )


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("cpu-worker-killed", Verdict.ERROR, "killed by signal 9"),
        ("cpu-worker-crashed", Verdict.FAIL, "crashed, the first was"),
    ],
)
async def test_a_dead_worker_never_passes_whatever_the_exit_status(
    release: str, name: str, verdict: Verdict, words: str
) -> None:
    for exit_code in (None, 0):
        outcome = await CpuStress().run(
            world(release, cpu=stressng(CPU, release, name, elapsed_s=3, exit_code=exit_code))
        )
        assert cell(outcome, "cpu").verdict is verdict
        assert words in cell(outcome, "cpu").reason
        assert cell(outcome, "memory").verdict is Verdict.ERROR  # not begun


@pytest.mark.parametrize("release", RELEASES)
async def test_an_uncorrectable_memory_error_fails_the_host_though_stress_ng_exits_0(release: str) -> None:
    status, _ = recorded(release, "vm-bus-error")
    assert status == 0
    outcome = await CpuStress().run(world(release, vm=stressng(VM, release, "vm-bus-error", elapsed_s=3)))
    assert outcome.verdict is Verdict.FAIL
    assert "SIGBUS" in cell(outcome, "memory").reason
    assert cell(outcome, "cpu").verdict is Verdict.PASS


@pytest.mark.parametrize("release", RELEASES)
async def test_memory_load_killed_for_want_of_memory_is_our_error(release: str) -> None:
    kills: Text = ["oom_kill 3\n"] * 7 + ["oom_kill 4\n"]
    outcome = await CpuStress().run(
        world(release, vm=stressng(VM, release, "vm-out-of-memory", elapsed_s=3), files={"/proc/vmstat": kills})
    )
    assert cell(outcome, "memory").verdict is Verdict.ERROR
    assert "want of memory" in cell(outcome, "memory").reason


@pytest.mark.parametrize("release", RELEASES)
async def test_a_vm_worker_killed_with_exit_0_is_our_error(release: str) -> None:
    outcome = await CpuStress().run(world(release, vm=stressng(VM, release, "vm-out-of-memory", elapsed_s=3)))
    assert cell(outcome, "memory").verdict is Verdict.ERROR
    assert "signal 9" in cell(outcome, "memory").reason


async def test_wrong_bits_in_memory_fail_the_host() -> None:
    _, text = recorded("debian12", "vm")
    wrong = text.replace(
        "stress-ng: info:  [", "stress-ng: fail:  [9577] zero-one: detected 15 memory errors\nstress-ng: info:  [", 1
    )
    for exit_code in (0, 2):
        vm = Says(f"stress-ng {VM}", stderr=wrong, exit_code=exit_code, elapsed_s=3)
        outcome = await CpuStress().run(world(vm=vm))
        assert outcome.verdict is Verdict.FAIL
        assert "zero-one: detected 15 memory errors" in outcome.reason


@pytest.mark.parametrize("status", [2, 5, 7])
async def test_statuses_that_accuse_the_host_fail_it(status: int) -> None:
    outcome = await CpuStress().run(world(cpu=stressng(CPU, "debian12", "cpu", elapsed_s=3, exit_code=status)))
    assert outcome.verdict is Verdict.FAIL


@pytest.mark.parametrize("status", [1, 3, 4, 6, 127])
async def test_statuses_that_accuse_the_test_are_errors(status: int) -> None:
    outcome = await CpuStress().run(world(cpu=stressng(CPU, "debian12", "cpu", elapsed_s=3, exit_code=status)))
    assert outcome.verdict is Verdict.ERROR


async def test_good_words_at_once_are_refused_because_no_time_went_by() -> None:
    outcome = await CpuStress().run(world(cpu=stressng(CPU, "debian12", "cpu", elapsed_s=0.1)))
    assert outcome.verdict is Verdict.ERROR
    assert "ended after 0.1 s of 3 s" in outcome.reason


async def test_good_words_after_the_whole_time_are_refused_where_a_core_was_idle() -> None:
    def stat(now_s: float) -> str:
        return proc_stat(idle=frozenset({1}) if now_s > 1002.1 else frozenset())(now_s)

    outcome = await CpuStress().run(world(files={"/proc/stat": stat}))
    assert outcome.verdict is Verdict.ERROR
    assert "core 1 was" in outcome.reason


async def test_a_machine_whose_load_cannot_be_seen_is_not_passed() -> None:
    outcome = await CpuStress().run(world(files={"/proc/stat": OSError(5, "Input/output error")}))
    assert outcome.verdict is Verdict.ERROR
    assert "not seen busy" in outcome.reason


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("7 (vetting) S " + "0 " * 14, "stress-ng computed for 0.0 s in 1 s on 1 cores"),
        ("7 (vetting) S", "cannot be read"),
        (OSError(5, "Input/output error"), "cannot be read"),
    ],
)
async def test_cores_that_somebody_else_keeps_busy_prove_no_load_of_ours(own: Text, words: str) -> None:
    outcome = await CpuStress().run(world(files={"/proc/self/stat": own}))
    assert outcome.verdict is Verdict.ERROR
    assert words in outcome.reason


async def test_a_load_that_gets_half_of_the_cores_beside_others_is_still_a_load() -> None:
    assert (await CpuStress().run(world(files={"/proc/self/stat": own_stat(cpus=1)}))).verdict is Verdict.PASS


async def test_memory_that_never_went_is_not_counted_as_tested() -> None:
    outcome = await CpuStress().run(world(files={"/proc/meminfo": memory()}))
    assert cell(outcome, "memory").verdict is Verdict.ERROR
    assert "only 0 MiB of 64 MiB were seen in use" in cell(outcome, "memory").reason


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "name", ["unsupported", "partly-unsupported", "terminated", "no-memory", "no-metrics", "mixed"]
)
async def test_recordings_of_runs_that_did_not_do_the_work_never_pass(release: str, name: str) -> None:
    folder = FIXTURES / "tools" / release / "stress-ng"
    text = "".join((folder / each).read_text() for each in (name, f"{name}.err") if (folder / each).exists())
    outcome = await CpuStress().run(world(release, cpu=Says(f"stress-ng {CPU}", stdout=text, elapsed_s=3)))
    assert outcome.verdict is Verdict.ERROR


@pytest.mark.parametrize("text", ["", "ok\n", "\x00\xff" * 100, "{}", "passed: 100%\n"])
async def test_garbage_is_our_error(text: str) -> None:
    for exit_code in (0, 2):
        outcome = await CpuStress().run(
            world(cpu=Says(f"stress-ng {CPU}", stdout=text, exit_code=exit_code, elapsed_s=3))
        )
        assert outcome.verdict is Verdict.ERROR


async def test_a_bad_core_is_named_and_the_rest_is_not_begun() -> None:
    bad = Says("stress-ng --taskset 1", stderr=recorded("debian12", "cpu-worker-crashed")[1], exit_code=2, elapsed_s=1)
    deps = world()
    deps.tools.insert(2, bad)
    outcome = await CpuStress().run(deps)
    assert outcome.verdict is Verdict.FAIL
    assert cell(outcome, "cpu:1").verdict is Verdict.FAIL
    assert {each.component for each in outcome.cells} == {"cpu:1", "cpu", "memory"}


async def test_a_slow_core_is_warned_of_only_when_it_is_slow_twice() -> None:
    _, text = recorded("debian12", "core")
    row = next(line for line in text.splitlines() if " cpu   " in line and "metrc" in line)
    words = row.split()
    slow = text.replace(row, row.replace(words[4], str(int(words[4]) // 3), 1))
    for times, warned in ((1, False), (2, True)):
        deps = world()
        deps.tools.insert(2, Says("stress-ng --taskset 1", stderr=slow, elapsed_s=1, times=times))
        outcome = await CpuStress().run(deps)
        assert bool(outcome.findings) is warned
        if warned:
            assert outcome.findings[0].component == "cpu:1"
            assert outcome.findings[0].severity is Severity.WARNING


async def test_throttling_is_counted_and_told() -> None:
    path = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    outcome = await CpuStress().run(world(files={path: ["5\n", "9\n"]}))
    counter = next(each for each in outcome.counters if each.name == "core_throttle_count")
    assert counter.delta == 4
    assert any("grew by 4" in finding.text for finding in outcome.findings)


async def test_memory_that_the_kernel_took_out_of_use_fails_the_host() -> None:
    def grown(now_s: float) -> str:
        return in_use(now_s).replace("HardwareCorrupted: 0", f"HardwareCorrupted: {4 if now_s > 1006 else 0}")

    outcome = await CpuStress().run(world(files={"/proc/meminfo": grown}))
    assert outcome.verdict is Verdict.FAIL
    assert "4 KiB" in cell(outcome, "memory").reason


async def test_a_missing_stress_ng_is_told_as_missing() -> None:
    with pytest.raises(ToolMissing):
        await CpuStress().run(ScriptedDeps(job(), [], host()))


async def test_a_cpuset_that_hides_cores_is_our_error() -> None:
    outcome = await CpuStress().run(world(files={"/proc/self/status": "Cpus_allowed_list:\t0\n"}))
    assert outcome.verdict is Verdict.ERROR
    assert "1 of 2 CPUs" in outcome.reason


async def test_too_little_memory_is_an_error_with_figures() -> None:
    knobs = replace(KNOBS, ram_floor_bytes=256 * MIB, ram_cap_bytes=0)
    outcome = await CpuStress().run(world(knobs=knobs, files={"/proc/meminfo": memory(1024, 300)}))
    assert cell(outcome, "memory").verdict is Verdict.ERROR
    assert "300 MiB of 1024 MiB are available" in cell(outcome, "memory").reason


async def test_less_than_the_cover_is_an_error_before_any_load() -> None:
    outcome = await CpuStress().run(world(knobs=replace(KNOBS, ram_cover=0.5)))
    assert "less than 50% of the memory" in cell(outcome, "memory").reason


def test_memory_is_sized_to_leave_the_spare_and_to_reach_the_floor() -> None:
    knobs = CpuStressKnobs()
    assert memory_to_test(16 * GIB, knobs) == 16 * GIB - 1536 * MIB
    assert memory_to_test(900 * MIB, knobs) == 256 * MIB
    assert memory_to_test(500 * MIB, knobs) == 0
    assert memory_to_test(0, knobs) == 0
    assert memory_to_test(16 * GIB, replace(knobs, ram_cap_bytes=GIB)) == GIB


def test_the_plan_is_the_sum_of_its_passes() -> None:
    assert CpuStress().planned_s(job(profile=replace(TASTE, cpu_stress=KNOBS))) == 3 + 6 + 1


@pytest.mark.parametrize("release", RELEASES)
async def test_wrong_bits_that_stressapptest_finds_fail_the_host(release: str) -> None:
    for exit_code in (0, 1):
        outcome = await CpuStress().run(world(release, by_sat=sat(release, "fail", exit_code=exit_code)))
        assert cell(outcome, "memory").verdict is Verdict.FAIL
        assert "errors of the memory: Hardware Error: miscompare" in cell(outcome, "memory").reason


@pytest.mark.parametrize(
    ("by_sat", "verdict", "words"),
    [
        (lambda: sat("debian13", "refused", exit_code=1), Verdict.ERROR, "did not say that it passed: Process Error"),
        (lambda: sat("debian13", "pass", elapsed_s=0.1), Verdict.ERROR, "ended after 0.1 s of 3 s"),
        (lambda: sat("debian13", "pass", exit_code=1), Verdict.ERROR, "exited 1"),
        (lambda: Says("stressapptest", stdout="", elapsed_s=5), Verdict.ERROR, "neither its revision nor a status"),
        (
            lambda: Says("stressapptest", stdout="", signal=9, elapsed_s=2),
            Verdict.ERROR,
            "killed by signal 9 from outside",
        ),
        (lambda: Says("stressapptest", stdout="", signal=7, elapsed_s=2), Verdict.FAIL, "crashed with SIGBUS"),
        (lambda: Says("stressapptest", raises=ToolMissing("stressapptest")), None, ""),
    ],
)
async def test_stressapptest_is_believed_for_work_alone(
    by_sat: Callable[[], Says], verdict: Verdict | None, words: str
) -> None:
    if verdict is None:
        with pytest.raises(ToolMissing):
            await CpuStress().run(world("debian13", by_sat=by_sat()))
        return
    outcome = await CpuStress().run(world("debian13", by_sat=by_sat()))
    assert cell(outcome, "memory").verdict is verdict
    assert words in cell(outcome, "memory").reason


async def test_stressapptest_that_tested_less_than_asked_or_not_all_of_it_is_no_test() -> None:
    said = tool_text("debian13", "stressapptest/pass")
    for wrong, words in (
        (said.replace("Starting SAT, 64M", "Starting SAT, 32M"), "tested 32 MiB, wanted were 64 MiB"),
        (re.sub(r"Completed: [\d.]+M", "Completed: 63.00M", said), "not every byte was visited"),
    ):
        outcome = await CpuStress().run(world(by_sat=Says("stressapptest", stdout=wrong, elapsed_s=5)))
        assert words in cell(outcome, "memory").reason


async def test_memory_that_stressapptest_never_held_is_not_counted() -> None:
    def only_stress_ng(now_s: float) -> str:
        return memory(available_mib=3008 if 1005.1 < now_s < 1007.9 else 3072)

    outcome = await CpuStress().run(world(files={"/proc/meminfo": only_stress_ng}))
    assert cell(outcome, "memory").verdict is Verdict.ERROR
    assert "stressapptest: only 0 MiB of 64 MiB were seen in use" in cell(outcome, "memory").reason


def test_stress_ngs_time_is_cut_into_rounds_of_one_cycle() -> None:
    assert rounds_of(60, 8 * GIB) == (1, 60)
    assert rounds_of(6 * 3600, 8 * GIB) == (13, 6 * 3600 / 13)
    assert rounds_of(6 * 3600, 64 * GIB) == (6, 3600)
    assert rounds_of(1.5, 64 * MIB) == (1, 1.5)


async def test_a_big_host_gets_more_time_and_the_plan_says_so() -> None:
    big = replace(KNOBS, ram_s_per_gib=1.0, ram_cap_bytes=0)
    asked = job(profile=replace(TASTE, cpu_stress=big), inventory=replace(healthy.INVENTORY, memory_bytes=512 * GIB))
    assert CpuStress().planned_s(asked) == 3 + 512 + 112


async def test_a_core_that_did_too_little_gets_a_longer_turn_before_anybody_is_blamed() -> None:
    _, text = recorded("debian12", "core")
    row = next(
        line
        for line in text.splitlines()
        if " zlib   " in line and "metrc" in line and "%" not in line and "MB" not in line
    )
    words = row.split()
    none_done = text.replace(row, row.replace(f" {words[4]} ", " 0 ", 1))
    longer = Says("stress-ng --taskset 1 --timeout 11s", stderr=_lasting(text, "11"), elapsed_s=11)
    deps = world(files={"/proc/meminfo": lambda now_s: in_use(now_s - 11)})
    deps.tools[2:2] = [longer, Says("stress-ng --taskset 1", stderr=none_done, elapsed_s=1)]
    outcome = await CpuStress().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert [argv[-1] for argv in deps.argvs("stress-ng")[2:5]] == ["1s", "1s", "11s"]


def _lasting(text: str, seconds: str) -> str:
    """The same words of a run that took longer."""
    return re.sub(r"(metrc: \[\d+\] \w+ +\d+ +)\d\.\d\d", rf"\g<1>{seconds}.00", text)


async def test_a_bad_core_is_told_as_the_processor_to_order() -> None:
    bad = Says("stress-ng --taskset 1", stderr=recorded("debian12", "cpu-worker-crashed")[1], exit_code=2, elapsed_s=1)
    deps = world(files=TOPOLOGY)
    deps.tools.insert(2, bad)
    reason = cell(await CpuStress().run(deps), "cpu:1").reason
    assert reason.startswith("CPU 1 (core 4) of processor 1 (Intel(R) Xeon(R) Gold 6226R, PPIN 0x2b8e1f4a00c1d2e3): ")


@pytest.mark.parametrize("release", ["ubuntu2404", "debian13"])
async def test_a_worker_that_crashed_beside_all_others_names_its_core(release: str) -> None:
    """Workers 1 and 0 were told to be on CPUs 0 and 1; the one that crashed ended on none."""
    outcome = await CpuStress().run(world(release, cpu=stressng(CPU, release, "cpu-worker-crashed", elapsed_s=3)))
    guilty = [each.component for each in outcome.cells if each.component.startswith("cpu:")]
    assert cell(outcome, "cpu").verdict is Verdict.FAIL and len(guilty) == 1


async def test_what_fails_only_under_full_load_is_looked_for_core_by_core() -> None:
    deps = world(cpu=stressng(CPU, "debian12", "cpu-worker-crashed", elapsed_s=3))
    outcome = await CpuStress().run(deps)
    assert [argv[argv.index("--taskset") + 1] for argv in deps.argvs("stress-ng") if "--taskset" in argv] == list(
        "0101"
    )
    assert any("wrong only while all cores were loaded" in finding.text for finding in outcome.findings)


async def test_throttled_cores_and_processors_are_named() -> None:
    folder = "/sys/devices/system/cpu/cpu{}/thermal_throttle/{}_throttle_count"
    counts = {folder.format(n, kind): ["5\n", "9\n" if n else "5\n"] for n in (0, 1) for kind in ("core", "package")}
    outcome = await CpuStress().run(world(files={**TOPOLOGY, **counts}))
    texts = [finding.text for finding in outcome.findings]
    assert any("core_throttle_count grew by 4: core 4 of processor 1 (Intel" in text for text in texts)
    assert any("package_throttle_count grew by 4: processor 1 (Intel" in text for text in texts)


@pytest.mark.parametrize(
    ("known", "verdict", "words"),
    [
        (
            Says("vetting golden", stdout=KNOWN.replace('"wrong": ""', '"wrong": "sha256 is 1 instead of 2"', 2).replace('0, "rounds": 60, "wrong": "sha256 is 1 instead of 2"', '0, "rounds": 60, "wrong": ""'), exit_code=1),
            Verdict.FAIL, "CPU 1 (core 4) of processor 1 (Intel(R) Xeon(R) Gold 6226R, PPIN 0x2b8e1f4a00c1d2e3): computed wrong: sha256 is 1",
        ),
        (Says("vetting golden", stdout=KNOWN.splitlines()[0], signal=11), Verdict.FAIL, "crashed on it with SIGSEGV"),
        (Says("vetting golden", stdout=KNOWN.splitlines()[0], signal=9), Verdict.ERROR, "told nothing of this core"),
        (Says("vetting golden", stdout=KNOWN.splitlines()[0]), Verdict.ERROR, "told nothing of this core"),
        (Says("vetting golden", stdout=KNOWN.replace('"rounds": 60', '"rounds": 0')), Verdict.ERROR, "told nothing"),
        (Says("vetting golden", stdout=KNOWN, exit_code=2), Verdict.ERROR, "exited 2"),
        (Says("vetting golden", stdout="no answers"), Verdict.ERROR, "not JSON"),
    ],
)  # fmt: skip
async def test_a_core_that_gets_a_known_answer_wrong_fails_the_host(known: Says, verdict: Verdict, words: str) -> None:
    outcome = await CpuStress().run(world(known=known, files=TOPOLOGY))
    assert outcome.verdict is verdict
    assert words in outcome.reason
