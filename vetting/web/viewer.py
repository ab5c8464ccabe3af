"""One browser that looks: its queue of finished frames, and how they are counted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vetting.web.topic import Topic

QUEUE_BYTES = 1024**2  # that one viewer may be behind


class Numbers:
    """Frames are counted in one row for all feeds; numbers of another process mean nothing here."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last

    def id(self, number: int) -> str:
        return f"{self.epoch}-{number}"

    def read(self, id: str) -> int | None:
        """None for one that we never gave."""
        epoch, _, digits = id.partition("-")
        known = epoch == self.epoch and digits.isdecimal() and digits.isascii() and len(digits) < 16
        return int(digits) if known and int(digits) <= self.last else None


class Line(Protocol):
    """What a browser is connected by."""

    def is_closing(self) -> bool: ...
    def abort(self) -> None: ...


class Viewer:
    """One browser's queue of frames. One that is `lost` takes nothing more until it is given everything afresh."""

    def __init__(self, topics: Collection[Topic] = (), line: Line | None = None) -> None:
        self.topics = tuple(topics)
        self.line = line
        self.lost = False
        self.ended = False
        self._queue: deque[bytes] = deque()
        self._behind = 0
        self._ready = asyncio.Event()

    @property
    def alive(self) -> bool:
        return not self.ended and (self.line is None or not self.line.is_closing())

    @property
    def waiting(self) -> bool:
        """Whether there is anything to fetch."""
        return bool(self._queue)

    def put(self, frame: bytes) -> None:
        if self.lost or self.ended:
            return
        self._queue.append(frame)
        self._behind += len(frame)
        self._ready.set()
        if self._behind > QUEUE_BYTES:
            self.lose()

    def lose(self) -> None:
        """It was too slow, or we cannot tell what it missed."""
        self._queue.clear()
        self._behind, self.lost = 0, True
        self._ready.set()

    def found(self) -> None:
        """It is about to be given everything, and takes frames again from now on."""
        self.lost = False

    def end(self) -> None:
        """No more for this one; its browser comes back by itself."""
        self.ended = True
        self._ready.set()

    async def next(self) -> bytes:
        """What is there, joined; empty for one that is lost or ended."""
        await self._ready.wait()
        self._ready.clear()
        ready = b"".join(self._queue)  # of one frame this is that frame itself, shared by all
        self._queue.clear()
        self._behind = 0
        return ready
