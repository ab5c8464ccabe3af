"""The one stream of server-sent events that a page holds open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from vetting.domain.errors import NotFound
from vetting.gate import HEADERS
from vetting.web.console import Console
from vetting.web.live import Feed
from vetting.web.visit import Handler, Visit
from vetting.web.who import person_at

PING_S = 15.0  # comments, so that proxies keep the connection and both ends notice a dead one
STALLED_S = 30.0  # a browser that takes nothing for so long is let go; it comes back by itself
LOOK_S = 20.0  # how often it is looked whether the session still lives
MOST_FEEDS = 4

FeedOf = Callable[[Console, Visit, str], Feed]
"""From (console, visit, argument) to the feed; the argument is what stands behind the feed's name in its address."""


def address(feeds: tuple[Feed, ...], cursor: str) -> str:
    """Where a page with these feeds connects."""
    return f"/live?on={','.join(feed.address for feed in feeds)}&after={cursor}"


def streaming(known: Mapping[str, FeedOf]) -> Handler:
    """The handler that streams, over the feeds that there are."""

    async def stream(console: Console, visit: Visit) -> web.StreamResponse:
        feeds = [feed_of(console, visit, known, said) for said in visit.query.get("on", "").split(",")[:MOST_FEEDS]]
        response = EventSourceResponse(headers=HEADERS, ping_interval=PING_S, send_timeout=STALLED_S, sep="\n")
        await response.prepare(visit.request)
        last_id = visit.request.headers.get("Last-Event-ID") or visit.query.get("after", "")
        with console.hub.viewing(feeds, last_id) as viewer, contextlib.suppress(ConnectionResetError, TimeoutError):
            look_at = console.clock.monotonic() + LOOK_S
            while response.is_connected() and not viewer.ended:
                frames = b""
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        frames = await viewer.next()
                        if not frames and not viewer.ended:
                            console.hub.again(feeds)
                            frames = console.hub.event("resync")
                if console.clock.monotonic() >= look_at:
                    look_at = console.clock.monotonic() + LOOK_S
                    if not await still_there(console, visit):
                        await response.write(console.hub.event("signed-out"))
                        break
                if frames:
                    async with asyncio.timeout(STALLED_S):
                        await response.write(frames)
        return response

    return stream


def feed_of(console: Console, visit: Visit, known: Mapping[str, FeedOf], said: str) -> Feed:
    """Raises NotFound."""
    name, _, argument = said.partition("/")
    if name not in known:
        raise NotFound(f"nothing called {name[:40]!r} is told live; load the page again")
    return known[name](console, visit, argument)


async def still_there(console: Console, visit: Visit) -> bool:
    """Whether the person who opened the stream may still look."""
    person = await person_at(console, visit.request, visit.peer)
    return person is not None and person.role == visit.who.role
