"""The whole pipeline on this machine: the real orchestrator in this process, the real `vetting agent` in one of its own.

The agent's PATH is a toolbox from which the test takes tools while the run goes on. A run that is held is looked at, its tools
are put right or wrong, and the stage is tried again: so one run meets many faults, as a bad afternoon in a rack room does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.fakes.scratch_disk import ScratchDisk, scratch_disk
from tests.fakes.toolbox import Toolbox
from vetting import config, serve, tryout, wire
from vetting.config import Config
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.profiles import MIB
from vetting.domain.states import CLOSED, STAGE_ORDER, RunState
from vetting.store import attempts
from vetting.store.rows import AttemptRow

SHORT = """
profiles:
  short:
    base: taste
    cpu_stress: {cpu_s: 3, ram_s: 6, core_s: 0, ram_cap_bytes: 256MiB}
    storage: {fio_s: 2, fio_size_bytes: 16MiB}
    network: {seconds: 2}
    burn: {seconds: 4}
    gpu: {seconds: 2}
    psu: {seconds: 4}
"""
OPERATOR = "tester"
LOOK_S = 0.05
STAGE_LIMIT_S = 100.0  # the slowest stage of the short profile on two busy cores, several times over
HASTY = "VETTING_TEST_TOOL_LIMIT_S"


@dataclass(kw_only=True)
class Rack:
    """One run of this machine, and the hands on it."""

    server: serve.Server
    box: Toolbox
    run_id: int
    agent: asyncio.subprocess.Process
    agent_log: Path
    disk: ScratchDisk
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Done once a stage has passed and before the agent hears of it: nothing of the next stage has begun then."""

    async def view(self) -> wire.RunView:
        return await self.server.desk.views.run(self.run_id)

    async def until(self, what: Callable[[wire.RunView], bool], limit_s: float = STAGE_LIMIT_S) -> wire.RunView:
        """The run once it is as asked for. Fails with what the agent said where that takes too long."""
        try:
            async with asyncio.timeout(limit_s):
                while not what(view := await self.view()):
                    assert self.agent.returncode is None, f"the agent ended: {self.said()}"
                    await asyncio.sleep(LOOK_S)
                return view
        except TimeoutError:
            view = await self.view()
            raise AssertionError(f"after {limit_s:.0f} s the run is {view.state}; the agent: {self.said()}") from None

    async def held(self, limit_s: float = STAGE_LIMIT_S) -> AttemptRow:
        """Waits for the hold; the attempt that caused it. A run that ends instead is a failure of the test."""
        view = await self.until(lambda view: view.state in {RunState.FAILED_HOLDING, *CLOSED}, limit_s)
        assert view.state == RunState.FAILED_HOLDING, f"the run went through: {view.state}, {view.verdict}"
        rows = await self.server.store.read(lambda: attempts.attempts_of(self.run_id))
        last = max(rows, key=lambda row: (row.started_at, STAGE_ORDER.index(row.stage), row.attempt))
        assert view.failed_stage == last.stage, f"{view.failed_stage}, not {last.stage}: {self.said()}"
        return last

    async def completed(self, limit_s: float = 2 * STAGE_LIMIT_S) -> wire.RunView:
        view = await self.until(lambda view: view.state in {RunState.FAILED_HOLDING, *CLOSED}, limit_s)
        assert view.state == RunState.COMPLETED, f"{view.failed_stage}: {[one.reason for one in view.attempts][-1]}"
        return view

    async def retry(self) -> None:
        await self.server.desk.progress.retry(self.run_id, who=OPERATOR, because=wire.Because())

    async def override(self, *flags: str) -> None:
        because = wire.Because(reason="the test made this data itself", flags=flags)
        await self.server.desk.progress.override(self.run_id, who=OPERATOR, because=because)

    async def outcome(self, stage: str, attempt: int = 1) -> Outcome:
        found = await self.server.store.read(lambda: attempts.outcome_of(self.run_id, stage, attempt))
        assert found is not None, f"{stage}, attempt {attempt}, left no outcome"
        return found

    async def verdicts(self) -> dict[str, list[str]]:
        """Stage -> the verdicts of its attempts, in order."""
        found: dict[str, list[str]] = {}
        for one in (await self.view()).attempts:
            found.setdefault(one.stage, []).append(one.verdict)
        return found

    def said(self) -> str:
        return self.agent_log.read_text(errors="replace")[-4000:]


def only(*stages: str) -> tuple[str, ...]:
    """What a profile drops so that beside the stages that every run needs only these are left."""
    return tuple(name for name in STAGE_ORDER if name not in {"Inventory", "Firmware", "Reporting", *stages})


def short_config(drop: Sequence[str] = (), **knobs: object) -> Config:
    """The short profile, without the dropped stages; `knobs` are fields of Profile."""
    read = config.loads(SHORT)
    profile = replace(read.profiles["short"], drop=tuple(drop), **knobs)  # type: ignore[arg-type]
    return replace(read, profiles={**read.profiles, "short": profile})


@contextlib.asynccontextmanager
async def rack(
    folder: Path,
    *,
    drop: Sequence[str] = (),
    box: Toolbox | None = None,
    size_bytes: int = 64 * MIB,
    others: Sequence[ExpectedDisk] = (),
    prepare: Callable[[ScratchDisk], None] = lambda disk: None,
    non_destructive: bool = False,
    tool_limit_s: float = 0.0,
    **knobs: object,
) -> AsyncIterator[Rack]:
    """A run that has begun. `prepare` is done to the scratch disk before; `tool_limit_s` shortens the deadline of every
    program that the agent starts; `others` are expected beside the scratch disk."""
    box = box or Toolbox(folder)
    settled = tryout.on_loopback(short_config(drop, **knobs), folder / "data")
    settled = replace(settled, heartbeat=replace(settled.heartbeat, interval_s=0.5))
    with scratch_disk(folder, size_bytes) as disk:
        prepare(disk)
        async with serve.running(settled, strict=True) as server:
            after: dict[str, Callable[[], None]] = {}
            _listen(server, after)
            spec = ExpectedSpec(disks=(disk.expected, *others))
            await server.desk.people.add_host(wire.HostEdit(name="here", spec=spec), who=OPERATOR)
            request = wire.StartRun(
                host="here",
                profile="short",
                start_by="manual",
                non_destructive=non_destructive,
                confirm_serials=() if non_destructive else (disk.expected.serial,),
            )
            scaled = {"loopback": True, "remarks": list(tryout.REMARKS)}
            started = await server.desk.progress.start(request, who=OPERATOR, scaled=scaled)
            async with _agent(server, started.ticket, folder, box, tool_limit_s) as (process, log):
                yield Rack(
                    server=server, box=box, run_id=started.run_id, agent=process, agent_log=log, disk=disk, after=after
                )


def _listen(server: serve.Server, after: dict[str, Callable[[], None]]) -> None:
    """Between two stages, while the agent waits for its answer, the test has its turn."""
    take = server.desk.progress.result

    async def result(run_id: int, posted: wire.Result) -> wire.ResultReply:
        reply = await take(run_id, posted)
        if Verdict(reply.verdict).passed and (then := after.pop(posted.stage, None)):
            then()
        return reply

    server.desk.progress.result = result  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def _agent(
    server: serve.Server, ticket: str, folder: Path, box: Toolbox, tool_limit_s: float
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    state, log = folder / "agent", folder / "agent.log"
    state.mkdir()
    ticket_file = state / "ticket"
    ticket_file.write_text(ticket)
    program = ["tests.machine.silent_green.hasty_agent"] if tool_limit_s else ["vetting", "agent"]
    argv = [
        sys.executable, "-m", *program, "--url", server.url, "--fingerprint", server.certificate.fingerprint,
        "--ticket-file", str(ticket_file), "--state-dir", str(state), "--on-end", "exit",
    ]  # fmt: skip
    env = {**os.environ, "PATH": box.path, "VETTING_TEST": "1", HASTY: str(tool_limit_s)}
    with log.open("ab") as heard:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=REPOSITORY, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=heard, stderr=heard
        )
    try:
        yield process, log
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(30):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
