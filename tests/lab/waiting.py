"""Waiting for real programs: bounded, and with what was said until then when it was in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.2


class InVain(AssertionError):
    """Something did not happen in its time."""


async def until(
    what: Callable[[], Awaitable[T | None]],
    *,
    limit_s: float,
    said: str,
    context: Callable[[], str] = str,
    every_s: float = LOOK_EVERY_S,
) -> T:
    """The first answer that is true. Raises InVain with the context of the moment."""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                if found := await what():
                    return found
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise InVain(f"waited {limit_s:.0f} s in vain for {said}\n{context()}") from None
