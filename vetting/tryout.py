"""`vetting try`: the whole product on this very machine, orchestrator and agent over loopback, never harming a disk.

The agent is a process of its own, as in the field: it may be killed and comes back. The surface test writes to a
scratch loop device made here; the machine's own disks are only asked how they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vetting import proc, serve, wire
from vetting.agent.orders import EXIT_STATUS
from vetting.config import Config
from vetting.domain.errors import Refusal, ToolMissing, Unavailable
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.states import CLOSED, RunState
from vetting.orchestrator.admission import DISPATCH
from vetting.parsers import lsblk
from vetting.report import json
from vetting.report.model import Coverage, WorkShown

SCRATCH_BYTES = 256 * 1024**2
SPARE_BYTES = 512 * 1024**2  # beyond the scratch file: database, evidence, report
AGENT_RESTARTS = 5
SAID_BY_ITSELF = frozenset(EXIT_STATUS.values()) | {2}  # 2: it could not begin; anything else was done to it
ME = "vetting try"
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")  # an agent without its orchestrator would wait for ever
REMARKS = (
    "the surface test wrote to a scratch file, not to the disks of this machine",
    "the network was measured over loopback, no network card was tested",
)
Show = Callable[[wire.RunView, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How it went, as `--json` prints it."""

    verdict: str
    word: str  # of domain.verdict.Word
    report: str
    stages: tuple[dict[str, object], ...]
    qualifiers: tuple[str, ...]  # what must stand beside the verdict
    coverage: tuple[tuple[str, str, str, str], ...]  # stage, part, verdict, work or why not
    run: int

    @property
    def exit_code(self) -> int:
        return {"vetted": 0, "passed, not vetted": 0, "failed": 1}.get(self.word, 2)


def own_argv(verb: str) -> list[str]:
    """argv that starts another verb of this very program, from the zipapp or from a source tree."""
    start = Path(sys.argv[0])
    if start.is_file() and start.suffix != ".py":
        return [sys.executable, str(start.resolve()), verb]
    return [sys.executable, "-m", "vetting", verb]


async def vet_this_machine(config: Config, *, profile: str, data: Path, show: Show) -> Tried:
    """One run of this machine from start to report. Raises Refusal where it cannot begin."""
    if os.geteuid() != 0:
        raise Refusal("vetting this machine needs root (loop devices, SMART, kernel log): run it with sudo")
    if profile not in config.profiles:
        raise Refusal(f"there is no profile {profile!r}; there are {', '.join(sorted(config.profiles))}")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = on_loopback(config, data)
    async with scratch_device(data / "scratch") as scratch, serve.running(config) as server:
        name = host_name()
        spec = ExpectedSpec(disks=(scratch, *await own_disks()))
        edit = wire.HostEdit(name=name, spec=spec, note="this machine, by vetting try")
        known = {host.name for host in await server.desk.views.hosts()}
        if name in known:
            await server.desk.people.edit_host(name, edit, who=ME)
            await _end_older_runs(server, name)
        else:
            await server.desk.people.add_host(edit, who=ME)
        request = wire.StartRun(host=name, profile=profile, start_by="manual", confirm_serials=(scratch.serial,))
        scaled = {"loopback": True, "remarks": list(REMARKS)}
        started = await server.desk.progress.start(request, who=ME, scaled=scaled)
        async with agent(server, started.ticket, data / "agent") as keeper:
            await _until_over(server, started.run_id, show, keeper)
        return await _concluded(server, started.run_id)


def on_loopback(config: Config, data: Path) -> Config:
    """The same rules, everything on 127.0.0.1 and on a port that is free."""
    return replace(
        config,
        server=replace(
            config.server, listen="127.0.0.1", port=0, data_dir=str(data), allowed_hosts=("127.0.0.1", "localhost")
        ),
        iperf=replace(config.iperf, host="127.0.0.1", bind="127.0.0.1", ports=free_ports()),
        heartbeat=replace(config.heartbeat, interval_s=2.0),
        boot=replace(config.boot, interface="", http_port=0),
        netconsole=replace(config.netconsole, port=0),  # a kernel that dies here takes us with it
    )


def free_ports(count: int = 4) -> range:
    """A few ports in a row that nobody listens on now."""
    for first in range(25201, 25801, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    taken = stack.enter_context(socket.socket())
                    taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return range(first, first + count)
    raise Unavailable("no free port for iperf3 between 25201 and 25800 on 127.0.0.1; end what uses them")


def host_name() -> str:
    """This machine's name as a host's name may be written."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")[:63].strip("-.")
    return plain or "this-machine"


async def own_disks() -> tuple[ExpectedDisk, ...]:
    """The machine's own disks that have a serial: asked how they are, never written."""
    said = await proc.run(["lsblk", "-J", "-b", "-O"], limit_s=30)
    return tuple(
        ExpectedDisk(serial=disk.serial, wwn=disk.wwn or "", model=disk.model or "", write=False)
        for disk in lsblk.parse(said.stdout)
        if disk.kind == "disk"
        and disk.serial
        and (disk.size_bytes or 0) > 0
        and not disk.name.startswith(("loop", "zram", "ram"))
    )


@contextlib.asynccontextmanager
async def scratch_device(folder: Path) -> AsyncIterator[ExpectedDisk]:
    """A loop device over a file of our own, gone afterwards; what an earlier, killed try left behind goes first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob("scratch-*.img"):
        await _detach(left)
        left.unlink()
    free = shutil.disk_usage(folder).free
    if free < SCRATCH_BYTES + SPARE_BYTES:
        raise Unavailable(
            f"{folder} has {free // 1024**2} MiB free and {(SCRATCH_BYTES + SPARE_BYTES) // 1024**2} MiB are needed; "
            "make room or give another directory with --data"
        )
    number = str(uuid.uuid4())
    path = folder.resolve() / f"scratch-{number}.img"
    with path.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, SCRATCH_BYTES)
    path.chmod(0o600)
    try:
        made = await proc.run(["losetup", "--find", "--show", str(path)], limit_s=30)
        if made.exit_code != 0:
            raise Unavailable(f"no loop device could be made: {made.stderr.strip()[:300]}; is the loop module loaded?")
        yield ExpectedDisk(serial=f"loop:{number}", size_bytes=SCRATCH_BYTES, kind="scratch", path=str(path))
    finally:
        await _detach(path)
        path.unlink(missing_ok=True)


async def _detach(path: Path) -> None:
    with contextlib.suppress(ToolMissing):
        listed = await proc.run(["losetup", "--noheadings", "--output", "NAME", "--associated", str(path)], limit_s=30)
        for name in listed.stdout.split():
            await proc.run(["losetup", "--detach", name], limit_s=30)


@contextlib.asynccontextmanager
async def agent(server: serve.Server, ticket: str, state: Path) -> AsyncIterator[Keeper]:
    """The agent as a process of its own; one that is killed is started again, as systemd does in the image."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    ticket_file = state / "ticket"
    ticket_file.touch(mode=0o600)
    ticket_file.write_text(ticket)
    argv = [
        *own_argv("agent"), "--url", server.url, "--fingerprint", server.certificate.fingerprint,
        "--ticket-file", str(ticket_file), "--state-dir", str(state), "--on-end", "exit",
    ]  # fmt: skip

    keeper = Keeper(argv, state / "agent.log")
    task = asyncio.create_task(keeper.keep())
    try:
        yield keeper
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Keeper:
    """Starts the agent and, where it was killed or broke, starts it again; what it said of itself is final."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        self._argv = tuple(argv)
        self._log = log
        self.why_gone = ""  # no agent comes any more, and why

    async def keep(self) -> None:
        died = ""
        for _ in range(1 + AGENT_RESTARTS):
            child = await proc.spawn(self._argv, wrap=DIES_WITH_US, keep_bytes=256 * 1024)
            try:
                ended = await child.wait()
            except asyncio.CancelledError:
                await asyncio.shield(child.stop())
                raise
            self._log.write_text(ended.text)
            last = next((line for line in reversed(ended.text.splitlines()) if line.strip()), "")
            died = f"the agent {ended.how_it_ended}{': ' if last else ''}{last[:300]} (see {self._log})"
            if ended.exit_code in SAID_BY_ITSELF:
                self.why_gone = died
                return
        self.why_gone = f"the agent died {1 + AGENT_RESTARTS} times; the last time {died.removeprefix('the agent ')}"


async def _end_older_runs(server: serve.Server, name: str) -> None:
    """A try that was killed left its run open; it is cancelled, with the reason on record."""
    for run in await server.desk.views.runs(host=name):
        if run.state not in CLOSED and not (run.state == RunState.FAILED and run.failed_stage == DISPATCH):
            because = wire.Because(reason="the try that began it was killed")
            await server.desk.progress.cancel(run.id, who=ME, because=because)


async def _until_over(server: serve.Server, run_id: int, show: Show, keeper: Keeper) -> None:
    """Shows the run until it is over. Nobody comes to a hold here: it is released. Without an agent it is cancelled."""
    console = await _console(server)
    while True:
        gone = keeper.why_gone  # before the look: what the agent did last is in it
        view = await server.desk.views.run(run_id)
        show(view, console)
        if view.state == RunState.FAILED_HOLDING:
            because = wire.Because(reason="vetting try does not hold the machine that it runs on")
            await server.desk.progress.release(run_id, who=ME, because=because)
        elif view.state in CLOSED or view.state == RunState.FAILED:
            show(view, console)
            return
        elif gone and view.state != RunState.REPORTING:
            await server.desk.progress.cancel(run_id, who=ME, because=wire.Because(reason=gone))
        await asyncio.sleep(0.5)


async def _console(server: serve.Server) -> str:
    """Where the console answers as long as the run lasts, and what makes the first account there."""
    code = await server.accounts.setup_code()
    return f"{server.url}{f' (setup code {code})' if code else ''}"


async def _concluded(server: serve.Server, run_id: int) -> Tried:
    path = await server.reporting.write(run_id)
    report = json.parse(await server.reporting.render(run_id, "json"))
    return Tried(
        verdict=report.verdict.sentence,
        word=report.verdict.word,
        qualifiers=report.verdict.qualifiers,
        report=str(path),
        stages=tuple({"stage": row.name, "verdict": str(row.verdict), "reason": row.reason} for row in report.stages),
        coverage=tuple(_covered(row) for row in report.coverage),
        run=run_id,
    )


def _covered(row: Coverage) -> tuple[str, str, str, str]:
    work = ", ".join(_work(one) for one in row.work)
    said = work if row.tested else "not tested"
    return row.stage, row.name, str(row.mark), "; ".join(text for text in (said, row.reason) if text)


def _work(one: WorkShown) -> str:
    """Work done of work present, bytes in MiB."""
    if one.done is None or one.of is None:
        return f"{one.what} unknown"
    size, unit = (1024**2, "MiB") if one.unit in ("B", "bytes") else (1, one.unit)
    return f"{one.what} {one.done / size:.0f} of {one.of / size:.0f} {unit}"
