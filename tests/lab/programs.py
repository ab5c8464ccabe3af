"""Programs of the rack: each dies with us, and only by its own id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.lab.waiting import InVain


@dataclass(slots=True)
class Program:
    argv: tuple[str, ...]
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def started(
        cls,
        argv: Sequence[str],
        *,
        log: Path,
        inside: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        dies_by: str = "KILL",
        env: Mapping[str, str] | None = None,
    ) -> Program:
        """Starts a program; when this process dies, the kernel sends it `dies_by`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *inside, "setpriv", "--pdeathsig", dies_by, "--", *argv,
                cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=tuple(pass_fds),
                env={**os.environ, "LC_ALL": "C", **(env or {})}, start_new_session=True,
            )  # fmt: skip
        return cls(tuple(argv), process, log)

    @property
    def lives(self) -> bool:
        return self.process.returncode is None

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self, limit_s: float) -> int:
        try:
            async with asyncio.timeout(limit_s):
                return await self.process.wait()
        except TimeoutError:
            raise InVain(f"{self.argv[0]} did not end within {limit_s:.0f} s\n{self.tail()}") from None

    async def stop(self, grace_s: float = 10.0) -> int:
        """TERM, then KILL after the grace; its exit status."""
        if self.lives:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            try:
                return await self.ended(grace_s)
            except InVain:
                self.send(signal.SIGKILL)
        return await self.process.wait()

    def tail(self, lines: int = 40) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends: ours, and one that a child inherits."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
