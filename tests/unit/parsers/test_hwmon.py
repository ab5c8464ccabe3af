"""Sensor names and units, from the files that the kernel shows."""

from __future__ import annotations

import re

import pytest

from vetting.parsers.hwmon import discover, reading

H = "/sys/class/hwmon"


def names(files: dict[str, str]) -> dict[str, str]:
    return {sensor.series: sensor.unit for sensor in discover({f"{H}/{path}": text for path, text in files.items()})}


def test_each_quantity_has_its_unit() -> None:
    files = {
        "hwmon0/name": "acpi_power",
        "hwmon0/temp1_input": "38500",
        "hwmon0/power1_average": "250000000",
        "hwmon0/in0_input": "12096",
        "hwmon0/in0_label": "+12V",
        "hwmon0/curr1_input": "1500",
        "hwmon0/fan2_input": "5400",
    }
    assert names(files) == {
        "curr.acpi-power.curr1": "A",
        "fan.acpi-power.fan2": "RPM",
        "volt.acpi-power.12v": "V",
        "power.acpi-power.power1": "W",
        "temp.acpi-power.temp1": "C",
    }
    assert reading(f"{H}/hwmon0/temp1_input", "38500\n") == 38.5
    assert reading(f"{H}/hwmon0/power1_average", "250000000") == 250.0
    assert reading(f"{H}/hwmon0/in0_input", "12096") == 12.096
    assert reading(f"{H}/hwmon0/temp1_input", "-5000") == -5.0


def test_twins_get_names_of_their_own() -> None:
    files: dict[str, str] = {}
    for number in (2, 10):
        files |= {
            f"hwmon{number}/name": "coretemp",
            f"hwmon{number}/temp1_input": "1",
            f"hwmon{number}/temp1_label": "Core 0",
            f"hwmon{number}/temp2_input": "1",
            f"hwmon{number}/temp2_label": "Core 0",
        }
    assert list(names(files)) == [
        "temp.coretemp.core-0",
        "temp.coretemp.core-0-2",
        "temp.coretemp-1.core-0",
        "temp.coretemp-1.core-0-2",
    ]


def test_sensors_that_are_faulty_off_or_unreadable_are_no_sensors() -> None:
    files = {
        "hwmon0/name": "nct",
        "hwmon0/temp1_input": "1",
        "hwmon0/temp1_fault": "1",
        "hwmon0/fan1_input": "1",
        "hwmon0/fan1_enable": "0",
        "hwmon0/temp2_input": "",
        "hwmon1/temp1_input": "1",
        "hwmon0/intrusion0_alarm": "0",
        "hwmon0/power1_input": "1000000",
        "hwmon0/power1_average": "2000000",
    }
    assert names(files) == {"power.nct.power1": "W"}


def test_a_hostile_label_stays_a_plain_bounded_name() -> None:
    files = {"hwmon0/name": "../../x y", "hwmon0/temp1_input": "1", "hwmon0/temp1_label": "<b>\n\x00é" + "A" * 500}
    (series,) = names(files)
    assert re.fullmatch(r"temp\.[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}", series)


def test_what_is_no_number_is_no_reading() -> None:
    for text in ("", "abc", "1e3", "nan", "1.5", "9" * 40):
        assert reading(f"{H}/hwmon0/temp1_input", text) is None
    assert reading("/proc/uptime", "1") is None


@pytest.mark.parametrize(("text", "there"), [("127000", False), ("125500", False), ("119000", True), ("-128000", True)])
def test_an_input_with_nothing_on_it_is_no_sensor(text: str, there: bool) -> None:
    """Monitor chips show 125 or 127 degrees there, for ever: no host with one could keep any limit."""
    files = {"/sys/class/hwmon/hwmon0/name": "nct6775", "/sys/class/hwmon/hwmon0/temp3_input": text}
    assert bool(discover(files)) is there
