"""The cable between a browser and the orchestrator: cut in the middle of whatever goes over it, and mended again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Cable:
    """`url` is the orchestrator's, by way of this cable."""

    port: int  # of the orchestrator
    url: str = ""
    _plugged: asyncio.Server | None = None
    _over_it: set[asyncio.StreamWriter] = field(default_factory=set)

    async def mend(self) -> None:
        here = urlsplit(self.url).port if self.url else 0
        self._plugged = await asyncio.start_server(self._carry, "127.0.0.1", here)
        self.url = f"https://127.0.0.1:{self._plugged.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """All connections are reset, and no new ones are taken."""
        assert self._plugged is not None
        self._plugged.close()
        for writer in self._over_it:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        both = {writer, back}
        self._over_it |= both
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._over_it -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


@asynccontextmanager
async def cable_to(url: str) -> AsyncIterator[Cable]:
    port = urlsplit(url).port
    assert port is not None
    cable = Cable(port)
    await cable.mend()
    try:
        yield cable
    finally:
        await cable.cut()
