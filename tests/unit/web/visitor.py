"""Somebody who asks for pages and sends forms, without a browser."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.browser.scene import Guest, Scene

TAGS = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Seen:
    """What was answered. `text`: as a person reads it, in one line."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def raw(self) -> str:
        return self.body.decode()

    @property
    def text(self) -> str:
        return " ".join(html.unescape(TAGS.sub(" ", self.raw)).split())


@dataclass
class Visitor:
    """One person, or nobody; redirects are not followed, so that a test sees where they lead."""

    scene: Scene
    session: aiohttp.ClientSession
    guest: Guest | None

    async def see(self, path: str) -> Seen:
        return await self._ask("GET", path)

    async def send(self, path: str, **fields: str) -> Seen:
        """A form of ours, with the token of the person's session."""
        csrf = {"csrf": self.guest.csrf} if self.guest else {}
        return await self._ask("POST", path, {**csrf, **fields})

    async def send_all(self, path: str, fields: Sequence[tuple[str, str]]) -> Seen:
        """As `send`, for forms in which a field comes more than once."""
        csrf = [("csrf", self.guest.csrf)] if self.guest else []
        return await self._ask("POST", path, [*csrf, *fields])

    async def _ask(
        self, method: str, path: str, form: dict[str, str] | Sequence[tuple[str, str]] | None = None
    ) -> Seen:
        headers = {"Origin": self.scene.url} if form is not None else {}
        async with self.session.request(
            method, self.scene.url + path, data=form, headers=headers, allow_redirects=False,
            cookies=self.guest.cookies if self.guest else {},
        ) as response:  # fmt: skip
            return Seen(response.status, response.headers, await response.read())


@asynccontextmanager
async def visiting(scene: Scene, guest: Guest | None) -> AsyncIterator[Visitor]:
    pin = aiohttp.Fingerprint(bytes.fromhex(scene.server.certificate.fingerprint))
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin), cookie_jar=jar) as session:
        yield Visitor(scene, session, guest)
