"""What `smartctl --json -x` (or -a, -H, -i) said of one drive: ATA, SCSI or NVMe, directly or behind a controller; 7.0 to 7.4.

Values that vendors pack are unpacked here: Seagate keeps errors in the high and operations in the low bits of attributes 1, 7
and 195, and three counters of 16 bits in 188, also where a server maker's name stands on the drive. Self-test logs are read
in `vetting.parsers.smartselftest`.
"""

from __future__ import annotations

import re

from vetting.domain.smartreport import (
    BackgroundScan,
    ExitFlag,
    NvmeHealth,
    Protocol,
    ScsiErrors,
    SmartAttribute,
    SmartReport,
)
from vetting.parsers import smartselftest
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, embedded, load

TOOL = "smartctl"
RATES = frozenset({1, 7, 195})  # errors per operations, vendor-specific; Seagate: errors << 32 | operations
COMMAND_TIMEOUT = 188  # Seagate: (over 7.5 s) << 32 | (over 5 s) << 16 | all
NOT_TOLD = frozenset({2**32 - 1, 2**48 - 1})  # a raw value with every bit set, which no counter ever reached
WEAR = re.compile(r"wearout|wear_leveling|life_?(?:time)?_?(?:left|remain)|lifetime_(?:perc|used)", re.IGNORECASE)
ENDURANCE = "Percentage Used Endurance Indicator"  # as ATA calls it; smartctl puts scsi_ before SCSI's own name for it
# SBC-4, background scan results: states in which a scan has stopped for good; reassign states of what is still bad.
HALTED, UNRESOLVED = frozenset({3, 4, 5, 6}), frozenset({1, 4, 8})


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
    running, remaining = smartselftest.running(document)
    link = document.child("interface_speed")
    attributes, statistics = _attributes(document), _statistics(document)
    return SmartReport(
        device=device.text("name") or "",
        protocol=_protocol(device.text("protocol")),
        device_type=device.text("type") or "",
        model=document.text("model_name") or document.text("scsi_model_name") or document.text("scsi_product"),
        serial=document.text("serial_number"),
        firmware=document.text("firmware_version") or document.text("scsi_revision"),
        capacity_bytes=document.child("user_capacity").whole("bytes") or document.whole("nvme_total_capacity"),
        healthy=document.child("smart_status").flag("passed"),
        complaint=document.child("smart_status").child("scsi").text("ie_string") or "",
        attributes=attributes,
        nvme=_nvme(nvme) if nvme else None,
        grown_defects=document.whole("scsi_grown_defect_list"),
        scsi_errors=_scsi_errors(document),
        non_medium_errors=document.whole("scsi_non_medium_error_count"),
        pending_defects=_pending_defects(document),
        background_scan=_background_scan(document),
        percentage_used=_percentage_used(document, statistics, attributes),
        statistics=statistics,
        error_log_count=_error_log_count(document, nvme),
        self_tests=smartselftest.log(document),
        self_test_running=running,
        self_test_remaining_percent=remaining,
        self_test_minutes=smartselftest.minutes(document),
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
    raw, name = row.child("raw"), row.text("name") or f"Attribute {number}"
    return SmartAttribute(
        number=number,
        name=name,
        value=row.whole("value"),
        worst=row.whole("worst"),
        threshold=row.whole("thresh"),
        failed_when=(row.text("when_failed") or "").lower(),
        prefailure=bool(row.child("flags").flag("prefailure")),
        raw=raw.whole("value"),
        count=_count(number, name, raw.whole("value"), raw.text("string"), seagate),
    )


def _count(number: int, name: str, raw: int | None, shown: str | None, seagate: bool) -> int | None:
    """Events behind a raw value. smartctl's own text knows most packings ("33 (Min/Max 20/41)"); Seagate's need ours."""
    if raw in NOT_TOLD:
        return None
    if number in RATES and not re.search("uncorrect", name, re.IGNORECASE):
        return raw >> 32 if seagate and raw is not None else None
    if number == COMMAND_TIMEOUT and raw is not None and (seagate or raw > 0xFFFF):
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


def _statistics(document: Node) -> dict[str, int]:
    """Those of the ATA device statistics that the drive calls valid."""
    return {
        name: value
        for page in document.child("ata_device_statistics").each("pages")
        for row in page.each("table")
        if (name := row.text("name"))
        and row.child("flags").flag("valid")
        and isinstance(value := row.get("value"), int)
    }


def _percentage_used(
    document: Node, statistics: dict[str, int], attributes: tuple[SmartAttribute, ...] | None
) -> int | None:
    """How much of its rated writes a SATA or SAS drive has had; where no standard field says so, an attribute may."""
    told = document.whole("scsi_percentage_used_endurance_indicator")
    if told is None:
        told = statistics.get(ENDURANCE)
    if told is not None or document.whole("rotation_rate"):
        return told
    left = [each.value for each in attributes or () if WEAR.search(each.name) and each.value is not None]
    return 100 - left[0] if left and 0 <= left[0] <= 100 else None


def _pending_defects(document: Node) -> int | None:
    counts = (
        document.child(f"{kind}_pending_defects{log}").whole("count") for kind, log in (("scsi", ""), ("ata", "_log"))
    )
    return next((count for count in counts if count is not None), None)


def _background_scan(document: Node) -> BackgroundScan | None:
    if not document.has("scsi_background_scan"):
        return None
    scan = document.child("scsi_background_scan")
    status = scan.child("status")
    places = [
        scan.child(key).child("reassign_status").whole("value") for key in scan.fields if key.startswith("result_")
    ]
    return BackgroundScan(
        halted=status.text("string") or "halted" if status.whole("value") in HALTED else "",
        unresolved=sum(place in UNRESOLVED for place in places),
    )
