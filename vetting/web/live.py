"""Live pages: what has changed is rendered once, after the commit, and pushed to everybody who looks at it.

A page is made of pieces with ids. Its `Feed` tells which pieces a piece of news makes stale, and renders them. The hub
gathers what is stale for a moment, renders it once for all who look at the same feed, and puts the finished bytes into
each viewer's bounded queue. Who was away a short while gets what was missed by number; who was away longer, or is too
slow, gets every piece afresh. No viewer ever waits for another, and no agent for any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vetting.clock import Clock
from vetting.domain.errors import NotFound
from vetting.orchestrator.bus import Bus, Listener, News

log = logging.getLogger(__name__)

GATHER_S = 0.25  # news within this time of each other is rendered once
KEPT_FRAMES = 400  # of a feed, for those who come back
KEPT_BYTES = 2 * 1024**2  # the same in bytes
QUEUE_BYTES = 1024**2  # that one viewer may be behind
LINGER_S = 60.0  # that a feed which nobody looks at is still kept up


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: the last frame that was sent and the last news that was told by then."""

    frame: int
    news: int


class Feed(Protocol):
    """What keeps a page, or a part of it, up to date."""

    @property
    def address(self) -> str:
        """How a page names it to the stream: `name` or `name/argument`."""

    @property
    def key(self) -> str:
        """Two feeds with one key are the same one: the address, and the role of the person where that matters."""

    @property
    def pieces(self) -> Collection[str]:
        """The ids of everything that it can render."""

    def touched(self, news: News) -> Collection[str]:
        """The ids of the pieces that this makes stale."""

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        """What goes out as it is and at once: (event's name, value for JSON). Log lines, samples."""

    async def render(self, ids: Collection[str]) -> str:
        """The pieces, each as `Looks.piece` makes it; one that is gone is left out."""


@dataclass(slots=True)
class _Topic:
    """A feed that somebody looks at, or did a moment ago."""

    feed: Feed
    since: int  # frames after this number are all here, but for those that fell off the end
    frames: deque[tuple[int, bytes]] = field(default_factory=deque)
    kept_bytes: int = 0
    stale: set[str] = field(default_factory=set)
    viewers: set[Viewer] = field(default_factory=set)
    left_at: float = 0.0

    def keep(self, number: int, frame: bytes) -> None:
        self.frames.append((number, frame))
        self.kept_bytes += len(frame)
        while len(self.frames) > KEPT_FRAMES or self.kept_bytes > KEPT_BYTES:
            self.since, dropped = self.frames.popleft()
            self.kept_bytes -= len(dropped)


class Viewer:
    """One browser's queue of frames."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._behind = 0
        self._ready = asyncio.Event()
        self.too_slow = False
        self.ended = False

    def end(self) -> None:
        """No more for this one; its browser comes back by itself."""
        self.ended = True
        self._ready.set()

    def put(self, frame: bytes) -> None:
        if self.too_slow:
            return
        self._queue.append(frame)
        self._behind += len(frame)
        if self._behind > QUEUE_BYTES:
            self._queue.clear()
            self._behind, self.too_slow = 0, True
        self._ready.set()

    async def next(self) -> bytes:
        """What is there, joined. Empty when this viewer was too slow: what it had not fetched is gone, and it begins afresh."""
        await self._ready.wait()
        self._ready.clear()
        ready = b"".join(self._queue)
        self._queue.clear()
        self._behind, self.too_slow = 0, False
        return ready


class Hub:
    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._epoch = secrets.token_hex(4)  # numbers of another process mean nothing here
        self._number = 0
        self._topics: dict[str, _Topic] = {}
        self._work = asyncio.Event()
        self._wanted = asyncio.Event()
        self._listening = contextlib.ExitStack()
        self._listener: Listener | None = None

    def now(self) -> Mark:
        """Where we are, before a page reads its data: what happens from here on is news to it."""
        return Mark(frame=self._number, news=self._bus.last_id)

    def open(self, feeds: Sequence[Feed], mark: Mark | None = None) -> str:
        """Begins to keep these feeds up; returns the cursor that the browser of a page read since `mark` connects with."""
        mark = mark or self.now()
        if self._listener is None:
            self._listener = self._listening.enter_context(self._bus.listen())
        for feed in feeds:
            topic = self._topics.get(feed.key)
            if topic is None:
                topic = self._topics[feed.key] = _Topic(feed, since=mark.frame)
                for news in self._bus.since(mark.news):
                    self._tell(topic, news)
            topic.left_at = self._clock.monotonic()
        self._wanted.set()
        return f"{self._epoch}-{mark.frame}"

    @contextlib.contextmanager
    def viewing(self, feeds: Sequence[Feed], last_id: str) -> Iterator[Viewer]:
        """A viewer of these feeds: first what was missed since `last_id`, then everything new."""
        viewer = Viewer()
        self.open(feeds)
        topics = [self._topics[feed.key] for feed in feeds]
        seen = self._seen(last_id)
        if seen is not None:
            for _, frame in sorted({one for topic in topics for one in topic.frames if one[0] > seen}):
                viewer.put(frame)
        for topic in topics:
            topic.viewers.add(viewer)
        if seen is None or any(seen < topic.since for topic in topics):
            viewer.put(self.event("resync"))
            self.again(feeds)
        try:
            yield viewer
        finally:
            for topic in topics:
                topic.viewers.discard(viewer)
                topic.left_at = self._clock.monotonic()

    def event(self, name: str) -> bytes:
        """A named event for one viewer, at the number that we are at."""
        return frame_of(name, "", (self._epoch, self._number))[1]

    def close(self) -> None:
        """Lets every viewer go, so that the server can stop."""
        for topic in self._topics.values():
            for viewer in topic.viewers:
                viewer.end()

    def again(self, feeds: Sequence[Feed]) -> None:
        """Everything of these feeds is rendered again: somebody was too slow, or missed something."""
        for feed in feeds:
            if (topic := self._topics.get(feed.key)) is not None:
                self._afresh(topic)

    async def run(self) -> None:
        """Follows the news while anybody looks, and rests while nobody does."""
        while True:
            await self._wanted.wait()
            assert self._listener is not None
            following = asyncio.create_task(self._follow(self._listener), name="news for live pages")
            try:
                await self._keep_up()
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                self._wanted.clear()
                self._listening.close()
                self._listener = None

    async def _follow(self, listener: Listener) -> None:
        missed = listener.missed
        async for news in listener:
            if listener.missed != missed:
                missed = listener.missed
                for topic in self._topics.values():
                    self._afresh(topic)
                    self._send(topic, frame_of("resync", "", self._next()))
            for topic in self._topics.values():
                self._tell(topic, news)

    def _tell(self, topic: _Topic, news: News) -> None:
        try:
            if stale := topic.feed.touched(news):
                topic.stale.update(stale)
                self._work.set()
            for name, value in topic.feed.events(news):
                self._send(topic, frame_of(name, json.dumps(value, separators=(",", ":")), self._next()))
        except Exception:
            log.exception("the live page %s could not take in a %s", topic.feed.key, news.kind)

    async def _keep_up(self) -> None:
        while self._topics:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._work.wait()
            if self._work.is_set():
                await self._clock.sleep(GATHER_S)
                self._work.clear()
                for topic in list(self._topics.values()):
                    if topic.stale:
                        await self._render(topic)
            now = self._clock.monotonic()
            for key, topic in list(self._topics.items()):
                if not topic.viewers and now - topic.left_at > LINGER_S:
                    del self._topics[key]

    async def _render(self, topic: _Topic) -> None:
        ids, topic.stale = topic.stale, set()
        try:
            html = await topic.feed.render(ids)
        except NotFound:  # what the page shows is gone: so will the page be when it is loaded again
            return
        except Exception:
            log.exception("the live page %s could not be rendered; it is tried again", topic.feed.key)
            topic.stale |= ids
            return
        if html:
            self._send(topic, frame_of("", html, self._next()))

    def _afresh(self, topic: _Topic) -> None:
        topic.stale.update(topic.feed.pieces)
        self._work.set()

    def _send(self, topic: _Topic, frame: tuple[int, bytes]) -> None:
        topic.keep(*frame)
        for viewer in topic.viewers:
            viewer.put(frame[1])

    def _next(self) -> tuple[str, int]:
        self._number += 1
        return self._epoch, self._number

    def _seen(self, last_id: str) -> int | None:
        """The number of the last frame that a browser saw; None for one that tells us nothing."""
        epoch, _, number = last_id.partition("-")
        return int(number) if epoch == self._epoch and number.isdecimal() and len(number) < 16 else None


def frame_of(event: str, data: str, numbered: tuple[str, int]) -> tuple[int, bytes]:
    """A finished server-sent event and its number; without a name it is HTML to be swapped in."""
    epoch, number = numbered
    lines = [f"id: {epoch}-{number}"]
    if event:
        lines.append(f"event: {event}")
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return number, ("\n".join(lines) + "\n\n").encode("utf-8", "replace")
