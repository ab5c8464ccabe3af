"""Firmware pins, and the order of versions as makers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain.firmware import check_pins, compare_versions
from vetting.domain.hostspec import FirmwarePin
from vetting.domain.inventory import FirmwareItem
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.specdiff import verdict_of


def pin(version: str, component: str = "bios", identifier: str = "*", *, at_least: bool = False) -> FirmwarePin:
    return FirmwarePin(component=component, identifier=identifier, version=version, at_least=at_least)


def item(version: str, component: str = "bios", identifier: str = "system") -> FirmwareItem:
    return FirmwareItem(component=component, identifier=identifier, version=version)


ORDERED = [
    ("2.9.4", "2.10.2"),
    ("1.2", "1.2.1"),
    ("0xd0003a4", "0xd0003a5"),
    ("0xd0003a5", "0x1000a000"),
    ("1.2a", "1.2b"),
    ("1.2", "1.2a"),
    ("VDV10170", "VDV10184"),
    ("EDA7402Q", "EDA7602Q"),
    ("218.0.219.13/pkg 21.80.18.6", "218.0.219.13/pkg 21.85.21.92"),
    ("P89 v2.74 (07/21/2019)", "P89 v2.80 (10/16/2020)"),
    ("7.00.00.171", "7.00.00.172"),
    ("8.30 0x8000a49d 1.2926.0", "8.30 0x8000a49e 1.2926.0"),
]


@pytest.mark.parametrize(("older", "newer"), ORDERED)
def test_versions_are_ordered_by_their_numbers(older: str, newer: str) -> None:
    assert compare_versions(older, newer) == -1
    assert compare_versions(newer, older) == 1
    assert compare_versions(newer, newer) == 0


@pytest.mark.parametrize(
    ("one", "other"), [("2.10", "2.10.0"), ("0x0d0003a5", "0xD0003A5"), ("1.02", "1.2"), ("v1.2", "V1.2")]
)
def test_spellings_of_one_version_are_equal(one: str, other: str) -> None:
    assert compare_versions(one, other) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("GXA7801Q", "EDA7602Q"), ("1.2", "1.2-rc1"), ("1.2", "1.2foo"), ("", "1.0"), ("abc", "1.0"), ("..", "--")],
)
def test_what_has_no_order_is_not_guessed(one: str, other: str) -> None:
    assert compare_versions(one, other) is None
    assert compare_versions(other, one) is None


VERSIONS = st.lists(st.integers(0, 300), min_size=1, max_size=5)


@given(VERSIONS, VERSIONS)
def test_dotted_numbers_are_ordered_as_lists_of_numbers(one: list[int], other: list[int]) -> None:
    width = max(len(one), len(other))
    left, right = ([*numbers, *[0] * (width - len(numbers))] for numbers in (one, other))
    expected = (left > right) - (left < right)
    assert compare_versions(".".join(map(str, one)), ".".join(map(str, other))) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_comparing_is_the_same_from_both_sides_for_any_text(one: str, other: str) -> None:
    there, back = compare_versions(one, other), compare_versions(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there == -back


def test_a_pin_that_is_met_is_no_difference() -> None:
    assert check_pins([pin("2.10.2")], [item("2.10.2")]) == ()
    assert check_pins([pin("2.9.4", at_least=True)], [item("2.10.2")]) == ()
    assert check_pins([pin("2.10.2", at_least=True)], [item("2.10.2")]) == ()


def test_firmware_below_its_pin_is_critical() -> None:
    (row,) = check_pins([pin("2.10.2", at_least=True)], [item("2.9.4")])
    assert (row.severity, row.unknown, row.expected, row.found) == (Severity.CRITICAL, False, ">= 2.10.2", "2.9.4")
    assert verdict_of([row]) is Verdict.FAIL


def test_a_pin_without_at_least_wants_that_very_version() -> None:
    (row,) = check_pins([pin("2.9.4")], [item("2.10.2")])
    assert "expected 2.9.4" in row.text


def test_a_pin_fans_out_over_all_parts_of_its_kind() -> None:
    drives = [item("A1", "nvme", "S1"), item("A2", "nvme", "S2"), item("A1", "nvme", "S3"), item("A2", "disk", "D1")]
    assert [row.component for row in check_pins([pin("A2", "nvme")], drives)] == ["nvme:S1", "nvme:S3"]


def test_a_pin_by_identifier_goes_before_one_over_all() -> None:
    drives = [item("A1", "nvme", "S1"), item("A2", "nvme", "S2")]
    pins = [pin("A2", "nvme"), pin("A1", "nvme", "nvme:s1")]
    assert check_pins(pins, drives) == ()
    assert check_pins([pin("A9", "nvme"), pin("A1", "nvme", "S1"), pin("A2", "nvme", "S2")], drives) == ()


@pytest.mark.parametrize("identifier", ["3C:FD:FE:AA:BB:01", "nic:3c:fd:fe:aa:bb:01"])
def test_an_identifier_may_carry_its_component_before_it(identifier: str) -> None:
    (row,) = check_pins([pin("2.0", "nic", identifier)], [item("1.0", "nic", "3c:fd:fe:aa:bb:01")])
    assert row.found == "1.0"


@pytest.mark.parametrize("identifier", ["*", "S9"])
def test_a_pinned_part_that_is_absent_is_critical(identifier: str) -> None:
    (row,) = check_pins([pin("A2", "nvme", identifier)], [item("A2", "nvme", "S1")] if identifier != "*" else [])
    assert (row.severity, row.unknown, row.found) == (Severity.CRITICAL, False, "")
    assert "no such part" in row.text


def test_a_snapshot_that_could_not_be_read_is_unknown_not_absent() -> None:
    for key in ("bmc", "ipmitool"):
        (row,) = check_pins([pin("1.0", "bmc")], [], unreadable={key: "it did not answer"})
        assert row.unknown and "did not answer" in row.text
        assert verdict_of([row]) is Verdict.ERROR


@pytest.mark.parametrize("version", ["", "Unknown", "N/A"])
def test_a_part_that_tells_no_version_is_unknown(version: str) -> None:
    (row,) = check_pins([pin("1.0", at_least=True)], [item(version)])
    assert row.unknown and verdict_of([row]) is Verdict.ERROR


def test_at_least_of_what_has_no_order_is_unknown_and_never_met() -> None:
    (row,) = check_pins([pin("EDA7602Q", at_least=True)], [item("GXA7801Q")])
    assert row.unknown and "cannot be told" in row.text


def test_microcode_is_hexadecimal_with_or_without_its_prefix() -> None:
    for version in ("0xd0003a5", "d0003a5", "0x0D0003A5"):
        assert check_pins([pin("0xd0003a5", "microcode")], [item(version, "microcode", "cpu0")]) == ()
    (row,) = check_pins([pin("0xd0003a5", "microcode", at_least=True)], [item("0xd000375", "microcode", "cpu0")])
    assert row.found == "0xd000375"


def test_the_spec_decides_what_a_pin_weighs() -> None:
    for severities in ({"firmware": "warning"}, {"firmware.bios": "warning", "firmware": "critical"}):
        (row,) = check_pins([pin("2")], [item("1")], severities=severities)
        assert row.severity is Severity.WARNING
    (row,) = check_pins([pin("2")], [item("1")], severities={"firmware.bios": "nonsense"})
    assert row.severity is Severity.CRITICAL
