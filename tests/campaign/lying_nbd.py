"""A disk that lies, behind a socket: QEMU takes it for a block device (`driver=nbd`), the guest for a SATA or NVMe disk like any other.

    python -m tests.campaign.lying_nbd SOCKET FILE KIND SEED

FILE holds what the disk holds, in its full size; KIND is one of the liars that the surface tests use, or `honest`. It speaks as much of
the NBD protocol (newstyle, fixed; NetworkBlockDevice's doc/proto.md) as QEMU asks for, to one guest, and ends when that is gone.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.machine.surface.lying_disks import BLOCK, LIARS, Disk
from vetting.surface.device import OpenDisk

KINDS: dict[str, type[Disk]] = {"honest": Disk, **LIARS}
GREETING = b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 3)  # fixed newstyle, no zeroes
ANSWER = 0x3E889045565A9
ABORT, INFO, GO = 2, 6, 7
ACK, EXPORT, UNSUPPORTED = 1, 3, 0x80000001
FLAGS = 1 | 4  # it can be flushed
ASKED, REPLIED = 0x25609513, 0x67446698
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
EINVAL, EIO = 22, 5


class Gone(Exception):
    """The other side has hung up."""


class Conversation:
    """With one client, until it hangs up."""

    def __init__(self, end: socket.socket, disk: Disk) -> None:
        self.end, self.disk = end, disk
        self.deeds: dict[int, Callable[[int, int], bytes]] = {READ: self._read, WRITE: self._write, FLUSH: self._flush}

    def held(self) -> None:
        try:
            self._agree()
            while True:
                self._obey()
        except Gone:
            return

    # --- what is said before: an option, an answer

    def _agree(self) -> None:
        self.end.sendall(GREETING)
        self._take(4)
        while True:
            _, option, length = self._unpacked(">QII")
            self._take(length)
            if option == ABORT:
                raise Gone
            if option not in (INFO, GO):
                self._answer(option, UNSUPPORTED)
                continue
            self._answer(option, EXPORT, struct.pack(">HQH", 0, self.disk.size_bytes, FLAGS))
            self._answer(option, ACK)
            if option == GO:
                return

    def _answer(self, option: int, kind: int, data: bytes = b"") -> None:
        self.end.sendall(struct.pack(">QIII", ANSWER, option, kind, len(data)) + data)

    # --- what is done to the disk

    def _obey(self) -> None:
        magic, _, deed, handle, offset, length = self._unpacked(">IHHQQI")
        if magic != ASKED or deed == DISCONNECT:
            raise Gone
        error, data = 0, b""
        try:
            data = self.deeds[deed](offset, length)
        except KeyError:
            error = EINVAL
        except OSError:
            error = EIO
        self.end.sendall(struct.pack(">IIQ", REPLIED, error, handle) + data)

    def _read(self, offset: int, length: int) -> bytes:
        """The liars think in blocks; firmware asks for single sectors."""
        start, end = _blocks_around(offset, length)
        data = bytearray(end - start)
        self.disk.read(memoryview(data), start)
        return bytes(data[offset - start : offset - start + length])

    def _write(self, offset: int, length: int) -> bytes:
        data = self._take(length)
        start, end = _blocks_around(offset, length)
        if (start, end) != (offset, offset + length):
            whole = self._read(start, end - start)
            data = whole[: offset - start] + data + whole[offset - start + length :]
        self.disk.write(memoryview(data), start)
        return b""

    def _flush(self, offset: int, length: int) -> bytes:
        self.disk.flush()
        return b""

    # --- bytes

    def _unpacked(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self._take(struct.calcsize(form)))

    def _take(self, length: int) -> bytes:
        taken = bytearray(length)
        done = 0
        while done < length:
            came = self.end.recv_into(memoryview(taken)[done:])
            if not came:
                raise Gone
            done += came
        return bytes(taken)


def _blocks_around(offset: int, length: int) -> tuple[int, int]:
    return offset // BLOCK * BLOCK, -(-(offset + length) // BLOCK) * BLOCK


def serve(path: Path, file: Path, kind: str, seed: int) -> None:
    with socket.socket(socket.AF_UNIX) as listening, file.open("r+b", buffering=0) as opened:
        size = file.stat().st_size
        disk = KINDS[kind](OpenDisk(opened.fileno(), size, 512, direct=True), size, random.Random(seed))
        listening.bind(str(path))
        listening.listen(1)
        end, _ = listening.accept()
        with end:
            Conversation(end, disk).held()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
