"""Keep a child program alive: restart with backoff, a bounded number of times, then give up loudly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vetting import proc
from vetting.clock import Clock
from vetting.domain.errors import ToolMissing

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0  # a child that lived this long has earned a fresh count


def tied(*also: str) -> tuple[str, ...]:
    """Words before a program that make the kernel end it when we are killed: an orphan would keep its port from the next.
    `also`: more words for setpriv, such as another user.

    setpriv(1) is part of util-linux; without it the program starts all the same. The kernel forgets nothing but the
    moment before it was asked: whoever finds itself without us then does not begin.
    """
    found = shutil.which("setpriv", path="/usr/bin:/bin")
    if not found:
        return ()
    return (found, *also, "--pdeathsig", "KILL", "--", "/bin/sh", "-c", _WITH_US, "tied", str(os.getpid()))


_WITH_US = '[ "$PPID" = "$1" ] || exit 125; shift; exec "$@"'


class Health(StrEnum):
    STARTING = "starting"
    UP = "up"
    WAITING = "waiting to restart"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


@dataclass(slots=True)
class Status:
    name: str
    health: Health = Health.STARTING
    restarts: int = 0
    why: str = ""
    pid: int | None = None


class Supervised:
    """One child. `told` hears of every change of health; `GIVEN_UP` is final until `start` is called again."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        clock: Clock,
        told: Callable[[Status], None] = lambda status: None,
        max_restarts: int = 5,
        on_line: proc.LineSink | None = None,
        setpriv: Sequence[str] = (),
    ) -> None:
        self._argv = tuple(argv)
        self._on_line = on_line
        self._setpriv = tuple(setpriv)
        self._clock = clock
        self._told = told
        self._max_restarts = max_restarts
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self.status = Status(name)

    async def start(self) -> None:
        """Starts the child and returns once it runs, or once it cannot be started at all (see `status`)."""
        self.status = Status(self.status.name)
        self._up.clear()
        self._task = asyncio.create_task(self._keep(), name=f"supervise {self.status.name}")
        await self._up.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._set(Health.STOPPED)

    def hang_up(self) -> None:
        """Asks the child to read its files again; one that does not run reads them when it starts."""
        if self.status.pid is not None:
            proc.signal_group(self.status.pid, signal.SIGHUP)

    def shoot(self) -> None:
        """Ends a child that no longer answers; it is started again as one that died."""
        if self.status.pid is not None:
            proc.signal_group(self.status.pid, signal.SIGKILL)

    async def _keep(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            began = self._clock.monotonic()
            why = await self._once()
            if self._clock.monotonic() - began >= STEADY_S:
                self.status.restarts, wait_s = 0, FIRST_WAIT_S
            if self.status.restarts >= self._max_restarts:
                self._set(Health.GIVEN_UP, why)
                return
            self.status.restarts += 1
            self._set(Health.WAITING, why)
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _once(self) -> str:
        try:
            wrap = tied(*self._setpriv)
            child = await proc.spawn(self._argv, wrap=wrap, on_line=self._on_line, keep_bytes=64 * 1024)
        except (ToolMissing, OSError) as error:
            return str(error)
        self.status.pid = child.pid
        self._set(Health.UP)
        try:
            ended = await child.wait()
        except asyncio.CancelledError:
            await asyncio.shield(child.stop())
            raise
        finally:
            self.status.pid = None
        last_words = "; ".join(ended.text.strip().splitlines()[-2:])  # iperf3 says why, and then that it exits
        return f"{self._argv[0]} {ended.how_it_ended}" + (f": {last_words[:200]}" if last_words else "")

    def _set(self, health: Health, why: str = "") -> None:
        self.status.health, self.status.why = health, why
        if health in (Health.UP, Health.GIVEN_UP, Health.WAITING):
            self._up.set()
        if health is Health.WAITING:
            log.warning("%s: %s; it is started again", self.status.name, why)
        if health is Health.GIVEN_UP:
            log.error("%s: gave up after %d restarts: %s", self.status.name, self.status.restarts, why)
        self._told(self.status)
