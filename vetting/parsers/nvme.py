"""What nvme-cli says with `-o json`: list (flat up to 2.10, a tree of subsystems since), id-ctrl, smart-log, self-test-log.

nvme-cli answers in plain sentences, or since 2.11 in {"error": ...}, where it could not ask; both are a ParseError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.domain.smartreport import NvmeHealth, SelfTest, TestResult
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "nvme"
KELVIN = 273  # the log page holds whole kelvins (NVM Express base specification, SMART / Health Information)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One block device of an NVMe controller."""

    path: str  # /dev/nvme0n1
    controller: str | None  # nvme0
    serial: str | None
    model: str | None
    firmware: str | None
    transport: str | None  # pcie, tcp, rdma, fc, loop; None in the old shape, which does not say
    address: str | None  # 0000:3b:00.0
    size_bytes: int | None
    sector_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerId:
    serial: str
    model: str
    firmware: str
    capacity_bytes: int | None
    self_test: bool | None  # it can run a device self-test
    extended_test_minutes: int | None
    warning_temp_c: int | None
    critical_temp_c: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartLog:
    health: NvmeHealth
    temperature_c: int | None
    power_on_hours: int | None
    data_units_written: int | None  # thousands of 512 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestLog:
    running: bool
    done_percent: int | None
    tests: tuple[SelfTest, ...]  # newest first


def parse(text: str) -> tuple[Namespace, ...]:
    """`nvme list -o json`, either shape; none where the machine has no NVMe. Raises ParseError."""
    document = _answer(text)
    if not isinstance(document.get("Devices"), list):
        raise ParseError(TOOL, "its JSON has no Devices", text)
    found: list[Namespace] = []
    for device in document.each("Devices"):
        if device.has("Subsystems") or device.has("HostNQN"):
            for subsystem in device.each("Subsystems"):
                found += _of_subsystem(subsystem)
        else:
            found.append(_flat(device))
    return tuple(found)


def _answer(text: str) -> Node:
    document = load(TOOL, text)
    if document.has("error"):
        raise ParseError(TOOL, "it reports an error", str(document.get("error")))
    return document


def _clean(text: str | None) -> str | None:
    return (text or "").strip() or None


def _flat(device: Node) -> Namespace:
    path = device.text("DevicePath")
    if not path:
        raise ParseError(TOOL, f"{device.where}DevicePath is missing", repr(device.value))
    match = re.search(r"(nvme\d+)n\d+$", path)
    return Namespace(
        path=path,
        controller=match[1] if match else None,
        serial=_clean(device.text("SerialNumber")),
        model=_clean(device.text("ModelNumber")),
        firmware=_clean(device.text("Firmware")),
        transport=None,
        address=None,
        size_bytes=device.whole("PhysicalSize"),
        sector_bytes=device.whole("SectorSize"),
    )


def _of_subsystem(subsystem: Node) -> list[Namespace]:
    """Namespaces stand under their controller, or with native multipath under the subsystem itself."""
    controllers = list(subsystem.each("Controllers"))
    found = [_nested(space, control) for control in controllers for space in control.each("Namespaces")]
    shared = list(subsystem.each("Namespaces"))
    if shared and not controllers:
        raise ParseError(TOOL, f"{subsystem.where}Controllers is missing", repr(subsystem.value))
    return found + [_nested(space, controllers[0]) for space in shared]


def _nested(space: Node, control: Node) -> Namespace:
    name = space.text("NameSpace")
    if not name:
        raise ParseError(TOOL, f"{space.where}NameSpace is missing", repr(space.value))
    return Namespace(
        path=f"/dev/{name}",
        controller=control.text("Controller"),
        serial=_clean(control.text("SerialNumber")),
        model=_clean(control.text("ModelNumber")),
        firmware=_clean(control.text("Firmware")),
        transport=_clean(control.text("Transport")),
        address=_clean(control.text("Address")),
        size_bytes=space.whole("PhysicalSize"),
        sector_bytes=space.whole("SectorSize"),
    )


def parse_id_ctrl(text: str) -> ControllerId:
    """`nvme id-ctrl /dev/nvme0 -o json`. Raises ParseError."""
    document = _answer(text)
    serial, model, firmware = (document.text(key) for key in ("sn", "mn", "fr"))
    if serial is None or model is None or firmware is None:
        raise ParseError(TOOL, "its JSON has no sn, mn or fr", text)
    optional = document.whole("oacs")
    return ControllerId(
        serial=serial.strip(),
        model=model.strip(),
        firmware=firmware.strip(),
        capacity_bytes=document.whole("tnvmcap"),
        self_test=None if optional is None else bool(optional >> 4 & 1),
        extended_test_minutes=document.whole("edstt"),
        warning_temp_c=_celsius(document.whole("wctemp")),
        critical_temp_c=_celsius(document.whole("cctemp")),
    )


def _celsius(kelvin: int | None) -> int | None:
    return kelvin - KELVIN if kelvin else None


def parse_smart_log(text: str) -> SmartLog:
    """`nvme smart-log /dev/nvme0 -o json`. Raises ParseError."""
    document = _answer(text)
    warning = document.get("critical_warning")
    value = (
        document.child("critical_warning").whole("value")
        if isinstance(warning, dict)
        else document.whole("critical_warning")
    )
    if value is None:
        raise ParseError(TOOL, "its JSON has no critical_warning", text)
    health = NvmeHealth(
        critical_warning=value,
        media_errors=document.whole("media_errors"),
        percentage_used=document.whole("percent_used"),
        available_spare=document.whole("avail_spare"),
        available_spare_threshold=document.whole("spare_thresh"),
        unsafe_shutdowns=document.whole("unsafe_shutdowns"),
        error_log_entries=document.whole("num_err_log_entries"),
        warning_temp_minutes=document.whole("warning_temp_time"),
        critical_temp_minutes=document.whole("critical_comp_time"),
    )
    return SmartLog(
        health=health,
        temperature_c=_celsius(document.whole("temperature")),
        power_on_hours=document.whole("power_on_hours"),
        data_units_written=document.whole("data_units_written"),
    )


TEST_KINDS = {1: "Short", 2: "Extended", 14: "Vendor specific"}
RESULTS = {0: TestResult.PASSED, 5: TestResult.FAILED, 6: TestResult.FAILED, 7: TestResult.FAILED}
UNUSED = 15  # an entry of the log that was never written


def parse_self_test_log(text: str) -> SelfTestLog:
    """`nvme self-test-log /dev/nvme0 -o json`. Raises ParseError."""
    document = _answer(text)
    operation = document.whole("Current Device Self-Test Operation")
    if operation is None:
        raise ParseError(TOOL, "its JSON has no current self-test operation", text)
    rows = [row for row in document.each("List of Valid Reports") if row.whole("Self test result") != UNUSED]
    return SelfTestLog(
        running=operation != 0,
        done_percent=document.whole("Current Device Self-Test Completion") if operation else None,
        tests=tuple(_self_test(row) for row in rows),
    )


def _self_test(row: Node) -> SelfTest:
    result = row.whole("Self test result")
    if result is None:
        raise ParseError(TOOL, f"{row.where}Self test result is missing", repr(row.value))
    kind = row.whole("Self test code")
    return SelfTest(
        kind=TEST_KINDS.get(kind or 0, f"code {kind}"),
        result=RESULTS.get(result, TestResult.ABORTED if result in (1, 2, 3, 4, 8, 9) else TestResult.UNKNOWN),
        text=f"result {result}" + (f", segment {row.whole('Segment number')}" if result == 7 else ""),
        hours=row.whole("Power on hours"),
        first_bad_lba=row.whole("Failing LBA"),
    )


def parse_version(text: str) -> str:
    """ "2.13" of `nvme version`. Raises ParseError."""
    match = re.match(r"nvme version (\d[\w.-]{0,30})", text)
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[1]
