"""The real world of a stage: programs in its own group, files under the configured root, evidence kept as it happens."""

from __future__ import annotations

import asyncio
import glob as globbing
import hashlib
import mimetypes
import os
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vetting import __version__, proc, wire
from vetting.agent import evidence
from vetting.agent.activity import Activity
from vetting.agent.carrier import Carrier
from vetting.agent.cgroup import StageGroup
from vetting.agent.evidence import Further, cut, file_name, record_of, whole_output
from vetting.agent.leftovers import COULD_NOT, MARK, joiner
from vetting.agent.logs import Logs
from vetting.agent.sensors import Mux
from vetting.clock import Clock
from vetting.domain.errors import Refusal
from vetting.domain.outcome import ArtifactRef, Finding, ToolRecord, ToolRun
from vetting.stages.base import CARRY_LIMIT_S, UPLOAD_LIMIT_S, Checkpoint, Job, LineSink, NotTaken

PACKAGE = str(Path(__file__).resolve().parents[2])  # the folder (or archive) that holds `vetting`
OUTPUT_BYTES = (
    16 * 1024 * 1024
)  # of one program: stress-ng tells of each of 10,000 workers, and one untold is not believed
MAX_ARTIFACTS = 500
EVIDENCE_BYTES = (
    128 * 1024 * 1024
)  # of one attempt: it lies in memory on the live image, and a run's quota takes them all
FURTHER = "further-output.txt"  # what comes after that many, one behind the other
MAX_TOOLS = 2000
HEAVY_SCORE = "500"  # added to a load's badness: the first to go when memory runs out (proc(5), oom_score_adj)
VERSION_LIMIT_S = 5.0
# Programs that do not know --version; no option at all where asking would start something.
VERSION_WORDS: dict[str, tuple[str, ...] | None] = {
    "ip": ("-V",),
    "ipmitool": ("-V",),
    "nvme": ("version",),
    "lshw": ("-version",),
    "ethtool": ("--version",),
    "badblocks": None,
    "dd": ("--version",),
    "memtester": None,
    "gpu-burn": None,
    "gpu_burn": None,
}


# A file and what it is, to be taken by the orchestrator: name, media type, content. Returns once it is committed there.
Take = Callable[[str, str, bytes], Awaitable[wire.ArtifactReply]]


class JoinFailed(Exception):
    """A program never ran because its mark, score or group could not be set: our trouble, an ERROR."""


@dataclass(slots=True)
class Versions:
    """First version line of each program, asked once for the agent's life."""

    known: dict[str, str] = field(default_factory=dict)

    async def of(self, argv: Sequence[str], wrap: Sequence[str], env: Mapping[str, str]) -> str:
        tool = argv[0]
        if tool == sys.executable:
            return f"vetting {__version__}"
        if tool not in self.known:
            self.known[tool] = await self._ask(tool, wrap, env)
        return self.known[tool]

    async def _ask(self, tool: str, wrap: Sequence[str], env: Mapping[str, str]) -> str:
        words = VERSION_WORDS.get(Path(tool).name, ("--version",))
        if words is None:
            return ""
        said = await proc.run(
            [tool, *words], limit_s=VERSION_LIMIT_S, wrap=wrap, env=env, keep_bytes=16384, grace_s=1.0
        )
        lines = [line.strip() for line in said.text.splitlines() if re.search(r"\d+\.\d+", line)]
        return lines[0][:200] if lines and not said.timed_out else ""


@dataclass(slots=True, kw_only=True)
class AgentDeps:
    """`vetting.stages.base.Deps` for one attempt.

    `folder` has `scratch/`, `evidence/` and `sent/`: what is to be delivered with the outcome, and the names of what was
    taken before. `refs` are both. `lasting_folder` is the stage's own beyond the death of this agent.
    """

    job: Job
    folder: Path
    lasting_folder: Path
    take: Take
    carrier: Carrier
    sessions: Path
    mark: str
    root: Path
    group: StageGroup | None
    clock: Clock
    activity: Activity
    mux: Mux
    logs: Logs
    versions: Versions
    own_score: int = 0  # the agent's own oom_score_adj; below zero it must not be inherited
    on_finding: Callable[[Finding], None] = lambda finding: None
    tools: list[ToolRecord] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refs: dict[str, ArtifactRef] = field(default_factory=dict)
    _calls: int = 0
    _kept_bytes: int = 0
    _further: Further | None = None

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
        self._calls += 1
        name = keep or f"{Path(argv[0]).name}-{self._calls}.txt"
        marked = {**(env or {}), MARK: self.mark}
        if argv[0] == sys.executable:  # found wherever it runs, also from a checkout that is not installed
            marked["PYTHONPATH"] = os.pathsep.join(filter(None, (PACKAGE, os.environ.get("PYTHONPATH", ""))))
        if "/" not in argv[0]:
            proc.which(argv[0])  # before its version is asked for: a missing program is said as such
        version = await self.versions.of(argv, self._wrap(heavy=False), marked)
        ended = await proc.run(
            argv,
            limit_s=limit_s,
            wrap=self._wrap(heavy=heavy),
            env=marked,
            cwd=str(self.folder / "scratch"),  # fio and others leave files where they stand
            on_line=on_line,
            keep_bytes=OUTPUT_BYTES,
        )
        self._record(ended, version, name)
        if ended.exit_code == 125 and COULD_NOT in ended.stderr:
            raise JoinFailed(f"{argv[0]} was not started: {ended.stderr.strip()[-200:]}")
        return ended

    def own_program(self, verb: str) -> list[str]:
        return [*own_program(), verb]

    def read(self, path: str) -> str:
        return self._under_root(path).read_text(encoding="utf-8", errors="replace")

    def glob(self, pattern: str) -> list[str]:
        root = str(self.root).rstrip("/")
        if pattern.startswith(str(self.folder)):
            return sorted(globbing.glob(pattern))
        return sorted(found.removeprefix(root) for found in globbing.glob(globbing.escape(root) + pattern))

    def scratch(self, name: str) -> str:
        return str(self.folder / "scratch" / file_name(name))

    def write_scratch(self, name: str, data: bytes) -> str:
        path = Path(self.scratch(name))
        path.touch(mode=0o600)
        path.write_bytes(data)
        return str(path)

    def lasting(self, name: str) -> str:
        return str(self.lasting_folder / file_name(name))

    @property
    def stop_file(self) -> str:
        return str(self.folder / "stop")

    def monotonic(self) -> float:
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)

    def sample(self, series: str, value: float, unit: str) -> None:
        self.mux.put(series, value, unit)

    def progress(self, done: float, of: float, unit: str, note: str = "") -> None:
        self.activity.progress = wire.Progress(done=done, of=of, unit=unit, note=note)

    def log(self, text: str, level: str = "info") -> None:
        self.logs.say(text, level)

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.on_finding(finding)

    def artifact(self, name: str, data: bytes, media_type: str = "text/plain") -> None:
        self._keep(name, data, media_type)

    async def upload(
        self, name: str, path: str, media_type: str = "application/octet-stream", *, limit_s: float = UPLOAD_LIMIT_S
    ) -> ArtifactRef:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise NotTaken(f"{path} cannot be read: {error.strerror}") from None
        free = self._free_name(file_name(name))
        checksum = hashlib.sha256(data).hexdigest()
        ref = ArtifactRef(name=free, media_type=media_type, sha256=checksum, size_bytes=len(data))
        self.refs[free] = ref  # from here on the name is taken, and the outcome promises it
        try:
            async with asyncio.timeout(limit_s):
                stored = await self.take(free, media_type, data)
            if (stored.sha256, stored.size_bytes) != (ref.sha256, ref.size_bytes):
                raise NotTaken(f"the orchestrator stored another file under the name {free}")
        except BaseException as why:
            del self.refs[free]
            if isinstance(why, TimeoutError):
                raise NotTaken(f"the orchestrator did not acknowledge {free} within {limit_s:.0f} s") from None
            if isinstance(why, Refusal):
                raise NotTaken(f"the orchestrator refused {free}: {why}") from None
            raise
        (self.folder / "sent" / free).touch()
        return ref

    async def carry(self, checkpoint: Checkpoint, *, limit_s: float = CARRY_LIMIT_S) -> None:
        await self.carrier.away(checkpoint, limit_s=limit_s)

    async def carried(self, component: str, *, limit_s: float = UPLOAD_LIMIT_S) -> tuple[Checkpoint | None, str]:
        return await self.carrier.back(component, limit_s=limit_s)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _under_root(self, path: str) -> Path:
        if path.startswith((str(self.folder), str(self.lasting_folder))):
            return Path(path)
        return self.root / path.lstrip("/")

    def _wrap(self, *, heavy: bool) -> list[str]:
        score = HEAVY_SCORE if heavy else ("0" if self.own_score < 0 else "")
        procs = self.group.joining(heavy=heavy) if self.group else ""
        return joiner(seen=self.sessions, oom_score_adj=score, procs=procs)

    def _record(self, ended: ToolRun, version: str, name: str) -> None:
        whole = whole_output(ended, plain=name.endswith((".json", ".xml")))
        output = self._keep(name, whole, mimetypes.guess_type(name)[0] or "text/plain") if whole else ""
        if len(self.tools) >= MAX_TOOLS:  # the many make room, not the few that ran beside or after them
            most = Counter(tool.argv[0] for tool in self.tools).most_common(1)[0][0]
            self.tools.remove(next(tool for tool in self.tools if tool.argv[0] == most))
        self.tools.append(record_of(ended, version, output))
        self.logs.say(f"{' '.join(ended.argv)[:300]}: {ended.how_it_ended}", "debug", Path(ended.argv[0]).name[:40])

    def _keep(self, name: str, data: bytes, media_type: str) -> str:
        """Puts evidence aside for the upload and returns the name that it got; empty where there is too much already."""
        data = cut(data, evidence.ARTIFACT_BYTES)
        if len(self.refs) >= MAX_ARTIFACTS or self._kept_bytes + len(data) > EVIDENCE_BYTES:
            return self._append(name, data)
        self._kept_bytes += len(data)
        free = self._free_name(file_name(name))
        (self.folder / "evidence" / free).write_bytes(data)
        # The checksum is of what the stage said, not of what the folder holds later.
        checksum = hashlib.sha256(data).hexdigest()
        self.refs[free] = ArtifactRef(name=free, media_type=media_type, sha256=checksum, size_bytes=len(data))
        return free

    def _append(self, name: str, data: bytes) -> str:
        if self._further is None:
            self._further = Further(self.folder / "evidence" / FURTHER)
            self.logs.say(f"there is much evidence: {name} and all after it is kept in {FURTHER}", "warning")
        if not self._further.append(name, data):
            self.logs.say(f"the output {name} is not kept: {FURTHER} is full", "debug")
            return ""
        self.refs[FURTHER] = self._further.ref
        return FURTHER

    def _free_name(self, name: str) -> str:
        stem, dot, ending = name.rpartition(".")
        stem, dot, ending = (stem, dot, ending) if stem else (name, "", "")
        number, free = 1, name
        while free in self.refs:
            number += 1
            free = f"{stem}-{number}{dot}{ending}"
        return free


def own_program() -> list[str]:
    """argv that starts this very program: the zipapp or the installed script it came from, else the package."""
    start = Path(sys.argv[0])
    if start.name.startswith("vetting") and start.is_file():
        return [sys.executable, str(start.resolve())]
    return [sys.executable, "-m", "vetting"]
