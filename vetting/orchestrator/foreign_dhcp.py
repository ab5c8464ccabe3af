"""Is there another DHCP server on the network that we are to serve alone? Asked three times, as a new machine would.

By packet socket, for a server of another network (a home router that somebody plugged in) answers from an address to
which we have no route, and the kernel may drop what comes from there.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct

from vetting.orchestrator import dhcpwire
from vetting.orchestrator.dhcpwire import Offer

TIMES = 3
BETWEEN_S = 2.0
LAST_WAIT_S = 4.0  # servers ping an address before they offer it
SO_ATTACH_FILTER = 26
ETH_P_IP = 0x0800
# To UDP port 68 alone: (code, jump if true, jump if false, value)
TO_CLIENTS = (
    (0x28, 0, 0, 12), (0x15, 0, 6, ETH_P_IP), (0x30, 0, 0, 23), (0x15, 0, 4, 17), (0xB1, 0, 0, 14), (0x48, 0, 0, 16),
    (0x15, 0, 1, dhcpwire.CLIENT), (0x06, 0, 0, 65535), (0x06, 0, 0, 0),
)  # fmt: skip


async def other_servers(interface: str, *, but: str, times: int = TIMES) -> tuple[Offer, ...]:
    """Every server that offers an address, except the one with the address `but` (our own). Raises OSError where we may
    not ask."""
    found: dict[str, Offer] = {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as ear:
        _to_clients_alone(ear)
        ear.bind((interface, ETH_P_IP))
        ear.setblocking(False)
        mac = ear.getsockname()[4]
        for turn in range(times):
            xid = int.from_bytes(os.urandom(4), "big")
            await asyncio.get_running_loop().sock_sendall(ear, dhcpwire.discover(mac, xid))
            await _listen(ear, xid, found, BETWEEN_S if turn < times - 1 else LAST_WAIT_S)
    return tuple(offer for offer in found.values() if offer.server != but)


async def _listen(ear: socket.socket, xid: int, found: dict[str, Offer], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            while True:
                offer = dhcpwire.offer(await loop.sock_recv(ear, 4096), xid)
                if offer is not None:
                    found[offer.server] = offer
    except TimeoutError:
        return


def _to_clients_alone(ear: socket.socket) -> None:
    """The kernel hands us DHCP answers and nothing of what else a busy network carries."""
    code = b"".join(struct.pack("HBBI", *step) for step in TO_CLIENTS)
    kept = ctypes.create_string_buffer(code)
    ear.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(TO_CLIENTS), ctypes.addressof(kept))
    )  # fmt: skip


def in_words(interface: str, offers: tuple[Offer, ...]) -> str:
    who = ", ".join(f"{one.server} ({one.mac})" for one in offers)
    return (
        f"another DHCP server answers on {interface}: {who}; switch it off, or set boot.mode to proxy in vetting.yaml, "
        "which leaves the addresses to it"
    )
