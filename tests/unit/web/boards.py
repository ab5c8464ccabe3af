"""A page that is nothing but its live pieces, and a browser that shows them: what the hub is tried with."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from vetting.orchestrator.bus import Bus, News
from vetting.web.live import Hub, Viewer

PIECES = ("a", "b", "c")


@dataclass
class Board:
    """Pieces with values and a log; what is committed is told by its own step, as the store and the bus do it."""

    bus: Bus
    address: str = "board"
    key: str = "board"
    pieces: Collection[str] = PIECES
    values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PIECES, 0))
    lines: list[int] = field(default_factory=list)
    rendered: list[set[str]] = field(default_factory=list)
    broken: Exception | None = None
    padding: str = ""

    def change(self, piece: str) -> None:
        self.values[piece] += 1
        self.bus.publish("changed", at=0.0, piece=piece, board=self.key)

    def log(self) -> None:
        self.lines.append(len(self.lines))
        self.bus.stream("logged", at=0.0, run_id=1, line=self.lines[-1], board=self.key)

    def touched(self, news: News) -> Collection[str]:
        return (news.data["piece"],) if news.kind == "changed" and news.data["board"] == self.key else ()

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return (("line", news.data["line"]),) if news.kind == "logged" and news.data["board"] == self.key else ()

    async def render(self, ids: Collection[str]) -> str:
        self.rendered.append(set(ids))
        if self.broken is not None:
            raise self.broken
        read = {one: self.values[one] for one in ids}  # and from here on it is the past
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "".join(f'<p id="{self.key}.{one}">{value}</p>{self.padding}' for one, value in sorted(read.items()))


@dataclass
class Browser:
    """What a person sees, made of whole events alone; `cursor` is what it would come back with."""

    boards: tuple[Board, ...]
    cursor: str = ""
    shown: dict[str, int] = field(default_factory=dict)
    lines: dict[str, set[int]] = field(default_factory=dict)
    resyncs: int = 0
    wire: bytes = b""

    def load(self, cursor: str) -> None:
        """The page, read a moment before."""
        self.cursor, self.wire = cursor, b""

    def read_page(self) -> None:
        self.shown = {f"{board.key}.{one}": value for board in self.boards for one, value in board.values.items()}
        self.read_log()

    def read_log(self) -> None:
        self.lines = {board.key: set(board.lines) for board in self.boards}

    def take(self, said: bytes) -> None:
        self.wire += said
        *whole, self.wire = self.wire.split(b"\n\n")
        for event in whole:
            self._apply(event.decode())

    def cut(self) -> None:
        """The connection is gone, and half an event with it."""
        self.wire = b""

    def right(self) -> bool:
        """Whether everything that there is now is shown."""
        for board in self.boards:
            if any(self.shown.get(f"{board.key}.{one}") != value for one, value in board.values.items()):
                return False
            if self.lines[board.key] != set(board.lines):
                return False
        return True

    def _apply(self, event: str) -> None:
        said: dict[str, list[str]] = {}
        for line in event.split("\n"):
            name, _, value = line.partition(": ")
            said.setdefault(name, []).append(value)
        if "id" in said:
            self.cursor = said["id"][-1]
        name, data = "".join(said.get("event", [])), "\n".join(said.get("data", []))
        if name == "resync":
            self.resyncs += 1
            self.read_log()
        elif name == "line":
            for lines in self.lines.values():
                lines.add(json.loads(data))
        else:
            self.shown |= {id: int(value) for id, value in re.findall(r'<p id="(.*?)">(\d+)</p>', data)}


async def settle(turns: int = 30) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def pump(hub: Hub, viewer: Viewer, browser: Browser) -> None:
    """What the stream does for as long as there is something to say."""
    while viewer.lost or viewer.waiting:
        browser.take(await (hub.afresh(viewer) if viewer.lost else viewer.next()))
