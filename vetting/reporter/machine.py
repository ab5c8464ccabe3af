"""The reporter's one door to the host it runs on: files below `root`, programs, and the two kinds of running them.

`ask` only looks. `act` changes something: it is shown first, and a dry run goes no further. Below another root than / no
program of this machine can be reached at all, for its PATH lies below that root too; that is how tests and images use it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vetting import proc
from vetting.domain.errors import Forbidden, ToolMissing
from vetting.domain.outcome import ToolRun

FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
ASK_S = 15.0
ACT_S = 60.0
GRACE_S = 1.0
LEFT_S = 3.0  # beyond deadline and grace: whoever still runs then cannot be killed


class Stuck(OSError):
    """A program that did not end when it was killed: it waits in the kernel, for a file system or a device that hangs."""


class Runner(Protocol):
    def __call__(
        self, argv: tuple[str, ...], *, limit_s: float, env: dict[str, str], grace_s: float
    ) -> Coroutine[Any, Any, ToolRun]: ...


@dataclass(slots=True, kw_only=True)
class Machine:
    root: Path = Path("/")
    dry_run: bool = False
    say: Callable[[str], None] = print
    limit_s: float = ASK_S
    runner: Runner = proc.run
    shown: list[str] = field(default_factory=list)  # what was done, or would have been in a dry run
    _stuck: dict[tuple[str, ...], asyncio.Task[ToolRun]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return ":".join(str(self.root / folder) for folder in FOLDERS)

    def has(self, tool: str) -> bool:
        try:
            proc.which(tool, path=self.path)
        except ToolMissing:
            return False
        return True

    def read(self, name: str) -> str:
        """A file below the root. Raises OSError."""
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    async def ask(self, *argv: str) -> ToolRun:
        """Runs a program that only looks, to its end or its deadline. Raises ToolMissing, Stuck.

        One that cannot be killed is left alone and not started a second time until it is gone: a heartbeat must not wait
        for it, and a host in trouble must not collect them.
        """
        if argv in self._stuck and not self._stuck[argv].done():
            raise Stuck(f"`{' '.join(argv)}` still hangs since an earlier look")
        task = asyncio.ensure_future(self.runner(argv, limit_s=self.limit_s, env={"PATH": self.path}, grace_s=GRACE_S))
        self._stuck[argv] = task
        try:
            await asyncio.wait({task}, timeout=self.limit_s + GRACE_S + LEFT_S)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            raise Stuck(f"`{' '.join(argv)}` hangs and cannot be killed")
        del self._stuck[argv]
        return task.result()

    async def act(self, *argv: str) -> ToolRun | None:
        """Runs a program that changes something; None in a dry run. Raises ToolMissing, Forbidden."""
        self.shown.append(" ".join(argv))
        if self.dry_run:
            self.say(f"would run: {' '.join(argv)}")
            return None
        if self.root == Path("/") and os.environ.get("VETTING_TEST"):
            raise Forbidden(f"this runs under test, and {argv[0]} would change this very machine")
        self.say(f"running: {' '.join(argv)}")
        return await self.runner(argv, limit_s=ACT_S, env={"PATH": self.path}, grace_s=GRACE_S)
