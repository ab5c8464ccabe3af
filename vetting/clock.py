"""What time it is and how to wait; tests bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Three clocks in one: wall time for records, monotonic time for durations, and a way to wait."""

    def now(self) -> float:
        """Seconds since the Unix epoch, as read at the start of the program and counted on steadily from there."""

    def monotonic(self) -> float:
        """Seconds that never step; CLOCK_BOOTTIME, so that a suspended host cannot hide the time it slept."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clocks. `now` does not follow a clock that is stepped while we run: a duration is never a lie."""

    def __init__(self) -> None:
        self._epoch_s = time.time() - self.monotonic()

    def now(self) -> float:
        return self._epoch_s + self.monotonic()

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
