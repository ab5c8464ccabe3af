"""Hostile text: every parser answers with a value or a ParseError, never with another exception, and in bounded time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vetting.parsers import (
    ParseError,
    blkid,
    dmidecode,
    edac,
    ethtool,
    fio,
    golden,
    gpu_burn,
    ip,
    iperf3,
    ipmitool,
    kmsg,
    lldp,
    lsblk,
    lscpu,
    lshw,
    lspci,
    nvidia_smi,
    nvme,
    procfs,
    sfdisk,
    smartctl,
    stressapptest,
    stressng,
    wipefs,
)

PARSERS: dict[str, Callable[[str], object]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module in (
        blkid, dmidecode, ethtool, fio, golden, gpu_burn, ip, iperf3, ipmitool, kmsg, lldp, lsblk, lscpu, lshw, lspci, nvidia_smi, nvme,
        procfs, sfdisk, smartctl, stressapptest, stressng, wipefs,
    )
    for name in dir(module)
    if (name == "parse" or name.startswith("parse_")) and callable(getattr(module, name))
}  # fmt: skip
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "tools"
# The tool whose recordings each parser is fed with, torn.
RECORDINGS = sorted(path for path in FIXTURES.rglob("*") if path.is_file() and path.name != "index.json")


def outcome_of(parse: Callable[[str], object], text: str) -> None:
    message = ""
    try:
        parse(text)
    except ParseError as why:
        message = str(why)
    assert len(message) < 700, "an error message must be bounded"
    assert message.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
relaxed = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", sorted(PARSERS))
@relaxed
@given(text=st.text(max_size=400))
def test_any_text_is_a_value_or_a_parse_error(name: str, text: str) -> None:
    outcome_of(PARSERS[name], text)


@pytest.mark.parametrize("name", sorted(PARSERS))
@relaxed
@given(value=JSON)
def test_any_json_is_a_value_or_a_parse_error(name: str, value: object) -> None:
    outcome_of(PARSERS[name], json.dumps(value))


@settings(relaxed, max_examples=300)
@given(data=st.data())
def test_a_recording_with_a_hole_or_a_strange_word_is_a_value_or_a_parse_error(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(RECORDINGS))
    text = path.read_text()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 200)))
    middle = data.draw(
        st.sampled_from(["", "null", "[]", "{}", '"x"', "-1", "1e999", "9" * 5000, "\x00", "é", "\ud800", ":", "|"])
    )
    torn = text[:begin] + middle + text[end:]
    stem = path.parent.name.replace("-", "")
    for name, parse in PARSERS.items():
        if name.startswith(f"{stem}."):
            outcome_of(parse, torn)


def typed_wrong(value: object, replacement: object) -> list[object]:
    """The JSON value with each of its leaves and branches replaced in turn."""
    found: list[object] = [replacement]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [{**value, key: each} for each in typed_wrong(inner, replacement)]
    elif isinstance(value, list) and value:
        found += [[each, *value[1:]] for each in typed_wrong(value[0], replacement)]
    return found


@pytest.mark.parametrize("replacement", [None, True, -1, 1.5, "x", [], {}, [[]], [{}], {"value": []}], ids=repr)
@pytest.mark.parametrize(
    ("recording", "name"),
    [
        ("lsblk/one", "lsblk.parse"),
        ("wipefs/gpt", "wipefs.parse"),
        ("sfdisk/gpt", "sfdisk.parse"),
        ("smartctl/loop", "smartctl.parse"),
        ("iperf3/bidir", "iperf3.parse"),
        ("lldp/two", "lldp.parse"),
        ("lldp/one-json0", "lldp.parse"),
        ("lscpu/lscpu", "lscpu.parse"),
        ("lshw/lshw", "lshw.parse"),
        ("ip/link-stats", "ip.parse"),
    ],
)
def test_a_field_of_another_type_is_a_value_or_a_parse_error(recording: str, name: str, replacement: object) -> None:
    value = json.loads((FIXTURES / "debian12" / recording).read_text())
    for changed in typed_wrong(value, replacement)[:400]:
        outcome_of(PARSERS[name], json.dumps(changed))


BIG = {
    "noughts": "0" * 1_000_000,
    "blanks": " " * 1_000_000,
    "lines": "a: b\n" * 200_000,
    "open brackets": "[" * 1_000_000,
    "open objects": '{"a":' * 200_000,
    "a long number": '{"blockdevices":[{"name":"a","size":' + "9" * 1_000_000 + "}]}",
    "log lines": "stress-ng: info:  [1] dispatching hogs: 1 cpu\n" * 20_000,
    "tags": "<a>" * 300_000,
    "bars": "1 | 2 | 3 | 4 | 5 |" * 50_000,
    "equals": "A=b\n" * 250_000,
    "errors": "error nvme dev CE EDAC sda I/O " * 32_000,
    "progress": "1.0%  proc'd: errors: " * 45_000,
    "octets": "\\040" * 250_000,
}


@pytest.mark.parametrize("kind", sorted(BIG))
def test_a_megabyte_of_garbage_is_answered_soon(kind: str) -> None:
    for name, parse in PARSERS.items():
        began = time.perf_counter()
        outcome_of(parse, BIG[kind])
        took_s = time.perf_counter() - began
        assert took_s < 3.0, f"{name} took {took_s:.1f} s for a megabyte of {kind}"


@given(
    tree=st.dictionaries(
        st.sampled_from(["mc0/ce_count", "mc0/dimm0/dimm_ce_count", "mc0/dimm0/size", "x"]), st.text(max_size=20)
    )
)
def test_any_edac_tree_is_a_value_or_a_parse_error(tree: dict[str, str]) -> None:
    outcome_of(lambda _: edac.parse({f"/sys/devices/system/edac/mc/{path}": text for path, text in tree.items()}), "")


@given(text=st.text(max_size=300))
def test_a_partition_type_of_any_text_has_a_purpose_or_none(text: str) -> None:
    assert sfdisk.purpose(text) is None or text.strip().strip("{}").lower() in sfdisk.PURPOSES


def test_every_parser_is_fed() -> None:
    assert len(PARSERS) >= 42
    assert {name.partition(".")[0] for name in PARSERS} >= {"stressng", "fio", "smartctl", "nvme", "procfs"}
