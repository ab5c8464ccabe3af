"""The rules about one drive, one by one; the verdicts on the recorded drives stand in test_drive_table.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vetting.domain.drivehealth import DriveLimits, DriveVerdict, counters, judge, judge_growth
from vetting.domain.smartreport import (
    BackgroundScan,
    ExitFlag,
    NvmeHealth,
    Protocol,
    ScsiErrors,
    SelfTest,
    SmartAttribute,
    SmartReport,
    TestResult,
)
from vetting.parsers import smartctl


def attribute(number: int, name: str, count: int | None, **changes: object) -> SmartAttribute:
    plain = SmartAttribute(
        number=number,
        name=name,
        value=100,
        worst=100,
        threshold=10,
        failed_when="",
        prefailure=True,
        raw=count,
        count=count,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


ATA = SmartReport(
    device="/dev/sda",
    protocol=Protocol.ATA,
    device_type="sat",
    serial="S1",
    healthy=True,
    attributes=(
        attribute(5, "Reallocated_Sector_Ct", 0),
        attribute(197, "Current_Pending_Sector", 0),
        attribute(198, "Offline_Uncorrectable", 0),
        attribute(199, "UDMA_CRC_Error_Count", 0),
    ),
    self_tests=(),
)
NVME = SmartReport(
    device="/dev/nvme0",
    protocol=Protocol.NVME,
    device_type="nvme",
    serial="N1",
    healthy=True,
    nvme=NvmeHealth(
        critical_warning=0,
        media_errors=0,
        percentage_used=3,
        available_spare=100,
        available_spare_threshold=10,
        unsafe_shutdowns=1,
        error_log_entries=0,
        warning_temp_minutes=0,
        critical_temp_minutes=0,
    ),
)
SCSI = SmartReport(
    device="/dev/sdb",
    protocol=Protocol.SCSI,
    device_type="scsi",
    serial="C1",
    healthy=True,
    grown_defects=0,
    scsi_errors={"read": ScsiErrors(uncorrected=0, corrected=1000)},
)


def nvme(**changes: object) -> SmartReport:
    assert NVME.nvme is not None
    return replace(NVME, nvme=replace(NVME.nvme, **changes))  # type: ignore[arg-type]


def ata(*attributes: SmartAttribute) -> SmartReport:
    numbers = {each.number for each in attributes}
    kept = tuple(each for each in ATA.attributes or () if each.number not in numbers)
    return replace(ATA, attributes=kept + attributes)


def self_test(result: TestResult, kind: str = "Short offline") -> SelfTest:
    return SelfTest(kind=kind, result=result, text="said so", hours=1)


@pytest.mark.parametrize("report", [ATA, NVME, SCSI], ids=lambda report: report.protocol)
def test_a_drive_with_nothing_wrong_passes_without_a_word(report: SmartReport) -> None:
    assert judge(report) == DriveVerdict()
    assert judge(report).healthy


FAULTS: dict[str, SmartReport] = {
    "health FAILED": replace(ATA, healthy=False),
    "exit bit 3": replace(ATA, exit_flags=frozenset({ExitFlag.FAILING})),
    "pre-failure attribute now": ata(attribute(5, "Reallocated_Sector_Ct", 9, failed_when="now")),
    "exit bit 4 without attributes": replace(SCSI, exit_flags=frozenset({ExitFlag.PREFAIL_NOW})),
    "exit bit 4 and no attribute at its threshold": replace(ATA, exit_flags=frozenset({ExitFlag.PREFAIL_NOW})),
    "reserve blocks used up, called old age": ata(
        attribute(232, "Available_Reservd_Space", 9, failed_when="now", prefailure=False)
    ),
    "SCSI predicts its failure": replace(
        SCSI, healthy=False, complaint="FAILURE PREDICTION THRESHOLD EXCEEDED [asc=5d, ascq=0]"
    ),
    "pending by the drive's own statistics": replace(
        ATA,
        attributes=(attribute(5, "Reallocated_Sector_Ct", 0),),
        statistics={"Number of Realloc. Candidate Logical Sectors": 3},
    ),
    "pending defects of SCSI": replace(SCSI, pending_defects=1),
    "short self-test failed, a year ago": replace(ATA, power_on_hours=9000, self_tests=(self_test(TestResult.FAILED),)),
    "long self-test failed and only short ones passed since": replace(
        ATA,
        power_on_hours=100,
        self_tests=(self_test(TestResult.PASSED), self_test(TestResult.FAILED, "Extended offline")),
    ),
    "long self-test failed and only a selective one passed since": replace(
        ATA,
        power_on_hours=100,
        self_tests=(
            self_test(TestResult.PASSED, "Selective offline"),
            self_test(TestResult.FAILED, "Extended offline"),
        ),
    ),
    "selective self-test failed and only short ones passed since": replace(
        ATA,
        power_on_hours=100,
        self_tests=(self_test(TestResult.PASSED), self_test(TestResult.FAILED, "Selective offline")),
    ),
    "the same of SCSI": replace(
        SCSI,
        power_on_hours=3,
        self_tests=(self_test(TestResult.PASSED), self_test(TestResult.FAILED, "Background long")),
    ),
    "pending sectors": ata(attribute(197, "Current_Pending_Sector", 1)),
    "uncorrectable sectors": ata(attribute(198, "Offline_Uncorrectable", 1)),
    "latest self-test failed": replace(ATA, self_tests=(self_test(TestResult.FAILED), self_test(TestResult.PASSED))),
    "failed, then aborted": replace(ATA, self_tests=(self_test(TestResult.ABORTED), self_test(TestResult.FAILED))),
    "critical warning": nvme(critical_warning=1),
    "unknown critical warning": nvme(critical_warning=128),
    "spare under its threshold": nvme(available_spare=9),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_now_fails_the_drive(fault: str) -> None:
    verdict = judge(FAULTS[fault])
    assert verdict.failing and not verdict.healthy


INNOCENT: dict[str, SmartReport] = {
    "old log bits": replace(
        ATA, exit_flags=frozenset({ExitFlag.ERROR_LOG, ExitFlag.SELF_TEST_LOG}), error_log_count=56
    ),
    "attribute low in the past": ata(attribute(5, "Reallocated_Sector_Ct", 9, failed_when="past")),
    "exit bit 5": replace(ATA, exit_flags=frozenset({ExitFlag.ATTRIBUTE_PAST})),
    "usage attribute now": ata(attribute(190, "Airflow_Temperature_Cel", 46, failed_when="now", prefailure=False)),
    "packed error rate": ata(attribute(1, "Raw_Read_Error_Rate", None, raw=2**47)),
    "moved sectors of old": ata(attribute(5, "Reallocated_Sector_Ct", 387)),
    "another meaning of 197": ata(attribute(197, "Unknown_SSD_Attribute", 5)),
    "old self-test failure": replace(ATA, self_tests=(self_test(TestResult.PASSED), self_test(TestResult.FAILED))),
    "aborted self-test": replace(ATA, self_tests=(self_test(TestResult.ABORTED),)),
    "long self-test failed, a long one passed since": replace(
        ATA,
        self_tests=(self_test(TestResult.PASSED, "Extended offline"), self_test(TestResult.FAILED, "Extended offline")),
    ),
    "long self-test failed a year ago": replace(
        ATA,
        power_on_hours=9000,
        self_tests=(self_test(TestResult.PASSED), self_test(TestResult.FAILED, "Extended offline")),
    ),
    "background scan found places long ago": replace(SCSI, background_scan=BackgroundScan(halted="", unresolved=2)),
    "background scan halted": replace(
        SCSI, background_scan=BackgroundScan(halted="halted due to fatal error", unresolved=0)
    ),
    "non-medium errors": replace(SCSI, non_medium_errors=1061),
    "a worn SATA drive": replace(ATA, percentage_used=140),
    "a counter with every bit set": ata(attribute(197, "Current_Pending_Sector", None, raw=2**32 - 1)),
    "old time-outs": ata(attribute(188, "Command_Timeout", 33)),
    "old cable": ata(attribute(199, "UDMA_CRC_Error_Count", 3118119)),
    "media errors of old": nvme(media_errors=7),
    "worn": nvme(percentage_used=120),
    "error log entries": nvme(error_log_entries=8382),
    "grown defects of old": replace(SCSI, grown_defects=260),
    "a failed command": replace(ATA, exit_flags=frozenset({ExitFlag.COMMAND_FAILED})),
}


@pytest.mark.parametrize("past", INNOCENT)
def test_what_is_long_ago_condemns_nobody(past: str) -> None:
    assert judge(INNOCENT[past]).healthy


UNREADABLE: dict[str, SmartReport] = {
    "no verdict": replace(ATA, healthy=None),
    "no attributes": replace(ATA, attributes=None),
    "an empty table": replace(ATA, attributes=()),
    "no health page": replace(NVME, nvme=None),
    "no media errors": nvme(media_errors=None),
    "unknown protocol": replace(ATA, protocol=Protocol.UNKNOWN),
    "could not open": replace(ATA, exit_flags=frozenset({ExitFlag.OPEN_FAILED}), error_messages=("open failed",)),
    "bad options": replace(ATA, exit_flags=frozenset({ExitFlag.COMMAND_LINE})),
}


@pytest.mark.parametrize("gap", UNREADABLE)
def test_what_could_not_be_read_is_our_trouble_and_never_healthy(gap: str) -> None:
    verdict = judge(UNREADABLE[gap])
    assert verdict.trouble and not verdict.failing and not verdict.healthy


def test_limits_can_be_set_on_a_whole_life() -> None:
    strict = DriveLimits(reallocated_sectors=100, media_errors=0, grown_defects=10, percentage_used=90)
    assert judge(INNOCENT["moved sectors of old"], strict).failing == ("reallocated sectors 387, limit 100",)
    assert judge(INNOCENT["media errors of old"], strict).failing
    assert judge(INNOCENT["grown defects of old"], strict).failing
    assert judge(INNOCENT["worn"], strict).failing
    assert judge(ATA, strict).healthy


def test_a_limit_can_be_lifted() -> None:
    assert judge(FAULTS["pending sectors"], DriveLimits(pending_sectors=None)).healthy


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ATA, ata(attribute(5, "Reallocated_Sector_Ct", 1))),
        (ATA, ata(attribute(199, "UDMA_CRC_Error_Count", 1))),
        (nvme(media_errors=7), nvme(media_errors=8)),
        (SCSI, replace(SCSI, grown_defects=1)),
        (replace(SCSI, pending_defects=0), replace(SCSI, pending_defects=1)),
        (
            replace(SCSI, background_scan=BackgroundScan(halted="", unresolved=2)),
            replace(SCSI, background_scan=BackgroundScan(halted="", unresolved=3)),
        ),
        (SCSI, replace(SCSI, scsi_errors={"read": ScsiErrors(uncorrected=1, corrected=0)})),
    ],
    ids=["reallocated", "crc", "media", "grown", "pending", "background scan", "uncorrected"],
)
def test_a_counter_that_grew_fails_the_drive(before: SmartReport, after: SmartReport) -> None:
    assert judge_growth(before, before) == DriveVerdict()
    assert judge_growth(before, after).failing


def test_the_nvme_error_log_may_grow_for_our_own_questions() -> None:
    verdict = judge_growth(NVME, nvme(error_log_entries=5))
    assert verdict.healthy and verdict.notes == ("nvme error log grew from 0 to 5",)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (nvme(critical_warning=4), "critical warning 0x04: reliability degraded"),
        (nvme(available_spare=9), "available spare 9 %"),
        (replace(NVME, healthy=False), "the drive says that it is failing"),
        (replace(NVME, self_tests=(self_test(TestResult.FAILED, "Short"),)), "self-test failed"),
    ],
    ids=["warning", "spare", "failing", "self-test"],
)
def test_a_drive_that_turned_bad_between_two_readings_fails(after: SmartReport, words: str) -> None:
    (why,) = judge_growth(NVME, after).failing
    assert words in why
    assert judge_growth(after, after) == DriveVerdict()


def test_a_counter_that_grew_past_its_limit_is_told_once() -> None:
    before, after = ata(attribute(197, "Current_Pending_Sector", 0)), ata(attribute(197, "Current_Pending_Sector", 3))
    assert judge_growth(before, after).failing == ("pending sectors grew from 0 to 3",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ata(attribute(188, "Command_Timeout", 0)), ata(attribute(188, "Command_Timeout", 1))),
        (ata(attribute(171, "Program_Fail_Count", 0)), ata(attribute(171, "Program_Fail_Count", 1))),
        (nvme(critical_temp_minutes=0), nvme(critical_temp_minutes=2)),
        (replace(SCSI, non_medium_errors=3), replace(SCSI, non_medium_errors=9)),
    ],
    ids=["time-outs", "program failures", "heat", "non-medium"],
)
def test_what_sound_drives_count_now_and_then_is_a_warning_where_it_grew(
    before: SmartReport, after: SmartReport
) -> None:
    verdict = judge_growth(before, after)
    assert verdict.healthy and verdict.warnings


def test_a_spare_that_runs_low_is_told() -> None:
    assert judge(nvme(available_spare=19)).warnings == ("available spare 19 %, its threshold is 10 %",)
    assert (
        judge(nvme(available_spare=20))
        == judge(nvme(available_spare=100, available_spare_threshold=0))
        == DriveVerdict()
    )


def test_wear_is_told_from_eighty_percent_on() -> None:
    assert judge(replace(ATA, percentage_used=79)) == DriveVerdict()
    assert judge(replace(ATA, percentage_used=80)).notes == ("80 % of its rated endurance used",)
    assert judge(replace(ATA, percentage_used=100)).warnings == ("100 % of its rated endurance used",)


def test_a_drive_that_predicts_its_failure_is_quoted() -> None:
    (why,) = judge(FAULTS["SCSI predicts its failure"]).failing
    assert "FAILURE PREDICTION THRESHOLD EXCEEDED" in why


def test_a_counter_that_can_no_longer_be_read_is_trouble() -> None:
    assert judge_growth(NVME, nvme(media_errors=None)).trouble
    assert judge_growth(ATA, replace(ATA, attributes=None)).trouble


def test_a_counter_that_could_not_be_read_before_is_trouble_where_it_is_not_nought() -> None:
    assert judge_growth(nvme(media_errors=None), nvme(media_errors=3)).trouble
    assert judge_growth(nvme(media_errors=None), NVME).healthy


def test_two_drives_are_not_compared() -> None:
    assert "another drive" in judge_growth(ATA, replace(ATA, serial="S2")).trouble[0]


def test_counters_leave_out_what_was_not_captured() -> None:
    assert counters(ATA) == {
        "reallocated_sectors": 0,
        "pending_sectors": 0,
        "offline_uncorrectable": 0,
        "crc_errors": 0,
    }
    unread = counters(nvme(media_errors=None))
    assert unread == {"nvme_error_log": 0, "warning_temp_minutes": 0, "critical_temp_minutes": 0}
    assert counters(SCSI) == {"grown_defects": 0, "uncorrected_read": 0}


def test_a_drive_with_seagates_packed_counters_passes(corpus: Path) -> None:
    drive: Callable[[str], SmartReport] = lambda name: smartctl.parse((corpus / "smartctl" / name).read_text())  # noqa: E731
    report = drive("sat-Seagate_Exos_7E8-ST8000NM000A-2KE101-sdi.json")
    rate = report.attribute(1)
    assert rate is not None and rate.raw == 225101888 and rate.count == 0
    assert judge(report).healthy
