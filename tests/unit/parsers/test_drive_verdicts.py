"""The verdict on each recorded drive is the one that a person would give; and the rules one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vetting.domain.drivehealth import DriveLimits, DriveVerdict, counters, judge, judge_growth
from vetting.domain.smartreport import (
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

# Drives whose recording says that they are failing now.
FAILING = {
    "smart-fail2.json",  # FAILED, reallocated sectors at the threshold, sectors pending
    "nvme-null-SAMSUNG_MZWLL3T2HAJQ-00005-nvme0.json",  # FAILED, critical warning: memory backup
}
# Recordings that lack what a verdict needs: nobody may call these drives healthy, and nobody may accuse them.
UNJUDGED = {
    "smart-pass.json",  # -H alone: no counters
    "smart-sat.json",  # -A alone: no verdict of its own
}
# Drives that lost or moved data in their life, or whose link is slow, and have nothing wrong now: a person gets a warning.
WARNED = {
    "MB0500EBNCR_14.json",
    "SEAGATE_ST373453LC_26.json",
    "sat-Seagate_Constellation_ES.3-ST3000NM0033-9ZM178-sdc.json",
    "smart-megaraid1.json",
    "smart-nvme-failed.json",  # 7 media errors in its life, critical warning 0, health passed
}
# Old entries in logs, old CRC errors or time-outs, vendor-packed raw values: worth a line at most.
OLD_LOGS = {
    "sat-Western_Digital_Ultrastar_DC_HC550-WDC__WUH721816ALE6L4-sdx.json",  # exit status 64
    "sat-Western_Digital_RE4-WDC_WD2003FYYS-02W0B1-sdi.json",  # 3,118,119 CRC errors of some old cable
    "SAMSUNG_MZQLB1T9HAJR-00007_19.json",
    "smart-nvme2.json",  # 8,382 entries in the error log
}


def test_every_recorded_drive_gets_the_verdict_that_a_person_would_give(corpus: Path) -> None:
    verdicts = {file.name: judge(smartctl.parse(file.read_text())) for file in sorted((corpus / "smartctl").iterdir())}
    named = FAILING | UNJUDGED | WARNED | OLD_LOGS
    assert named <= verdicts.keys()
    assert {name for name, verdict in verdicts.items() if verdict.failing} == FAILING
    assert {name for name, verdict in verdicts.items() if verdict.trouble} == UNJUDGED
    assert {name for name, verdict in verdicts.items() if verdict.warnings and not verdict.failing} == WARNED
    assert all(verdicts[name].notes and verdicts[name].healthy for name in OLD_LOGS)
    assert sum(verdict.healthy for verdict in verdicts.values()) == len(verdicts) - len(FAILING | UNJUDGED)


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


def self_test(result: TestResult) -> SelfTest:
    return SelfTest(kind="Short offline", result=result, text="said so", hours=1)


@pytest.mark.parametrize("report", [ATA, NVME, SCSI], ids=lambda report: report.protocol)
def test_a_drive_with_nothing_wrong_passes_without_a_word(report: SmartReport) -> None:
    assert judge(report) == DriveVerdict()
    assert judge(report).healthy


FAULTS: dict[str, SmartReport] = {
    "health FAILED": replace(ATA, healthy=False),
    "exit bit 3": replace(ATA, exit_flags=frozenset({ExitFlag.FAILING})),
    "pre-failure attribute now": ata(attribute(5, "Reallocated_Sector_Ct", 9, failed_when="now")),
    "exit bit 4 without attributes": replace(SCSI, exit_flags=frozenset({ExitFlag.PREFAIL_NOW})),
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
        (SCSI, replace(SCSI, scsi_errors={"read": ScsiErrors(uncorrected=1, corrected=0)})),
    ],
    ids=["reallocated", "crc", "media", "grown", "uncorrected"],
)
def test_a_counter_that_grew_fails_the_drive(before: SmartReport, after: SmartReport) -> None:
    assert judge_growth(before, before) == DriveVerdict()
    assert judge_growth(before, after).failing


def test_the_nvme_error_log_may_grow_for_our_own_questions() -> None:
    verdict = judge_growth(NVME, nvme(error_log_entries=5))
    assert verdict.healthy and verdict.notes == ("nvme error log grew from 0 to 5",)


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
    assert counters(nvme(media_errors=None)) == {"nvme_error_log": 0}
    assert counters(SCSI) == {"grown_defects": 0, "uncorrected_read": 0}


def test_a_drive_with_seagates_packed_counters_passes(corpus: Path) -> None:
    drive: Callable[[str], SmartReport] = lambda name: smartctl.parse((corpus / "smartctl" / name).read_text())  # noqa: E731
    report = drive("sat-Seagate_Exos_7E8-ST8000NM000A-2KE101-sdi.json")
    rate = report.attribute(1)
    assert rate is not None and rate.raw == 225101888 and rate.count == 0
    assert judge(report).healthy
