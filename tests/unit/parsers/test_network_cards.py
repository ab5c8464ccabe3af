"""ip, ethtool and lldpcli on recorded virtual cards; ethtool on a physical one is a constructed sample in its documented format."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, ethtool, ip, lldp

Recorded = Callable[[str], str]


def test_interfaces_with_their_addresses(recorded: Recorded) -> None:
    cards = {card.name: card for card in ip.parse(recorded("ip/addr"))}
    assert set(cards) == {"lo", "eth7", "eth8"}
    card = cards["eth7"]
    assert (card.mac, card.state, card.carrier, card.up) == ("02:00:00:00:00:07", "UP", True, True)
    assert (card.addresses[0].address, card.addresses[0].prefix, card.addresses[0].family) == ("192.0.2.7", 24, "inet")
    assert card.stats is None, "counters were not asked for"


def test_links_with_their_counters_and_kind(recorded: Recorded) -> None:
    cards = {card.name: card for card in ip.parse(recorded("ip/link-stats"))}
    card = cards["eth7"]
    assert card.kind == "veth" and cards["lo"].kind is None and cards["lo"].link_type == "loopback"
    assert card.stats is not None and card.stats.tx_bytes is not None and card.stats.tx_bytes > 0
    assert (card.stats.rx_errors, card.stats.tx_carrier_errors) == (0, 0)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"ifname": "a"}]', '[{"flags": []}]', "Device does not exist."])
def test_what_ip_never_prints_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        ip.parse(text)


def test_a_virtual_cable_reports_no_modes(recorded: Recorded) -> None:
    link = ethtool.parse(recorded("ethtool/veth"))
    assert (link.name, link.speed_mb_s, link.full_duplex, link.autonegotiation, link.detected) == (
        "eth7",
        10000,
        True,
        False,
        True,
    )
    assert link.supported_mb_s == () and link.capable_mb_s is None


def test_a_loopback_has_no_speed(recorded: Recorded) -> None:
    link = ethtool.parse(recorded("ethtool/loopback"))
    assert (link.speed_mb_s, link.full_duplex, link.detected) == (None, None, True)


def test_a_missing_card_is_an_error(joined: Recorded) -> None:
    with pytest.raises(ParseError, match="no settings"):
        ethtool.parse(joined("ethtool/missing"))


PHYSICAL = """Settings for eno1:
\tSupported ports: [ TP ]
\tSupported link modes:   10baseT/Half 10baseT/Full
\t                        100baseT/Half 100baseT/Full
\t                        1000baseT/Full
\tSupported pause frame use: Symmetric
\tSupports auto-negotiation: Yes
\tAdvertised link modes:  10baseT/Half 10baseT/Full
\t                        1000baseT/Full
\tLink partner advertised link modes:  10baseT/Full 100baseT/Full
\tSpeed: 100Mb/s
\tDuplex: Full
\tAuto-negotiation: on
\tPort: Twisted Pair
\tPHYAD: 1
\tMDI-X: on (auto)
\tCurrent message level: 0x00000007 (7)
\t\t\t       drv probe link
\tLink detected: yes
"""


def test_a_card_that_runs_below_what_it_can() -> None:
    """Constructed."""
    link = ethtool.parse(PHYSICAL)
    assert (link.speed_mb_s, link.capable_mb_s, link.supported_mb_s) == (100, 1000, (10, 100, 1000))
    assert link.partner_mb_s == (10, 100)
    assert (link.port, link.autonegotiation) == ("Twisted Pair", True)


@pytest.mark.parametrize(
    ("modes", "fastest"),
    [
        ("1000baseT/Full\n\t10000baseT/Full", 10000),
        ("25000baseCR/Full 100000baseSR4/Full", 100000),
        ("2500baseX/Full", 2500),
    ],
)
def test_modes_of_every_family_are_speeds(modes: str, fastest: int) -> None:
    assert (
        ethtool.parse(f"Settings for a:\n\tSupported link modes:   {modes}\n\tSpeed: Unknown!\n").capable_mb_s
        == fastest
    )


def test_a_card_without_a_cable_has_no_speed() -> None:
    """Constructed; newer kernels add the reason in brackets."""
    text = PHYSICAL.replace("100Mb/s", "Unknown!").replace("Duplex: Full", "Duplex: Unknown! (255)")
    link = ethtool.parse(text.replace("detected: yes", "detected: no (No cable)"))
    assert (link.speed_mb_s, link.full_duplex, link.detected) == (None, None, False)


def test_drivers_and_counters(recorded: Recorded) -> None:
    driver = ethtool.parse_driver(recorded("ethtool/veth-driver"))
    assert (driver.driver, driver.version is not None, driver.firmware, driver.bus) == ("veth", True, None, None)
    counters = ethtool.parse_counters(recorded("ethtool/veth-counters"))
    assert counters["rx_queue_0_drops"] == 0 and "peer_ifindex" in counters


def test_a_physical_driver_tells_firmware_and_place() -> None:
    """Constructed."""
    text = "driver: ixgbe\nversion: 6.12.0-amd64\nfirmware-version: 0x80000d3d, 18.3.6\nexpansion-rom-version: \nbus-info: 0000:01:00.0\n"
    driver = ethtool.parse_driver(text)
    assert (driver.firmware, driver.bus) == ("0x80000d3d, 18.3.6", "0000:01:00.0")


def test_counters_with_brackets_and_colons_in_their_names() -> None:
    """Constructed."""
    text = "NIC statistics:\n     [0]: rx_ucast_packets: 12\n     rx_crc_errors: 3\n"
    assert ethtool.parse_counters(text) == {"[0]: rx_ucast_packets": 12, "rx_crc_errors": 3}


@pytest.mark.parametrize("text", ["", "no stats available\n", "NIC statistics:\n     rx: many\n"])
def test_no_counters_is_an_error_and_not_none_at_all(text: str) -> None:
    with pytest.raises(ParseError):
        ethtool.parse_counters(text)


def test_switch_ports_are_told_for_each_card(recorded: Recorded) -> None:
    near, far = lldp.parse(recorded("lldp/two"))
    assert (near.interface, near.system, near.port_id, near.text) == ("eth7", "switch7", "ge-0/0/3", "switch7 ge-0/0/3")
    assert (far.interface, far.port_description) == ("eth9", "eth10")


@pytest.mark.parametrize("name", ["one", "one-json0"])
def test_a_single_neighbour_has_another_shape(recorded: Recorded, name: str) -> None:
    (near,) = lldp.parse(recorded(f"lldp/{name}"))
    assert (near.interface, near.system, near.port_id, near.protocol) == ("eth7", "switch7", "ge-0/0/3", "LLDP")


def test_nobody_heard_is_no_neighbour(recorded: Recorded) -> None:
    assert lldp.parse(recorded("lldp/none")) == ()


def test_no_daemon_is_an_error(recorded: Recorded) -> None:
    with pytest.raises(ParseError):
        lldp.parse(recorded("lldp/no-daemon"))


def test_a_neighbour_without_a_name_goes_by_its_id() -> None:
    """Constructed."""
    text = '{"lldp": {"interface": {"eno1": {"chassis": {"id": {"value": "00:11"}}, "port": {"id": {"value": "7"}}}}}}'
    (near,) = lldp.parse(text)
    assert (near.system, near.chassis_id, near.text) == (None, "00:11", "00:11 7")
