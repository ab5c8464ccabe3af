"""QEMU's machine protocol: commands with answers, and the events in the order in which they came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Any

ANSWER_S = 20.0


class QmpError(AssertionError):
    """QEMU refused a command, or is gone."""


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: dict[str, Any]


@dataclass(slots=True)
class Qmp:
    writer: asyncio.StreamWriter
    reading: asyncio.Task[None]
    events: list[Event] = field(default_factory=list)
    asked: deque[asyncio.Future[Any]] = field(default_factory=deque)

    @classmethod
    async def over(cls, end: socket.socket) -> Qmp:
        """Takes a connected socket and the greeting; the host is ours afterwards."""
        reader, writer = await asyncio.open_unix_connection(sock=end)
        events: list[Event] = []
        asked: deque[asyncio.Future[Any]] = deque()
        reading = asyncio.create_task(_read(reader, events, asked))
        qmp = cls(writer, reading, events, asked)
        await qmp.do("qmp_capabilities")
        return qmp

    async def do(self, command: str, **arguments: Any) -> Any:
        """The answer to a command. Raises QmpError."""
        if self.reading.done():
            raise QmpError(f"QEMU is gone: {command} cannot be asked")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        self.writer.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            return await answer

    def seen(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    async def close(self) -> None:
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def _read(reader: asyncio.StreamReader, events: list[Event], asked: deque[asyncio.Future[Any]]) -> None:
    try:
        while line := await reader.readline():
            _take(json.loads(line), events, asked)
    except (OSError, ValueError):
        pass  # QEMU was killed in the middle of a line
    finally:
        for answer in asked:
            if not answer.done():
                answer.set_exception(QmpError("QEMU ended before it answered"))


def _take(said: dict[str, Any], events: list[Event], asked: deque[asyncio.Future[Any]]) -> None:
    if "event" in said:
        events.append(Event(said["event"], said.get("data", {})))
    elif "return" in said or "error" in said:
        answer = asked.popleft()
        if answer.done():  # whoever asked has given up
            return
        if "error" in said:
            answer.set_exception(QmpError(said["error"]["desc"]))
        else:
            answer.set_result(said["return"])
