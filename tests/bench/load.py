"""A load generator that costs less than what it loads: HTTP/1.1 over kept TLS connections, many in one process."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

JSON = "Content-Type: application/json\r\n"


def trusting(certificate: Path) -> ssl.SSLContext:
    """A context that believes this one certificate, whatever name it is reached by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificate)
    return context


class Line(asyncio.Protocol):
    """One kept connection, one request at a time. Raises ConnectionError when the other side goes away."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._came = bytearray()
        self._gone = False

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext) -> Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(cls, "127.0.0.1", port, ssl=tls)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        end = self._came.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._came[:end]).lower()
        place = head.index(b"content-length:") + 15
        whole = end + 4 + int(head[place : (head + b"\r").index(b"\r", place)])
        if len(self._came) >= whole:
            answer, self._answer = self._answer, None
            status, body = int(head[9:12]), bytes(self._came[end + 4 : whole])
            del self._came[:whole]
            if not answer.done():
                answer.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server hung up"))

    async def send(self, method: str, path: str, body: bytes, token: str = "") -> tuple[int, bytes]:
        """(status, body) of one request."""
        if self._gone or self._transport is None:
            raise ConnectionResetError("the server hung up")
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{JSON}{bearer}Content-Length: {len(body)}\r\n\r\n"
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head.encode() + body)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@dataclass(slots=True)
class Waits:
    """How long answers took, by what was asked; and those that were not 200."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, seconds: float) -> None:
        self.seconds.setdefault(what, []).append(seconds)

    def count(self, *what: str) -> int:
        return sum(len(self.seconds.get(one, ())) for one in what or self.seconds)

    def ms(self, share: float, *what: str) -> float:
        """The wait in milliseconds that this share of the answers stayed under; NaN where there was none."""
        found = sorted(one for kind in what or tuple(self.seconds) for one in self.seconds.get(kind, ()))
        return found[min(int(len(found) * share), len(found) - 1)] * 1000 if found else float("nan")
