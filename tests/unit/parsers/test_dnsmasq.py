"""What dnsmasq says, on recordings of it in both modes: known hosts, strangers, loaders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.parsers.dnsmasq import Asked, Hint, Sent, parse

TOOLS = Path(__file__).resolve().parents[2] / "fixtures" / "tools"
KNOWN, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:99"


@pytest.fixture(params=["debian12", "debian13"])
def said(request: pytest.FixtureRequest) -> Path:
    return TOOLS / str(request.param) / "dnsmasq"


def told(path: Path) -> list[Asked | Hint | Sent]:
    return [one for line in path.read_text().splitlines() if (one := parse(line)) is not None]


def test_beside_a_foreign_server_the_known_card_is_answered_and_the_stranger_ignored(said: Path) -> None:
    asked = [one for one in told(said / "proxy") if isinstance(one, Asked)]
    assert {one.kind for one in asked} == {"PXE"}
    assert {(one.mac, one.ignored) for one in asked} == {(KNOWN, False), (STRANGER, True)}
    assert [one.rest for one in asked if one.address == "10.78.0.7"] == ["undionly.kpxe"]


def test_as_the_only_server_the_whole_dialogue_of_the_known_card_is_read(said: Path) -> None:
    asked = [one for one in told(said / "dhcp") if isinstance(one, Asked)]
    mine = [(one.kind, bool(one.address)) for one in asked if one.mac == KNOWN]
    assert mine[:4] == [("DHCPDISCOVER", False), ("DHCPOFFER", True), ("DHCPREQUEST", True), ("DHCPACK", True)]
    assert {(one.kind, one.ignored) for one in asked if one.mac == STRANGER} == {("DHCPDISCOVER", True)}
    assert not any(one.ignored for one in asked if one.mac == KNOWN)


def test_what_a_packet_says_of_itself_carries_the_number_of_its_event(said: Path) -> None:
    for mode in ("proxy", "dhcp"):
        lines = told(said / mode)
        hints = {(one.xid, one.name): one.value for one in lines if isinstance(one, Hint)}
        kinds = {hints.get((one.xid, "vendor class"), "")[:15] for one in lines if isinstance(one, Asked)}
        assert {"PXEClient:Arch:", "HTTPClient:Arch"} <= kinds
        assert "iPXE" in hints.values()
        assert "http://10.78.0.1:8480/boot.ipxe" in hints.values()


def test_loaders_that_were_sent_and_files_that_are_not_there(said: Path) -> None:
    for mode in ("proxy", "dhcp"):
        assert [one for one in told(said / mode) if isinstance(one, Sent)] == [
            Sent(name="undionly.kpxe", address="10.78.0.7"),
            Sent(name="missing.kpxe", address="10.78.0.7", why="there is no such file"),
        ]


@pytest.mark.parametrize(
    "line",
    [
        "", "dnsmasq[1]: started, version 2.90 DNS disabled", "dnsmasq-dhcp[1]: read /run/hosts",
        "dnsmasq-dhcp[1]: 7 DHCPOFFER(br0) 10.0.0.300 not-a-mac", "dnsmasq-dhcp[x]: 7 PXE(br0) 52:54:00:00:00:01 proxy",
        "dnsmasq-tftp[1]: error 8 User aborted the transfer received from 10.0.0.9",
    ],
)  # fmt: skip
def test_other_lines_tell_nothing(line: str) -> None:
    assert parse(line) is None


@given(st.text(max_size=300))
def test_no_line_breaks_the_reader(text: str) -> None:
    parse(text)
    parse(f"dnsmasq-dhcp[1]: 5 vendor class: {text}")
    parse(f"dnsmasq-tftp[1]: sent /{text} to 10.0.0.1")
