"""A processor that runs at a part of its pace: its thread in QEMU is stopped for the rest of every few milliseconds.

    python -m tests.campaign.slow_thread TID SHARE

The guest's own clock goes on, so that to the guest the core works as one does whose clock was pinned low. Ends with the thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from tests.lab.programs import Program

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

PERIOD_S = 0.02
LOOK_S = 0.0005
CONT, SEIZE, INTERRUPT = 7, 0x4206, 0x4207  # ptrace(2)
EVENT_STOP = 128
WALL = 0x40000000  # __WALL: threads too


async def slow_down(bench: Bench, *, cpu: int, share: float) -> None:
    """Until the host is off."""
    assert bench.host.qmp is not None
    told = await bench.host.qmp.do("query-cpus-fast")
    thread = next(one["thread-id"] for one in told if one["cpu-index"] == cpu)
    words = [sys.executable, "-m", "tests.campaign.slow_thread", str(thread), str(share)]
    await Program.started(words, log=bench.host.folder / "slow-thread.log")


class Thread:
    def __init__(self, tid: int) -> None:
        self.tid = tid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._ask(SEIZE)

    def _ask(self, request: int, number: int = 0) -> None:
        if self.libc.ptrace(request, self.tid, None, ctypes.c_void_p(number)) == -1:
            error = ctypes.get_errno()
            raise OSError(error, f"ptrace of thread {self.tid}: {os.strerror(error)}")

    def run(self, seconds: float) -> None:
        """Signals of its own process are passed on at once."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.tid, WALL | os.WNOHANG)
            if not pid:
                time.sleep(LOOK_S)
            elif os.WIFSTOPPED(status):
                self.go_on(status)
            else:
                raise ProcessLookupError

    def go_on(self, status: int) -> None:
        self._ask(CONT, 0 if status >> 16 == EVENT_STOP else os.WSTOPSIG(status))

    def stop(self, seconds: float) -> None:
        self._ask(INTERRUPT)
        while True:
            _, status = os.waitpid(self.tid, WALL)
            if not os.WIFSTOPPED(status):
                raise ProcessLookupError
            if status >> 16 == EVENT_STOP:
                break
            self.go_on(status)
        time.sleep(seconds)
        self.go_on(status)


def main(tid: int, share: float) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    thread = Thread(tid)
    try:
        while True:
            thread.run(PERIOD_S * share)
            thread.stop(PERIOD_S * (1 - share))
    except (ProcessLookupError, ChildProcessError, OSError):
        return  # the host is off


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
