"""A clock that a test moves."""

from __future__ import annotations

import asyncio


class FakeClock:
    """Starts at a round number; `sleep` returns at once and moves it on."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.seconds = now

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    def pass_s(self, seconds: float) -> None:
        self.seconds += seconds
