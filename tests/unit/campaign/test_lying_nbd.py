"""The lying disk's server, asked as QEMU asks it."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaign import lying_nbd
from tests.campaign.lying_nbd import ACK, EXPORT, GO, READ, UNSUPPORTED, WRITE
from vetting.surface.device import OpenDisk

SIZE = 64 * 4096
STRUCTURED_REPLY = 8


class Client:
    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def take(self, form: str) -> tuple[int, ...]:
        raw = self.end.recv(struct.calcsize(form), socket.MSG_WAITALL)
        return struct.unpack(form, raw)

    def asks(self, option: int) -> list[tuple[int, bytes]]:
        self.end.sendall(struct.pack(">8sII", b"IHAVEOPT", option, 0))
        answers = []
        while True:
            _, echoed, kind, length = self.take(">QIII")
            assert echoed == option
            answers.append((kind, self.end.recv(length, socket.MSG_WAITALL) if length else b""))
            if kind in (ACK, UNSUPPORTED):
                return answers

    def does(self, deed: int, offset: int, length: int, data: bytes = b"") -> tuple[int, bytes]:
        self.end.sendall(struct.pack(">IHHQQI", lying_nbd.ASKED, 0, deed, 77, offset, length) + data)
        _, error, handle = self.take(">IIQ")
        assert handle == 77
        return error, self.end.recv(length, socket.MSG_WAITALL) if deed == READ and not error else b""


@contextmanager
def served(kind: str, path: Path) -> Iterator[Client]:
    with path.open("xb") as file:
        file.truncate(SIZE)
    ours, theirs = socket.socketpair()
    with path.open("r+b", buffering=0) as opened, ours, theirs:
        disk = lying_nbd.KINDS[kind](OpenDisk(opened.fileno(), SIZE, 512, direct=True), SIZE, random.Random(7))
        server = threading.Thread(target=lying_nbd.Conversation(theirs, disk).held)
        server.start()
        client = Client(ours)
        assert client.take(">8s8sH")[2] == 3
        ours.sendall(struct.pack(">I", 3))
        yield client
        ours.shutdown(socket.SHUT_RDWR)
        server.join(10)
        assert not server.is_alive()


def test_it_agrees_on_the_size_and_declines_what_it_does_not_know(tmp_path: Path) -> None:
    with served("honest", tmp_path / "disk") as client:
        assert client.asks(STRUCTURED_REPLY) == [(UNSUPPORTED, b"")]
        (kind, told), (last, _) = client.asks(GO)
        assert (kind, last) == (EXPORT, ACK)
        assert struct.unpack(">HQH", told)[1] == SIZE


def test_an_honest_one_gives_back_what_it_got_and_each_liar_something_else(tmp_path: Path) -> None:
    wrote = random.Random(1).randbytes(SIZE)
    for number, kind in enumerate(("honest", "bit flip", "half-size wrap", "dropped write", "misdirected", "swapped")):
        with served(kind, tmp_path / str(number)) as client:
            client.asks(GO)
            assert client.does(WRITE, 0, SIZE, wrote) == (0, b"")
            error, got = client.does(READ, 0, SIZE)
            assert error == 0
            assert (got == wrote) is (kind == "honest"), kind


def test_what_it_cannot_do_is_an_error_and_the_talk_goes_on(tmp_path: Path) -> None:
    with served("honest", tmp_path / "disk") as client:
        client.asks(GO)
        assert client.does(9, 0, 512)[0] == lying_nbd.EINVAL
        assert client.does(READ, 0, 512) == (0, bytes(512))


def test_single_sectors_are_read_and_written_on_every_kind(tmp_path: Path) -> None:
    sector = random.Random(2).randbytes(512)
    for number, kind in enumerate(lying_nbd.KINDS):
        with served(kind, tmp_path / str(number)) as client:
            client.asks(GO)
            assert client.does(WRITE, 512, 512, sector) == (0, b""), kind
            assert client.does(READ, 1024, 512)[0] == 0, kind
            if kind == "honest":
                assert client.does(READ, 512, 512) == (0, sector)
