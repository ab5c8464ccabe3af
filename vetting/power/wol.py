"""Wake-on-LAN: the magic packet, to every address of a host, on every broadcast address that can reach it.

The packet is six bytes FF and the MAC sixteen times (AMD's Magic Packet Technology, publication 20213). Nobody answers it:
whether the host woke is seen when it asks for its boot script.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

PORT = 9  # discard
TIMES = 3
GAP_S = 0.5
EVERYBODY = "255.255.255.255"


@dataclass(frozen=True, slots=True)
class Way:
    """A broadcast address, and the interface that it leaves by."""

    interface: str
    address: str


def magic(mac: str) -> bytes:
    """The packet for an address like 52:54:00:12:34:56. Raises ValueError."""
    raw = bytes.fromhex(mac.replace(":", "").replace("-", ""))
    if len(raw) != 6:
        raise ValueError(f"{mac!r} is not a MAC address")
    return b"\xff" * 6 + raw * 16


def ways(interface: str = "") -> tuple[Way, ...]:
    """The broadcast addresses of one interface, or of all that are up; loopback has none."""
    import psutil  # only those who wake hosts need it

    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = []
    for name, entries in psutil.net_if_addrs().items():
        if name not in up or name == "lo" or (interface and name != interface):
            continue
        own = [entry.broadcast for entry in entries if entry.family == socket.AF_INET and entry.broadcast]
        found += [Way(name, address) for address in dict.fromkeys([*own, EVERYBODY])]
    return tuple(found)


async def wake(
    macs: Sequence[str],
    to: Sequence[Way],
    *,
    port: int = PORT,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[str, ...]:
    """Sends every packet three times each way; why some ways could not be used. Raises OSError where none could.

    A packet that is lost, or finds a network card still asleep, is the reason for three.
    """
    sent, troubles = 0, dict[str, None]()
    for again in range(TIMES):
        if again:
            await sleep(GAP_S)
        for way in to:
            try:
                for mac in macs:
                    _send(magic(mac), way, port)
                sent += 1
            except OSError as error:
                troubles[f"{way.address} on {way.interface}: {error.strerror}"] = None
    if not sent:
        raise OSError("no magic packet could be sent: " + ("; ".join(troubles) or "no interface with IPv4 is up"))
    return tuple(troubles)


def _send(packet: bytes, way: Way, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        with contextlib.suppress(
            PermissionError
        ):  # an older kernel wants CAP_NET_RAW; the directed address still works
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.interface.encode())
        sender.sendto(packet, (way.address, port))
