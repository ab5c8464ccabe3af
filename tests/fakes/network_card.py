"""A network card that boots: asks by DHCP as firmware and iPXE do, and fetches by TFTP. Its own packets, byte by byte.

It lives in a network namespace of its own, on a thread that enters it for the time of the question.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

CLONE_NEWNET = 0x40000000
ANY = "0.0.0.0"
BIOS, EFI_BC, EFI64, HTTP64 = 0, 7, 9, 16
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


@dataclass(frozen=True)
class Answer:
    """A server's packet, as far as a loader reads it."""

    kind: int
    yours: str
    server: str
    file: str
    options: dict[int, bytes] = field(repr=False)
    sender: str = ""

    @property
    def boot_file(self) -> str:
        return self.options.get(67, b"").rstrip(b"\0").decode() or self.file

    @property
    def vendor(self) -> str:
        return self.options.get(60, b"").decode()


@dataclass(frozen=True)
class NetworkCard:
    namespace: str
    interface: str
    mac: str

    def asks(self, arch: int | None, *, ipxe: bool = False, wait_s: float = 5.0, first: bool = True) -> list[Answer]:
        """DISCOVER and every OFFER; `arch` None: an ordinary machine that wants an address and no loader. `first`: stop at
        the first answer."""
        return self._ask(DISCOVER, arch, ipxe=ipxe, wait_s=wait_s, first=first)

    def takes(self, offer: Answer, arch: int | None, *, wait_s: float = 3.0) -> list[Answer]:
        extra = option(50, socket.inet_aton(offer.yours)) + option(54, socket.inet_aton(offer.server))
        return self._ask(REQUEST, arch, extra=extra, wait_s=wait_s, first=True)

    def asks_boot_server(self, server: str, own: str, arch: int, *, wait_s: float = 3.0) -> list[Answer]:
        """The second question of a PXE client beside a proxy: to the boot server's port 4011."""
        xid = os.urandom(4)
        # A BIOS ROM names the first item of the menu that it was shown; UEFI is shown none.
        chosen = option(43, b"\x47\x04\x80\x00\x00\x00\xff") if arch == BIOS else b""
        told = packet(self.mac, xid, REQUEST, own) + hints(arch, ipxe=False) + chosen + b"\xff"
        with inside(self.namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((own, 68))
            ear.settimeout(wait_s)
            ear.sendto(told, (server, 4011))
            with contextlib.suppress(TimeoutError):
                while True:
                    data, sender = ear.recvfrom(4096)
                    if (answer := read(data, xid, sender[0])) is not None:
                        return [answer]
        return []

    def fetches(self, server: str, name: str, *, wait_s: float = 5.0) -> bytes | str:
        """A file by TFTP; the server's words where it refuses, "silence" where nothing comes."""
        with inside(self.namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.settimeout(wait_s)
            ear.sendto(b"\0\x01" + name.encode() + b"\0octet\0", (server, 69))
            got = b""
            with contextlib.suppress(TimeoutError):
                while True:
                    data, sender = ear.recvfrom(4096)
                    kind, number = struct.unpack("!HH", data[:4])
                    if kind == 5:
                        return data[4:].rstrip(b"\0").decode()
                    got += data[4:]
                    ear.sendto(struct.pack("!HH", 4, number), sender)
                    if len(data) < 516:
                        return got
        return "silence"

    def _ask(
        self, kind: int, arch: int | None, *, wait_s: float, first: bool, ipxe: bool = False, extra: bytes = b""
    ) -> list[Answer]:
        xid = os.urandom(4)
        told = packet(self.mac, xid, kind, ANY) + hints(arch, ipxe=ipxe) + extra + b"\xff"
        frame = b"\xff" * 6 + address(self.mac) + b"\x08\x00" + datagram(told)
        found: list[Answer] = []
        with inside(self.namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as ear:
            ear.bind((self.interface, 0x0800))
            ear.send(frame)
            until = time.monotonic() + wait_s
            while (left := until - time.monotonic()) > 0:
                ear.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    got = ear.recv(4096)
                    start = 14 + (got[14] & 15) * 4
                    if got[23] == 17 and struct.unpack("!HH", got[start : start + 4]) == (67, 68):
                        answer = read(got[start + 8 :], xid, socket.inet_ntoa(got[26:30]))
                        found += [answer] if answer else []
                if found and first:
                    break
        return found


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread, and no other, in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as away:
        if libc.setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0


def address(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def option(number: int, value: bytes) -> bytes:
    return bytes((number, len(value))) + value


def packet(mac: str, xid: bytes, kind: int, own: str) -> bytes:
    head = struct.pack("!BBBB", 1, 1, 6, 0) + xid + struct.pack("!HH", 4, 0x8000 if own == ANY else 0)
    addresses = socket.inet_aton(own) + bytes(12)
    return (
        head + addresses + address(mac).ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + option(53, bytes((kind,)))
    )


def hints(arch: int | None, *, ipxe: bool) -> bytes:
    """What firmware tells of itself: architecture, kind of client, universal network interface, identity."""
    wanted = option(55, bytes((1, 3, 6, 43, 60, 66, 67)))
    if arch is None:
        return wanted
    kind = f"{'HTTP' if arch == HTTP64 else 'PXE'}Client:Arch:{arch:05d}:UNDI:003016"
    told = option(60, kind.encode()) + option(93, struct.pack("!H", arch)) + option(94, b"\x01\x03\x10")
    return wanted + told + option(97, b"\0" + b"U" * 16) + (option(77, b"iPXE") if ipxe else b"")


def datagram(data: bytes) -> bytes:
    udp = struct.pack("!HHHH", 68, 67, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + bytes(4) + b"\xff" * 4
    total = sum(struct.unpack("!10H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:] + udp


def read(data: bytes, xid: bytes, sender: str) -> Answer | None:
    if len(data) < 240 or data[0] != 2 or data[4:8] != xid:
        return None
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        size = data[at + 1] if data[at] else -1
        if data[at]:
            found[data[at]] = data[at + 2 : at + 2 + size]
        at += 2 + size
    named = found.get(54, data[20:24])
    return Answer(
        kind=found.get(53, b"\0")[0], yours=socket.inet_ntoa(data[16:20]), server=socket.inet_ntoa(named),
        file=data[108:236].split(b"\0")[0].decode(), options=found, sender=sender,
    )  # fmt: skip
