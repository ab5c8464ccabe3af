"""`vetting.stages.base.Deps` on this very machine: real programs through `vetting.proc`, real files, a real clock.

What the agent's own Deps adds (cgroup, evidence, uploads) is left out, so that a stage can be tried with the real tools, or with
programs in `path` that stand in for them.
"""

from __future__ import annotations

import asyncio
import glob
import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vetting import proc
from vetting.domain.outcome import ArtifactRef, Finding, ToolRun
from vetting.stages.base import CARRY_LIMIT_S, UPLOAD_LIMIT_S, Checkpoint, Job, LineSink, NotTaken

REPOSITORY = Path(__file__).resolve().parent.parent.parent


class PlainDeps:
    """`path` goes before the PATH; `limit_s` shortens every deadline; `files` answers for files of that name."""

    def __init__(
        self,
        job: Job,
        folder: Path,
        *,
        path: str = "",
        limit_s: float | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.job = job
        self.folder = folder
        self.path = path
        self.limit_s = limit_s
        self.files = dict(files or {})
        self.ran: list[ToolRun] = []
        self.samples: list[tuple[str, float, str]] = []
        self.progresses: list[tuple[float, float, str, str]] = []
        self.logs: list[tuple[str, str]] = []
        self.findings: list[Finding] = []
        self.artifacts: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.takes_no_upload = ""  # why the orchestrator takes nothing
        self.checkpoints: dict[str, Checkpoint] = {}  # what was carried away, or an earlier boot had
        self.no_checkpoint = ""  # why the orchestrator gives none back

    def argvs(self, tool: str) -> list[tuple[str, ...]]:
        return [ran.argv for ran in self.ran if ran.argv[0].rpartition("/")[2] == tool]

    async def run(
        self,
        argv: Sequence[str],
        *,
        limit_s: float,
        on_line: LineSink | None = None,
        env: Mapping[str, str] | None = None,
        heavy: bool = False,
        keep: str = "",
    ) -> ToolRun:
        limit_s = limit_s if self.limit_s is None else min(limit_s, self.limit_s)
        around = {"PYTHONPATH": str(REPOSITORY), **(env or {})}
        if self.path:
            around["PATH"] = self.path
        ran = await proc.run(argv, limit_s=limit_s, on_line=on_line, env=around, grace_s=1.0, cwd=str(self.folder))
        self.ran.append(ran)
        return ran

    def own_program(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "vetting", verb]

    def read(self, path: str) -> str:
        return self.files[path] if path in self.files else Path(path).read_text(errors="surrogateescape")

    def glob(self, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern))

    def scratch(self, name: str) -> str:
        return str(self.folder / name)

    def write_scratch(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return str(path)

    def lasting(self, name: str) -> str:
        return str(self.folder / name)

    @property
    def stop_file(self) -> str:
        return str(self.folder / "stop")

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def sample(self, series: str, value: float, unit: str) -> None:
        self.samples.append((series, value, unit))

    def progress(self, done: float, of: float, unit: str, note: str = "") -> None:
        self.progresses.append((done, of, unit, note))

    def log(self, text: str, level: str = "info") -> None:
        self.logs.append((level, text))

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)

    def artifact(self, name: str, data: bytes, media_type: str = "text/plain") -> None:
        self.artifacts[name] = data

    async def upload(
        self, name: str, path: str, media_type: str = "application/octet-stream", *, limit_s: float = UPLOAD_LIMIT_S
    ) -> ArtifactRef:
        if self.takes_no_upload:
            raise NotTaken(self.takes_no_upload)
        data = self.uploads[name] = Path(path).read_bytes()
        checksum = hashlib.sha256(data).hexdigest()
        return ArtifactRef(name=name, media_type=media_type, sha256=checksum, size_bytes=len(data))

    async def carry(self, checkpoint: Checkpoint, *, limit_s: float = CARRY_LIMIT_S) -> None:
        if self.takes_no_upload:
            raise NotTaken(self.takes_no_upload)
        self.checkpoints[checkpoint.component] = checkpoint

    async def carried(self, component: str, *, limit_s: float = UPLOAD_LIMIT_S) -> tuple[Checkpoint | None, str]:
        if self.takes_no_upload:
            raise NotTaken(self.takes_no_upload)
        return (None, self.no_checkpoint) if self.no_checkpoint else (self.checkpoints.get(component), "")
