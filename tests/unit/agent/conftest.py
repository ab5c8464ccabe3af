"""An agent on a picture of a machine, against a scripted orchestrator that really speaks HTTPS."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.hurry import HurriedClock
from tests.fakes.orchestrator import TICKET, ScriptedOrchestrator, orchestrating
from vetting.agent import main
from vetting.agent.loop import Agent
from vetting.agent.settings import Settings
from vetting.domain.outcome import Outcome
from vetting.stages.base import Deps, Job, Stage

BOOT = "6d2f0c52-0f8e-4a6b-9d0e-1f8b7c0e0001"


@dataclass
class TinyStage:
    """A stage of a few lines: does what its function does, and keeps the jobs it was given."""

    name: str
    act: object = None
    does: str = "what the test says"
    tools: tuple[str, ...] = ()
    limit: float = 60.0
    jobs: list[Job] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def planned_s(self, job: Job) -> float:
        return 0.0

    def limit_s(self, job: Job) -> float:
        return self.limit - job.profile.grace_s

    async def run(self, deps: Deps) -> Outcome:
        self.jobs.append(deps.job)
        self.begun.set()
        if self.act is None:
            return Outcome.ok("fine")
        if isinstance(self.act, Outcome):
            return self.act
        outcome = await self.act(deps)  # type: ignore[operator]
        assert isinstance(outcome, Outcome)
        return outcome


async def never_ends(deps: Deps) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def stages(*those: TinyStage) -> dict[str, Stage]:
    return {stage.name: stage for stage in those}  # type: ignore[misc]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a picture of a machine: what the agent reads, and no more."""
    root = tmp_path / "root"
    for path, text in {
        "proc/sys/kernel/random/boot_id": BOOT + "\n",
        "proc/cmdline": "quiet",
        "proc/mounts": "tmpfs / tmpfs rw 0 0\n",
        "proc/vmstat": "oom_kill 0\n",
        "proc/meminfo": "MemTotal: 16000000 kB\nHardwareCorrupted:     0 kB\n",
        "sys/class/dmi/id/product_uuid": "4C4C4544-0042-4A10-8052-B4C04F4E3233\n",
        "sys/class/net/eno1/address": "52:54:00:AB:CD:EF\n",
        "sys/class/net/eno1/carrier_changes": "2\n",
        "sys/class/net/eno1/device/uevent": "",
        "sys/block/sda/device/uevent": "",
        "sys/block/sda/serial": "WD-123\n",
        "sys/devices/system/cpu/online": "0-1\n",
        "sys/class/hwmon/hwmon0/name": "coretemp\n",
        "sys/class/hwmon/hwmon0/temp1_input": "41000\n",
        "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@dataclass
class Bench:
    """Starts agents against one orchestrator."""

    orchestrator: ScriptedOrchestrator
    root: Path
    state_dir: Path
    kernel_log: Path
    said: io.StringIO = field(default_factory=io.StringIO)
    agent_now: Agent | None = None

    def settings(self, **changes: object) -> Settings:
        plain: dict[str, object] = {
            "url": self.orchestrator.url,
            "fingerprint": self.orchestrator.fingerprint,
            "ticket": TICKET,
            "state_dir": self.state_dir,
            "root": self.root,
        }
        return Settings(**{**plain, **changes})  # type: ignore[arg-type]

    async def agent(self, stages: Mapping[str, Stage], **changes: object) -> int:
        return await main.run(
            self.settings(**changes),
            stages,
            clock=HurriedClock(),
            kernel_log=self.kernel_log,
            echo=self.said,
            groups_root=self.root,
        )

    async def until(self, what: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Waits for something that the server cannot see. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not what():  # noqa: ASYNC110 - a file or a stream tells nobody that it changed
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def running(self, stages: Mapping[str, Stage], **changes: object) -> AsyncIterator[asyncio.Task[int]]:
        """An agent beside the test; gone at its end."""
        task = asyncio.create_task(self.agent(stages, **changes))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench(tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    log = tmp_path / "kmsg"
    log.write_text("")
    async with orchestrating(tmp_path / "server") as orchestrator:
        one = Bench(orchestrator, machine, tmp_path / "state", log)
        live = Agent.run

        async def seen(agent: Agent) -> int:
            one.agent_now = agent
            return await live(agent)

        monkeypatch.setattr(Agent, "run", seen)
        yield one
