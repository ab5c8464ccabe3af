"""The magic packet itself, and which ways it is sent."""

from __future__ import annotations

import socket

import pytest

from vetting.power import wol
from vetting.power.wol import Way, magic, wake, ways


async def no_time(seconds: float) -> None:
    return


def test_the_packet_is_six_bytes_of_ones_and_the_address_sixteen_times() -> None:
    packet = magic("52:54:00:12:34:56")
    assert packet[:6] == b"\xff" * 6
    assert packet[6:] == bytes.fromhex("525400123456") * 16
    assert magic("52-54-00-12-34-56") == packet


@pytest.mark.parametrize("mac", ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "zz:54:00:12:34:56"])
def test_what_is_no_address_makes_no_packet(mac: str) -> None:
    with pytest.raises(ValueError):
        magic(mac)


async def test_a_listener_gets_every_address_three_times() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        port = ear.getsockname()[1]
        macs = ("52:54:00:00:00:01", "52:54:00:00:00:02")
        assert await wake(macs, [Way("lo", "127.0.0.1")], port=port, sleep=no_time) == ()
        heard = [ear.recvfrom(200)[0] for _ in range(6)]
    assert heard == [magic(mac) for mac in macs] * 3


async def test_one_way_that_is_shut_hinders_no_other_and_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        port = ear.getsockname()[1]
        to = [Way("no-such-card", "127.0.0.1"), Way("lo", "127.0.0.1")]
        troubles = await wake(("52:54:00:00:00:01",), to, port=port, sleep=no_time)
    assert len(troubles) == 1
    assert troubles[0].startswith("127.0.0.1 on no-such-card: ")


async def test_no_way_at_all_is_an_error() -> None:
    with pytest.raises(OSError, match="no interface with IPv4 is up"):
        await wake(("52:54:00:00:00:01",), [], sleep=no_time)


def test_loopback_is_no_way_and_an_unknown_interface_has_none() -> None:
    assert all(way.interface != "lo" for way in ways())
    assert ways("no-such-card") == ()
    assert wol.PORT == 9
