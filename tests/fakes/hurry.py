"""Real clocks, but waiting takes a hundredth: for programs that wait between their deeds."""

from __future__ import annotations

import asyncio

from vetting.clock import SystemClock


class HurriedClock(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 100)
