"""DHCP on the wire, as much as it takes to ask who answers: a DISCOVER out, OFFERs in."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

COOKIE = b"\x63\x82\x53\x63"
BROADCAST = b"\xff" * 6
BROADCAST_FLAG = 0x8000
CLIENT, SERVER = 68, 67
DISCOVER, OFFER = 1, 2
MESSAGE_TYPE, SERVER_ID, END, PAD = 53, 54, 255, 0
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_NOWHERE = bytes(4)


@dataclass(frozen=True, slots=True)
class Offer:
    server: str  # its own word for its address, else the address that the packet came from
    mac: str  # of the machine that sent it


def discover(mac: bytes, xid: int) -> bytes:
    """An Ethernet frame that asks every DHCP server of the network for an offer."""
    told = _BOOTP.pack(
        1, 1, 6, 0, xid, 0, BROADCAST_FLAG, _NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE, mac, b"", b""
    )  # fmt: skip
    options = COOKIE + bytes((MESSAGE_TYPE, 1, DISCOVER, 55, 3, 1, 3, 6, END))
    data = told + options
    udp = struct.pack("!HHHH", CLIENT, SERVER, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, _NOWHERE, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return BROADCAST + mac + b"\x08\x00" + head + udp


def offer(frame: bytes, xid: int) -> Offer | None:
    """The offer that answers our DISCOVER; None for every other frame."""
    if len(frame) < 14 + 20 + 8 + 240 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    at = 14 + (frame[14] & 15) * 4
    if struct.unpack("!HH", frame[at : at + 4]) != (SERVER, CLIENT):
        return None
    told = frame[at + 8 :]
    if len(told) < 240 or told[0] != 2 or told[4:8] != struct.pack("!I", xid) or told[236:240] != COOKIE:
        return None
    found = options(told[240:])
    if found.get(MESSAGE_TYPE) != bytes((OFFER,)):
        return None
    named = found.get(SERVER_ID, b"")
    server = socket.inet_ntoa(named if len(named) == 4 else frame[26:30])
    return Offer(server, frame[6:12].hex(":"))


def options(data: bytes) -> dict[int, bytes]:
    """Options by number; one that is cut off ends the list."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            break
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack("!10H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
