"""The real `vetting serve` in the rack, and everything a person would ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.figures import Figures
from tests.lab.host import Host
from tests.lab.network import ADDRESS
from tests.lab.programs import Program
from tests.lab.run import Run
from tests.lab.settings import API_PORT, Boot, document
from tests.lab.waiting import InVain, until
from vetting import wire
from vetting.client import Client, Unreachable
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import ToolRun
from vetting.orchestrator.keys import fingerprint_of
from vetting.proc import run as run_program

READY_S = 60.0
READY = "certificate fingerprint"


@dataclass(slots=True)
class Orchestrator:
    folder: Path
    inside: tuple[str, ...]
    vetting: tuple[str, ...]  # the program: from the checkout, or the zipapp
    port: int  # on loopback of this machine, relayed into the rack
    relay: Program
    figures: Figures
    program: Program | None = None
    client: Client | None = None
    hosts: list[Host] = field(default_factory=list)
    log_from: int = 0

    @classmethod
    async def prepared(
        cls, folder: Path, inside: tuple[str, ...], figures: Figures, *, zipapp: Path | None = None
    ) -> Orchestrator:
        """With its relay, and not yet started."""
        listening = socket.create_server(("127.0.0.1", 0))
        with listening:
            words = [sys.executable, "-m", "tests.lab.relay", str(listening.fileno()), ADDRESS, str(API_PORT)]
            relay = await Program.started(
                words, log=folder / "relay.log", inside=inside, pass_fds=(listening.fileno(),)
            )
            port = listening.getsockname()[1]
        vetting = (sys.executable, str(zipapp)) if zipapp else (sys.executable, "-m", "vetting")
        return cls(folder, inside, vetting, port, relay, figures)

    @property
    def config(self) -> Path:
        return self.folder / "vetting.yaml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    @property
    def url(self) -> str:
        """For a browser or a command line on this machine, outside the rack."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.data / "keys")

    @property
    def token(self) -> str:
        return (self.data / "operator.token").read_text().strip()

    # --- its life

    def configure(self, *, boot: Boot, image: Path, changes: dict[str, Any] | None = None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        said = document(self.data, boot=boot, image=image, changes=changes)
        self.config.write_text(json.dumps(said, indent=1) + "\n")  # JSON is YAML

    async def start(self) -> None:
        self.log_from = self.log.stat().st_size if self.log.exists() else 0
        words = [*self.vetting, "serve", "--config", str(self.config)]
        self.program = await Program.started(words, log=self.log, inside=self.inside, dies_by="TERM")
        await until(self._answers, limit_s=READY_S, said="the orchestrator to answer", context=self.words)
        self.client = Client(self.url, self.fingerprint, token=self.token)
        await self.client.__aenter__()

    async def _answers(self) -> bool:
        assert self.program is not None
        if not self.program.lives:
            raise InVain(f"the orchestrator ended with {self.program.process.returncode}\n{self.words()}")
        return READY in self.said()

    async def stop(self) -> None:
        if self.client is not None:
            await self.client.__aexit__(None, None, None)
            self.client = None
        if self.program is not None:
            await self.program.stop(grace_s=20.0)

    async def close(self) -> None:
        await self.stop()
        await self.relay.stop()

    def said(self) -> str:
        """Its log since its last start."""
        return self.log.read_bytes()[self.log_from :].decode(errors="replace") if self.log.exists() else ""

    def words(self) -> str:
        """For the message of a test that failed."""
        own = self.program.tail() if self.program else ""
        return "\n".join([f"--- {self.log}", own, *(host.words() for host in self.hosts)])

    # --- what a person asks

    @property
    def api(self) -> Client:
        assert self.client is not None, "the orchestrator does not run"
        return self.client

    async def know(self, host: Host, *, spec: ExpectedSpec | None = None, **more: Any) -> wire.HostView:
        """Puts the host on record, with the spec that goes with its hardware."""
        if host not in self.hosts:
            self.hosts.append(host)
        edit = wire.HostEdit(name=host.name, macs=host.macs, spec=spec or host.hardware.spec(), **more)
        return await self.api.call("/api/hosts", edit, wire.HostView)

    async def start_run(self, host: Host, *, profile: str = "lab", start_by: str = "manual", **more: Any) -> Run:
        """Starts a run and confirms exactly the disks of the host's record."""
        if host not in self.hosts:
            self.hosts.append(host)
        view = await self.api.get(f"/api/hosts/{host.name}", wire.HostView)
        erased = tuple(disk.serial for disk in view.spec.disks) if not more.get("non_destructive") else ()
        request = wire.StartRun(host=host.name, profile=profile, start_by=start_by, confirm_serials=erased, **more)
        started = await self.api.call("/api/runs", request, wire.RunStarted)
        return Run(started.run_id, host, self, started.ticket)

    async def view(self, run_id: int) -> wire.RunView | None:
        """The run as the API shows it; None while nobody answers."""
        try:
            return await self.api.get(f"/api/runs/{run_id}", wire.RunView, limit_s=10.0)
        except Unreachable:
            return None

    async def cli(self, *words: str, limit_s: float = 60.0, env: dict[str, str] | None = None) -> ToolRun:
        """`vetting WORDS` inside the rack, as a person on the orchestrator's machine says it."""
        cut = words.index("--") if "--" in words else len(words)
        said = (*self.vetting, *words[:cut], "--config", str(self.config), *words[cut:])
        return await run_program((*self.inside, *said), limit_s=limit_s, env=env)

    async def unknown_hosts(self) -> tuple[wire.UnknownHostView, ...]:
        return await self.api.get("/api/unknown-hosts", tuple[wire.UnknownHostView, ...])

    def report(self, run_id: int) -> dict[str, Any]:
        """The run's report.json. Raises FileNotFoundError where it was not written."""
        found: dict[str, Any] = json.loads((self.data / "reports" / f"run-{run_id}" / "report.json").read_text())
        return found

    async def keep_reports(self, where: Path) -> None:
        """Reports and the logs of the runs, beside the consoles, for looking at; the database and the artifacts go with the rack."""

        def copy() -> None:
            for path in (self.data / "reports").glob("run-*/report.*"):
                target = where / f"{path.parent.name}-{path.name}"
                target.write_bytes(path.read_bytes())
                os.chmod(target, 0o600)
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(_read_only(self.data / "vetting.db")) as database,
            ):
                rows = database.execute("SELECT run_id, stage, source, text FROM log_lines ORDER BY id")
                (where / "runs.log").write_text("".join(f"run {row[0]} {row[1]} [{row[2]}] {row[3]}\n" for row in rows))

        await asyncio.to_thread(copy)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
