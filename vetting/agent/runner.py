"""Runs one attempt at a stage and makes its outcome whole: times, tools, artifacts, counters, and every way to go wrong.

A stage concludes about what it measured. Here stands what no stage may decide: a missing program, a broken stage, a
deadline, a cancel, a hardware error in the kernel log, a counter of the machine that moved, a load that was OOM-killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vetting import proc, wire
from vetting.agent import ambient, blame, cgroup, leftovers
from vetting.agent.activity import Activity
from vetting.agent.around import Around
from vetting.agent.carrier import Carrier
from vetting.agent.delivery import ARTIFACT
from vetting.agent.deps import AgentDeps, JoinFailed, Versions
from vetting.agent.eventlog import EventLog, grown
from vetting.agent.evidence import file_name
from vetting.agent.kept import Kept, Shelf
from vetting.agent.kmsg import KernelLog
from vetting.agent.logs import Logs
from vetting.agent.sensors import Mux
from vetting.client import Client
from vetting.clock import Clock
from vetting.domain import dimmnames
from vetting.domain.ambient import LIMITS_OF, judge_counters
from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Counter, Finding, Outcome, Severity, Verdict
from vetting.identity import disk_serial
from vetting.parsers.errors import ParseError
from vetting.parsers.kmsg import Kind
from vetting.stages.base import Job, Stage

ENDING_S = 30.0  # for a cancelled stage to let go, beyond the TERM and KILL of its programs


@dataclass(frozen=True, slots=True)
class Attempted:
    """An outcome and the folder in which its artifacts lie."""

    outcome: Outcome
    evidence: Path


@dataclass(slots=True, kw_only=True)
class Runner:
    stages: Mapping[str, Stage]
    client: Client
    shelf: Shelf
    kept: Kept
    root: Path
    clock: Clock
    activity: Activity
    mux: Mux
    logs: Logs
    kernel: KernelLog
    own_score: int = 0
    groups_root: Path = Path("/")  # whose sys/fs/cgroup is used; `root` may be a picture of another machine
    versions: Versions = field(default_factory=Versions)
    _kernel_findings: list[Finding] = field(default_factory=list)
    _job: Job | None = None
    _around: Around | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _why_stop: str = ""

    def stop(self, why: str) -> None:
        """Ends the attempt that runs now, or was just asked for; its outcome is CANCELLED with this reason."""
        self._why_stop = self._why_stop or why
        self._stop.set()

    def on_kernel(self, kind: Kind | None, finding: Finding) -> None:
        """A complaint of the kernel, now: told at once, and counted for the stage that runs."""
        inventory = self._job.inventory if self._job else None
        named, text = blame.told(kind, finding.component, finding.text, inventory)
        if named == "host" and (
            serial := disk_serial(self.root, finding.component)
        ):  # Inventory itself knows no disk yet
            named = f"disk:{serial}"
        known = replace(finding, component=named, text=text)
        self._kernel_findings.append(known)
        self.logs.find(known)
        self.logs.say(text, "error" if finding.severity is Severity.CRITICAL else "warning", "kernel")

    async def run(self, name: str, attempt: int, job: Job) -> Attempted:
        """One attempt, to its whole outcome. Raises nothing but CancelledError, after everything was stopped."""
        try:
            return await self._run(name, attempt, job)
        finally:  # not at the start: an order to stop may come before the first step
            self._stop.clear()
            self._why_stop = ""

    async def _run(self, name: str, attempt: int, job: Job) -> Attempted:
        self._job = job
        folder = self.shelf.attempt_folder()
        group, why_none = self._group(name, attempt)
        self._keep(group)
        self.kernel.new_stage()
        deps = self._deps(name, attempt, job, folder, group)
        bmc = EventLog(self.root)
        records = await bmc.read() if bmc.there else None
        before = await asyncio.to_thread(ambient.snapshot, self.root)
        started_s = self.clock.monotonic()
        try:
            outcome = await self._beside().watched(name, job, lambda: self._attempt(name, deps))
        finally:
            ooms = group.oom_kills() if group else None
            await asyncio.shield(self._clear(group))
        ended_s = self.clock.monotonic()
        self.kernel.poll()
        after = await asyncio.to_thread(ambient.snapshot, self.root)
        counters = self._beside().named(ambient.counters(before, after))
        for part, times in sorted(self.kernel.corrected.items()):
            checks = Counter(component=part, name="corrected_checks", before=0.0, after=float(times))
            counters = (*counters, checks)
        if group:
            counters = (*counters, Counter(component="load", name="oom_kill", before=0.0, after=ooms))
        if bmc.there:
            told, events = grown(records, await bmc.read())
            counters = (*counters, *told)
            for event in events:
                deps.find(by_slot(event, job.inventory))
        slots = dimmnames.parts((one.component for one in counters), job.inventory)
        counters = tuple(replace(one, component=slots[one.component]) for one in counters)
        outcome = judged(outcome, self._noticed(deps), counters, LIMITS_OF.get(name), job.inventory)
        self.shelf.forget_lasting()  # it concluded; an agent that died before this left it for the next attempt
        spared = f"the load may use {group.limit_bytes} bytes" if group else f"no cgroup: {why_none}"
        whole = replace(
            outcome,
            started_s=started_s,
            ended_s=ended_s,
            tools=tuple(deps.tools),
            artifacts=tuple(deps.refs.values()),
            data={**outcome.data, "cgroup": spared},
        )
        self.logs.say(f"{name}, attempt {attempt}: {whole.verdict}{': ' + whole.reason if whole.reason else ''}")
        return Attempted(whole, folder / "evidence")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _beside(self) -> Around:
        self._around = self._around or Around(self.root, self.clock)
        return self._around

    async def _attempt(self, name: str, deps: AgentDeps) -> Outcome:
        """The stage's own conclusion, or what became of it."""
        stage = self.stages.get(name)
        if stage is None:
            return Outcome.error(f"this agent knows no stage named {name!r}; boot the host into the current live image")
        try:
            limit_s = stage.limit_s(deps.job) + deps.job.profile.grace_s
        except Exception as error:  # noqa: BLE001 - whatever a stage does wrong is an ERROR of the stage
            return self._broken(error)
        if missing := absent(stage.tools):
            return Outcome.error("; ".join(missing))
        work = asyncio.create_task(stage.run(deps), name=f"stage {name}")
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({work, stop}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                return Outcome(verdict=Verdict.CANCELLED, reason=self._why_stop)
            if not work.done():
                return Outcome.error(f"the stage was still running at its deadline, {limit_s:.0f} s after its start")
            return self._concluded(work)
        finally:
            stop.cancel()
            await self._end(work, deps)

    def _concluded(self, work: asyncio.Task[Outcome]) -> Outcome:
        if work.cancelled():
            return Outcome.error("the stage ended itself without an outcome")
        error = work.exception()
        return work.result() if error is None else self._broken(error)

    def _broken(self, error: BaseException) -> Outcome:
        if isinstance(error, ToolMissing | JoinFailed | ParseError):
            return Outcome.error(str(error))
        self.logs.say("".join(traceback.format_exception(error))[-8000:], "error")
        return Outcome.error(f"the stage broke: {type(error).__name__}: {error}"[:500])

    async def _end(self, work: asyncio.Task[Outcome], deps: AgentDeps) -> None:
        if work.done():
            return
        with contextlib.suppress(OSError):  # first of all the writing ends, whatever its programs make of a signal
            Path(deps.stop_file).touch()
        work.cancel()
        await asyncio.wait({work}, timeout=ENDING_S)
        if not work.done():
            self.logs.say(f"the stage did not let go within {ENDING_S:.0f} s; its programs are killed", "error")

    def _deps(self, name: str, attempt: int, job: Job, folder: Path, group: cgroup.StageGroup | None) -> AgentDeps:
        async def take(artifact: str, media_type: str, data: bytes) -> wire.ArtifactReply:
            query = {"stage": name, "attempt": str(attempt), "name": artifact}
            return await self.client.upload(ARTIFACT, data, media_type=media_type, query=query)

        return AgentDeps(
            job=job,
            folder=folder,
            lasting_folder=self.shelf.lasting_folder(job.run_id, file_name(name)),
            take=take,
            carrier=Carrier(client=self.client, logs=self.logs, boot_id=self.kept.boot_id, stage=name, attempt=attempt),
            sessions=self.shelf.sessions,
            mark=self.kept.mark,
            root=self.root,
            group=group,
            clock=self.clock,
            activity=self.activity,
            mux=self.mux,
            logs=self.logs,
            versions=self.versions,
            own_score=self.own_score,
            on_finding=self.logs.find,
        )

    def _group(self, name: str, attempt: int) -> tuple[cgroup.StageGroup | None, str]:
        """The attempt's control group, or None with the reason, which is said."""
        home, why = cgroup.find_home(self.groups_root)
        available = available_bytes()
        if home is not None and available is None:
            why = "/proc/meminfo does not tell how much memory is available"
        elif home is not None and available is not None:
            try:
                label = f"{self.kept.mark[:8]}-{name.lower()}-{attempt}"
                return cgroup.StageGroup(home, label, cgroup.load_limit_bytes(available)), ""
            except OSError as error:
                why = f"the group could not be made: {error}"
        self.logs.say(f"no cgroup: {why}; the load is kept apart by its process groups and OOM score alone", "warning")
        return None, why

    def _keep(self, group: cgroup.StageGroup | None) -> None:
        """Before anything starts: what a successor of a killed agent has to clear away, and where the kernel log stood."""
        folders = tuple(str(folder) for folder in group.folders) if group else ()
        self.kept = Kept(
            boot_id=self.kept.boot_id,
            run_id=self.kept.run_id,
            token=self.kept.token,
            ticket_mark=self.kept.ticket_mark,
            mark=self.kept.mark,
            groups=folders,
            log_seq=self.kernel.sequence,
        )
        self.shelf.save(self.kept)

    async def _clear(self, group: cgroup.StageGroup | None) -> None:
        """Nothing that the stage started outlives it."""
        left = await group.clear() if group else 0
        left += await leftovers.sweep(self.kept.mark, self.shelf.sessions)
        if left:
            self.logs.say(f"{left} processes had outlived the stage and were killed", "warning")

    def _noticed(self, deps: AgentDeps) -> tuple[Finding, ...]:
        """Findings of this attempt: the stage's own, then the kernel's."""
        kernel, self._kernel_findings = self._kernel_findings, []
        if not self.kernel.readable:
            text = "the kernel log could not be read: what the kernel saw during this stage is unknown"
            kernel.append(Finding(severity=Severity.WARNING, component="host", text=text, source="kernel log"))
        return (*deps.findings, *kernel)


def judged(
    outcome: Outcome,
    noticed: Sequence[Finding],
    counters: tuple[Counter, ...],
    limits: Mapping[str, float] | None = None,
    inventory: Inventory | None = None,
) -> Outcome:
    """The stage's conclusion in the light of what the machine said meanwhile. Nothing here makes an outcome better."""
    told = [*outcome.findings, *(finding for finding in noticed if finding not in outcome.findings)]
    critical = [finding for finding in told if finding.severity is Severity.CRITICAL]
    moved = judge_counters((*outcome.counters, *counters), limits=limits, inventory=inventory)
    verdict, reason = outcome.verdict, outcome.reason
    if outcome.passed and critical:
        more = f" (and {len(critical) - 1} more)" if len(critical) > 1 else ""
        verdict, reason = Verdict.FAIL, f"{critical[0].component}: {critical[0].text}{more}"
    elif outcome.passed and moved.verdict is not None:
        verdict, reason = moved.verdict, moved.reason
    return replace(
        outcome,
        verdict=verdict,
        reason=reason,
        findings=(*told, *moved.findings),
        counters=(*outcome.counters, *counters),
    )


def by_slot(event: Finding, inventory: Inventory | None) -> Finding:
    """What was said of a memory module by some label, as said of the slot that the label means."""
    said = dimmnames.told(event.component, inventory)
    if said == event.component:
        return event
    return replace(event, component=dimmnames.part(event.component, inventory), text=f"{said}: {event.text}")


def absent(tools: Sequence[str]) -> list[str]:
    """What is to be said of the programs that are not there; all at once, so that a person installs them once."""
    said = []
    for tool in tools:
        try:
            proc.which(tool)
        except ToolMissing as why:
            said.append(str(why))
    return said


def available_bytes() -> int | None:
    """MemAvailable of the machine that we really run on."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
