"""nvme-cli 2.3 and 2.13: recorded where there is no drive; the rest are constructed in the shapes of its JSON printer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from vetting.domain.smartreport import TestResult
from vetting.parsers import ParseError, nvme

Recorded = Callable[[str], str]
SPACE = {
    "NameSpace": "nvme0n1",
    "NSID": 1,
    "UsedBytes": 0,
    "MaximumLBA": 7501476528,
    "PhysicalSize": 3840755982336,
    "SectorSize": 512,
}
CONTROLLER = {
    "Controller": "nvme0",
    "SerialNumber": "S1  ",
    "ModelNumber": "Micron_7450 ",
    "Firmware": "E2MU200",
    "Transport": "pcie",
    "Address": "0000:3b:00.0",
    "Slot": "",
}
FLAT = {
    "NameSpace": 1,
    "DevicePath": "/dev/nvme0n1",
    "GenericPath": "/dev/ng0n1",
    "Firmware": "E2MU200",
    "ModelNumber": "Micron_7450",
    "SerialNumber": "S1",
    "UsedBytes": 0,
    "MaximumLBA": 7501476528,
    "PhysicalSize": 3840755982336,
    "SectorSize": 512,
}


def tree(controllers: list[object], namespaces: list[object]) -> str:
    subsystem = {
        "Subsystem": "nvme-subsys0",
        "SubsystemNQN": "nqn",
        "Controllers": controllers,
        "Namespaces": namespaces,
    }
    return json.dumps({"Devices": [{"HostNQN": "nqn", "HostID": "id", "Subsystems": [subsystem]}]})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Devices": [FLAT]}),
        tree([{**CONTROLLER, "Namespaces": [SPACE], "Paths": []}], []),
        tree([{**CONTROLLER, "Namespaces": [], "Paths": []}], [SPACE]),
    ],
    ids=["2.4", "2.13", "2.13 multipath"],
)
def test_a_drive_is_the_same_in_every_shape(text: str) -> None:
    (space,) = nvme.parse(text)
    assert (space.path, space.controller, space.serial, space.model) == ("/dev/nvme0n1", "nvme0", "S1", "Micron_7450")
    assert (space.firmware, space.size_bytes, space.sector_bytes) == ("E2MU200", 3840755982336, 512)


def test_a_drive_behind_a_network_says_so() -> None:
    (space,) = nvme.parse(tree([{**CONTROLLER, "Transport": "tcp", "Namespaces": [SPACE]}], []))
    assert space.transport == "tcp"


def test_a_machine_without_drives_lists_none() -> None:
    assert nvme.parse('{"Devices": []}') == ()


@pytest.mark.parametrize("name", ["list-empty", "missing"])
def test_a_kernel_without_nvme_is_an_error(recorded: Recorded, name: str) -> None:
    with pytest.raises(ParseError):
        nvme.parse(recorded(f"nvme/{name}"))


def test_a_controller_tells_firmware_and_whether_it_can_test_itself() -> None:
    text = json.dumps(
        {"sn": " S1 ", "mn": "M ", "fr": "F1 ", "oacs": 0x5E, "edstt": 120, "wctemp": 343, "cctemp": 353, "tnvmcap": 7}
    )
    found = nvme.parse_id_ctrl(text)
    assert (found.serial, found.model, found.firmware, found.capacity_bytes) == ("S1", "M", "F1", 7)
    assert (found.self_test, found.extended_test_minutes, found.warning_temp_c, found.critical_temp_c) == (
        True,
        120,
        70,
        80,
    )
    assert nvme.parse_id_ctrl('{"sn": "", "mn": "", "fr": "", "oacs": 0}').self_test is False


LOG = {"critical_warning": 0, "temperature": 301, "avail_spare": 100, "spare_thresh": 5, "percent_used": 15, "media_errors": 2,
       "num_err_log_entries": 17, "unsafe_shutdowns": 139, "power_on_hours": 38313, "data_units_written": "1474968593"}  # fmt: skip


def test_the_health_page() -> None:
    log = nvme.parse_smart_log(json.dumps(LOG))
    assert (log.health.critical_warning, log.health.media_errors, log.health.percentage_used) == (0, 2, 15)
    assert (log.temperature_c, log.power_on_hours, log.data_units_written) == (28, 38313, 1474968593)


def test_the_warning_may_be_an_object_of_bits() -> None:
    log = nvme.parse_smart_log(json.dumps({**LOG, "critical_warning": {"value": 4, "reliability_degraded": 1}}))
    assert log.health.critical_warning == 4


def test_a_page_without_its_warning_is_an_error() -> None:
    with pytest.raises(ParseError, match="critical_warning"):
        nvme.parse_smart_log(json.dumps({"temperature": 301}))


def self_tests(operation: int, *results: int) -> nvme.SelfTestLog:
    reports: list[dict[str, int]] = [
        {"Self test result": 15} if each == 15 else {"Self test result": each, "Self test code": 1, "Power on hours": 9}
        for each in results
    ]
    text = {
        "Current Device Self-Test Operation": operation,
        "Current Device Self-Test Completion": 40,
        "List of Valid Reports": reports,
    }
    return nvme.parse_self_test_log(json.dumps(text))


def test_self_tests_end_in_every_way() -> None:
    log = self_tests(0, 0, 1, 5, 6, 7, 9, 15, 15)
    wanted = [TestResult.PASSED, TestResult.ABORTED, *[TestResult.FAILED] * 3, TestResult.ABORTED]
    assert [each.result for each in log.tests] == wanted, "entries never written are left out"
    assert (log.running, log.done_percent) == (False, None)


def test_a_self_test_in_progress() -> None:
    log = self_tests(1)
    assert (log.running, log.done_percent, log.tests) == (True, 40, ())


def test_versions_are_read(recorded: Recorded, system: str) -> None:
    assert (
        nvme.parse_version(recorded("nvme/version"))
        == {"debian12": "2.3", "ubuntu2404": "2.8", "debian13": "2.13"}[system]
    )
