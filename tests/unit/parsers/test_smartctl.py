"""smartctl: every recording parses; packed values, self-tests and exit bits mean what the manuals say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vetting.domain.smartreport import BackgroundScan, ExitFlag, Protocol, SmartReport, TestResult
from vetting.parsers import ParseError, smartctl

Recorded = Callable[[str], str]


@pytest.fixture
def drive(corpus: Path) -> Callable[[str], SmartReport]:
    return lambda name: smartctl.parse((corpus / "smartctl" / name).read_text())


def test_every_recording_parses_with_its_protocol(corpus: Path) -> None:
    files = sorted((corpus / "smartctl").iterdir())
    assert len(files) >= 86
    for file in files:
        report = smartctl.parse(file.read_text())
        said = json.loads(file.read_text())
        assert report.protocol.value == said["device"]["protocol"], file.name
        assert report.healthy is said.get("smart_status", {}).get("passed"), file.name
        assert report.version.startswith("7."), file.name
        if report.protocol is Protocol.NVME:
            assert report.nvme is not None and report.nvme.critical_warning is not None, file.name
        if "ata_smart_attributes" in said:
            assert report.attributes, file.name


def test_an_ata_drive_in_full(drive: Callable[[str], SmartReport]) -> None:
    report = drive("smart-ata-full.json")
    assert (report.model, report.protocol, report.rotation_rpm) == ("Samsung SSD 860 EVO 500GB", Protocol.ATA, 0)
    assert report.capacity_bytes == 500107862016
    assert report.error_log_count == 0
    assert report.self_tests is not None and report.self_tests[0].result is TestResult.PASSED
    assert report.self_test_running is False
    assert report.self_test_minutes["short"] == 2
    assert report.link_bits_s == 6_000_000_000


def test_a_scsi_drive_in_full(drive: Callable[[str], SmartReport]) -> None:
    report = drive("SEAGATE_ST373453LC_26.json")
    assert (report.protocol, report.model, report.firmware) == (Protocol.SCSI, "SEAGATE ST373453LC", "DX10")
    assert report.grown_defects == 260
    assert report.scsi_errors is not None
    assert {row: errors.uncorrected for row, errors in report.scsi_errors.items()} == {"read": 1, "write": 535}
    assert report.attributes is None and report.nvme is None


def test_an_nvme_drive_in_full(drive: Callable[[str], SmartReport]) -> None:
    report = drive("smart-nvme-failed.json")
    assert report.nvme is not None
    assert (report.nvme.media_errors, report.nvme.critical_warning, report.nvme.available_spare) == (7, 0, 99)
    assert (report.capacity_bytes, report.temperature_c, report.power_on_hours) == (500107862016, 35, 12798)
    assert report.self_tests is None, "no self-test log was captured, which is not an empty one"


def test_a_drive_behind_megaraid_keeps_its_type(drive: Callable[[str], SmartReport]) -> None:
    report = drive("smart-megaraid1.json")
    assert report.device_type == "sat+megaraid,1"
    assert report.exit_flags == {ExitFlag.COMMAND_FAILED}
    assert "Attribute check" in report.messages[0]
    assert report.self_tests is not None and report.self_tests[0].result is TestResult.ABORTED


@pytest.mark.parametrize(
    ("number", "raw", "count"),
    [(1, 90736659, 0), (7, (3 << 32) + 569143298, 3), (195, 1 << 32, 1), (188, 17180131332, 4), (5, 12, 12)],
)
def test_what_seagate_packs_is_unpacked(number: int, raw: int, count: int) -> None:
    row = {"id": number, "name": "x", "value": 80, "worst": 60, "thresh": 40, "raw": {"value": raw, "string": str(raw)}}
    text = {"smartctl": {}, "model_name": "ST2000NM0033-9ZM175", "ata_smart_attributes": {"table": [row]}}
    attribute = smartctl.parse(json.dumps(text)).attribute(number)
    assert attribute is not None and (attribute.raw, attribute.count) == (raw, count)


def test_an_error_rate_of_another_vendor_is_no_count() -> None:
    row = {"id": 1, "name": "Raw_Read_Error_Rate", "raw": {"value": 4294967295, "string": "4294967295"}}
    text = {"smartctl": {}, "model_name": "SSDSCKJB240G7R", "ata_smart_attributes": {"table": [row]}}
    attribute = smartctl.parse(json.dumps(text)).attribute(1)
    assert attribute is not None and attribute.count is None


@pytest.mark.parametrize(("number", "name", "raw", "count"), [
    (188, "Command_Timeout", 17180131332, 4),  # a Seagate with a server maker's name on it
    (188, "Command_Timeout", 33, 33),
    (197, "Current_Pending_Sector", 2**32 - 1, None),
    (5, "Reallocated_Sector_Ct", 2**48 - 1, None),
    (195, "Uncorrectable_Error_Cnt", 2, 2),  # Intel's drives for Dell
])  # fmt: skip
def test_raw_values_of_other_makers(number: int, name: str, raw: int, count: int | None) -> None:
    row = {"id": number, "name": name, "raw": {"value": raw, "string": str(raw)}}
    text = {"smartctl": {}, "model_name": "MB4000GCWDC", "ata_smart_attributes": {"table": [row]}}
    attribute = smartctl.parse(json.dumps(text)).attribute(number)
    assert attribute is not None and attribute.count == count


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("smart-ata-full.json", 19),  # by its own statistics
        ("sat-Intel_730_and_DC_S35x0_3610_3700_Series_SSDs-INTEL_SSDSC2BB240G4-sde.json", 78),
        ("sat-Phison_Driven_SSDs-KINGSTON_SA400M8120G-sda.json", 2),
        ("sat-Samsung_based_SSDs-SAMSUNG_MZ7LH480HAHQ-00005-sda.json", 1),
        ("sat-Micron_5100_Pro___52x0___5300_SSDs-Micron_5300_MTFDDAK240TDS-sda.json", 0),
        ("sat-Dell_Certified_Intel_S3520_Series_SSDs-SSDSCKJB240G7R-sdm.json", 0),
        ("nvme-null-INTEL_SSDPE2KX020T7-nvme6.json", 75),
        ("sat-null-ST18000NM000J-2TV103-sda.json", None),
        ("smart-fail2.json", None),
    ],
)
def test_the_wear_of_each_maker_s_drives(drive: Callable[[str], SmartReport], name: str, percent: int | None) -> None:
    assert drive(name).worn_percent == percent


def test_what_a_sas_drive_found_by_itself() -> None:
    """Constructed, in the shape of smartctl 7.3 and 7.4."""

    def place(reassign: int) -> dict[str, object]:
        return {"lba": 11, "sense_key": {"value": 3}, "reassign_status": {"value": reassign}}

    scan = {"status": {"value": 3, "string": "halted due to fatal error"}, "result_1": place(1), "result_2": place(5)}
    text = {
        "smartctl": {},
        "scsi_background_scan": scan,
        "scsi_pending_defects": {"count": 2},
        "scsi_percentage_used_endurance_indicator": 5,
        "smart_status": {"passed": False, "scsi": {"asc": 93, "ascq": 0, "ie_string": "FAILURE PREDICTION [asc=5d]"}},
        "scsi_self_test_0": {"result": {"value": 7, "string": "Failed in segment"}, "lba_first_failure": {"value": 88}},
    }
    report = smartctl.parse(json.dumps(text))
    assert report.background_scan == BackgroundScan(halted="halted due to fatal error", unresolved=1)
    assert (report.pending_defects, report.percentage_used) == (2, 5)
    assert report.complaint == "FAILURE PREDICTION [asc=5d]"
    assert report.self_tests is not None and report.self_tests[0].first_bad_lba == 88


def test_a_sata_drive_s_list_of_pending_defects_is_read_too() -> None:
    """Constructed, in the shape of smartctl 7.3."""
    text = {"smartctl": {}, "ata_pending_defects_log": {"size": 65535, "count": 4}}
    assert smartctl.parse(json.dumps(text)).pending_defects == 4


def test_the_text_of_a_raw_value_tells_its_packing(drive: Callable[[str], SmartReport]) -> None:
    attribute = drive("smart-sat.json").attribute(196)
    assert attribute is not None and (attribute.raw, attribute.count) == (53416508262463, 2111)


def test_every_bit_of_the_exit_status_has_its_name() -> None:
    assert smartctl.exit_flags(0) == frozenset()
    assert smartctl.exit_flags(0b11111111) == frozenset(ExitFlag)
    assert smartctl.exit_flags(8) == {ExitFlag.FAILING}
    assert smartctl.exit_flags(64 + 128) == {ExitFlag.ERROR_LOG, ExitFlag.SELF_TEST_LOG}


def test_a_failing_drive_has_the_bits_that_smartctl_set(drive: Callable[[str], SmartReport]) -> None:
    flags = drive("smart-fail2.json").exit_flags
    assert flags == {ExitFlag.FAILING, ExitFlag.PREFAIL_NOW, ExitFlag.ERROR_LOG, ExitFlag.SELF_TEST_LOG}


@pytest.mark.parametrize("name", ["loop", "missing"])
def test_a_device_that_cannot_be_asked_is_told_so(recorded: Recorded, name: str) -> None:
    report = smartctl.parse(recorded(f"smartctl/{name}"))
    assert report.healthy is None and report.model is None
    assert report.exit_flags == {ExitFlag.COMMAND_LINE}
    assert report.error_messages and "Unable to detect device type" in report.error_messages[0]


def ata_test(value: int) -> TestResult:
    row = {"type": {"string": "Short offline"}, "status": {"value": value, "string": "s"}, "lifetime_hours": 7}
    text = {"smartctl": {}, "device": {"protocol": "ATA"}, "ata_smart_self_test_log": {"standard": {"table": [row]}}}
    tests = smartctl.parse(json.dumps(text)).self_tests
    assert tests is not None
    return tests[0].result


def test_ata_self_tests_end_in_every_way() -> None:
    """Constructed: the status byte of ATA's self-test log, whose high four bits say how it ended."""
    assert ata_test(0x00) is TestResult.PASSED
    assert ata_test(0x19) is ata_test(0x25) is TestResult.ABORTED
    assert all(ata_test(high << 4) is TestResult.FAILED for high in range(3, 9))
    assert ata_test(0xF9) is TestResult.RUNNING
    assert ata_test(0x90) is TestResult.UNKNOWN


def test_an_ata_self_test_in_progress_tells_what_remains() -> None:
    """Constructed, in the shape of smartctl 7.3."""
    status = {"value": 249, "string": "in progress, 90% remaining", "remaining_percent": 90}
    report = smartctl.parse(json.dumps({"smartctl": {}, "ata_smart_data": {"self_test": {"status": status}}}))
    assert (report.self_test_running, report.self_test_remaining_percent) == (True, 90)


def test_nvme_self_tests() -> None:
    """Constructed, in the shape of smartctl 7.4."""
    log = {
        "current_self_test_operation": {"value": 1, "string": "Short self-test in progress"},
        "current_self_test_completion_percent": 30,
        "table": [
            {
                "self_test_code": {"value": 1, "string": "Short"},
                "self_test_result": {"value": 7, "string": "failed segment"},
            },
            {
                "self_test_code": {"value": 2, "string": "Extended"},
                "self_test_result": {"value": 1},
                "power_on_hours": 5,
            },
            {"self_test_code": {"value": 1, "string": "Short"}, "self_test_result": {"value": 0}},
        ],
    }
    report = smartctl.parse(json.dumps({"smartctl": {}, "nvme_self_test_log": log}))
    assert report.self_tests is not None
    assert [each.result for each in report.self_tests] == [TestResult.FAILED, TestResult.ABORTED, TestResult.PASSED]
    assert (report.self_test_running, report.self_test_remaining_percent) == (True, 70)


def test_scsi_self_tests() -> None:
    """Constructed, in the shape of smartctl 7.4."""
    entry = {"code": {"value": 1, "string": "Background short"}, "power_on_time": {"hours": 9}}
    text = {
        "smartctl": {},
        "scsi_self_test_0": {**entry, "self_test_in_progress": True},
        "scsi_self_test_1": {**entry, "result": {"value": 5, "string": "Failed in first segment"}},
        "scsi_self_test_2": {**entry, "result": {"value": 0, "string": "Completed"}},
        "scsi_extended_self_test_seconds": 601,
    }
    report = smartctl.parse(json.dumps(text))
    assert report.self_tests is not None
    assert [each.result for each in report.self_tests] == [TestResult.RUNNING, TestResult.FAILED, TestResult.PASSED]
    assert report.self_test_running is True
    assert report.self_test_minutes == {"extended": 11}


def test_a_scan_gives_path_and_type() -> None:
    """Constructed, in the shape of smartctl --scan --json."""
    devices = [{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/bus/0", "type": "megaraid,5"}]
    text = json.dumps({"smartctl": {"exit_status": 0}, "devices": devices})
    assert smartctl.parse_scan(text) == (("/dev/sda", "sat"), ("/dev/bus/0", "megaraid,5"))


@pytest.mark.parametrize("text", ["", "smartctl 7.3 2022-02-28 r5338", "[]", "{}", '{"smartctl": 7}'])
def test_what_is_not_its_json_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        smartctl.parse(text)
