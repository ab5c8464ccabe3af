"""The small parts of booting over the network: who has which address, how often one may ask, DHCP byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.network_card import BIOS, hints, option, packet, read
from tests.unit.orchestrator.conftest import World
from vetting.orchestrator import dhcpwire, foreign_dhcp, pace
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.dhcplog import QUEUE, DhcpLog
from vetting.orchestrator.dhcpwire import Offer
from vetting.orchestrator.neighbours import mac_behind
from vetting.orchestrator.pace import Pace
from vetting.orchestrator.tftp import answers
from vetting.store import logs

ARP = """IP address       HW type     Flags       HW address            Mask     Device
10.77.0.30       0x1         0x2         52:54:00:AB:00:01     *        br0
10.77.0.31       0x1         0x0         00:00:00:00:00:00     *        br0
10.77.0.32       0x1         0x6         52:54:00:ab:00:02     *        eth1
10.77.0.33       0x1         0x0         52:54:00:ab:00:03     *        br0
short
"""
MAC = bytes.fromhex("525400000001")
SERVER_MAC = bytes.fromhex("525400000002")


# --- neighbours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "interface", "mac"),
    [
        ("10.77.0.30", "br0", "52:54:00:ab:00:01"),
        ("10.77.0.30", "", "52:54:00:ab:00:01"),
        ("10.77.0.32", "eth1", "52:54:00:ab:00:02"),
        ("10.77.0.32", "br0", ""),  # learned on another network
        ("10.77.0.31", "br0", ""),  # asked for, never answered
        ("10.77.0.33", "br0", ""),  # once known, no longer
        ("10.77.0.3", "br0", ""),
        ("", "", ""),
    ],
)
def test_an_address_has_the_mac_that_the_kernel_learned(tmp_path: Path, address: str, interface: str, mac: str) -> None:
    (tmp_path / "arp").write_text(ARP)
    assert mac_behind(address, interface=interface, table=tmp_path / "arp") == mac


def test_without_the_kernels_table_nobody_has_an_address(tmp_path: Path) -> None:
    assert mac_behind("10.77.0.30", table=tmp_path / "none") == ""


# --- pace -------------------------------------------------------------------------------------------------------------


def test_a_few_at_once_then_one_every_so_many_seconds() -> None:
    clock = FakeClock()
    asks = Pace(clock, at_once=3, every_s=2.0)
    assert [asks.may("a") for _ in range(5)] == [True, True, True, False, False]
    assert asks.may("b")
    clock.pass_s(2.0)
    assert [asks.may("a"), asks.may("a")] == [True, False]
    clock.pass_s(100.0)
    assert [asks.may("a") for _ in range(4)] == [True, True, True, False]


def test_a_flood_of_names_is_not_remembered_without_end() -> None:
    clock = FakeClock()
    asks = Pace(clock, at_once=1, every_s=1.0)
    for number in range(3 * pace.REMEMBERED):
        assert asks.may(str(number))
    assert len(asks._free_at) <= pace.REMEMBERED


# --- DHCP on the wire -------------------------------------------------------------------------------------------------


def reply(
    xid: int,
    *,
    kind: int = dhcpwire.OFFER,
    server: bytes | None = b"\x0a\x00\x00\x02",
    ports: tuple[int, int] = (67, 68),
) -> bytes:
    told = struct.pack("!BBBBI", 2, 1, 6, 0, xid) + bytes(228) + dhcpwire.COOKIE + option(53, bytes((kind,)))
    told += (option(54, server) if server else b"") + b"\xff"
    udp = struct.pack("!HHHH", *ports, 8 + len(told), 0) + told
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + b"\x0a\x00\x00\x03" + b"\xff" * 4
    return MAC + SERVER_MAC + b"\x08\x00" + head + udp


def test_our_question_is_one_that_a_server_understands() -> None:
    frame = dhcpwire.discover(MAC, 7)
    assert frame[:6] == b"\xff" * 6
    assert dhcpwire.offer(frame, 7) is None  # it is no answer
    found = dhcpwire.options(frame[14 + 20 + 8 + 240 :])
    assert found[dhcpwire.MESSAGE_TYPE] == bytes((dhcpwire.DISCOVER,))
    total = sum(struct.unpack("!10H", frame[14:34]))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_an_offer_names_its_server_by_its_own_word_or_else_by_where_it_came_from() -> None:
    assert dhcpwire.offer(reply(7), 7) == Offer("10.0.0.2", "52:54:00:00:00:02")
    assert dhcpwire.offer(reply(7, server=None), 7) == Offer("10.0.0.3", "52:54:00:00:00:02")


@pytest.mark.parametrize(
    "frame", [reply(8), reply(7, kind=5), reply(7, ports=(67, 67)), reply(7)[:100], b"", b"x" * 400]
)
def test_what_is_no_offer_for_us_is_none(frame: bytes) -> None:
    assert dhcpwire.offer(frame, 7) is None


@given(st.binary(max_size=600), st.integers(0, 600))
def test_no_frame_breaks_the_reader(noise: bytes, at: int) -> None:
    dhcpwire.offer(noise, 7)
    dhcpwire.offer(reply(7)[:at] + noise, 7)
    dhcpwire.options(noise)
    read(noise, b"1234", "")


def test_the_test_clients_packets_are_read_by_our_own_reader() -> None:
    told = packet("52:54:00:00:00:01", b"1234", 1, "0.0.0.0") + hints(BIOS, ipxe=True) + b"\xff"
    found = dhcpwire.options(told[240:])
    assert (found[53], found[77]) == (b"\x01", b"iPXE")


def test_another_server_is_named_with_what_to_do() -> None:
    said = foreign_dhcp.in_words("br0", (Offer("10.0.0.2", "52:54:00:00:00:02"),))
    assert said.startswith("another DHCP server answers on br0: 10.0.0.2 (52:54:00:00:00:02); ")
    assert "boot.mode to proxy" in said


# --- what dnsmasq says, written down ----------------------------------------------------------------------------------

VENDOR = "dnsmasq-dhcp[1]: 7 vendor class: PXEClient:Arch:00007:UNDI:003016"
STRANGER = "dnsmasq-dhcp[1]: 7 PXE(br0) 52:54:00:99:99:99 proxy-ignored"


async def written(log: DhcpLog) -> None:
    """Everything that was heard, taken off the queue."""
    task = asyncio.create_task(log.run())
    await log.settled()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def heard(world: World) -> DhcpLog:
    arrivals = Arrivals(store=world.store, bus=world.bus, clock=world.clock)
    return DhcpLog(arrivals=arrivals, mac_behind=lambda address: "52:54:00:00:00:01" if address == "10.0.0.7" else "")


async def test_boot_events_of_a_host_stand_in_the_log_of_its_run(world: World, heard: DhcpLog) -> None:
    run_id = (await world.started()).run_id
    for line in (
        VENDOR,
        "dnsmasq-dhcp[1]: 7 DHCPOFFER(br0) 10.0.0.7 52:54:00:00:00:01 ",
        "dnsmasq-tftp[1]: sent /run/x/tftp/snponly.efi to 10.0.0.7",
        "dnsmasq-tftp[1]: file /run/x/tftp/vetting-alive not found for 10.0.0.7",
        "dnsmasq-tftp[1]: failed sending /run/x/tftp/snponly.efi to 10.0.0.7",
        "dnsmasq-tftp[1]: sent /run/x/tftp/snponly.efi to 10.0.0.9",
    ):
        heard.heard(line)
    await written(heard)
    told = await world.store.read(lambda: logs.lines(run_id))
    assert [(one.source, one.level, one.text) for one in told] == [
        ("dnsmasq", "info", "DHCPOFFER 10.0.0.7 52:54:00:00:00:01 (PXEClient:Arch:00007:UNDI:003016)"),
        ("dnsmasq", "info", "TFTP sent snponly.efi to 10.0.0.7"),
        ("dnsmasq", "warning", "TFTP did not send snponly.efi: the transfer broke off to 10.0.0.7"),
    ]


async def test_a_stranger_that_boots_is_listed_and_one_that_wants_an_address_is_not(
    world: World, heard: DhcpLog
) -> None:
    heard.heard(VENDOR)
    heard.heard(STRANGER)
    heard.heard("dnsmasq-dhcp[1]: 8 DHCPDISCOVER(br0) 52:54:00:88:88:88 ignored")
    await written(heard)
    (listed,) = await world.views.unknown_hosts()
    assert (listed.mac, listed.source, listed.what) == ("52:54:00:99:99:99", "dhcp", "PXEClient:Arch:00007:UNDI:003016")


async def test_a_flood_of_packets_is_dropped_and_counted_and_remembers_no_more_than_its_bounds(heard: DhcpLog) -> None:
    for number in range(QUEUE * 3):
        heard.heard(VENDOR.replace(" 7 ", f" {number} "))
        heard.heard(STRANGER.replace(" 7 ", f" {number} "))
    assert heard.dropped == QUEUE * 2
    assert len(heard._packets) <= 200


async def test_a_hostile_vendor_class_is_one_short_line(world: World, heard: DhcpLog) -> None:
    heard.heard(f"dnsmasq-dhcp[1]: 7 vendor class: PXEClient\x1b[2J{'x' * 5000}")
    heard.heard(STRANGER)
    await written(heard)
    (listed,) = await world.views.unknown_hosts()
    assert listed.what.isprintable()
    assert len(listed.what) <= 120


async def test_nobody_answers_where_nobody_listens() -> None:
    assert not await answers("127.0.0.1", "x", port=9, limit_s=0.2)
