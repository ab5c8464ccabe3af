"""The one door to other programs: `run` to completion, `spawn` to supervise, `hand_over` the terminal.

Every child gets a closed stdin, `LC_ALL=C`, a session of its own, and a deadline; at the deadline the whole group gets
TERM, then KILL. Output is kept up to a cap and the rest is counted. One that was handed the terminal has none of that: it is
the person's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun

KEEP_BYTES = 4 * 1024 * 1024
GRACE_S = 5.0
LineSink = Callable[[str, str], None]  # (stream name, line without its newline)


def which(tool: str, *, path: str | None = None) -> str:
    """The full path of a program. Raises ToolMissing."""
    search = path if path is not None else os.environ.get("PATH", os.defpath)
    found = shutil.which(tool, path=search)
    if found is None and path is None:
        found = shutil.which(tool, path="/usr/sbin:/sbin") if "PATH" not in os.environ else None
    if found is None:
        raise ToolMissing(tool)
    return found


@dataclass(slots=True)
class _Stream:
    """Collects one stream: whole lines to the sink, bytes up to the cap, the tail preferred over the middle."""

    name: str
    sink: LineSink | None
    cap: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    dropped: int = 0
    rest: bytes = b""

    def feed(self, chunk: bytes) -> None:
        room = self.cap // 2 - len(self.head)
        self.head += chunk[: max(room, 0)]
        self.tail += chunk[max(room, 0) :]
        over = len(self.tail) - self.cap // 2
        if over > 0:
            self.dropped += over
            del self.tail[:over]
        if self.sink is not None:
            lines = (self.rest + chunk).split(b"\n")
            self.rest = lines.pop()[-65536:]
            for line in lines:
                self.sink(self.name, line.decode("utf-8", "replace"))

    def text(self) -> str:
        gap = f"\n[{self.dropped} bytes dropped]\n".encode() if self.dropped else b""
        return (bytes(self.head) + gap + bytes(self.tail)).decode("utf-8", "replace")

    async def pump(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            self.feed(chunk)
        if self.sink is not None and self.rest:
            self.sink(self.name, self.rest.decode("utf-8", "replace"))


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment in the C locale."""
    return {**os.environ, "LC_ALL": "C", "LANG": "C", **(extra or {})}


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signals a process group that we started; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


@dataclass(slots=True)
class Child:
    """A running program that somebody supervises."""

    argv: tuple[str, ...]
    process: asyncio.subprocess.Process
    started_s: float
    out: _Stream
    err: _Stream
    pumps: asyncio.Task[list[None]]

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait(self) -> ToolRun:
        """Waits until the program itself has ended; grandchildren that hold its pipes get one second and then KILL."""
        status = await self.process.wait()
        ended_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        _, pending = await asyncio.wait([self.pumps], timeout=1.0)
        if pending:
            signal_group(self.pid, signal.SIGKILL)
            await asyncio.wait([self.pumps], timeout=1.0)
            self.pumps.cancel()
        return self._record(status, ended_s, timed_out=False)

    async def stop(self, grace_s: float = GRACE_S) -> ToolRun:
        """TERM to the group, KILL after the grace; returns how it ended."""
        signal_group(self.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self.process.wait()
        except TimeoutError:
            pass
        signal_group(self.pid, signal.SIGKILL)
        return await self.wait()

    def _record(self, status: int, ended_s: float, *, timed_out: bool) -> ToolRun:
        return ToolRun(
            argv=self.argv,
            exit_code=status if status >= 0 else None,
            signal=-status if status < 0 else None,
            timed_out=timed_out,
            started_s=self.started_s,
            ended_s=ended_s,
            stdout=self.out.text(),
            stderr=self.err.text(),
            dropped_bytes=self.out.dropped + self.err.dropped,
        )


async def spawn(
    argv: Sequence[str],
    *,
    wrap: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    on_line: LineSink | None = None,
    keep_bytes: int = KEEP_BYTES,
    input_file: str = os.devnull,
) -> Child:
    """Starts a program in a session of its own. `wrap` goes before it (choom, a cgroup joiner) and is no evidence.

    What it can read from us is `input_file`: nothing, unless somebody names a file.

    Raises ToolMissing when argv[0] is not to be found.
    """
    path = (env or {}).get("PATH")
    tool = argv[0] if "/" in argv[0] else which(argv[0], path=path)
    if not os.access(tool, os.X_OK):
        raise ToolMissing(argv[0])
    started_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    with open(input_file, "rb") as given:
        process = await asyncio.create_subprocess_exec(
            *wrap,
            tool,
            *argv[1:],
            stdin=given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(env),
            cwd=cwd,
            start_new_session=True,
        )
    assert process.stdout is not None and process.stderr is not None  # asked for above
    out, err = _Stream("stdout", on_line, keep_bytes), _Stream("stderr", on_line, keep_bytes)

    async def pump_both(stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> list[None]:
        return list(await asyncio.gather(out.pump(stdout), err.pump(stderr)))

    pumps = asyncio.create_task(pump_both(process.stdout, process.stderr))
    return Child(tuple(argv), process, started_s, out, err, pumps)


async def run(
    argv: Sequence[str],
    *,
    limit_s: float,
    wrap: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    on_line: LineSink | None = None,
    keep_bytes: int = KEEP_BYTES,
    grace_s: float = GRACE_S,
    input_file: str = os.devnull,
) -> ToolRun:
    """Runs a program to its end or to its deadline. A cancelled caller takes the whole group with it.

    Never judges: the exit code, the signal and `timed_out` are the caller's to read. Raises ToolMissing.
    """
    child = await spawn(
        argv, wrap=wrap, env=env, cwd=cwd, on_line=on_line, keep_bytes=keep_bytes, input_file=input_file
    )
    try:
        async with asyncio.timeout(limit_s):
            return await child.wait()
    except TimeoutError:
        ended = await child.stop(grace_s)
        return _timed_out(ended)
    except asyncio.CancelledError:
        await asyncio.shield(child.stop(grace_s))
        raise


def _timed_out(ended: ToolRun) -> ToolRun:
    return ToolRun(
        argv=ended.argv,
        exit_code=ended.exit_code,
        signal=ended.signal,
        timed_out=True,
        started_s=ended.started_s,
        ended_s=ended.ended_s,
        stdout=ended.stdout,
        stderr=ended.stderr,
        dropped_bytes=ended.dropped_bytes,
    )


def hand_over(argv: Sequence[str]) -> int:
    """Gives our terminal to a program until it ends; its exit status, 128 and the signal's number where one ended it.

    What the person types, Ctrl-C among it, is the program's. Where we are told to end it is ended with us, and the caller has
    its turn to clear away. Raises ToolMissing.
    """
    program = which(argv[0])
    told: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: object) -> None:
        told.append(number)
        for child in started:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)

    def let_be(number: int, frame: object) -> None:
        """The terminal sends it to the program as well."""

    # Before the program starts: a Ctrl-C in its first moment must not end us and leave it behind.
    caught = {signal.SIGINT: let_be, signal.SIGQUIT: let_be, signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
    before = {number: signal.signal(number, handler) for number, handler in caught.items()}
    try:
        started.append(subprocess.Popen([program, *argv[1:]]))
        for number in told:
            started[0].send_signal(number)
        status = started[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for child in started:
            if child.poll() is None:
                child.kill()
                child.wait()
    return status if status >= 0 else 128 - status
