"""Burn: four loads at one moment, each believed for its work, and none of them a burn by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.disk_world import DISK, FILES, LSBLK, Change, FioDeps, surface
from tests.fakes.scripted_deps import Says, Text, job
from tests.fakes.stage_world import MIB, RELEASES, host, memory, proc_stat, recorded, stressng, tool_text
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Cell, Outcome, Verdict
from vetting.domain.profiles import GIB, QUICK, TASTE, BurnKnobs, CpuStressKnobs, Profile, StorageKnobs
from vetting.stages.burn import Burn, overlap_s
from vetting.stages.burn_stress import memory_to_burn

PROFILE = replace(
    TASTE,
    burn=BurnKnobs(seconds=2, mem_pct=50, iperf_parallel=1),
    cpu_stress=CpuStressKnobs(ram_cap_bytes=64 * MIB),
    storage=StorageKnobs(fio_size_bytes=32 * MIB),
)
STARTS_S = 1001.0  # the check of the server takes the first second


def in_use(now_s: float) -> str:
    return memory(available_mib=3008 if now_s > STARTS_S else 3072)


def net_dev(now_s: float) -> str:
    count = round(now_s * 2e10)
    return f"Inter-| Receive | Transmit\n face |bytes|bytes\n    lo: {count} 1 0 0 0 0 0 0 {count} 1 0 0 0 0 0 0\n"


def iperf(release: str, name: str, words: str, elapsed_s: float) -> Says:
    return Says(words, stdout=tool_text(release, f"iperf3/{name}"), elapsed_s=elapsed_s)


def world(
    release: str = "debian12",
    *,
    first: tuple[Says, ...] = (),
    files: dict[str, Text] | None = None,
    fio_change: Change | None = None,
    profile: Profile = PROFILE,
    **changes: Any,
) -> FioDeps:
    status, said = recorded(release, "fio-round")

    def gate(row: dict[str, Any]) -> None:
        row |= dict.fromkeys(("covered_bytes", "bytes_promised", "bytes_written", "bytes_verified"), 16 * MIB)
        for phase in row["phases"]:
            phase["ok_bytes"] = 16 * MIB

    row = json.loads(recorded(release, "surface-scan")[1])
    gate(row)
    tools = [
        *first,
        Says("stress-ng --verifiable", stdout=recorded(release, "verifiable")[1]),
        Says("stress-ng --help", stdout=recorded(release, "help")[1]),
        stressng("--cpu 0", release, "burn-cpu", elapsed_s=2),
        stressng("--vm 1", release, "vm", elapsed_s=2),
        LSBLK,
        surface("probe", recorded(release, "surface-probe")),
        surface("scan", (0, json.dumps(row) + "\n")),
        surface("save-heads", recorded(release, "surface-save-heads")),
        Says("fio", stdout=said, exit_code=status, elapsed_s=2.0),
        iperf(release, "bidir", "iperf3 --bidir", 2.0),
        iperf(release, "forward", "iperf3", 1.0),
    ]
    asked = job(profile=profile, expected_disks=(DISK,), permit="{}", permit_key="00", host="bench")
    around = {**host(), **FILES, "/proc/meminfo": in_use, "/proc/net/dev": net_dev, **(files or {})}
    deps = FioDeps(replace(asked, **changes), tools, around)
    deps.fio = fio_change
    return deps


def cells(outcome: Outcome) -> dict[str, Cell]:
    return {cell.component: cell for cell in outcome.cells}


@pytest.mark.parametrize("release", RELEASES)
async def test_all_four_at_once_pass(release: str) -> None:
    deps = world(release)
    outcome = await Burn().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert list(cells(outcome)) == ["cpu", "memory", "disk", "network"]
    assert all(cell.work and all(work.done > 0 for work in cell.work) for cell in outcome.cells)
    starts = [call.at_s for call in deps.calls if call.argv[0] in ("fio",) or {"--timeout", "--bidir"} & set(call.argv)]
    assert len(starts) == 4 and len(set(starts)) == 1
    assert next(each.value for each in outcome.measurements if each.series == "burn.overlap") == pytest.approx(2)


async def test_loads_one_after_another_are_no_burn() -> None:
    late = iperf("debian12", "busy", "iperf3 --bidir", 0.1)
    late.times = 1
    outcome = await Burn().run(world(first=(late,)))
    assert outcome.verdict is Verdict.ERROR
    assert "all loads together ran for" in outcome.reason


@pytest.mark.parametrize(
    ("component", "tool", "verdict"),
    [
        ("cpu", lambda: stressng("--cpu 0", "debian12", "cpu-worker-crashed", elapsed_s=2), Verdict.FAIL),
        ("cpu", lambda: stressng("--cpu 0", "debian12", "burn-cpu", elapsed_s=0.1), Verdict.ERROR),
        ("memory", lambda: stressng("--vm 1", "debian12", "vm-bus-error", elapsed_s=2), Verdict.FAIL),
        ("memory", lambda: stressng("--vm 1", "debian12", "vm-out-of-memory", elapsed_s=2), Verdict.ERROR),
        ("disk", lambda: Says("fio", stdout="", exit_code=1, elapsed_s=2.0), Verdict.ERROR),
        ("network", lambda: iperf("debian12", "server-died", "iperf3 --bidir", 2.0), Verdict.ERROR),
    ],
)
async def test_one_load_that_fails_stops_none_of_the_others(component: str, tool: Any, verdict: Verdict) -> None:
    outcome = await Burn().run(world(first=(tool(),)))
    found = cells(outcome)
    assert outcome.verdict is verdict
    assert found[component].verdict is verdict
    assert all(cell.verdict is Verdict.PASS for name, cell in found.items() if name != component)


async def test_wrong_data_on_a_disk_fails_the_host() -> None:
    def wrong(row: dict[str, Any]) -> None:
        row["jobs"][0]["error"] = 84

    outcome = await Burn().run(world(fio_change=wrong))
    assert cells(outcome)["disk"].verdict is Verdict.FAIL


@pytest.mark.parametrize("missing", ["stress-ng", "iperf3", "fio"])
async def test_a_missing_program_is_the_error_of_its_part_and_the_others_are_recorded(missing: str) -> None:
    deps = world()
    deps.tools = [each for each in deps.tools if not str(each.words).startswith(missing)]
    found = cells(await Burn().run(deps))
    wrong = {"stress-ng": {"cpu", "memory"}, "iperf3": {"network"}, "fio": {"disk"}}[missing]
    assert {name for name, cell in found.items() if cell.verdict is Verdict.ERROR} == wrong
    assert all("not installed" in found[name].reason for name in wrong)


async def test_disks_that_may_not_be_written_are_skipped_with_the_reason() -> None:
    for changes in (
        {"non_destructive": True},
        {"expected_disks": (replace(DISK, write=False),)},
        {"expected_disks": ()},
    ):
        deps = world(**changes)
        outcome = await Burn().run(deps)
        assert outcome.verdict is Verdict.PASS
        assert cells(outcome)["disk"].verdict is Verdict.SKIP
        assert cells(outcome)["disk"].reason
        assert not deps.argvs("fio")


async def test_a_profile_may_leave_the_disks_out() -> None:
    left_out = replace(PROFILE, burn=replace(PROFILE.burn, fio_on_spare=False))
    outcome = await Burn().run(world(profile=left_out))
    assert cells(outcome)["disk"].verdict is Verdict.SKIP


@pytest.mark.parametrize("how", ["no permit", "data", "refused"])
async def test_a_disk_behind_a_safety_line_is_not_given_to_fio(how: str) -> None:
    first: tuple[Says, ...] = ()
    if how == "data":
        first = (surface("probe", recorded("debian12", "surface-probe-ext4")),)
    if how == "refused":
        refused = json.loads(recorded("debian12", "surface-scan")[1])
        refused |= {"outcome": "refused", "objections": [{"line": "permit", "reason": "used"}]}
        first = (surface("scan", (2, json.dumps(refused) + "\n")),)
    deps = world(first=first, permit="" if how == "no permit" else "{}")
    outcome = await Burn().run(deps)
    assert cells(outcome)["disk"].verdict is Verdict.ERROR
    assert not deps.argvs("fio")


async def test_a_core_that_was_idle_is_not_burnt() -> None:
    outcome = await Burn().run(world(files={"/proc/stat": proc_stat(idle=frozenset({1}))}))
    assert cells(outcome)["cpu"].verdict is Verdict.ERROR
    assert "core 1 was busy for 0%" in outcome.reason


async def test_cores_that_rest_while_another_load_still_ends_were_burnt_all_the_same() -> None:
    """A vm worker on a slow machine may take long to give its memory back."""

    def stat(now_s: float) -> str:
        ticks, rested = round(min(now_s, STARTS_S + 2) * 100), round(max(now_s - STARTS_S - 2, 0) * 100)
        return "".join(f"cpu{n} {ticks} 0 0 {rested} 0 0 0 0 0 0\n" for n in (0, 1))

    late = stressng("--vm 1", "debian12", "vm", elapsed_s=9)
    outcome = await Burn().run(world(first=(late,), files={"/proc/stat": stat}))
    assert outcome.verdict is Verdict.PASS, outcome.reason


async def test_a_worker_that_stress_ng_itself_killed_at_its_end_was_killed_by_nobody_else() -> None:
    late = stressng("--vm 1", "debian12", "vm-out-of-memory", elapsed_s=40)
    outcome = await Burn().run(world(first=(late,)))
    reason = cells(outcome)["memory"].reason
    assert cells(outcome)["memory"].verdict is Verdict.ERROR
    assert "did not stop when its 2 s were over, and stress-ng killed it" in reason
    assert "outside" not in reason


async def test_memory_is_counted_by_its_workers_own_accounts_whatever_others_give_back() -> None:
    files: dict[str, Text] = {
        "/proc/meminfo": memory(),
        "/proc/8/comm": "stress-ng-vm [run]\n",
        "/proc/8/status": f"RssAnon:\t{66 * 1024} kB\nRssShmem:\t0 kB\n",
    }
    outcome = await Burn().run(world(files=files))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert cells(outcome)["memory"].work[0].done == 64


async def test_memory_that_never_went_is_not_counted() -> None:
    outcome = await Burn().run(world(files={"/proc/meminfo": memory()}))
    assert cells(outcome)["memory"].verdict is Verdict.ERROR


async def test_processes_killed_for_want_of_memory_are_our_error() -> None:
    outcome = await Burn().run(world(files={"/proc/vmstat": ["oom_kill 3\n", "oom_kill 4\n"]}))
    assert cells(outcome)["memory"].verdict is Verdict.ERROR
    assert "killed 1 processes" in outcome.reason


async def test_without_an_iperf3_server_the_network_is_not_tested() -> None:
    outcome = await Burn().run(world(iperf_port=0))
    assert cells(outcome)["network"].verdict is Verdict.ERROR


def test_memory_is_a_share_of_what_is_available_in_workers_that_get_through_it() -> None:
    size, workers = memory_to_burn(16 * GIB, QUICK)
    assert size == 16 * GIB * 60 // 100 // MIB * MIB
    assert workers == 11  # 8 MiB a second for 120 s each
    assert memory_to_burn(64 * MIB, QUICK) == (0, 0)
    assert memory_to_burn(16 * GIB, TASTE)[0] == GIB
    assert memory_to_burn(2 * GIB, QUICK)[0] == GIB  # half is spared where the spare would leave nothing


def test_windows_overlap_from_the_last_start_to_the_first_end() -> None:
    assert overlap_s([(0, 10), (2, 11), (1, 9)]) == 7
    assert overlap_s([(0, 1), (2, 3)]) == 0
    assert overlap_s([]) == 0


def test_the_plan_is_the_burn_alone() -> None:
    assert Burn().planned_s(world().job) == 2
    assert Burn().limit_s(world().job) > 300


async def test_burn_writes_to_no_disk_whose_ends_the_orchestrator_does_not_have() -> None:
    deps = world()
    deps.takes_no_upload = "no answer"
    found = cells(await Burn().run(deps))
    assert found["disk"].verdict is Verdict.ERROR
    assert "nothing was written" in found["disk"].reason and "no answer" in found["disk"].reason
    assert not [argv for argv in deps.argvs() if argv[0] == "fio" or "scan" in argv]
    assert all(cell.verdict is Verdict.PASS for name, cell in found.items() if name != "disk")


def test_burn_counts_down_for_real_disks_where_the_profile_has_no_storage_stage() -> None:
    real = replace(world().job, expected_disks=(ExpectedDisk(serial="WD-1"),))
    alone = replace(real, profile=replace(real.profile, drop=("Storage",)))
    assert Burn().planned_s(real) == 2
    assert Burn().planned_s(alone) == 2 + 60
    spare = replace(alone, profile=replace(alone.profile, burn=replace(alone.profile.burn, fio_on_spare=False)))
    assert Burn().planned_s(spare) == 2
