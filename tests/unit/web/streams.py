"""A live stream, read byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.browser.scene import Guest, Scene
from tests.unit.web.raw import answer_of, connect
from vetting.web.who import COOKIE


@dataclass
class Stream:
    """What a browser reads, its chunks joined."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    said: bytes = b""

    async def until(self, *words: bytes, limit_s: float = 10.0) -> bytes:
        """Everything so far, once all the words are in it."""
        async with asyncio.timeout(limit_s):
            while not all(word in self.said for word in words):
                chunk = await self._chunk()
                assert chunk, self.said
                self.said += chunk
        return self.said

    async def end(self, limit_s: float = 10.0) -> bytes:
        async with asyncio.timeout(limit_s):
            while chunk := await self._chunk():
                self.said += chunk
        return self.said

    async def _chunk(self) -> bytes:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            return (await self.reader.readexactly(size + 2))[:-2]
        return b""


@contextlib.asynccontextmanager
async def open_stream(scene: Scene, path: str, guest: Guest | None, **headers: str) -> AsyncIterator[Stream]:
    reader, writer = await connect(scene)
    said = {
        "Host": scene.url.removeprefix("https://"),
        "Cookie": f"{COOKIE}={guest.secret}" if guest else "",
        **headers,
    }
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items() if value)
    writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    try:
        async with asyncio.timeout(10):
            head = await answer_of(reader)
        yield Stream(reader, writer, head.status, dict(head.headers), head.body)
    finally:
        writer.transport.abort()
