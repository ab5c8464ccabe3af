"""A server of one page, with the console's policy and a stream that the test speaks into and cuts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.conftest import REPOSITORY

VENDOR = REPOSITORY / "vetting" / "web" / "static" / "vendor"
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CONFIG = "extensions:sse sse.pauseOnBackground:false sse.reconnectDelay:50ms sse.reconnectMaxDelay:500ms"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>tiny</title>
<meta name="htmx-config" content="{config}"><link rel="icon" href="data:,">
<script src="/vendor/htmx.min.js"></script><script src="/vendor/hx-sse.min.js"></script><script src="/own.js"></script>
</head><body><main><h1>tiny</h1>{body}</main></body></html>"""
HTML = {"Content-Type": "text/html"}


@dataclass
class Tiny:
    """What the page says is given; what the browser asked is written down."""

    body: str = ""
    script: str = ""
    fragments: dict[str, str] = field(default_factory=dict)
    config: str = CONFIG
    policy: str = STRICT
    refusing: int = 0
    """Answer so many connections to the stream with 503."""
    resumed: list[str | None] = field(default_factory=list)
    """The Last-Event-ID of each connection to the stream, in their order."""
    _open: dict[web.StreamResponse, asyncio.Event] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/own.js", self._own)
        app.router.add_get("/live", self._live)
        app.router.add_get("/fragment/{name}", self._fragment)
        app.router.add_static("/vendor", VENDOR)
        app.on_response_prepare.append(self._strictly)
        app.on_shutdown.append(self._close)
        return app

    async def say(self, data: str, *, event: str = "", id: str = "") -> None:
        """One message to whoever listens; somebody must."""
        await self.heard_by(1)
        lines = (
            [f"event: {event}"] * bool(event) + [f"id: {id}"] * bool(id) + [f"data: {one}" for one in data.split("\n")]
        )
        for stream in self._open:
            await stream.write(("\n".join(lines) + "\n\n").encode())

    async def heard_by(self, connections: int) -> None:
        """Wait until the stream was asked for so many times, and somebody listens."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.resumed) >= connections and self._open)

    async def heard_by_nobody(self) -> None:
        """Wait until whoever listened hung up."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: not self._open)

    def cut(self) -> None:
        """Tear every connection down as a pulled cable would, in the middle of its answer."""
        for stream, over in self._open.items():
            assert stream._req is not None
            assert stream._req.transport is not None
            stream._req.transport.abort()
            over.set()
        self._open.clear()

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE.format(config=self.config, body=self.body), headers=HTML)

    async def _own(self, _: web.Request) -> web.Response:
        return web.Response(text=self.script, content_type="text/javascript")

    async def _fragment(self, request: web.Request) -> web.Response:
        return web.Response(text=self.fragments[request.match_info["name"]], headers=HTML)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self.resumed.append(request.headers.get("Last-Event-ID"))
        if len(self.resumed) <= self.refusing:
            return web.Response(status=503, text="<p>busy</p>", headers=HTML)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        over = self._open[stream] = asyncio.Event()
        async with self._changed:
            self._changed.notify_all()
        try:
            await over.wait()
        finally:
            self._open.pop(stream, None)
            async with self._changed:
                self._changed.notify_all()
        return stream

    async def _strictly(self, _: web.Request, answer: web.StreamResponse) -> None:
        answer.headers["Content-Security-Policy"] = self.policy

    async def _close(self, _: web.Application) -> None:
        for over in self._open.values():
            over.set()


Serve = Callable[[Tiny], Awaitable[str]]
"""What the fixture `serve` is: it takes a tiny page to an address."""
