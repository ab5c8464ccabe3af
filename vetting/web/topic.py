"""A feed that somebody looks at: its finished frames, its viewers, and what of it has to be rendered again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from vetting.clock import Clock
from vetting.domain.errors import NotFound, Unavailable
from vetting.orchestrator.bus import News
from vetting.web.frames import frame_of, value_of
from vetting.web.viewer import Numbers, Viewer

log = logging.getLogger(__name__)

GATHER_S = 0.25  # news within this time of each other is rendered once
SHARE = 4.0  # a feed rests so many times as long as its rendering took: at most a fifth of our time goes into it
REST_S = 30.0  # the longest rest, also of one whose rendering fails
RENDER_S = 10.0  # a rendering that takes longer hangs
KEPT_FRAMES = 400  # for those who come back
KEPT_BYTES = 768 * 1024  # the same in bytes
WHOLE_KEPT_S = 1.0  # everything afresh, rendered once for all who need it within this time
COMPLAIN_S = 60.0  # how often one feed's trouble is written down


class Feed(Protocol):
    """What keeps a page, or a part of it, up to date.

    A feed may also have `run_id` (news of other runs is nothing to it) and `kinds` (news of other kinds is not): then
    the flood of what concerns others passes it by at no cost.
    """

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


class Topic:
    """`since`: whoever has seen that number or a later one has missed nothing but what is in `frames`."""

    def __init__(self, feed: Feed, *, since: int, clock: Clock, numbers: Numbers) -> None:
        self.feed = feed
        self.since = since
        self.left_at = clock.monotonic()
        self.viewers: set[Viewer] = set()
        self._clock = clock
        self._numbers = numbers
        self._frames: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._stale: set[str] = set()
        self._rest_s = GATHER_S
        self._rendering: asyncio.Task[None] | None = None
        self._whole: asyncio.Task[tuple[int, str]] | None = None
        self._whole_at = 0.0
        self._whole_number = 0
        self._complained_at: float | None = None

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """The frames since then."""
        return [one for one in self._frames if one[0] > number]

    def join(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        self._render_soon()

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self.left_at = self._clock.monotonic()

    def tell(self, news: News) -> None:
        """Takes in a piece of news; what it makes stale is rendered soon, if anybody looks."""
        try:
            stale: Collection[str] = self.feed.touched(news)
        except Exception as error:  # noqa: BLE001 - written down, but not a thousand times
            self._complain(error, f"could not take in a {news.kind}, so everything of it is rendered again")
            stale = self.feed.pieces
        if stale:
            self._stale.update(stale)
            self._render_soon()
        try:
            for name, value in self.feed.events(news):
                self._send(name, value_of(value))
        except Exception as error:  # noqa: BLE001 - the same
            self._complain(error, f"could not pass on a {news.kind}")

    def gap(self) -> None:
        """Nobody knows what was missed: all who look, and all who come back, begin afresh."""
        self._frames.clear()
        self._kept_bytes, self.since = 0, self._numbers.next()
        for viewer in self.viewers:
            viewer.lose()

    async def whole(self) -> tuple[int, str]:
        """Every piece, and the number after which frames tell what is newer. Raises Unavailable where it cannot be had."""
        now = self._clock.monotonic()
        old = self._whole is not None and self._whole.done() and now - self._whole_at > WHOLE_KEPT_S
        if self._whole is None or old or self._whole_number < self.since:  # too much has happened since that one began
            self._whole_at, self._whole_number = now, self._numbers.last
            self._whole = asyncio.create_task(self._render_whole(self._numbers.last))
        whole = self._whole
        await asyncio.wait({whole})  # which goes on for the others where this caller is cancelled
        if whole.cancelled() or whole.exception() is not None:
            self._whole = None
            raise Unavailable(f"the live page {self.feed.key[:200]} cannot be rendered now")
        return whole.result()

    def close(self) -> None:
        for task in (self._rendering, self._whole):
            if task is not None:
                task.cancel()

    async def _render_whole(self, number: int) -> tuple[int, str]:
        try:
            return number, await self._rendered(self.feed.pieces)
        except Exception as error:
            self._complain(error, "could not be rendered as a whole; who needs it tries again")
            raise

    def _render_soon(self) -> None:
        if self._stale and self.viewers and self._rendering is None:
            self._rendering = asyncio.create_task(self._keep_fresh(), name=f"live page {self.feed.key}")

    async def _keep_fresh(self) -> None:
        try:
            while self._stale and self.viewers:
                await self._clock.sleep(self._rest_s)
                ids, self._stale = self._stale, set()
                began = time.perf_counter()
                try:
                    if html := await self._rendered(ids):
                        self._send("", html)
                    self._rest_s = min(max(GATHER_S, SHARE * (time.perf_counter() - began)), REST_S)
                except Exception as error:  # noqa: BLE001 - the same
                    self._stale |= ids
                    self._rest_s = min(self._rest_s * 2, REST_S)
                    self._complain(error, f"could not be rendered; it is tried again in {self._rest_s:.1f} s")
        finally:
            self._rendering = None

    async def _rendered(self, ids: Collection[str]) -> str:
        """Empty where what the page shows is gone: so will the page be when it is loaded again."""
        try:
            async with asyncio.timeout(RENDER_S):
                return await self.feed.render(ids)
        except NotFound:
            return ""

    def _send(self, event: str, data: str) -> None:
        number = self._numbers.next()
        frame = frame_of(event, data, self._numbers.id(number))
        self._frames.append((number, frame))
        self._kept_bytes += len(frame)
        while len(self._frames) > KEPT_FRAMES or self._kept_bytes > KEPT_BYTES:
            self.since, dropped = self._frames.popleft()
            self._kept_bytes -= len(dropped)
        for viewer in self.viewers:
            viewer.put(frame)

    def _complain(self, error: Exception, what: str) -> None:
        now = self._clock.monotonic()
        if self._complained_at is None or now - self._complained_at >= COMPLAIN_S:
            self._complained_at = now
            log.error("the live page %s %s", self.feed.key[:200], what, exc_info=error)
