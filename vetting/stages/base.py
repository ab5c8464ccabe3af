"""What a stage is, and the whole world that it may touch.

A stage says what it does to the host and what it concludes. Everything else comes in by `Deps`: programs, files, time,
the run's assignment; everything said on the way goes out by it. The agent brings the real one, tests a scripted one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import ArtifactRef, Finding, Outcome, ToolRun
from vetting.domain.profiles import Profile

LineSink = Callable[[str, str], None]  # (stream name, line)
CARRY_LIMIT_S = 15.0  # once; what is newer comes soon
UPLOAD_LIMIT_S = 300.0  # an orchestrator that is restarted is back long before


class NotTaken(Exception):
    """The orchestrator did not take a file: no answer in time, or a refusal. The text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What this run asks of this host: the same for all stages."""

    run_id: int
    host: str = ""  # the record's name, as a permit names it
    profile: Profile
    expected: ExpectedSpec
    expected_disks: tuple[ExpectedDisk, ...]
    non_destructive: bool
    live_image: bool
    iperf_host: str = ""
    iperf_port: int = 0  # 0: the orchestrator has none for us, an ERROR of Network
    override_flags: tuple[str, ...] = ()  # of this attempt: "wipe_probe", "accept_differences"
    permit: str = ""
    permit_key: str = ""
    clock_ahead_s: float = 0.0  # of the orchestrator, whose clock the permit is dated by, before the host's
    permit_refused: str = ""  # why there is no permit although this stage writes to disks, in the orchestrator's words
    inventory: Inventory | None = None  # as found by this run's Inventory stage; None before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a long work on one component stands, for the boot after a power cut. `seq` grows; `text` is the worker's own."""

    component: str
    seq: int
    heads_sha256: str  # of the artifact that holds the way back
    text: str


class Deps(Protocol):
    """A stage's whole world."""

    @property
    def job(self) -> Job: ...

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
        """Runs a program in the stage's own process group and cgroup and keeps what it said as evidence.

        `heavy`: it is load, and the first to go when memory runs out (choom, memory limit that spares the agent).
        `keep`: name of the artifact that takes its whole output; empty for "<tool>-<n>.txt".
        Never judges. Raises ToolMissing, which the runner turns into an ERROR of the stage.
        """

    def own_program(self, verb: str) -> list[str]:
        """argv that starts a verb of this very program (`surface`)."""

    def read(self, path: str) -> str:
        """Text of a small file, sysfs or procfs. Raises OSError."""

    def glob(self, pattern: str) -> list[str]:
        """Paths that match, sorted; absolute pattern, relative to the configured root."""

    def scratch(self, name: str) -> str:
        """Path of a file in this attempt's own directory, which is removed after the stage."""

    def write_scratch(self, name: str, data: bytes) -> str:
        """Writes such a file (0600) and returns its path."""

    def lasting(self, name: str) -> str:
        """Path of a file that the next attempt finds again where the agent died in this one; gone once a stage concludes."""

    @property
    def stop_file(self) -> str:
        """Path of a file that appears when this attempt shall stop: before each write whoever writes looks for it."""

    def monotonic(self) -> float:
        """Seconds, the host's monotonic clock."""

    async def sleep(self, seconds: float) -> None: ...

    def sample(self, series: str, value: float, unit: str) -> None:
        """A live sample, dated now, into the sensor mux."""

    def progress(self, done: float, of: float, unit: str, note: str = "") -> None:
        """For the next heartbeat."""

    def log(self, text: str, level: str = "info") -> None: ...

    def find(self, finding: Finding) -> None:
        """A finding to send at once; the runner adds it to the outcome too."""

    def artifact(self, name: str, data: bytes, media_type: str = "text/plain") -> None:
        """Evidence to upload: at most 8 MiB, cut with a note beyond."""

    async def upload(
        self, name: str, path: str, media_type: str = "application/octet-stream", *, limit_s: float = UPLOAD_LIMIT_S
    ) -> ArtifactRef:
        """Hands a whole file to the orchestrator now; returns once it has acknowledged it, which is once it is committed.

        For what must be safe before the stage goes on. Raises NotTaken, with the reason.
        """

    async def carry(self, checkpoint: Checkpoint, *, limit_s: float = CARRY_LIMIT_S) -> None:
        """Hands a checkpoint to the orchestrator, once; returns when it is committed there. Raises NotTaken."""

    async def carried(self, component: str, *, limit_s: float = UPLOAD_LIMIT_S) -> tuple[Checkpoint | None, str]:
        """What an earlier boot handed over in this stage of this run, or None; then why, where there is more to say than that.

        Raises NotTaken where nobody answers.
        """


class Stage(Protocol):
    """One of the eleven. Stateless: everything of an attempt is in Deps."""

    name: ClassVar[str]
    does: ClassVar[str]  # one line for people
    tools: ClassVar[tuple[str, ...]]  # programs without which it is an ERROR

    def planned_s(self, job: Job) -> float:
        """Least seconds that a PASS takes with this job; 0 where nothing is timed."""

    def limit_s(self, job: Job) -> float:
        """Seconds after which something is wrong, before the profile's grace."""

    async def run(self, deps: Deps) -> Outcome: ...
