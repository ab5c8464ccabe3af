"""The one stream of server-sent events that a page holds open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from vetting.domain.errors import BadInput, NotFound, Refusal, Unavailable
from vetting.gate import HEADERS
from vetting.web.console import Console
from vetting.web.live import Feed, Viewer
from vetting.web.visit import Handler, Visit
from vetting.web.who import person_at

PING_S = 15.0  # comments, so that proxies keep the connection and both ends notice a dead one
STALLED_S = 30.0  # a browser that takes nothing for so long is let go; it comes back by itself
LOOK_S = 20.0  # how often it is looked whether the session still lives
BREATH_S = 0.1  # between two writes to one browser: in a flood many events are one write, for that is what costs
MOST_FEEDS = 4
LONGEST_NAME = 200

FeedOf = Callable[[Console, Visit, str], Feed]
"""From (console, visit, argument) to the feed; the argument is what stands behind the feed's name in its address."""


def address(feeds: tuple[Feed, ...], cursor: str) -> str:
    """Where a page with these feeds connects."""
    return f"/live?on={','.join(feed.address for feed in feeds)}&after={cursor}"


def streaming(known: Mapping[str, FeedOf]) -> Handler:
    """The handler that streams, over the feeds that there are."""

    async def stream(console: Console, visit: Visit) -> web.StreamResponse:
        last_id = visit.request.headers.get("Last-Event-ID") or visit.query.get("after", "")
        try:
            feeds = feeds_of(console, visit, known)
            with console.hub.viewing(feeds, last_id, session=visit.who.csrf, line=visit.request.transport) as viewer:
                return await _stream(console, visit, viewer)
        except Refusal as refusal:  # read by a script: words, no page around them
            return web.Response(status=refusal.http_status, text=refusal.message, headers=HEADERS)

    return stream


async def _stream(console: Console, visit: Visit, viewer: Viewer) -> web.StreamResponse:
    response = EventSourceResponse(headers=HEADERS, ping_interval=PING_S, send_timeout=STALLED_S, sep="\n")
    response.headers["Cache-Control"] = HEADERS["Cache-Control"]  # it sets a laxer one
    await response.prepare(visit.request)
    with contextlib.suppress(ConnectionResetError):
        async with response:
            look_at = console.clock.monotonic() + LOOK_S
            while response.is_connected() and not viewer.ended:
                frames = await _next(console, viewer)
                if console.clock.monotonic() >= look_at:
                    look_at = console.clock.monotonic() + LOOK_S
                    if not await still_there(console, visit):
                        frames = console.hub.event("signed-out")
                        viewer.end()
                if frames:
                    await _write(response, visit, frames)
                    await asyncio.sleep(BREATH_S)
    return response


async def _next(console: Console, viewer: Viewer) -> bytes:
    """What is to be written; empty when it is time to look around."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await (console.hub.afresh(viewer) if viewer.lost else viewer.next())
    except TimeoutError:
        return b""
    except Unavailable:
        viewer.end()  # its browser says that it is not connected, which is true, and comes again
        return b""


async def _write(response: EventSourceResponse, visit: Visit, frames: bytes) -> None:
    """A browser that reads nothing does not hold us, nor a graceful end."""
    try:
        async with asyncio.timeout(STALLED_S):
            await response.write(frames)
    except TimeoutError:
        if visit.request.transport is not None:
            visit.request.transport.abort()
        raise ConnectionResetError("the browser takes nothing") from None


def feeds_of(console: Console, visit: Visit, known: Mapping[str, FeedOf]) -> list[Feed]:
    """What the page asks to be told. Raises NotFound, BadInput."""
    asked = visit.query.get("on", "").split(",")
    if len(asked) > MOST_FEEDS:
        raise BadInput(f"a page is kept up to date by at most {MOST_FEEDS} feeds; load it again")
    return [feed_of(console, visit, known, said) for said in asked]


def feed_of(console: Console, visit: Visit, known: Mapping[str, FeedOf], said: str) -> Feed:
    """Raises NotFound."""
    name, _, argument = said.partition("/")
    if name not in known or len(said) > LONGEST_NAME:
        raise NotFound(f"nothing called {name[:40]!r} is told live; load the page again")
    return known[name](console, visit, argument)


async def still_there(console: Console, visit: Visit) -> bool:
    """Whether the person who opened the stream may still look. Where that cannot be read, nobody is sent away."""
    try:
        person = await person_at(console, visit.request, visit.peer)
    except Unavailable:
        return True
    except Refusal:
        return False
    return person is not None and person.name == visit.who.name and person.role == visit.who.role
