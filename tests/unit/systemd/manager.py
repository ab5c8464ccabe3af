"""The other side of sd_notify: a datagram socket that keeps what it is told, as systemd does."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self


class Listener:
    """Listens at a path or, with a leading `@`, at an abstract address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def listen(self) -> list[str]:
        """Every assignment that came since the last call; all of them are kept in `heard` too."""
        fresh: list[str] = []
        while True:
            try:
                fresh += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                self.heard += fresh
                return fresh

    async def until(self, word: str, limit_s: float = 20.0) -> None:
        """Waits for an assignment that begins so, among those that come from now on."""
        async with asyncio.timeout(limit_s):
            while not any(said.startswith(word) for said in self.listen()):  # noqa: ASYNC110 - a socket has no event
                await asyncio.sleep(0.01)
