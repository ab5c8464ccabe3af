"""A rig of real processes: `vetting serve` and `vetting agent` as people start them, on loopback, killed and frozen at will.

Every process is one that the rig started, known by its id, and gone when the rig is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import msgspec

from tests.conftest import REPOSITORY
from tests.fakes import honest
from vetting import wire
from vetting.agent import cgroup
from vetting.agent.kept import Kept, Shelf
from vetting.agent.leftovers import ours, sweep
from vetting.client import Client, Unreachable
from vetting.domain.profiles import Profile
from vetting.orchestrator.keys import fingerprint_of

T = TypeVar("T")


class Waits(TypedDict, total=False):
    """How a client waits between its tries, in seconds."""

    first_wait_s: float
    longest_wait_s: float


READY_S = 60.0  # for a process to come up on a busy machine


def free_ports(count: int) -> range:
    """Ports in a row that nobody listens on now, below the range that the kernel gives to outgoing connections.

    Drawn at random: other tests may look for some at the same moment.
    """
    for _ in range(1000):
        first = random.randrange(10_000, 30_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return range(first, first + count)
    raise AssertionError(f"no {count} free ports in a row between 10000 and 30000")


def written_out(profile: Profile) -> dict[str, Any]:
    """A profile as vetting.yaml says it."""
    whole: dict[str, Any] = msgspec.to_builtins(profile)
    return {"base": "taste", **{key: value for key, value in whole.items() if key != "name"}}


async def until(what: Callable[[], Awaitable[T]], limit_s: float, *, every_s: float = 0.05, said: str = "") -> T:
    """The first true answer of `what`. Fails the test after `limit_s` with what was waited for."""
    try:
        async with asyncio.timeout(limit_s):
            while not (answer := await what()):  # noqa: ASYNC110 - other processes tell nobody
                await asyncio.sleep(every_s)
            return answer
    except TimeoutError:
        raise AssertionError(f"waited {limit_s:.0f} s in vain for {said or what}") from None


@dataclass(slots=True)
class ServeProcess:
    """`vetting serve` over one data directory and one port; start it as often as it is killed."""

    folder: Path
    profiles: tuple[Profile, ...] = (honest.SPRINT,)
    heartbeat_s: float = 1.0
    port: int = field(default_factory=lambda: free_ports(1)[0])
    iperf: range = field(default_factory=lambda: free_ports(4))
    netconsole: int = 0
    program: tuple[str, ...] = (sys.executable, "-m", "vetting")
    more: dict[str, Any] = field(default_factory=dict)  # sections of vetting.yaml beside those below
    process: asyncio.subprocess.Process | None = None
    log_from: int = 0  # where the words of the present process begin

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.data / "keys")

    def write_config(self) -> Path:
        path = self.folder / "vetting.yaml"
        said = {
            "server": {"listen": "127.0.0.1", "port": self.port, "data_dir": str(self.data)},
            "iperf": {"bind": "127.0.0.1", "host": "127.0.0.1", "ports": f"{self.iperf[0]}-{self.iperf[-1]}"},
            "heartbeat": {"interval_s": self.heartbeat_s},
            "netconsole": {"port": self.netconsole},
            "boot": {"http_port": 0},
            "limits": {"max_destructive": 100},
            "profiles": {profile.name: written_out(profile) for profile in self.profiles},
            **self.more,
        }
        path.write_text(json.dumps(said))  # JSON is YAML
        return path

    async def spawn(self) -> None:
        """Starts it and waits for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.log_from = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *self.program, "serve", "--config", str(self.write_config()),
                cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        await self.spawn()
        await self.ready()

    async def ready(self) -> None:
        async def answers() -> bool:
            assert self.process is not None
            if self.process.returncode is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
            return b"certificate fingerprint" in self.log.read_bytes()[self.log_from :]

        await until(answers, READY_S, every_s=0.02, said="the orchestrator to answer")

    async def kill(self) -> None:
        """SIGKILL, and no trace of it is left but its files."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def stop(self) -> int:
        """As systemd stops it: TERM, and its exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(READY_S):
                return await self.process.wait()
        except TimeoutError:
            await self.kill()
            raise AssertionError("the orchestrator did not end on TERM") from None

    @asynccontextmanager
    async def operator(self, **waits: Unpack[Waits]) -> AsyncIterator[Client]:
        """A client with the token that lies beside the database."""
        token = (self.data / "operator.token").read_text().strip()
        async with Client(self.url, self.fingerprint, token=token, **waits) as client:
            yield client


@asynccontextmanager
async def serving(folder: Path, **how: Any) -> AsyncIterator[ServeProcess]:
    """A started orchestrator, killed at the end if it still lives."""
    server = ServeProcess(folder, **how)
    try:
        await server.start()
        yield server
    finally:
        if server.process is not None and server.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                server.send(signal.SIGCONT)
            await server.kill()


@dataclass(slots=True)
class AgentProcess:
    """`vetting agent` on one state directory; start it as often as it is killed."""

    server: ServeProcess
    folder: Path
    ticket: str = ""
    root: Path = Path("/")
    process: asyncio.subprocess.Process | None = None

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    @property
    def kept(self) -> Kept:
        """What it keeps for a restart: its token among it."""
        return msgspec.json.decode((self.state_dir / "agent.json").read_bytes(), type=Kept)

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ticket = self.folder / "ticket"
        ticket.touch(mode=0o600)
        ticket.write_text(self.ticket)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "vetting", "agent", "--url", self.server.url,
                "--fingerprint", self.server.fingerprint, "--ticket-file", str(ticket),
                "--state-dir", str(self.state_dir), "--root", str(self.root), "--on-end", "exit",
                cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, limit_s: float = READY_S) -> int:
        """Its exit status, once it has ended by itself."""
        assert self.process is not None
        try:
            async with asyncio.timeout(limit_s):
                return await self.process.wait()
        except TimeoutError:
            said = self.log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"the agent did not end within {limit_s:.0f} s; it said: {said}") from None

    def load(self, program: str) -> list[int]:
        """Process ids of a program that this agent, or the one before it in this directory, started; no zombies."""
        if not (self.state_dir / "agent.json").exists():
            return []
        found = []
        for pid in ours(self.kept.mark, self.state_dir / "sessions"):
            with contextlib.suppress(OSError):
                if Path(os.readlink(f"/proc/{pid}/exe")).name.startswith(program):
                    found.append(pid)
        return sorted(found)

    async def clear(self) -> None:
        """Ends it and whatever it started, also when the test failed."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGCONT)
            await self.kill()
        if (self.state_dir / "agent.json").exists():
            for group in self.kept.groups:
                await cgroup.clear(Path(group))
            await sweep(self.kept.mark, Shelf(self.state_dir).sessions)


@asynccontextmanager
async def agent_of(server: ServeProcess, folder: Path, ticket: str, **how: Any) -> AsyncIterator[AgentProcess]:
    """A started agent; it and all that it started are gone at the end."""
    agent = AgentProcess(server, folder, ticket, **how)
    try:
        await agent.start()
        yield agent
    finally:
        await agent.clear()


async def claim_by_hand(agent: Client, secret: str, *, boot_id: str) -> wire.ClaimReply:
    """As an agent in the live image claims; from here on the client speaks with the run's token."""
    agent.token = secret
    message = wire.Claim(
        protocol=wire.PROTOCOL, agent_version="by hand", boot_id=boot_id, identity=honest.IDENTITY, live_image=True
    )  # fmt: skip
    reply = await agent.insist("/api/agent/claim", message, wire.ClaimReply)
    agent.token = reply.token
    return reply


async def run_view(operator: Client, run_id: int) -> wire.RunView | None:
    """The run as the API shows it now; None while the orchestrator does not answer."""
    try:
        return await operator.get(f"/api/runs/{run_id}", wire.RunView, limit_s=5.0)
    except Unreachable:
        return None


def attempts_at(view: wire.RunView, stage: str) -> list[str]:
    """The verdicts of the attempts at a stage in their order; empty for the one that runs."""
    return [one.verdict for one in view.attempts if one.stage == stage]
