"""What a page tells about this appliance that only those know who put it together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vetting.domain.image import ImageNow


async def nobody_looked() -> ImageNow:
    return ImageNow(folder="", objection="this orchestrator was put together without a place for an image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    config_file: str = ""  # empty: there is none, and everything is as it ships
    started_at: float = 0.0  # seconds since the epoch
    look_at_image: Callable[[], Awaitable[ImageNow]] = nobody_looked
