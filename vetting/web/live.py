"""Live pages: what has changed is rendered once, after the commit, and pushed to everybody who looks at it.

A page is made of pieces with ids. Its `Feed` tells which pieces a piece of news makes stale, and renders them. The hub
gathers what is stale for a moment, renders it once for all who look at the same feed, and puts the finished bytes into
each viewer's bounded queue. Who was away a short while gets what was missed by number. Who was away longer, or is too
slow, gets the event `resync` and then every piece afresh: what told itself by named events (a log, a chart) reads its
page again. No viewer ever waits for another, and no agent for any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vetting.clock import Clock
from vetting.domain.errors import TooMany, Unavailable
from vetting.orchestrator.bus import Bus, Listener, News
from vetting.web.frames import frame_of, seen_until
from vetting.web.topic import Feed, Topic
from vetting.web.viewer import Line, Numbers, Viewer

__all__ = ["Feed", "Hub", "Mark", "Viewer"]

LINGER_S = 60.0  # that a feed which nobody looks at is still kept up
SWEEP_S = 1.0  # how often it is looked who has gone
BEHIND = 4000  # pieces of news that we may be behind the bus
RECENT = 2000  # kept for pages that are still being made
MOST_VIEWERS = 500
MOST_OF_ONE = 20  # of one session: a browser holds six connections to one server, behind a proxy more
MOST_TOPICS = 2000
MOST_REMEMBERED = 20_000
GOODBYE_S = 0.5  # for what is being written when the server stops
TRIES = 3  # to give everything afresh while news overtakes us


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: the last frame that was sent and the last news that was told by then."""

    frame: int
    news: int


class Hub:
    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._numbers = Numbers(secrets.token_hex(4))
        self._topics: dict[str, Topic] = {}
        self._concerned: dict[tuple[str, int | None], list[Topic]] = {}  # (kind of news, run) -> who is told, as asked
        self._viewers: dict[Viewer, str] = {}  # -> session
        self._wanted = asyncio.Event()
        self._looked_at = clock.monotonic()
        self._listening = contextlib.ExitStack()
        self._listener: Listener | None = None
        self._missed = 0
        self._recent: deque[News] = deque(maxlen=RECENT)  # without a gap
        self._closed = False

    def now(self) -> Mark:
        """Where we are, before a page reads its data: what happens from here on is news to it."""
        self._looked_at = self._clock.monotonic()
        if self._listener is None:
            self._recent.clear()
            self._listener = self._listening.enter_context(self._bus.listen(size=BEHIND))
            self._missed = 0
        self._wanted.set()
        self._take_in()
        return Mark(frame=self._numbers.next(), news=self._bus.last_id)  # a number that nobody was ever given

    def open(self, feeds: Sequence[Feed], mark: Mark | None = None) -> str:
        """Begins to keep these feeds up; returns the cursor that the browser of a page read since `mark` connects with."""
        now = self.now()
        mark = mark or now
        for feed in feeds:
            topic = self._topics.get(feed.key) or self._begin(feed, mark)
            topic.left_at = self._clock.monotonic()
        return self._numbers.id(mark.frame)

    @contextlib.contextmanager
    def viewing(
        self, feeds: Sequence[Feed], last_id: str, *, session: str = "", line: Line | None = None
    ) -> Iterator[Viewer]:
        """A viewer of these feeds: first what was missed since `last_id`, then everything new. Raises TooMany.

        One that missed more than is kept is `lost` from the start, as one that is too slow will be: `afresh` is for both.
        """
        self._admit(session)
        self.open(feeds)
        viewer = Viewer(tuple({feed.key: self._topics[feed.key] for feed in feeds}.values()), line)
        seen = self._numbers.read(last_id)
        if seen is None or any(seen < topic.since for topic in viewer.topics):
            viewer.lose()
        else:
            for _, frame in sorted(one for topic in viewer.topics for one in topic.after(seen)):
                viewer.put(frame)
        self._viewers[viewer] = session
        for topic in viewer.topics:
            topic.join(viewer)
        if self._closed:
            viewer.end()
        try:
            yield viewer
        finally:
            del self._viewers[viewer]
            for topic in viewer.topics:
                topic.leave(viewer)

    async def afresh(self, viewer: Viewer) -> bytes:
        """`resync` and every piece as it is now, for a viewer that is lost. Raises Unavailable; then it has to come again.

        Only the end of it carries a number: who is cut off in the middle is lost again when it comes back.
        """
        for _ in range(TRIES):
            wholes = await asyncio.gather(*(topic.whole() for topic in viewer.topics))
            of_each = list(zip(viewer.topics, wholes, strict=True))
            if any(number < topic.since for topic, (number, _) in of_each):
                continue
            newer = sorted(one for topic, (number, _) in of_each for one in topic.after(number))
            viewer.found()
            parts = [frame_of("resync", ""), *(frame_of("", html) for _, html in wholes if html)]
            return b"".join((*parts, *(frame for _, frame in newer), seen_until(self._numbers.id(self._numbers.last))))
        raise Unavailable("news comes faster than this page can be rendered")

    def event(self, name: str) -> bytes:
        """A named event for one viewer, outside the count."""
        return frame_of(name, "")

    async def close(self) -> None:
        """Lets every viewer go, and takes no more, so that the server can stop; who reads nothing is hung up on."""
        self._closed = True
        for viewer in self._viewers:
            viewer.end()
        for _ in range(10):
            if not self._viewers:
                return
            await asyncio.sleep(GOODBYE_S / 10)
        for viewer in self._viewers:
            if viewer.line is not None:
                viewer.line.abort()

    async def run(self) -> None:
        """Follows the news while anybody looks, and rests while nobody does."""
        try:
            while True:
                await self._wanted.wait()
                await self._follow()
        finally:
            for topic in self._topics.values():
                topic.close()

    async def _follow(self) -> None:
        assert self._listener is not None
        sweep_at = 0.0
        while self._topics or self._clock.monotonic() - self._looked_at <= LINGER_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._listener.ready()
            self._take_in()
            if (now := self._clock.monotonic()) >= sweep_at:
                sweep_at = now + SWEEP_S
                self._sweep(now)
        self._listening.close()  # and nothing awaited since the look above: nobody came in between
        self._listener = None
        self._wanted.clear()

    def _take_in(self) -> None:
        """All news that waits, so that the next number stands for a moment after it."""
        if self._listener is None:
            return
        if self._listener.missed != self._missed:
            self._missed = self._listener.missed
            self._recent.clear()
            for topic in self._topics.values():
                topic.gap()
        for news in self._listener.take():
            self._recent.append(news)
            for topic in self._told(news):
                topic.tell(news)

    def _told(self, news: News) -> list[Topic]:
        """Whom this concerns. Remembered, for most news concerns nobody who looks, and there is a flood of it."""
        about = (news.kind, news.run_id)
        found = self._concerned.get(about)
        if found is None:
            if len(self._concerned) >= MOST_REMEMBERED:
                self._concerned.clear()
            found = self._concerned[about] = [one for one in self._topics.values() if concerns(one.feed, news)]
        return found

    def _begin(self, feed: Feed, mark: Mark) -> Topic:
        """A new topic, which is told what happened since the page was read. Where that is not known, all begin afresh."""
        if len(self._topics) >= MOST_TOPICS:
            self._forget(min(self._topics.values(), key=lambda one: (bool(one.viewers), one.left_at)))
        topic = Topic(feed, since=mark.frame, clock=self._clock, numbers=self._numbers)
        self._topics[feed.key] = topic
        self._concerned.clear()
        since = [news for news in self._recent if news.id > mark.news]
        if len(since) != self._bus.last_id - mark.news:
            topic.gap()
        for news in since:
            if concerns(feed, news):
                topic.tell(news)
        return topic

    def _sweep(self, now: float) -> None:
        """Those whose browser has hung up, and the topics that nobody has looked at for long."""
        for viewer in self._viewers:
            if not viewer.alive:
                viewer.end()
        for topic in list(self._topics.values()):
            if not topic.viewers and now - topic.left_at > LINGER_S:
                self._forget(topic)

    def _forget(self, topic: Topic) -> None:
        topic.close()
        del self._topics[topic.feed.key]
        self._concerned.clear()
        for viewer in topic.viewers:
            viewer.end()

    def _admit(self, session: str) -> None:
        """Those who hung up a moment ago are not counted."""
        here = Counter(whose for viewer, whose in self._viewers.items() if viewer.alive)
        if here[session] >= MOST_OF_ONE:
            raise TooMany(f"{MOST_OF_ONE} pages of this session are live already; close some, then load this one again")
        if here.total() >= MOST_VIEWERS:
            raise TooMany(f"{MOST_VIEWERS} pages are live here already; this one works, but is not kept up to date")


def concerns(feed: Feed, news: News) -> bool:
    """By what the feed says of itself: see `Feed`."""
    kinds, run_id = getattr(feed, "kinds", None), getattr(feed, "run_id", None)
    return (kinds is None or news.kind in kinds) and (run_id is None or news.run_id in (None, run_id))
