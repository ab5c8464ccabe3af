"""The boot service: a few plain-HTTP paths for loaders, which cannot check a certificate of our own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from vetting.boot import asked
from vetting.boot.answers import Answers, Peer
from vetting.boot.shelf import INITRD, KERNEL, NAMES, Shelf
from vetting.domain.errors import Forbidden, Refusal, TooMany
from vetting.domain.naming import is_one_of
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.pace import Pace

log = logging.getLogger(__name__)
SCRIPTS = 30  # of one machine at once, then one every SCRIPT_EVERY_S
SCRIPT_EVERY_S = 2.0
LONGEST_URL = 2000
TEXT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "vetting"}
FILE = {**TEXT, "Cache-Control": "no-cache"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def our_address(request: web.Request) -> str:
    """Where the machine reached us: a page on another name's behalf (DNS rebinding) cannot know to say it."""
    return str(request.transport.get_extra_info("sockname")[0]) if request.transport else ""


class Fetched(web.FileResponse):
    """A file, sent by the kernel straight from its cache; afterwards it is told how much of it went out, and how fast."""

    def __init__(self, path: Path, told: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(path, headers=FILE)
        self._name = path.name
        self._told = told

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        began = time.monotonic()
        self.content_type = "application/octet-stream"
        try:
            writer = await super().prepare(request)
        except (ConnectionError, asyncio.CancelledError):
            await self._told(f"broke off fetching {self._name} after {time.monotonic() - began:.1f} s")
            raise
        size, took_s = self.content_length or 0, time.monotonic() - began
        part = "" if self.status == 200 else f" (HTTP status {self.status})"
        await self._told(f"fetched {self._name}{part}: {size} bytes in {took_s:.1f} s")
        return writer


class Service:
    def __init__(self, *, answers: Answers, shelf: Shelf, arrivals: Arrivals, names: Sequence[str], pace: Pace) -> None:
        self._answers = answers
        self._shelf = shelf
        self._arrivals = arrivals
        self._names = frozenset(name.lower() for name in names)
        self._pace = pace

    def app(self) -> web.Application:
        """GET and HEAD of the known paths; everything else is 404 or 405 in one line of text."""
        app = web.Application(middlewares=[self._plain_errors], client_max_size=0)
        app.router.add_get("/boot.ipxe", self._first)
        app.router.add_get("/boot/script", self._script)
        for name in NAMES:
            app.router.add_get(f"/boot/{name}", self._file_handler(name))
        return app

    @web.middleware
    async def _plain_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if len(request.raw_path) > LONGEST_URL:
                raise web.HTTPRequestURITooLong
            if not is_one_of(request.host or "", self._names | {our_address(request)}):
                raise Forbidden("this Host header is not ours; add the name to server.allowed_hosts in vetting.yaml")
            return await handler(request)
        except Refusal as refusal:
            return web.Response(status=refusal.http_status, text=f"{refusal.message}\n", headers=TEXT)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return web.Response(status=error.status, text=f"{error.reason}\n", headers=TEXT)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("a boot request failed: %r", request.path[:200])
            return web.Response(status=500, text="something went wrong here; the server's log has it\n", headers=TEXT)

    async def _first(self, request: web.Request) -> web.Response:
        return web.Response(text=self._answers.first(), headers=TEXT)

    async def _script(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        if not self._pace.may(address):
            raise TooMany("too many boot scripts asked for from this address; ask again in some seconds")
        if request.method == "HEAD":  # asking must not change a run
            return web.Response(text="", headers=TEXT)
        question = asked.read(request.query)
        peer = Peer(address, our_address(request))
        return web.Response(text=await self._answers.script(question, peer), headers=TEXT)

    def _file_handler(self, name: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._file(request, name)

        return handle

    async def _file(self, request: web.Request, name: str) -> web.StreamResponse:
        image = await self._shelf.look()
        build = request.query.get("build", "")
        if image.objection:
            raise web.HTTPServiceUnavailable
        if build and build != image.build:  # the kernel of one build with the initrd of another starts nothing
            raise web.HTTPConflict
        run_id = self._answers.run_of(request.remote or "") if name in (KERNEL, INITRD) else 0

        async def told(text: str) -> None:
            if run_id and request.method == "GET":
                await asyncio.shield(self._arrivals.say(run_id, f"the host {text}"))

        return Fetched(self._shelf.place(name), told)
