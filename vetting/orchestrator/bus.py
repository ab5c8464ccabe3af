"""Who wants to know: news goes out after the commit, to bounded queues, and never blocks the one who tells.

A listener that is too slow loses the oldest news and is told how much (`Listener.missed`), so that it can read the
state afresh instead of trusting a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

KEPT_FOR_CATCH_UP = 2000
QUEUE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing that happened. `id` grows by one with every piece of news since the start of this process."""

    id: int
    at: float  # seconds since the epoch
    kind: str  # run.moved, run.attempt, run.log, run.finding, run.breach, host.seen, host.changed, service …
    run_id: int | None = None
    host_id: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


class Listener:
    """One reader's bounded queue."""

    def __init__(self, size: int) -> None:
        self._queue: deque[News] = deque(maxlen=size)
        self._ready = asyncio.Event()
        self.missed = 0

    def put(self, news: News) -> None:
        if len(self._queue) == self._queue.maxlen:
            self.missed += 1
        self._queue.append(news)
        self._ready.set()

    def take(self) -> list[News]:
        """Everything that waits now."""
        waiting = list(self._queue)
        self._queue.clear()
        self._ready.clear()
        return waiting

    async def ready(self) -> None:
        """Returns once something waits."""
        await self._ready.wait()

    async def __aiter__(self) -> AsyncIterator[News]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._ready.clear()
            await self._ready.wait()


class Bus:
    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._past: deque[News] = deque(maxlen=KEPT_FOR_CATCH_UP)
        self._last_id = 0

    @property
    def last_id(self) -> int:
        """The number of the newest news."""
        return self._last_id

    def publish(
        self, kind: str, *, at: float, run_id: int | None = None, host_id: int | None = None, **data: Any
    ) -> News:
        self._last_id += 1
        news = News(id=self._last_id, at=at, kind=kind, run_id=run_id, host_id=host_id, data=data)
        self._past.append(news)
        for listener in self._listeners:
            listener.put(news)
        return news

    def stream(self, kind: str, *, at: float, run_id: int, **data: Any) -> None:
        """News for those who listen now, not kept for catching up: there is so much of it that all else would be pushed out.

        It takes a number all the same, so that whoever comes back later learns that something was missed.
        """
        self._last_id += 1
        if self._listeners:
            news = News(id=self._last_id, at=at, kind=kind, run_id=run_id, data=data)
            for listener in self._listeners:
                listener.put(news)

    @contextlib.contextmanager
    def listen(self, *, after: int | None = None, size: int = QUEUE) -> Iterator[Listener]:
        """A listener; with `after`, what is still kept of the news since that id comes first.

        An id that is yet to come is one of the process before us: then everything kept comes, and at least one was missed.
        """
        listener = Listener(size)
        if after is not None:
            of_before = after > self._last_id
            kept = [news for news in self._past if of_before or news.id > after][-size:]
            listener.missed = max(1, self._last_id - len(kept)) if of_before else self._last_id - after - len(kept)
            for news in kept:
                listener.put(news)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
