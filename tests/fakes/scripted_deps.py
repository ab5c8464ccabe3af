"""A stage's whole world as a script: what each program says, what each file holds, and a clock that jumps.

    deps = ScriptedDeps(
        job(profile=QUICK),
        tools=[Says("smartctl -x", stdout=recording), Says("stress-ng", elapsed_s=120, stderr=metrics)],
        files={"/proc/meminfo": "MemTotal: 1024 kB\\n"},
    )
    outcome = await stage.run(deps)
    assert deps.argvs("stress-ng")[0][-1] == "120s"

Time is virtual: `sleep` and a program's `elapsed_s` take none of the test's own, also when several run side by side.
A program that no line of the script names is not installed (ToolMissing). A program that is named, but not with these
words, is a mistake of the test and ends it.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import count
from typing import Any

from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import ArtifactRef, Finding, ToolRun
from vetting.domain.profiles import TASTE
from vetting.stages.base import CARRY_LIMIT_S, UPLOAD_LIMIT_S, Checkpoint, Job, LineSink, NotTaken

Text = str | BaseException | Sequence[str] | Callable[[float], str]
"""A file's content: a text, an error to raise, successive texts (the last one stays), or a function of the time."""

QUIET_TURNS = 25  # turns of the event loop without a new sleeper before the clock jumps


def job(**changes: Any) -> Job:
    """A taste of a host of which nothing is pinned; name what the test is about."""
    plain = Job(
        run_id=7,
        profile=TASTE,
        expected=ExpectedSpec(),
        expected_disks=(),
        non_destructive=False,
        live_image=False,
        iperf_host="127.0.0.1",
        iperf_port=5201,
    )
    return replace(plain, **changes)


@dataclass(eq=False)
class Says:
    """One line of the script: a program called with these words, in this order, others between them allowed.

    `words` may be a function of argv. `times` > 0 uses the line up after so many calls; then the next match speaks.
    """

    words: str | Sequence[str] | Callable[[tuple[str, ...]], bool]
    _: KW_ONLY
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = 0
    signal: int | None = None
    elapsed_s: float = 0.0
    dropped_bytes: int = 0
    times: int = 0
    writes: Mapping[str, str] = field(default_factory=dict)  # path or scratch name -> text that it leaves behind
    effect: Callable[[ScriptedDeps], None] | None = None  # what else it does to the world when it ends
    raises: BaseException | None = None
    used: int = field(default=0, init=False)

    def knows(self, argv: tuple[str, ...]) -> bool:
        """True where this line is about that program at all."""
        if callable(self.words):
            return self.words(argv)
        return bool(argv) and _base(self._words[0]) == _base(argv[0])

    def fits(self, argv: tuple[str, ...]) -> bool:
        if callable(self.words):
            return self.words(argv)
        rest = iter(argv[1:])
        return self.knows(argv) and all(word in rest for word in self._words[1:])

    @property
    def _words(self) -> list[str]:
        assert not callable(self.words)
        return self.words.split() if isinstance(self.words, str) else list(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a stage asked to be run."""

    argv: tuple[str, ...]
    limit_s: float
    heavy: bool
    keep: str
    env: Mapping[str, str]
    at_s: float


class ScriptedDeps:
    """`vetting.stages.base.Deps` from a script. Everything that the stage said lies in its public lists."""

    def __init__(
        self,
        job: Job,
        tools: Sequence[Says] = (),
        files: Mapping[str, Text] | None = None,
        *,
        start_s: float = 1000.0,
    ) -> None:
        self.job = job
        self.tools = list(tools)
        self.files: dict[str, Text] = dict(files or {})
        self.calls: list[Call] = []
        self.samples: list[tuple[str, float, str]] = []
        self.progresses: list[tuple[float, float, str, str]] = []
        self.logs: list[tuple[str, str]] = []  # (level, text)
        self.findings: list[Finding] = []
        self.artifacts: dict[str, bytes] = {}
        self.uploads: dict[str, str] = {}  # name -> the path that was handed over
        self.takes_no_upload = ""  # why the orchestrator takes nothing
        self.checkpoints: dict[str, Checkpoint] = {}  # what was carried away, or an earlier boot had
        self.no_checkpoint = ""  # why the orchestrator gives none back
        self.evidence: list[ToolRun] = []
        self._reads: dict[str, int] = {}
        self._clock = _JumpingClock(start_s)

    def argvs(self, tool: str = "") -> list[tuple[str, ...]]:
        """The command lines that ran, of one program or of all."""
        return [call.argv for call in self.calls if not tool or _base(call.argv[0]) == tool]

    # --- the protocol ---------------------------------------------------------------------------------------------

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
        words = tuple(argv)
        line = self._line_for(words)
        self.calls.append(
            Call(argv=words, limit_s=limit_s, heavy=heavy, keep=keep, env=dict(env or {}), at_s=self.monotonic())
        )
        if line.raises is not None:
            raise line.raises
        started_s = self.monotonic()
        timed_out = not line.elapsed_s <= limit_s
        await self._say(line, on_line, min(line.elapsed_s, limit_s))
        for path, text in line.writes.items():
            self.files[path if path.startswith("/") else self.scratch(path)] = text
        if line.effect is not None:
            line.effect(self)
        ended = ToolRun(
            argv=words,
            exit_code=None if timed_out or line.signal is not None else line.exit_code,
            signal=15 if timed_out else line.signal,
            timed_out=timed_out,
            started_s=started_s,
            ended_s=self.monotonic(),
            stdout=line.stdout,
            stderr=line.stderr,
            dropped_bytes=line.dropped_bytes,
        )
        self.evidence.append(ended)
        return ended

    def own_program(self, verb: str) -> list[str]:
        return ["vetting", verb]

    def read(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        value = self.files[path]
        if isinstance(value, BaseException):
            raise value
        if isinstance(value, str):
            return value
        if callable(value):
            return value(self.monotonic())
        turn = self._reads.get(path, 0)
        self._reads[path] = turn + 1
        return value[min(turn, len(value) - 1)]

    def glob(self, pattern: str) -> list[str]:
        wanted = re.compile("/".join(_segment(part) for part in pattern.split("/")))
        there = {path.rsplit("/", cut)[0] for path in self.files for cut in range(path.count("/"))} | set(self.files)
        return sorted(path for path in there if wanted.fullmatch(path))

    def scratch(self, name: str) -> str:
        return f"/scratch/{name}"

    def write_scratch(self, name: str, data: bytes) -> str:
        self.files[self.scratch(name)] = data.decode("utf-8", "surrogateescape")
        return self.scratch(name)

    def lasting(self, name: str) -> str:
        return f"/lasting/{name}"

    @property
    def stop_file(self) -> str:
        return "/attempt/stop"

    def monotonic(self) -> float:
        return self._clock.now_s

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

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
        self.uploads[name] = path
        return ArtifactRef(name=name, media_type=media_type, sha256="00" * 32, size_bytes=8388900)

    async def carry(self, checkpoint: Checkpoint, *, limit_s: float = CARRY_LIMIT_S) -> None:
        if self.takes_no_upload:
            raise NotTaken(self.takes_no_upload)
        self.checkpoints[checkpoint.component] = checkpoint

    async def carried(self, component: str, *, limit_s: float = UPLOAD_LIMIT_S) -> tuple[Checkpoint | None, str]:
        if self.takes_no_upload:
            raise NotTaken(self.takes_no_upload)
        return (None, self.no_checkpoint) if self.no_checkpoint else (self.checkpoints.get(component), "")

    # --- the script -----------------------------------------------------------------------------------------------

    def _line_for(self, argv: tuple[str, ...]) -> Says:
        known = False
        for line in self.tools:
            known = known or line.knows(argv)
            if line.fits(argv) and not (line.times and line.used >= line.times):
                line.used += 1
                return line
        if not known:
            raise ToolMissing(argv[0])
        raise AssertionError(f"the script has no line for: {' '.join(argv)}")

    async def _say(self, line: Says, on_line: LineSink | None, for_s: float) -> None:
        spoken = [("stdout", text) for text in line.stdout.splitlines()]
        spoken += [("stderr", text) for text in line.stderr.splitlines()]
        if on_line is None or not spoken:
            await self._clock.sleep(for_s)
            return
        at_once = len(spoken) > 200  # a long recording comes all at its end
        if at_once:
            await self._clock.sleep(for_s)
        for stream, text in spoken:
            if not at_once:
                await self._clock.sleep(for_s / len(spoken))
            on_line(stream, text)


class _JumpingClock:
    """Jumps to the earliest sleeper as soon as everybody sleeps."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._jumper: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + max(seconds, 0.0), next(self._order), woken))
        if self._jumper is None or self._jumper.done():
            self._jumper = asyncio.create_task(self._jump())
        await woken

    async def _jump(self) -> None:
        while self._sleepers:
            for _ in range(QUIET_TURNS):
                await asyncio.sleep(0)
            due_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():  # a cancelled sleeper does not move the clock
                self.now_s = max(self.now_s, due_s)
                woken.set_result(None)


def _segment(part: str) -> str:
    """One path segment of a glob as a regular expression: stars do not cross slashes."""
    pieces = re.split(r"(\*|\?|\[[^\]]+\])", part)
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(p, p if p.startswith("[") else re.escape(p)) for p in pieces)


def _base(program: str) -> str:
    return program.rsplit("/", 1)[-1]
