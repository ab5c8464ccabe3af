"""A host that is held and whoever enters it: real orchestrator, real agent process, real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.fakes import honest
from tests.fakes.rig import free_ports, until
from vetting import serve
from vetting.agent.door import AUTHORIZED
from vetting.config import Config
from vetting.domain.states import RunState
from vetting.store import runs
from vetting.store.rows import RunRow

STEP_S = 60.0


@dataclass
class Hold:
    """A run whose host fails on cue, and the person who enters it."""

    server: serve.Server
    folder: Path
    token: str
    run_id: int = 0
    ticket: str = ""
    port: int = 0
    agent: asyncio.subprocess.Process | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def did(self) -> str:
        path = self.folder / "did"
        return path.read_text() if path.exists() else ""

    def said(self) -> str:
        return (self.folder / "agent.log").read_text()[-3000:]

    def boots(self, name: str) -> None:
        """A fresh kernel with nothing in memory; its name is its boot id."""
        for old in ("state", "etc", "root"):
            if (self.root / old).exists():
                (self.root / old).rename(self.folder / f"before-{name}-{old}")
        path = self.root / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")

    async def start_agent(self, **told: object) -> None:
        path = self.folder / "agent.json"
        told = {"url": self.server.url, "fingerprint": self.server.certificate.fingerprint, "ticket": self.ticket,
                "root": str(self.root), "port": self.port, **told}  # fmt: skip
        path.write_text(json.dumps(told))
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fakes.door_agent", str(path), cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def run(self) -> RunRow:
        return await self.server.store.read(lambda: runs.get(self.run_id))

    async def until(self, state: RunState, *, open_door: bool = False) -> RunRow:
        async def there() -> RunRow | None:
            run = await self.run()
            fits = run.state is state and (not open_door or (run.hold_host_keys and (self.root / AUTHORIZED).exists()))
            return run if fits else None

        try:
            found = await until(there, STEP_S, said=f"{state}")
        except AssertionError as vain:
            raise AssertionError(
                f"{vain}: the run is {(await self.run()).state}; the agent said {self.said()}"
            ) from None
        assert found is not None
        return found

    async def fails(self) -> RunRow:
        (self.folder / "fail").touch()
        return await self.until(RunState.FAILED_HOLDING, open_door=True)

    async def ssh(self, *command: str, **env: str) -> asyncio.subprocess.Process:
        """`vetting run ssh`, with the test's sshd for port 22."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vetting", "run", "ssh", str(self.run_id), "--url", self.server.url, "--fingerprint",
            self.server.certificate.fingerprint, "--port", str(self.port), *command, cwd=REPOSITORY,
            env={**os.environ, "VETTING_TOKEN": self.token, "XDG_RUNTIME_DIR": str(self.keys), **env},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    @property
    def keys(self) -> Path:
        """Where keys lie while they are used."""
        path = self.folder / "runtime"
        path.mkdir(exist_ok=True)
        return path

    async def types(self, *command: str) -> tuple[int | None, str, str]:
        process = await self.ssh(*command)
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


def config_in(folder: Path) -> Config:
    """An orchestrator on loopback alone, with runs as short as a sprint."""
    plain = Config()
    return replace(
        plain,
        server=replace(plain.server, listen="127.0.0.1", port=0, data_dir=str(folder / "data")),
        boot=replace(plain.boot, http_port=free_ports(1)[0], address="127.0.0.1"),
        netconsole=replace(plain.netconsole, port=0),
        iperf=replace(plain.iperf, bind="127.0.0.1", host="127.0.0.1", ports=range(0)),
        heartbeat=replace(plain.heartbeat, interval_s=0.3),
        profiles={**plain.profiles, "sprint": honest.SPRINT},
    )


async def clear(one: Hold) -> None:
    if one.agent is not None and one.agent.returncode is None:
        one.agent.kill()
        await one.agent.wait()
    for path in one.folder.rglob("vetting-sshd.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)
