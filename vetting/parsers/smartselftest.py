"""Self-tests as smartctl's JSON tells them: the log of each protocol, what runs now, how long a test may take."""

from __future__ import annotations

from vetting.domain.smartreport import SelfTest, TestResult
from vetting.parsers.reading import Node

ATA_ABORTED, ATA_RUNNING = frozenset({1, 2}), 15  # high four bits of the status byte (ATA ACS-3, table A.20)
SCSI_ABORTED, SCSI_FAILED, RUNNING = frozenset({1, 2}), frozenset({3, 4, 5, 6, 7}), 15  # SPC-4, table 305
NVME_ABORTED, NVME_FAILED = frozenset({1, 2, 3, 4, 8, 9}), frozenset({5, 6, 7})  # NVM Express, device self-test log


def log(document: Node) -> tuple[SelfTest, ...] | None:
    """Newest first; None where the log was not captured."""
    if document.has("ata_smart_self_test_log"):
        told = document.child("ata_smart_self_test_log")
        kind = "extended" if told.has("extended") else "standard"
        return tuple(_ata_test(row) for row in told.child(kind).each("table"))
    if document.has("nvme_self_test_log"):
        return tuple(_nvme_test(row) for row in document.child("nvme_self_test_log").each("table"))
    rows = [document.child(f"scsi_self_test_{place}") for place in range(20) if document.has(f"scsi_self_test_{place}")]
    return tuple(_scsi_test(row) for row in rows) if rows else None


def _ata_test(row: Node) -> SelfTest:
    status = row.child("status")
    code, passed = status.whole("value"), status.flag("passed")
    return SelfTest(
        kind=row.child("type").text("string") or "",
        result=_ata_result(code, passed),
        text=status.text("string") or "",
        hours=row.whole("lifetime_hours"),
        remaining_percent=status.whole("remaining_percent"),
        first_bad_lba=row.whole("lba"),
    )


def _ata_result(code: int | None, passed: bool | None) -> TestResult:
    if code is None:
        return TestResult.UNKNOWN if passed is None else TestResult.PASSED if passed else TestResult.FAILED
    high = code >> 4
    if high == 0:
        return TestResult.PASSED
    if high == ATA_RUNNING:
        return TestResult.RUNNING
    if high in ATA_ABORTED:
        return TestResult.ABORTED
    return TestResult.FAILED if high <= 8 else TestResult.UNKNOWN


def _coded(code: int | None, aborted: frozenset[int], failed: frozenset[int]) -> TestResult:
    if code == 0:
        return TestResult.PASSED
    if code == RUNNING:
        return TestResult.RUNNING
    return TestResult.ABORTED if code in aborted else TestResult.FAILED if code in failed else TestResult.UNKNOWN


def _scsi_test(row: Node) -> SelfTest:
    result = row.child("result")
    running = bool(row.flag("self_test_in_progress"))
    return SelfTest(
        kind=row.child("code").text("string") or "",
        result=TestResult.RUNNING if running else _coded(result.whole("value"), SCSI_ABORTED, SCSI_FAILED),
        text=result.text("string") or "",
        hours=row.child("power_on_time").whole("hours"),
        first_bad_lba=row.child("lba_first_failure").whole("value"),
    )


def _nvme_test(row: Node) -> SelfTest:
    result = row.child("self_test_result")
    return SelfTest(
        kind=row.child("self_test_code").text("string") or "",
        result=_coded(result.whole("value"), NVME_ABORTED, NVME_FAILED),
        text=result.text("string") or "",
        hours=row.whole("power_on_hours"),
        first_bad_lba=row.whole("lba"),
    )


def running(document: Node) -> tuple[bool | None, int | None]:
    """Is a self-test running now, and how much of it remains, in percent."""
    if document.has("ata_smart_data") and document.child("ata_smart_data").has("self_test"):
        status = document.child("ata_smart_data").child("self_test").child("status")
        code = status.whole("value")
        running = None if code is None else code >> 4 == ATA_RUNNING
        return running, status.whole("remaining_percent") if running else None
    if document.has("nvme_self_test_log"):
        told = document.child("nvme_self_test_log")
        operation = told.child("current_self_test_operation").whole("value")
        done = told.whole("current_self_test_completion_percent")
        if operation is None:
            return None, None
        return operation != 0, None if done is None or operation == 0 else 100 - done
    if document.has("scsi_self_test_0"):
        newest = _scsi_test(document.child("scsi_self_test_0"))
        return newest.result is TestResult.RUNNING, None
    return None, None


def minutes(document: Node) -> dict[str, int]:
    """How long the drive itself says that its tests take, by kind."""
    times = document.child("ata_smart_data").child("self_test").child("polling_minutes")
    found = {kind: times.whole(kind) for kind in ("short", "extended", "conveyance")}
    scsi = document.whole("scsi_extended_self_test_seconds")
    if scsi is not None:
        found["extended"] = -(-scsi // 60)
    return {kind: minutes for kind, minutes in found.items() if minutes is not None}
