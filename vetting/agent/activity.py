"""What the agent is doing at this moment: the one place from which heartbeats, logs and samples take it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from vetting.wire import Progress


@dataclass(slots=True)
class Activity:
    boot_id: str
    doing: str = "idle"  # running | holding | idle | stopping
    stage: str = ""
    attempt: int = 0
    progress: Progress = field(default_factory=Progress)
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # a heartbeat shall tell it now

    def become(self, doing: str, stage: str = "", attempt: int = 0) -> None:
        self.doing, self.stage, self.attempt = doing, stage, attempt
        self.progress = Progress()
        self.changed.set()
