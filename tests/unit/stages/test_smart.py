"""SMART: found by serial, judged by what is true now, tested by the drive itself, and never passed for want of an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import honest
from tests.fakes.drive_world import (
    ABORTED,
    FAILED,
    PASSED,
    RUNNING,
    ata,
    block,
    document,
    entry,
    lsblk,
    nvme,
    nvme_cli_log,
    nvme_tests,
    says,
    scan,
    scsi,
)
from tests.fakes.scripted_deps import Says, ScriptedDeps, job
from tests.fakes.stage_world import RELEASES, tool_text
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk
from vetting.domain.outcome import Cell, Outcome, Severity, Verdict
from vetting.domain.profiles import DEEP, QUICK, TASTE, Profile, SelfTest, SmartKnobs
from vetting.stages.smart import Smart

SDA = ExpectedDisk(serial="K1")
OLD = entry(PASSED, 900)
NEW = entry(PASSED, 1000)
LOOK, READ, START = "smartctl -l /dev/sda", "smartctl -x /dev/sda", "smartctl -t short /dev/sda"
BEGUN = Says(START, stdout='Drive command "Execute SMART Short self-test" successful.\nTesting has begun.\n')


def deps_of(*tools: Says, disks: tuple[ExpectedDisk, ...] = (SDA,), profile: Profile = QUICK) -> ScriptedDeps:
    return ScriptedDeps(job(profile=profile, expected_disks=disks), tools)


async def vet(deps: ScriptedDeps) -> Outcome:
    return await Smart().run(deps)


async def cell_of(*tools: Says, disks: tuple[ExpectedDisk, ...] = (SDA,), profile: Profile = QUICK) -> Cell:
    outcome = await vet(deps_of(*tools, disks=disks, profile=profile))
    assert len(outcome.cells) == 1
    assert outcome.verdict is outcome.cells[0].verdict
    return outcome.cells[0]


def self_testing(*looks: str, then: str = "", start: Says = BEGUN) -> list[Says]:
    """A SATA drive /dev/sda with serial K1: looks before and during the test, each once, the last for ever."""
    lines = [says(LOOK, text, times=1) for text in looks[:-1]] + [says(LOOK, looks[-1])]
    read = says(READ, ata("K1", log=[OLD]), times=1)
    return [scan(), lsblk(block("sda", "K1")), read, *lines, start, says(READ, then or ata("K1", log=[NEW, OLD]))]


IDLE, BUSY, DONE = ata("K1", log=[OLD]), ata("K1", status=RUNNING, log=[OLD]), ata("K1", log=[NEW, OLD])


async def test_a_healthy_drive_that_passes_its_self_test_passes_with_its_work_told() -> None:
    deps = deps_of(*self_testing(IDLE, BUSY, BUSY, DONE))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    (cell,) = outcome.cells
    assert cell.component == "disk:K1"
    assert [(work.what, work.done, work.of) for work in cell.work] == [
        ("SMART readings", 2, 2),
        ("short self-test", 1, 1),
    ]
    counters = {counter.name: (counter.before, counter.after) for counter in outcome.counters}
    assert counters["reallocated_sectors"] == (0.0, 0.0)
    measured = {measurement.series: measurement.value for measurement in outcome.measurements}
    assert measured["disk.k1.temperature"] == 34
    assert measured["disk.k1.power_on_hours"] == 1000
    assert {call.keep for call in deps.calls} >= {
        "smart-k1-before.json",
        "smart-k1-after.json",
        "smart-k1-selftest.json",
    }


async def test_a_self_test_that_ends_with_a_read_failure_fails_the_drive_and_names_the_block() -> None:
    bad = entry(FAILED, 1000, lba=123456)
    cell = await cell_of(*self_testing(IDLE, BUSY, ata("K1", log=[bad, OLD]), then=ata("K1", log=[bad, OLD])))
    assert cell.verdict is Verdict.FAIL
    assert "123456" in cell.reason
    assert "read failure" in cell.reason


OLD_FAILURE = entry(FAILED, 900, lba=77)
OLD_LONG_FAILURE = {**OLD_FAILURE, "type": {"value": 2, "string": "Extended offline"}}


def retried(old: dict[str, object], new: dict[str, object]) -> list[Says]:
    """A drive whose log begins with `old`, and that ends the test which it is given with `new`."""
    begin, done = ata("K1", log=[old]), ata("K1", log=[new, old])
    looks = [says(LOOK, begin, times=1), says(LOOK, ata("K1", status=RUNNING, log=[old]), times=1), says(LOOK, done)]
    return [scan(), lsblk(block("sda", "K1")), says(READ, begin, times=1), *looks, BEGUN, says(READ, done)]


async def test_a_self_test_that_failed_long_ago_is_repeated_and_the_new_one_counts() -> None:
    assert (await cell_of(*retried(OLD_FAILURE, entry(PASSED, 1000)))).verdict is Verdict.PASS
    again = await cell_of(*retried(OLD_FAILURE, entry(FAILED, 1000, lba=77)))
    assert again.verdict is Verdict.FAIL and "77" in again.reason


async def test_a_short_test_does_not_outdate_a_long_one_that_failed() -> None:
    deps = deps_of(*retried(OLD_LONG_FAILURE, entry(PASSED, 1000)))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.FAIL and "self-test failed" in outcome.reason
    assert not [argv for argv in deps.argvs("smartctl") if "-t" in argv]


async def test_a_failed_self_test_is_not_forgiven_where_the_profile_runs_none() -> None:
    cell = await cell_of(*retried(OLD_FAILURE, entry(PASSED, 1000)), profile=TASTE)
    assert cell.verdict is Verdict.FAIL


async def test_a_counter_that_sound_drives_move_is_told_and_fails_nobody() -> None:
    tools = by_cli(nvme_cli_log(0, []), nvme_cli_log(1, []), nvme_cli_log(0, [0]))
    hot = json.loads(nvme("S64"))
    hot["nvme_smart_health_information_log"]["critical_comp_time"] = 3
    cool = json.loads(nvme("S64"))
    cool["nvme_smart_health_information_log"]["critical_comp_time"] = 0
    rest = [tool for tool in tools if not str(tool.words).startswith("smartctl -x")]
    lines = [
        says("smartctl -x /dev/nvme0n1", json.dumps(cool), times=1),
        says("smartctl -x /dev/nvme0n1", json.dumps(hot)),
    ]
    outcome = await vet(deps_of(*rest, *lines, disks=(NVME,)))
    assert outcome.verdict is Verdict.PASS
    assert any("critical temp minutes grew from 0 to 3" in finding.text for finding in outcome.findings)


async def test_a_self_test_that_was_aborted_accuses_us() -> None:
    cut = ata("K1", log=[entry(ABORTED, 1000), OLD])
    cell = await cell_of(*self_testing(IDLE, BUSY, cut, then=cut))
    assert cell.verdict is Verdict.ERROR
    assert "did not run to its end" in cell.reason


async def test_an_old_entry_in_the_log_is_not_taken_for_the_test_just_started() -> None:
    deps = deps_of(*self_testing(IDLE))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "left no trace in the drive's log" in outcome.reason
    assert deps.monotonic() - 1000 >= 120 + QUICK.smart.grace_s


async def test_a_test_of_the_same_hour_with_the_same_result_counts_once_it_was_seen_running() -> None:
    same = ata("K1", log=[OLD])
    assert (await cell_of(*self_testing(same, BUSY, same))).verdict is Verdict.PASS


async def test_a_self_test_that_never_ends_is_an_error_after_its_own_time_and_grace() -> None:
    deps = deps_of(*self_testing(IDLE, BUSY))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "was still running" in outcome.reason
    assert 420 <= deps.monotonic() - 1000 <= 420 + 30


async def test_a_long_test_is_given_the_time_that_the_drive_names() -> None:
    start = Says("smartctl -t long /dev/sda", stdout="Testing has begun.")
    deps = deps_of(*self_testing(IDLE, BUSY, start=start), profile=DEEP)
    assert (await vet(deps)).verdict is Verdict.ERROR
    waited_s = deps.monotonic() - 1000
    assert 54_300 <= waited_s <= 55_500  # half as long again as the ten hours that it names, and the grace
    assert len([call for call in deps.calls if "-l" in call.argv]) <= 65  # each look is kept as evidence
    assert waited_s <= Smart().limit_s(deps.job)


async def test_a_test_that_somebody_left_running_is_aborted_first() -> None:
    abort = Says("smartctl -X /dev/sda")
    deps = deps_of(abort, *self_testing(BUSY, IDLE, BUSY, DONE))
    assert (await vet(deps)).verdict is Verdict.PASS
    words = [word for call in deps.calls for word in call.argv]
    assert words.index("-X") < words.index("-t")


@pytest.mark.parametrize(
    "said",
    [
        "Warning: device does not support Self-Test functions.",
        "Self-tests not supported",
        "Short self-test not supported",
    ],
)
async def test_a_drive_without_self_test_passes_and_says_so(said: str) -> None:
    cell = await cell_of(*self_testing(IDLE, start=Says(START, stdout=said, exit_code=4)))
    assert cell.verdict is Verdict.PASS
    assert "no self-test: the drive says that it has no self-test" in cell.reason
    assert [work.what for work in cell.work] == ["SMART readings"]


async def test_a_self_test_that_is_refused_is_an_error() -> None:
    start = Says(START, stdout="Can't start self-test without aborting current test", exit_code=4)
    cell = await cell_of(*self_testing(IDLE, start=start))
    assert cell.verdict is Verdict.ERROR
    assert "was not started" in cell.reason


async def test_a_drive_that_cannot_be_asked_during_its_test_three_times_in_a_row_is_an_error() -> None:
    tools = [tool for tool in self_testing(IDLE, BUSY) if tool.words != LOOK]
    looks = [says(LOOK, IDLE, times=1), Says(LOOK, elapsed_s=500)]
    assert "could not be asked" in (await cell_of(*tools, *looks)).reason


async def test_a_profile_without_self_test_starts_none_and_says_so() -> None:
    deps = deps_of(scan(), lsblk(block("sda", "K1")), says(READ, IDLE), profile=TASTE)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS
    assert outcome.cells[0].reason == "no self-test: this profile asks for none"
    assert not [call for call in deps.calls if "-t" in call.argv]


# --- NVMe, SCSI, controllers -------------------------------------------------------------------------------------------

NVME = ExpectedDisk(serial="S64")
NVME_DRIVE = [scan(), lsblk(block("nvme0n1", "S64", "nvme")), says("smartctl -x /dev/nvme0n1", nvme("S64"))]
ID_CTRL = json.dumps({"sn": "S64 ", "mn": "SAMSUNG", "fr": "GDC5602Q", "oacs": 0x5F, "edstt": 35})


def by_cli(*logs: str, id_ctrl: str = ID_CTRL) -> list[Says]:
    lines = [Says("nvme self-test-log", stdout=log, times=1) for log in logs[:-1]]
    lines.append(Says("nvme self-test-log", stdout=logs[-1]))
    started = Says("nvme device-self-test /dev/nvme0 -s 1", stdout="Short Device self-test started\n")
    return [*NVME_DRIVE, Says("nvme id-ctrl /dev/nvme0", stdout=id_ctrl), started, *lines]


async def test_nvme_under_smartctl_7_3_is_tested_by_nvme_cli_and_really_waited_for() -> None:
    running = nvme_cli_log(1, [0])
    deps = deps_of(*by_cli(nvme_cli_log(0, [0]), running, running, running, nvme_cli_log(0, [0, 0])), disks=(NVME,))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert not [argv for argv in deps.argvs("smartctl") if "-t" in argv]  # it would answer 0 and start nothing
    assert deps.monotonic() - 1000 >= 4 * QUICK.smart.poll_s


@pytest.mark.parametrize(("result", "verdict"), [(7, Verdict.FAIL), (5, Verdict.FAIL), (2, Verdict.ERROR)])
async def test_an_nvme_self_test_that_ends_badly_is_not_a_pass(result: int, verdict: Verdict) -> None:
    looks = (nvme_cli_log(0, []), nvme_cli_log(1, []), nvme_cli_log(0, [result]))
    assert (await cell_of(*by_cli(*looks), disks=(NVME,))).verdict is verdict


async def test_an_nvme_self_test_that_leaves_no_trace_is_an_error() -> None:
    cell = await cell_of(*by_cli(nvme_cli_log(0, [0])), disks=(NVME,))
    assert cell.verdict is Verdict.ERROR
    assert "no trace" in cell.reason


async def test_an_nvme_controller_without_self_test_says_so() -> None:
    without = json.dumps({"sn": "S64", "mn": "M", "fr": "F", "oacs": 0x0F})
    cell = await cell_of(*by_cli(nvme_cli_log(0, []), id_ctrl=without), disks=(NVME,))
    assert (cell.verdict, cell.reason) == (Verdict.PASS, "no self-test: the drive says that it has no self-test")


async def test_nvme_under_smartctl_7_4_is_tested_by_smartctl() -> None:
    def now(operation: int, results: list[int]) -> str:
        return nvme("S64", version=(7, 4), **nvme_tests(operation, results))

    look = "smartctl -l /dev/nvme0n1"
    tools = [
        scan(),
        lsblk(block("nvme0n1", "S64", "nvme")),
        says("smartctl -x", now(0, [0])),
        says(look, now(0, [0]), times=1),
        says(look, now(1, [0]), times=2),
        says(look, now(0, [0, 0])),
        Says("smartctl -t short", stdout="Self-test has begun\n"),
    ]
    assert (await cell_of(*tools, disks=(NVME,))).verdict is Verdict.PASS


async def test_nvme_media_errors_that_grow_during_the_test_fail_the_drive() -> None:
    tools = by_cli(nvme_cli_log(0, []), nvme_cli_log(1, []), nvme_cli_log(0, [0]))
    before = says("smartctl -x /dev/nvme0n1", nvme("S64"), times=1)
    after = says("smartctl -x /dev/nvme0n1", nvme("S64", media_errors=3))
    rest = [tool for tool in tools if not str(tool.words).startswith("smartctl -x")]
    cell = await cell_of(*rest, before, after, disks=(NVME,))
    assert cell.verdict is Verdict.FAIL
    assert "media errors grew from 0 to 3" in cell.reason


@pytest.mark.parametrize(("result", "verdict"), [(0, Verdict.PASS), (5, Verdict.FAIL), (1, Verdict.ERROR)])
async def test_a_sas_drive_with_an_empty_log_is_waited_for(result: int, verdict: Verdict) -> None:
    after = scsi("K1", tests=[result], scsi_extended_self_test_seconds=47220)
    tools = [
        scan(),
        lsblk(block("sda", "K1", "sas")),
        says(READ, scsi("K1"), times=1),
        says(LOOK, scsi("K1"), times=1),
        BEGUN,
        says(LOOK, scsi("K1", tests=[15]), times=2),
        says(LOOK, after),
        says(READ, after),
    ]
    assert (await cell_of(*tools)).verdict is verdict


async def test_a_sas_drive_that_keeps_no_log_of_self_tests_passes_with_words_that_say_so() -> None:
    """As the kernel's scsi_debug was seen to answer: it takes the test, and nothing ever tells of it."""
    says_so = Says("smartctl -l /dev/sda", stdout="Device does not support Self Test logging\n")
    tools = [scan(), lsblk(block("sda", "K1", "sas")), says(READ, scsi("K1")), says(LOOK, scsi("K1"), times=1), says_so]
    deps = deps_of(*tools, BEGUN)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert "keeps no log of self-tests" in outcome.cells[0].reason
    assert not [argv for argv in deps.argvs("smartctl") if "-t" in argv]


async def test_a_sas_drive_that_predicts_its_failure_fails_in_its_own_words() -> None:
    """smart_status as recorded of scsi_debug with MRIE=6 and TEST=1."""
    status = {
        "passed": False,
        "scsi": {"asc": 93, "ascq": 255, "ie_string": "Failure prediction threshold exceeded (false)"},
    }
    said = {**json.loads(scsi("K1")), "smart_status": status}
    said["smartctl"]["exit_status"] = 8
    cell = await cell_of(scan(), lsblk(block("sda", "K1", "sas")), says(READ, json.dumps(said)))
    assert cell.verdict is Verdict.FAIL
    assert "Failure prediction threshold exceeded" in cell.reason


async def test_drives_behind_a_raid_controller_are_found_by_scan_and_asked_through_it() -> None:
    kinds = {"K2": "megaraid,0", "K3": "megaraid,1"}
    tools = [scan(("/dev/sda", "scsi"), ("/dev/bus/0", "megaraid,0"), ("/dev/bus/0", "megaraid,1"))]
    tools.append(lsblk(block("sda", "00a1b2c3d4", None, vendor="DELL", model="PERC H730")))
    for serial, kind in kinds.items():
        for option in ("-i", "-x"):
            tools.append(says(f"smartctl {option} -d {kind} /dev/bus/0", ata(serial)))
    tools.append(says("smartctl -i /dev/sda", document(2, device={"name": "/dev/sda", "type": "scsi"})))
    deps = deps_of(*tools, disks=(ExpectedDisk(serial="K2"), ExpectedDisk(serial="K3")), profile=TASTE)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert {cell.component for cell in outcome.cells} == {"disk:K2", "disk:K3"}


# --- which drive is it -------------------------------------------------------------------------------------------------


async def test_a_drive_is_found_by_its_serial_whatever_its_name_is_in_this_boot() -> None:
    tools = [scan(), lsblk(block("sda", "OTHER"), block("sdb", "K1")), says("smartctl -x /dev/sdb", ata("K1"))]
    assert (await cell_of(*tools, profile=TASTE)).verdict is Verdict.PASS


async def test_a_reading_of_another_drive_is_not_believed() -> None:
    cell = await cell_of(scan(), lsblk(block("sda", "K1")), says(READ, ata("OTHER")), profile=TASTE)
    assert cell.verdict is Verdict.ERROR
    assert "another drive" in cell.reason


async def test_an_expected_drive_that_is_not_there_fails_the_host() -> None:
    tools = [scan(), lsblk(block("sda", "OTHER")), says("smartctl -i /dev/sda", ata("OTHER"))]
    cell = await cell_of(*tools)
    assert (cell.verdict, cell.reason[:9]) == (Verdict.FAIL, "not found")


async def test_a_missing_drive_is_an_error_while_another_drive_will_not_say_who_it_is() -> None:
    tools = [scan(), lsblk(block("sda", None)), Says("smartctl -i /dev/sda", elapsed_s=900)]
    cell = await cell_of(*tools)
    assert cell.verdict is Verdict.ERROR
    assert "not every drive tells its serial" in cell.reason


async def test_a_sas_drive_that_udev_names_by_its_wwn_is_found_by_the_serial_on_its_label() -> None:
    odd = block("sda", "5000c500a1b2c3d4", "sas", wwn="0x5000c500a1b2c3d4")
    tools = [scan(), lsblk(odd), says("smartctl -i /dev/sda", scsi("K1")), says(READ, scsi("K1"))]
    assert (await cell_of(*tools, profile=TASTE)).verdict is Verdict.PASS


async def test_a_drive_that_hangs_when_the_scan_opens_it_does_not_hide_the_others() -> None:
    stuck = Says("smartctl --scan-open", elapsed_s=900)
    unopened = Says("smartctl --scan", stdout=document(devices=[]))
    assert (
        await cell_of(stuck, unopened, lsblk(block("sda", "K1")), says(READ, IDLE), profile=TASTE)
    ).verdict is Verdict.PASS


async def test_all_drives_are_tested_side_by_side() -> None:
    disks = tuple(ExpectedDisk(serial=f"K{n}") for n in range(24))
    tools = [scan(), lsblk(*(block(f"sd{chr(97 + n)}", f"K{n}") for n in range(24)))]
    for n in range(24):
        path = f"/dev/sd{chr(97 + n)}"
        tools += [
            says(f"smartctl -x {path}", ata(f"K{n}", log=[OLD]), times=1, elapsed_s=2),
            says(f"smartctl -l {path}", ata(f"K{n}", log=[OLD]), times=1),
            says(f"smartctl -l {path}", ata(f"K{n}", status=RUNNING, log=[OLD]), times=2),
            says(f"smartctl -l {path}", ata(f"K{n}", log=[NEW, OLD])),
            Says(f"smartctl -t short {path}"),
            says(f"smartctl -x {path}", ata(f"K{n}", log=[NEW, OLD]), elapsed_s=2),
        ]
    deps = deps_of(*tools, disks=disks)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert len(outcome.cells) == 24
    assert deps.monotonic() - 1000 < 300
    assert len(deps.calls) < 450


# --- health ------------------------------------------------------------------------------------------------------------


async def test_a_drive_that_says_it_is_failing_fails_and_is_not_worn_out_by_a_test() -> None:
    deps = deps_of(scan(), lsblk(block("sda", "K1")), says(READ, ata("K1", passed=False, exit_status=8)))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.FAIL
    assert "failing" in outcome.reason
    assert not [call for call in deps.calls if "-t" in call.argv]


async def test_sectors_reallocated_during_the_test_fail_the_drive() -> None:
    cell = await cell_of(*self_testing(IDLE, BUSY, DONE, then=ata("K1", log=[NEW, OLD], reallocated=8)))
    assert cell.verdict is Verdict.FAIL
    assert "reallocated sectors grew from 0 to 8" in cell.reason


async def test_old_entries_in_the_logs_are_told_and_condemn_nobody() -> None:
    worn = ata("K1", reallocated=4, exit_status=64)
    deps = deps_of(scan(), lsblk(block("sda", "K1")), says(READ, worn), profile=TASTE)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS
    assert any(finding.severity is Severity.WARNING and "reallocated" in finding.text for finding in outcome.findings)


@pytest.mark.parametrize("path", ["smart-fail2.json", "nvme-null-SAMSUNG_MZWLL3T2HAJQ-00005-nvme0.json"])
async def test_drives_whose_recording_says_failing_fail(corpus: Path, path: str) -> None:
    assert (await recorded_cell(corpus / "smartctl" / path)).verdict is Verdict.FAIL


async def test_every_recorded_drive_gets_a_verdict_and_most_are_healthy(corpus: Path) -> None:
    cells = {path.name: await recorded_cell(path) for path in sorted((corpus / "smartctl").glob("*.json"))}
    failed = {name for name, cell in cells.items() if cell.verdict is Verdict.FAIL}
    assert len(cells) >= 80
    assert not [name for name, cell in cells.items() if cell.verdict is Verdict.SKIP]
    assert {"smart-fail2.json", "nvme-null-SAMSUNG_MZWLL3T2HAJQ-00005-nvme0.json"} <= failed
    assert len(failed) <= 6, {name: cells[name].reason for name in failed}


async def recorded_cell(path: Path) -> Cell:
    """One recording in place of what the drive with its serial says, without a self-test."""
    said = {**json.loads(path.read_text()), "serial_number": "K1"}  # the recordings' own are blotted out
    tools = [scan(), lsblk(block("sda", "K1")), says(READ, json.dumps(said))]
    return await cell_of(*tools, profile=TASTE)


# --- no answer is no pass ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
async def test_a_virtual_disk_without_smart_is_skipped_with_the_reason(release: str) -> None:
    said = tool_text(release, "smartctl/loop")
    tools = [scan(), Says("lsblk", stdout=tool_text(release, "lsblk/columns")), Says(READ, stdout=said)]
    tools += [Says("smartctl -x /dev/vda", stdout=said, exit_code=1), Says("smartctl -i", stdout=said, exit_code=1)]
    cell = await cell_of(*tools, disks=(ExpectedDisk(serial="vda", write=False),))
    assert cell.verdict is Verdict.SKIP
    assert cell.reason.startswith("no SMART on this device: virtual (virtio)")


@pytest.mark.parametrize("transport", ["sata", "sas", "nvme", "usb", None])
async def test_a_real_disk_whose_smart_cannot_be_read_is_an_error(transport: str | None) -> None:
    said = tool_text("debian12", "smartctl/loop")
    cell = await cell_of(scan(), lsblk(block("sda", "K1", transport)), Says(READ, stdout=said, exit_code=1))
    assert cell.verdict is Verdict.ERROR


async def test_a_disk_of_a_hypervisor_with_a_scsi_face_is_skipped() -> None:
    said = document(4, device={"name": "/dev/sda", "type": "scsi", "protocol": "SCSI"}, serial_number="K1")
    fake = block("sda", "K1", None, vendor="QEMU", model="QEMU HARDDISK")
    assert (await cell_of(scan(), lsblk(fake), says(READ, said))).verdict is Verdict.SKIP


async def test_a_scratch_disk_of_our_own_is_skipped_and_never_looked_for() -> None:
    own = ExpectedDisk(serial="loop:1", kind="scratch", path="/tmp/x")
    outcome = await vet(deps_of(scan(), lsblk(), disks=(own,)))
    assert outcome.verdict is Verdict.SKIP


@pytest.mark.parametrize(
    "line",
    [
        Says(READ, elapsed_s=900),
        Says(READ, signal=9),
        Says(READ, stdout=""),
        Says(READ, stdout="\x00garbage {"),
        Says(READ, stdout=ata("K1"), exit_code=2),
        Says(READ, stdout=document(0)),
    ],
    ids=["hangs", "dies", "says nothing", "garbage", "another status than its own", "says nothing of a drive"],
)
async def test_no_answer_of_smartctl_is_a_pass(line: Says) -> None:
    cell = await cell_of(scan(), lsblk(block("sda", "K1")), line, profile=TASTE)
    assert cell.verdict is Verdict.ERROR


async def test_a_missing_smartctl_is_told_as_such() -> None:
    with pytest.raises(ToolMissing, match="smartctl"):
        await vet(deps_of(lsblk(block("sda", "K1"))))


def test_the_deadline_of_a_drive_whose_size_nobody_pinned_is_of_what_was_found() -> None:
    profile = replace(QUICK, smart=SmartKnobs(self_test=SelfTest.LONG))
    disks = (ExpectedDisk(serial="K"),)
    found = replace(honest.INVENTORY, disks=(FoundDisk(name="sda", serial="K", size_bytes=10**12),))
    known_s = Smart().limit_s(job(profile=profile, expected_disks=disks, inventory=found))
    unknown_s = Smart().limit_s(job(profile=profile, expected_disks=disks))
    assert known_s < 12 * 3600
    assert unknown_s > 100 * 3600  # as large as drives come


async def test_a_host_of_which_no_disk_is_expected_is_an_error() -> None:
    assert (await vet(deps_of(disks=()))).verdict is Verdict.ERROR


@pytest.mark.parametrize("kind", list(SelfTest))
def test_the_limit_leaves_room_for_the_test_and_its_grace(kind: SelfTest) -> None:
    profile = replace(QUICK, smart=SmartKnobs(self_test=kind))
    limit_s = Smart().limit_s(job(profile=profile, expected_disks=(ExpectedDisk(serial="K", size_bytes=20 * 10**12),)))
    least_s = {SelfTest.NONE: 0, SelfTest.SHORT: 420, SelfTest.LONG: 40 * 3600}[kind]
    assert limit_s >= least_s
