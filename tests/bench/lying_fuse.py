"""A disk that lies, as a file of a file system of its own (FUSE, spoken here without a library), so that any tester can be put on it.

    with lying("bit flip", seed=3, size_bytes=64 * MIB) as device:      # a loop device over that file
        subprocess.run(["badblocks", ..., device])

The liars are those of the surface tests. Each is served by a process of its own, at the end of which nothing is left mounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.machine.surface.lying_disks import LIARS, Disk
from vetting.surface.device import OpenDisk

ROOT, FILE, NAME = 1, 2, b"disk"
MOST = 1024 * 1024  # of one request
HEAD, REPLY = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
# linux/fuse.h
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 16, 17, 18
FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR, ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = 20, 25, 26, 27, 29, 34, 36, 38, 42
UNANSWERED = (FORGET, INTERRUPT, BATCH_FORGET)
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
PAST_THE_CACHE = 1  # FOPEN_DIRECT_IO
DETACH = 2  # MNT_DETACH
_libc = ctypes.CDLL(None, use_errno=True)


class Server:
    def __init__(self, channel: int, disk: Disk) -> None:
        self.channel, self.disk = channel, disk
        self.answers: dict[int, Callable[[int, bytes], bytes]] = {
            INIT: lambda _node, _body: self._init(),
            LOOKUP: lambda _node, body: self._entry(body),
            GETATTR: lambda node, _body: struct.pack("<QII", 0, 0, 0) + self._attributes(node),
            SETATTR: lambda node, _body: struct.pack("<QII", 0, 0, 0) + self._attributes(node),
            OPEN: lambda _node, _body: struct.pack("<QII", 0, PAST_THE_CACHE, 0),
            OPENDIR: lambda _node, _body: bytes(16),
            READ: lambda _node, body: self._read(body),
            WRITE: lambda _node, body: self._write(body),
            STATFS: lambda _node, _body: bytes(80),
            **dict.fromkeys((RELEASE, RELEASEDIR, FSYNC, FLUSH, ACCESS, DESTROY), lambda _node, _body: b""),
        }

    def serve(self) -> None:
        """Until it is unmounted."""
        while True:
            try:
                request = os.read(self.channel, MOST + 65536)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            _, code, unique, node, *_ = HEAD.unpack_from(request)
            if code not in UNANSWERED:
                failed, said = self._answered(code, node, request[HEAD.size :])
                with contextlib.suppress(FileNotFoundError):  # who asked was killed meanwhile
                    os.write(self.channel, REPLY.pack(REPLY.size + len(said), -failed, unique) + said)

    def _answered(self, code: int, node: int, body: bytes) -> tuple[int, bytes]:
        try:
            return 0, self.answers[code](node, body)
        except KeyError:
            return errno.ENOSYS, b""
        except OSError as error:
            return error.errno or errno.EIO, b""

    def _init(self) -> bytes:
        flags = BIG_WRITES | MAX_PAGES
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, MOST, flags, 16, 12, MOST, 1, MOST // 4096, 0, 0)

    def _entry(self, name: bytes) -> bytes:
        if name.rstrip(b"\0") != NAME:
            raise OSError(errno.ENOENT, "")
        return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + self._attributes(FILE)

    def _attributes(self, node: int) -> bytes:
        size = self.disk.size_bytes if node == FILE else 0
        mode = stat.S_IFREG | 0o600 if node == FILE else stat.S_IFDIR | 0o700
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _read(self, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        data = bytearray(max(0, min(size, self.disk.size_bytes - offset)))
        self.disk.read(memoryview(data), offset)
        return bytes(data)

    def _write(self, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", self.disk.write(memoryview(body)[40 : 40 + size], offset), 0)


def main(folder: str, kind: str, seed: str, size_bytes: str) -> None:
    """Serves one liar at `folder`; what the disk holds lies in memory."""
    below = os.memfd_create("lying-disk")
    os.truncate(below, int(size_bytes))
    liar = LIARS.get(kind, Disk)(
        OpenDisk(below, int(size_bytes), 512, direct=False), int(size_bytes), random.Random(f"{kind} {seed}")
    )
    channel = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0"
    if _libc.mount(b"lying", folder.encode(), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"{folder} cannot be mounted: {os.strerror(ctypes.get_errno())}")
    Server(channel, liar).serve()


@contextlib.contextmanager
def lying(kind: str, *, seed: int, size_bytes: int) -> Iterator[str]:
    """A loop device over a disk that lies; `honest` for one that does not. Needs root and /dev/fuse."""
    with tempfile.TemporaryDirectory(prefix="vetting-lying-") as folder:
        words = [sys.executable, "-m", "tests.bench.lying_fuse", folder, kind, str(seed), str(size_bytes)]
        server = subprocess.Popen(words)
        device = ""
        try:
            file = Path(folder, NAME.decode())
            until = time.monotonic() + 20
            while not file.exists():
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the lying disk {kind} was not there")
                time.sleep(0.02)
            made = ("losetup", "--find", "--show", "--direct-io=off", str(file))
            device = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
            yield device
        finally:
            if device:
                subprocess.run(("losetup", "--detach", device), check=True)
            _libc.umount2(folder.encode(), DETACH)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
