"""What comes next: the agent's own step by step, and the orchestrator's commands as far as they fit the moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from vetting.wire import Command


class How(StrEnum):
    """How the agent ends."""

    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    ABORT = "abort"  # at once, nothing more is posted
    STALE = "stale"  # the token is worth nothing any more
    MISMATCH = "protocol mismatch"
    STOPPED = "stopped"  # by a signal: a successor goes on


EXIT_STATUS = {How.SHUTDOWN: 0, How.REBOOT: 0, How.STOPPED: 0, How.ABORT: 1, How.STALE: 3, How.MISMATCH: 4}
ORDERED = {"shutdown": How.SHUTDOWN, "reboot": How.REBOOT, "abort": How.ABORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Run this stage."""

    stage: str
    attempt: int
    override_flags: tuple[str, ...] = ()
    permit: str = ""
    permit_refused: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait for a person, with the door open."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The run is over; wait to be told how to end."""

    state: str


@dataclass(frozen=True, slots=True)
class End:
    how: How
    why: str = ""


Step = Work | Hold | Wait | End


@dataclass(slots=True)
class Orders:
    """The newest command, and whoever waits for it. An order to end is never forgotten; the others come again anyway."""

    end: End | None = None
    begun: set[tuple[str, int]] = field(default_factory=set)  # attempts that need no second telling
    _command: Command | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, command: Command) -> None:
        if how := ORDERED.get(command.cmd):
            self.finish(how, command.reason)
        elif command.cmd in ("cancel_stage", "retry_stage"):
            self._command = command
            self._news.set()

    def finish(self, how: How, why: str = "") -> None:
        """The first order to end stands, except that a stop at once goes before a polite one."""
        if self.end is None or (how in (How.ABORT, How.STOPPED) and self.end.how is not How.ABORT):
            self.end = End(how, why)
        self._news.set()

    def retry(self) -> Work | None:
        """A new attempt that was ordered and has not begun."""
        command = self._command
        if command is None or command.cmd != "retry_stage" or (command.stage, command.attempt) in self.begun:
            return None
        return Work(
            stage=command.stage,
            attempt=command.attempt,
            override_flags=command.override_flags,
            permit=command.permit,
            permit_refused=command.permit_refused,
        )

    def cancels(self, work: Work) -> str:
        """Why this attempt shall stop; empty where no order says so."""
        command = self._command
        if command is None or command.cmd != "cancel_stage":
            return ""
        fits = command.stage in ("", work.stage) and command.attempt in (0, work.attempt)
        return (command.reason or "cancelled") if fits else ""

    def begin(self, work: Work) -> None:
        """From here on only newer commands count."""
        self.begun.add((work.stage, work.attempt))
        self._command = None

    async def news(self) -> None:
        """Returns when something was heard since the last time."""
        await self._news.wait()
        self._news.clear()
