"""What `smartctl --json -x` (or -a, -H, -i) said of one drive: ATA, SCSI or NVMe, directly or behind a controller; 7.0 to 7.4.

Values that vendors pack are unpacked here: Seagate keeps errors in the high and operations in the low bits of attributes 1, 7
and 195, and three counters of 16 bits in 188.
"""

from __future__ import annotations

import re

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
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, embedded, load

TOOL = "smartctl"
RATES = frozenset({1, 7, 195})  # errors per operations, vendor-specific; Seagate: errors << 32 | operations
COMMAND_TIMEOUT = 188  # Seagate: (over 7.5 s) << 32 | (over 5 s) << 16 | all


def parse(text: str) -> SmartReport:
    """stdout of one call. Raises ParseError where it is not the JSON of smartctl."""
    document = load(TOOL, text)
    tool = document.needed("smartctl")
    device = document.child("device")
    nvme = (
        document.child("nvme_smart_health_information_log")
        if document.has("nvme_smart_health_information_log")
        else None
    )
    messages = [(each.text("severity") or "", each.text("string") or "") for each in tool.each("messages")]
    running, remaining = _running(document)
    link = document.child("interface_speed")
    return SmartReport(
        device=device.text("name") or "",
        protocol=_protocol(device.text("protocol")),
        device_type=device.text("type") or "",
        model=document.text("model_name") or document.text("scsi_model_name") or document.text("scsi_product"),
        serial=document.text("serial_number"),
        firmware=document.text("firmware_version") or document.text("scsi_revision"),
        capacity_bytes=document.child("user_capacity").whole("bytes") or document.whole("nvme_total_capacity"),
        healthy=document.child("smart_status").flag("passed"),
        attributes=_attributes(document),
        nvme=_nvme(nvme) if nvme else None,
        grown_defects=document.whole("scsi_grown_defect_list"),
        scsi_errors=_scsi_errors(document),
        error_log_count=_error_log_count(document, nvme),
        self_tests=_self_tests(document),
        self_test_running=running,
        self_test_remaining_percent=remaining,
        self_test_minutes=_minutes(document),
        temperature_c=document.child("temperature").real("current"),
        power_on_hours=document.child("power_on_time").whole("hours"),
        rotation_rpm=document.whole("rotation_rate"),
        link_bits_s=_bits(link.child("current")),
        link_max_bits_s=_bits(link.child("max")),
        exit_flags=exit_flags(tool.whole("exit_status") or 0),
        messages=tuple(text for _, text in messages),
        error_messages=tuple(text for severity, text in messages if severity == "error"),
        version=".".join(str(part) for part in _list(tool, "version")),
    )


def exit_flags(status: int) -> frozenset[ExitFlag]:
    """The named bits of an exit status; also for a status that the operating system gave."""
    return frozenset(flag for bit, flag in enumerate(ExitFlag) if status >> bit & 1)


def parse_scan(text: str) -> tuple[tuple[str, str], ...]:
    """`smartctl --scan --json` or --scan-open: (device path, type to give with -d), as `sat`, `nvme`, `megaraid,5`."""
    document, _ = embedded(TOOL, text)
    document.needed("smartctl")
    return tuple((each.text("name") or "", each.text("type") or "") for each in document.each("devices"))


def parse_version(text: str) -> str:
    """ "7.3" of `smartctl --version`. Raises ParseError."""
    match = re.match(r"smartctl (\d+(?:\.\d+){1,2})", text)
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[1]


def _protocol(name: str | None) -> Protocol:
    return next((each for each in Protocol if each.value == name), Protocol.UNKNOWN)


def _list(node: Node, key: str) -> list[object]:
    value = node.get(key)
    return value if isinstance(value, list) else []


def _bits(speed: Node) -> int | None:
    units, size = speed.whole("units_per_second"), speed.whole("bits_per_unit")
    return None if units is None or size is None else units * size


def _is_seagate(document: Node) -> bool:
    names = f"{document.text('model_family') or ''} {document.text('model_name') or ''}"
    return bool(re.search(r"seagate|\bST\d{3,}", names, re.IGNORECASE))


def _attributes(document: Node) -> tuple[SmartAttribute, ...] | None:
    if not document.has("ata_smart_attributes"):
        return None
    seagate = _is_seagate(document)
    return tuple(_attribute(row, seagate) for row in document.child("ata_smart_attributes").each("table"))


def _attribute(row: Node, seagate: bool) -> SmartAttribute:
    number = row.whole("id")
    if number is None:
        raise ParseError(TOOL, f"{row.where}id is missing", repr(row.value))
    raw = row.child("raw")
    return SmartAttribute(
        number=number,
        name=row.text("name") or f"Attribute {number}",
        value=row.whole("value"),
        worst=row.whole("worst"),
        threshold=row.whole("thresh"),
        failed_when=(row.text("when_failed") or "").lower(),
        prefailure=bool(row.child("flags").flag("prefailure")),
        raw=raw.whole("value"),
        count=_count(number, raw.whole("value"), raw.text("string"), seagate),
    )


def _count(number: int, raw: int | None, shown: str | None, seagate: bool) -> int | None:
    """Events behind a raw value. smartctl's own text knows most packings ("33 (Min/Max 20/41)"); Seagate's need ours."""
    if number in RATES:
        return raw >> 32 if seagate and raw is not None else None
    if number == COMMAND_TIMEOUT and seagate and raw is not None:
        return raw & 0xFFFF
    if match := re.match(r"\d{1,18}(?![\d:])", shown or ""):
        return int(match[0])
    return raw


def _nvme(log: Node) -> NvmeHealth:
    return NvmeHealth(
        critical_warning=log.whole("critical_warning"),
        media_errors=log.whole("media_errors"),
        percentage_used=log.whole("percentage_used"),
        available_spare=log.whole("available_spare"),
        available_spare_threshold=log.whole("available_spare_threshold"),
        unsafe_shutdowns=log.whole("unsafe_shutdowns"),
        error_log_entries=log.whole("num_err_log_entries"),
        warning_temp_minutes=log.whole("warning_temp_time"),
        critical_temp_minutes=log.whole("critical_comp_time"),
    )


def _scsi_errors(document: Node) -> dict[str, ScsiErrors] | None:
    if not document.has("scsi_error_counter_log"):
        return None
    log = document.child("scsi_error_counter_log")
    return {
        row: ScsiErrors(
            uncorrected=log.child(row).whole("total_uncorrected_errors"),
            corrected=log.child(row).whole("total_errors_corrected"),
        )
        for row in ("read", "write", "verify")
        if log.has(row)
    }


def _error_log_count(document: Node, nvme: Node | None) -> int | None:
    if nvme:
        return nvme.whole("num_err_log_entries")
    log = document.child("ata_smart_error_log")
    counts = [log.child(kind).whole("count") for kind in ("extended", "summary")]
    return next((count for count in counts if count is not None), None)


# Self-tests -----------------------------------------------------------------------------------------------------------

ATA_ABORTED, ATA_RUNNING = frozenset({1, 2}), 15  # high four bits of the status byte (ATA ACS-3, table A.20)
SCSI_ABORTED, SCSI_FAILED, RUNNING = frozenset({1, 2}), frozenset({3, 4, 5, 6, 7}), 15  # SPC-4, table 305
NVME_ABORTED, NVME_FAILED = frozenset({1, 2, 3, 4, 8, 9}), frozenset({5, 6, 7})  # NVM Express, device self-test log


def _self_tests(document: Node) -> tuple[SelfTest, ...] | None:
    if document.has("ata_smart_self_test_log"):
        log = document.child("ata_smart_self_test_log")
        kind = "extended" if log.has("extended") else "standard"
        return tuple(_ata_test(row) for row in log.child(kind).each("table"))
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


def _running(document: Node) -> tuple[bool | None, int | None]:
    """Is a self-test running now, and how much of it remains, in percent."""
    if document.has("ata_smart_data") and document.child("ata_smart_data").has("self_test"):
        status = document.child("ata_smart_data").child("self_test").child("status")
        code = status.whole("value")
        running = None if code is None else code >> 4 == ATA_RUNNING
        return running, status.whole("remaining_percent") if running else None
    if document.has("nvme_self_test_log"):
        log = document.child("nvme_self_test_log")
        operation = log.child("current_self_test_operation").whole("value")
        done = log.whole("current_self_test_completion_percent")
        if operation is None:
            return None, None
        return operation != 0, None if done is None or operation == 0 else 100 - done
    if document.has("scsi_self_test_0"):
        newest = _scsi_test(document.child("scsi_self_test_0"))
        return newest.result is TestResult.RUNNING, None
    return None, None


def _minutes(document: Node) -> dict[str, int]:
    times = document.child("ata_smart_data").child("self_test").child("polling_minutes")
    found = {kind: times.whole(kind) for kind in ("short", "extended", "conveyance")}
    scsi = document.whole("scsi_extended_self_test_seconds")
    if scsi is not None:
        found["extended"] = -(-scsi // 60)
    return {kind: minutes for kind, minutes in found.items() if minutes is not None}
