"""What the agent and its programs say, forwarded every two seconds and bounded; the agent's own words go to stderr too."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TextIO

import msgspec

from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.outbox import Outbox, first_number
from vetting.client import Client, Unreachable, WrongServer
from vetting.clock import Clock
from vetting.domain.errors import NotAllowed, Refusal
from vetting.domain.outcome import Finding

FLUSH_S = 2.0
KEEP_LINES = 5000
KEEP_FINDINGS = 500
BATCH_LINES = 300
BATCH_FINDINGS = 50
LINE_CHARS = 1000  # 300 such lines of four-byte letters stay far below the orchestrator's 1 MiB
PATH = "/api/agent/log"


class Logs:
    """Takes lines and findings at any time; `flush` sends them. A batch is sent again, with its number, until taken."""

    def __init__(self, activity: Activity, clock: Clock, *, echo: TextIO | None = None) -> None:
        self._activity = activity
        self._clock = clock
        self._echo = sys.stderr if echo is None else echo
        self._lines: Outbox[wire.LogLine] = Outbox(KEEP_LINES)
        self._findings: Outbox[Finding] = Outbox(KEEP_FINDINGS)
        self._waiting: wire.LogBatch | None = None
        self._seq = first_number(clock)
        self._sending = asyncio.Lock()

    def say(self, text: str, level: str = "info", source: str = "agent") -> None:
        """A line of ours, a program's or the kernel's, tagged with the stage of this moment."""
        for part in text.splitlines() or [""]:
            line = printable(part)
            self._lines.put(
                wire.LogLine(
                    at_ms=int(self._clock.monotonic() * 1000),
                    stage=self._activity.stage,
                    level=level,
                    source=source,
                    text=line,
                )
            )
            if source == "agent":
                print(f"vetting agent: {line}", file=self._echo, flush=True)

    def find(self, finding: Finding) -> None:
        self._findings.put(finding)

    async def flush(self, client: Client) -> bool:
        """Sends all there is; False where the orchestrator is away and the rest waits. Raises NotAllowed."""
        async with self._sending:
            return await self._flush(client)

    async def _flush(self, client: Client) -> bool:
        while self._waiting is not None or self._lines or self._findings:
            batch = self._waiting or self._batch()
            self._waiting = batch
            try:
                now_ms = int(self._clock.monotonic() * 1000)
                await client.call(PATH, msgspec.structs.replace(batch, now_ms=now_ms), wire.LogReply)
            except (Unreachable, WrongServer):
                return False
            except NotAllowed:
                raise
            except Refusal:  # it will not be taken at any later time either
                self._lines.drop(len(batch.lines))
            self._waiting = None
        return True

    def _batch(self) -> wire.LogBatch:
        self._seq += 1
        return wire.LogBatch(
            boot_id=self._activity.boot_id,
            seq=self._seq,
            now_ms=0,
            lines=tuple(self._lines.take(BATCH_LINES)),
            findings=tuple(self._findings.take(BATCH_FINDINGS)),
            dropped=self._lines.take_dropped() + self._findings.take_dropped(),
        )


def printable(text: str) -> str:
    """One bounded line without control characters; a host's words may hold anything."""
    cut = text[: LINE_CHARS + 1]
    clean = "".join(
        letter if letter.isprintable() else ("\t" if letter == "\t" else "\N{REPLACEMENT CHARACTER}") for letter in cut
    )
    return clean if len(clean) <= LINE_CHARS else clean[: LINE_CHARS - 1] + "…"


Say = Callable[[str, str], None]
