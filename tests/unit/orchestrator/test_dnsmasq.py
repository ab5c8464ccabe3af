"""dnsmasq's configuration: rendered from vetting.yaml, and nothing that is written into it becomes a line of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.config import Config
from vetting.config.values import Boot, BootMode
from vetting.domain.errors import BadInput
from vetting.orchestrator import dnsmasq
from vetting.orchestrator.dnsmasq import Places
from vetting.orchestrator.interfaces import Own, own_on

OWN = Own("10.0.0.1", "255.255.255.0")
PLACES = Places(Path("/run/vetting/dnsmasq-1"))
DHCP = Boot(interface="br0", mode=BootMode.DHCP, dhcp_range="10.0.0.100 - 10.0.0.199", lease_s=7200.0)


def text(boot: Boot, own: Own = OWN) -> str:
    return dnsmasq.configuration(replace(Config(), boot=boot), own, PLACES, http_port=8480)


def lines(boot: Boot) -> list[str]:
    return [line for line in text(boot).splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("boot", [Boot(interface="br0"), DHCP], ids=["proxy", "dhcp"])
def test_in_both_modes_one_interface_known_cards_alone_no_dns_and_no_authority(boot: Boot) -> None:
    told = lines(boot)
    for line in ("port=0", "interface=br0", "except-interface=lo", "bind-interfaces", "dhcp-ignore=tag:!known",
                 "enable-tftp=br0", "tftp-root=/run/vetting/dnsmasq-1/tftp"):  # fmt: skip
        assert line in told
    assert not any("authoritative" in line for line in told)
    assert [line for line in told if line.startswith("interface=")] == ["interface=br0"]
    assert "@{" not in text(boot)


def test_beside_the_sites_server_no_address_no_router_and_no_name_server_is_given() -> None:
    told = lines(Boot(interface="br0"))
    assert [line for line in told if line.startswith("dhcp-range=")] == ["dhcp-range=10.0.0.0,proxy,255.255.255.0"]
    assert not any(line.startswith("dhcp-option") for line in told)
    assert {line.split(",")[1] for line in told if line.startswith("pxe-service=")} == {"x86PC", "BC_EFI", "x86-64_EFI"}


def test_as_the_only_server_router_and_name_servers_are_those_of_the_file_and_else_none() -> None:
    assert "dhcp-range=10.0.0.100,10.0.0.199,255.255.255.0,7200" in lines(DHCP)
    assert {"dhcp-option=option:router", "dhcp-option=option:dns-server"} <= set(lines(DHCP))
    told = lines(replace(DHCP, gateway="10.0.0.254", dns=("9.9.9.9", "1.1.1.1")))
    assert "dhcp-option=option:router,10.0.0.254" in told
    assert "dhcp-option=option:dns-server,9.9.9.9,1.1.1.1" in told


def test_the_port_that_is_told_is_the_one_that_is_listened_on() -> None:
    config = replace(Config(), boot=Boot(interface="br0"))
    told = dnsmasq.configuration(config, OWN, PLACES, http_port=12345)
    assert "dhcp-boot=tag:ipxe,http://10.0.0.1:12345/boot.ipxe,,10.0.0.1" in told
    assert "dhcp-boot=tag:!ipxe,tag:http,http://10.0.0.1:12345/boot/snponly.efi" in told


@given(
    st.sampled_from(["gateway", "dhcp_range", "interface", "dns"]),
    st.tuples(st.text(), st.sampled_from(["\n", "\r", "\n\n", "\0"]), st.text()).map("".join),
)
def test_a_line_break_in_any_value_is_refused_or_was_white_space_around_it(key: str, value: str) -> None:
    changes: dict[str, Any] = {key: (value,) if key == "dns" else value}
    try:
        told = text(replace(DHCP, **changes))
    except BadInput:
        return
    assert len(re.split("[\n\r\0]", told)) == len(text(DHCP).split("\n"))


@pytest.mark.parametrize("interface", ["", "eth0,eth1", "eth0\ndhcp-authoritative", "*", "-x", "e" * 16, "br0 "])
def test_what_is_no_interface_is_refused(interface: str) -> None:
    with pytest.raises(BadInput, match="not the name of a network interface"):
        text(replace(DHCP, interface=interface))


# --- the known cards --------------------------------------------------------------------------------------------------


def test_every_card_of_every_host_has_a_line() -> None:
    assert dnsmasq.hosts_file(["52:54:00:00:00:02", "52-54-00-00-00-01", "52:54:00:00:00:02"]) == (
        "52:54:00:00:00:01,id:*\n52:54:00:00:00:02,id:*\n"
    )


@given(st.lists(st.text(max_size=40)))
def test_the_hosts_file_holds_addresses_of_cards_and_nothing_else(macs: list[str]) -> None:
    told = dnsmasq.hosts_file([*macs, "52:54:00:00:00:01\ndhcp-authoritative", "52:54:00:00:00:*", "id:*,10.0.0.1"])
    assert all(re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5},id:\*", line) for line in told.splitlines())


# --- as whom it runs --------------------------------------------------------------------------------------------------


def test_started_by_root_it_is_somebody_else_from_its_first_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = dnsmasq.user()
    assert found is not None
    assert found.pw_uid != 0
    words = dnsmasq.without_root(found)
    assert f"--reuid={found.pw_uid}" in words
    assert "--no-new-privs" in words
    assert "--bounding-set=-all,+net_bind_service,+net_raw,+net_admin" in words


def test_started_by_somebody_else_it_is_that_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert dnsmasq.user() is None
    assert dnsmasq.without_root(None) == ()


# --- our address on the interface -------------------------------------------------------------------------------------


def test_loopback_has_an_address_and_its_network() -> None:
    own = own_on("lo", "127.0.0.1")
    assert isinstance(own, Own)
    assert str(own.network) == "127.0.0.0/8"


def test_what_is_missing_is_one_sentence_with_what_to_do() -> None:
    assert "no network interface 'nic9' (it has " in str(own_on("nic9"))
    assert "boot.address 10.1.2.3 is not on lo (it has 127.0.0.1)" in str(own_on("lo", "10.1.2.3"))
