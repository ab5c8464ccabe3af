"""What an installed host's tools say, torn and twisted: a value or a ParseError, and never less than was there."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.installed_host import fixture
from tests.unit.parsers.test_hostile import JSON, outcome_of, typed_wrong
from vetting.domain.safelook import Ha, Osd, Votes
from vetting.parsers import ceph, efibootmgr, pvecm, pvesh, zpool

PARSERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "guests": ("proxmox/qemu.json", lambda text: pvesh.parse_guests(text, "VM")),
    "cluster": ("proxmox/cluster.json", pvesh.parse_cluster),
    "ha": ("proxmox/ha.json", lambda text: pvesh.parse_ha(text, "pve1")),
    "votes": ("proxmox/pvecm-qdevice", pvecm.parse_votes),
    "osds": ("proxmox/osd-tree.json", lambda text: ceph.parse_osds(text, "pve1")),
    "monitors": ("proxmox/quorum-status.json", lambda text: ceph.parse_monitors(text, "pve1")),
    "pools": ("proxmox/zpool-scrub", zpool.parse_busy),
    "boot": ("efibootmgr/ovmf", efibootmgr.parse),
}
AS_JSON = sorted(name for name, (path, _) in PARSERS.items() if path.endswith(".json"))


def test_the_texts_mean_what_they_say() -> None:
    assert pvesh.parse_cluster(fixture("proxmox/cluster.json")).nodes == ("pve1", "pve2", "pve3")
    assert pvesh.parse_cluster(fixture("proxmox/single.json")).name == ""
    assert pvesh.parse_ha(fixture("proxmox/ha.json"), "pve2") == Ha(maintenance=False, resources=("ct:201 (started)",))
    assert pvecm.parse_votes(fixture("proxmox/pvecm-qdevice")) == Votes(present=3, own=1, needed=2, quorate=True)
    assert ceph.parse_osds(fixture("proxmox/osd-tree.json"), "pve1", also={7}) == (
        Osd(number=0, up=True, inside=True), Osd(number=1, up=False, inside=False), Osd(number=7, up=False, inside=False),
    )  # fmt: skip
    assert ceph.parse_monitors(fixture("proxmox/quorum-status.json"), "pve3").own == 0


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_torn_text_is_a_value_or_a_parse_error(name: str, data: st.DataObject) -> None:
    path, parse = PARSERS[name]
    text = fixture(path)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 200)))
    outcome_of(
        parse, text[:begin] + data.draw(st.sampled_from(["", "null", "9" * 5000, "\x00", "é", ":"])) + text[end:]
    )


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=30, deadline=None)
@given(value=JSON)
def test_any_json_is_a_value_or_a_parse_error(name: str, value: object) -> None:
    outcome_of(PARSERS[name][1], json.dumps(value))


@pytest.mark.parametrize("replacement", [None, True, -1, "x", [], {}, 1e300], ids=repr)
@pytest.mark.parametrize("name", AS_JSON)
def test_a_field_of_the_wrong_kind_is_a_value_or_a_parse_error(name: str, replacement: object) -> None:
    path, parse = PARSERS[name]
    for twisted in typed_wrong(json.loads(fixture(path)), replacement):
        outcome_of(parse, json.dumps(twisted))
