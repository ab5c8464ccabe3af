"""A real agent process with stages made for a test: `python -m tests.fakes.real_agent SETTINGS.json`.

The file holds url, fingerprint, ticket, state_dir, and optionally `limit_bytes` (of the load's cgroup) and `groups_root`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import ClassVar

from tests.fakes.hurry import HurriedClock
from vetting.agent import cgroup, main
from vetting.agent.settings import Settings
from vetting.clock import SystemClock
from vetting.domain.outcome import Outcome
from vetting.stages.base import Deps, Job, Stage

HOG = "import time\nkept=[]\nfor _ in range(64):\n kept.append(bytearray(b'x')*(8<<20)); time.sleep(0.01)\nprint('took it all')"
# A family that does not go quietly: a shell in its session, a child without our environment, one in a session of its own
# that ignores TERM, and one that has left both.
FAMILY = (
    "sleep 1000 & env -i /bin/sleep 1001 & setsid sh -c 'trap \"\" TERM; sleep 1002; sleep 1002' & "
    "setsid sleep 1003 & echo ready; wait"
)
CHATTY = 'i=0; while :; do i=$((i+1)); echo "line $i of a talkative tool"; sleep 0.1; done'


class Plain:
    """A stage without a plan."""

    name: ClassVar[str] = ""
    does: ClassVar[str] = "what the test needs"
    tools: ClassVar[tuple[str, ...]] = ()

    def planned_s(self, job: Job) -> float:
        return 0.0

    def limit_s(self, job: Job) -> float:
        return 600.0


class Hog(Plain):
    """Takes 512 MiB, heavily, and believes what the exit status says."""

    name: ClassVar[str] = "CPUStress"

    async def run(self, deps: Deps) -> Outcome:
        ended = await deps.run([sys.executable, "-c", HOG], limit_s=60, heavy=True)
        await deps.run(["cat", "/proc/self/oom_score_adj"], limit_s=10, keep="light.txt")
        await deps.run(["cat", "/proc/self/oom_score_adj"], limit_s=10, heavy=True, keep="heavy.txt")
        return Outcome.ok(f"the load {ended.how_it_ended}")


class Family(Plain):
    name: ClassVar[str] = "Burn"

    async def run(self, deps: Deps) -> Outcome:
        def said(stream: str, line: str) -> None:
            deps.progress(1, 1, "families", line)

        await deps.run(["sh", "-c", FAMILY], limit_s=600, heavy=True, on_line=said)
        return Outcome.ok()


class Busy(Plain):
    """As a real stage: a talkative program, a sample each second, progress."""

    name: ClassVar[str] = "Storage"

    async def run(self, deps: Deps) -> Outcome:
        async def watch() -> None:
            while True:
                deps.sample("disk.x.write_mb_s", 512.0, "MB/s")
                deps.progress(1, 2, "MiB")
                await deps.sleep(1.0)

        watching = asyncio.create_task(watch())
        try:
            await deps.run(["sh", "-c", CHATTY], limit_s=600, heavy=True, on_line=lambda stream, line: None)
        finally:
            watching.cancel()
        return Outcome.ok()


def run(path: Path) -> int:
    told = json.loads(path.read_text())
    if limit := told.get("limit_bytes"):
        cgroup.load_limit_bytes = lambda available_bytes: limit
    settings = Settings(
        url=told["url"],
        fingerprint=told["fingerprint"],
        ticket=told["ticket"],
        state_dir=Path(told["state_dir"]),
        protect=told.get("protect", False),
    )
    stages: dict[str, Stage] = {stage.name: stage for stage in (Hog(), Family(), Busy())}
    clock = SystemClock() if told.get("real_time") else HurriedClock()
    return asyncio.run(main.run(settings, stages, clock=clock, groups_root=Path(told.get("groups_root", "/"))))


if __name__ == "__main__":
    raise SystemExit(run(Path(sys.argv[1])))
