"""Many browsers that look, in a process of their own: each holds one stream over TLS and counts what comes.

`python -m tests.bench.lookers PORT CERTIFICATE`: reads lines of JSON [path, cookie] until an empty one, opens them all, says
"ready N", and from then on says the events and bytes that came so far whenever a line is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.load import trusting

GREETING_S = 60.0


@dataclass(slots=True)
class Looker(asyncio.Protocol):
    """Counts events: every one ends with an empty line, a ping is none."""

    head: bytes
    seen: list[int]  # events and bytes of all of them
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    status: bytes = b""
    tail: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        if not self.status:
            self.status = data[9:12]
            self.ready.set()
        whole = self.tail + data
        self.seen[0] += whole.count(b"\n\n") - whole.count(b": ping\n\n") - self.tail.count(b"\n\n")
        self.seen[1] += len(data)
        self.tail = whole[-1:]

    def connection_lost(self, error: Exception | None) -> None:
        self.status = b"end"
        self.ready.set()


async def look(port: int, certificate: Path) -> None:
    loop, tls, seen = asyncio.get_running_loop(), trusting(certificate), [0, 0]
    lookers: list[Looker] = []
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        path, cookie = json.loads(line)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"
        looker = Looker(head.encode(), seen)
        lookers.append(looker)
        await loop.create_connection(lambda one=looker: one, "127.0.0.1", port, ssl=tls)  # type: ignore[misc]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GREETING_S):
            await asyncio.gather(*(one.ready.wait() for one in lookers))
    print("ready", sum(one.status == b"200" for one in lookers), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(*seen, sum(one.status == b"200" for one in lookers), flush=True)


@dataclass(slots=True)
class Crowd:
    """The process from outside."""

    process: asyncio.subprocess.Process

    @classmethod
    async def open(cls, port: int, certificate: Path, asked: list[tuple[str, str]]) -> Crowd:
        """One stream for each (path, cookie). Fails where one was refused."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.lookers", str(port), str(certificate),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        crowd = cls(process)
        said = await crowd._ask("".join(json.dumps(one) + "\n" for one in asked) + "\n")
        assert said == ["ready", str(len(asked))], said
        return crowd

    async def seen(self) -> tuple[int, int, int]:
        """Events and bytes so far, and how many streams are open."""
        events, size, there = await self._ask("?\n")
        return int(events), int(size), int(there)

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def _ask(self, said: str) -> list[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(said.encode())
        return (await self.process.stdout.readline()).decode().split()


if __name__ == "__main__":
    asyncio.run(look(int(sys.argv[1]), Path(sys.argv[2])))
