"""Tells the service manager how we are: ready, alive, stopping, and in one line what is wrong.

systemd names a datagram socket in NOTIFY_SOCKET (sd_notify(3)); where it does not, all this is said to nobody. The
watchdog is fed only after the part of us that could hang has answered, for a program that only looks alive would
otherwise hold its runs for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

log = logging.getLogger(__name__)

TICK_S = 10.0  # how often we look at ourselves where the watchdog does not ask for more
ASK_FOR_S = 60.0  # how much more time one request for patience asks for
ASK_EVERY_S = 20.0
STATUS_SIGNS = 300
MICROSECONDS = 1_000_000


class Manager:
    """Whoever started us and wants to know. `watchdog_s`: silence after which it kills us; 0: it does not."""

    def __init__(
        self, address: str = "", watchdog_s: float = 0.0, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._sleep = sleep
        self._status = ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str], pid: int | None = None) -> Manager:
        """Takes the manager's words out of the environment, for they are said to us and not to programs that we start."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds, meant = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = meant in ("", str(pid or os.getpid()))
        watchdog_s = (
            int(microseconds) / MICROSECONDS if ours and microseconds.isascii() and microseconds.isdigit() else 0.0
        )
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s)

    def tell(self, *words: str) -> None:
        """Sends assignments such as READY=1 in one datagram. Never waits and never fails: nothing of ours depends on it."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.setblocking(False)
                to.sendto("\n".join(words).encode(errors="replace"), self._address)
        except OSError as error:
            log.warning("the service manager could not be told %s: %s", words[0], error.strerror)

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows; told when it changed."""
        if text != self._status:
            self._status = text
            self.tell(_line(text))

    def ready(self, status: str) -> None:
        self._status = status
        self.tell("READY=1", _line(status))

    def stopping(self, why: str = "stopping") -> None:
        self._status = why
        self.tell("STOPPING=1", _line(why))

    @contextlib.asynccontextmanager
    async def patience(self, doing: str, *, most_s: float) -> AsyncIterator[None]:
        """Asks for more time again and again while the block runs and the loop turns, `most_s` in all.

        For a large database that is brought up to date, or a report that is written at the end.
        """
        self.status(doing)

        async def ask() -> None:
            asked_s = 0.0
            while asked_s < most_s:
                self.tell(f"EXTEND_TIMEOUT_USEC={int(min(ASK_FOR_S, most_s - asked_s) * MICROSECONDS)}")
                await self._sleep(ASK_EVERY_S)
                asked_s += ASK_EVERY_S

        async with _beside(ask()):
            yield

    @contextlib.asynccontextmanager
    async def watched(self, answers: Callable[[], Awaitable[object]], status: Callable[[], str]) -> AsyncIterator[None]:
        """Feeds the watchdog while the block runs, at half of its time at the latest, each time after `answers` did.

        `answers` returns, or raises, once whatever must not hang has answered: a refusal is an answer too. While it is
        silent nothing is fed, and the watchdog bites. `status` is looked at meanwhile.
        """
        async with _beside(self._watch(answers, status)):
            yield

    async def _watch(self, answers: Callable[[], Awaitable[object]], status: Callable[[], str]) -> None:
        tick_s = min(TICK_S, self.watchdog_s / 2) if self.watchdog_s else TICK_S
        waiting: asyncio.Future[object] | None = None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(answers())
                await asyncio.wait({waiting}, timeout=tick_s / 2)
                if not waiting.done():  # it is not asked twice: what hangs would only be given more to do
                    log.error("the database's writer does not answer; the watchdog is not fed")
                    self.status(f"the database's writer does not answer; {status()}")
                else:
                    waiting.exception()
                    waiting = None
                    self.status(status())
                    if self.watchdog_s:
                        self.tell("WATCHDOG=1")
                await self._sleep(tick_s)
        finally:
            if waiting is not None:
                waiting.cancel()


def _line(text: str) -> str:
    """A status of one line: a line break in what a program said would be another assignment, WATCHDOG=1 for one."""
    return "STATUS=" + " ".join(text.split())[:STATUS_SIGNS]


@contextlib.asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """Runs `work` for as long as the block does."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
