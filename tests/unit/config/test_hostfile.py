"""An expected spec as text: read strictly, written so that it reads back the same."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.records import SPEC
from vetting.config import ConfigErrors, hostfile
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec


def test_what_is_written_is_read_back_the_same() -> None:
    for spec in (SPEC, ExpectedSpec(), ExpectedSpec(gpu_count=0, psu_count=0, severities={"disk.extra": "critical"})):
        assert hostfile.read(hostfile.write(spec)) == spec


def test_every_field_has_its_place_and_its_example_can_be_taken_as_it_is() -> None:
    text = hostfile.write(ExpectedSpec())
    lines = [line.removeprefix("#") for line in text.splitlines() if not re.match("# [A-Za-z]", line)]
    spec = hostfile.read("\n".join(lines))
    for name in ExpectedSpec.__dataclass_fields__:
        assert getattr(spec, name) != getattr(ExpectedSpec(), name) or name == "gpu_count", name


def test_whether_a_disk_may_be_erased_is_always_written_out() -> None:
    assert "write: true" in hostfile.write(ExpectedSpec(disks=(ExpectedDisk(serial="A"),)))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_quoted_so_that_it_stays_one_value(text: str) -> None:
    assert yaml.safe_load(hostfile.quoted(text)) == text
    assert "\n" not in hostfile.quoted(text)


def test_numbers_that_are_names_are_taken_as_they_are_written() -> None:
    spec = hostfile.read(
        "disks: [{serial: 0012, wwn: 0x5000c500a1b2c3d4}]\nfirmware: [{component: bios, version: 2.10}]"
    )
    assert (spec.disks[0].serial, spec.disks[0].wwn) == ("0012", "0x5000c500a1b2c3d4")
    assert spec.firmware[0].version == "2.10"
    assert hostfile.read("nics: [{mac: 52:54:00:12:34:56}]").nics[0].mac == "52:54:00:12:34:56"


@pytest.mark.parametrize(
    ("text", "line", "path", "says"),
    [
        ("product: a\nprodukt: b\n", 2, "produkt", "did you mean product?"),
        ("cpu_threads: many", 1, "cpu_threads", "must be a whole number"),
        ("disks:\n  - serial: A\n  - serial: ' A'\n", 3, "disks[1].serial", "listed twice, first in line 2"),
        ("nics:\n- mac: 52-54-00-12-34-56\n- mac: '52:54:00:12:34:56'", 3, "nics[1].mac", "listed twice"),
        ("nics: [{mac: eno1}]", 1, "nics[0].mac", "must be a MAC address"),
        ("disks: [{model: A}]", 1, "disks[0].serial", "is missing"),
        ("disks: [{serial: ''}]", 1, "disks[0].serial", "must not be empty"),
        ("floors:\n  - {stage: Storage, series: net.*, value: 9}", 2, "floors[0]", "measures nothing that 'net.*' could match"),
        ("ceilings: [{stage: Reporting, series: disk.*, value: 9}]", 1, "ceilings[0]", "there is no stage 'Reporting' that"),
        ("floors: [{stage: Storage, series: disk.*}]", 1, "floors[0].value", "is missing"),
        ("disks: [{serial: A, kind: tape}]", 1, "disks[0].kind", "there is no kind"),
        ("disks: [{serial: A, write: no way}]", 1, "disks[0].write", "must be true or false"),
        ("firmware: [{component: boss, version: 1}]", 1, "firmware[0].component", "there is no kind of firmware"),
        ("severities: {disk.extra: fatal}", 1, "severities", "must be one of"),
        ("max_temp_c: 400", 1, "max_temp_c", "between 0 and 150"),
        ("product: a\nproduct: b", 2, "product", "given twice, first in line 1"),
        ("a: &x 1\nb: *x", 1, "", "anchors"),
        ("disks: [", 0, "", "not YAML"),
        ("product: \x00", 0, "", "not YAML"),
        ("\ud800", 0, "", "not UTF-8"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_key(text: str, line: int, path: str, says: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        hostfile.read(text)
    found = caught.value.mistakes[0]
    assert says in found.text
    assert found.path == path
    assert not line or found.line == line
    assert "nothing was saved" in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        hostfile.read("a: 1\nb: 2\ndisks: 5\ncpu_threads: x\n")
    assert [(one.line, one.path) for one in caught.value.mistakes] == [(1, "a"), (2, "b"), (3, "disks"), (4, "cpu_threads")]  # fmt: skip
