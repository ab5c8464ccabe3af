"""Compute on every core and in all the memory that is free, and fail on any result that differs.

First each core alone, then all cores, then, never beside it, the memory: CPU and memory load at once once took the agent and
made a green of a stage that never ran. A pass is counted in workers that verified to the end on cores that were seen busy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from vetting.domain.outcome import Cell, Counter, Finding, Measurement, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import GIB, MIB, CpuStressKnobs
from vetting.stages.base import Deps, Job
from vetting.stages.stressng_load import Ability, Judged, Load, ability, judge
from vetting.stages.watch import Seen, allowed_cpus, every, growth, meminfo, online_cpus, oom_kills, own_load_s

# Stressors beside `cpu`, of which each version takes those that verify: variety finds more bad cores than length, and
# `cpu` alone sees next to nothing of a vector unit. Short operations only, so that the slowest host completes some.
ALONE = ("hash", "fma", "matrix", "vecmath", "vecfp")
TOGETHER = ("hash", "zlib", "memcpy", "fma", "matrix", "vecmath", "vecfp", "vecshuf")
BUSY_ENOUGH = 0.75  # of the time, each core, while all are loaded
BUSY_ALONE = 0.5  # in the short time that a core is tested alone, with the start of stress-ng in it
COMPUTED = (
    0.02  # of the time on its cores, by the load itself: words cost none, and a crowded machine may leave a load little
)
SLOW_CORE = 0.7  # of its peers' median
WORKER_BYTES = 32 * GIB  # one vm worker fills some 2 GiB/s: more than this and a short pass would verify nothing
LOOK_S = 5.0
THROTTLE = "/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"


@dataclass
class _Attempt:
    """What one attempt gathers on its way."""

    deps: Deps
    cpus: frozenset[int]
    able: Ability
    cells: list[Cell] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    passed_s: float = 0.0  # load already behind us, for the progress

    @property
    def knobs(self) -> CpuStressKnobs:
        return self.deps.job.profile.cpu_stress

    def load(self, extra: tuple[str, ...], count: int, seconds: float, options: tuple[str, ...] = ()) -> Load:
        names = ("cpu", *(name for name in extra if name in self.able.verifies))
        return Load(
            stressors=dict.fromkeys(names, count),
            options=("--cpu-method", "all", *options),
            seconds=seconds,
            cpus=len(self.cpus),
        )

    async def under(self, load: Load, seen: Seen, *, cores: int, keep: str, note: str) -> Judged:
        """Runs one load that fills `cores` while looking at the machine; judges it by stress-ng's words, the kernel's OOM
        counter and the time that the load itself computed."""
        began_s, of_s = self.deps.monotonic(), planned_s(self.knobs, len(self.cpus))

        def look() -> None:
            seen.look()
            here_s = min(self.deps.monotonic() - began_s, load.seconds)
            self.deps.progress(self.passed_s + here_s, of_s, "s", note)

        kills, spent_s = oom_kills(self.deps), own_load_s(self.deps)
        async with every(self.deps, min(LOOK_S, load.seconds / 6), look):
            ran = await self.deps.run(
                load.argv(self.deps, self.able.options), limit_s=load.limit_s, heavy=True, keep=keep
            )
        self.passed_s += load.seconds
        judged = judge(ran, load, oom_kills=growth(kills, oom_kills(self.deps)))
        if judged.verdict is Verdict.PASS and (why := _not_ours(growth(spent_s, own_load_s(self.deps)), load, cores)):
            return Judged(verdict=Verdict.ERROR, reason=why, told=judged.told)
        return judged


def planned_s(knobs: CpuStressKnobs, cpus: int) -> float:
    return knobs.cpu_s + knobs.ram_s + knobs.core_s * cpus


class CpuStress:
    name: ClassVar[str] = "CPUStress"
    does: ClassVar[str] = "computes and compares on each core alone, on all cores, then in all free memory"
    tools: ClassVar[tuple[str, ...]] = ("stress-ng",)

    def planned_s(self, job: Job) -> float:
        return planned_s(job.profile.cpu_stress, job.inventory.cpu.threads if job.inventory else 1)

    def limit_s(self, job: Job) -> float:
        """A core's turn has some seconds of start and end, twice where it looked slow; big memory takes its time."""
        threads = job.inventory.cpu.threads if job.inventory else 1024
        return self.planned_s(job) + threads * (job.profile.cpu_stress.core_s + 5) + 600

    async def run(self, deps: Deps) -> Outcome:
        try:
            cpus, allowed = online_cpus(deps), allowed_cpus(deps)
        except (OSError, ValueError) as why:
            return _neither(f"the list of CPUs cannot be read: {why}")
        if not cpus <= allowed:
            return _neither(f"we may run on {len(allowed & cpus)} of {len(cpus)} CPUs only: give the agent all of them")
        attempt = _Attempt(deps, cpus, await ability(deps))
        if "cpu" not in attempt.able.verifies or "vm" not in attempt.able.verifies:
            return _neither("the installed stress-ng does not say that its stressors cpu and vm verify (--verifiable)")
        throttled, memory_before = _throttles(deps), meminfo(deps)
        await _each_core(attempt)
        if attempt.knobs.core_s and any(cell.verdict is not Verdict.PASS for cell in attempt.cells):
            attempt.cells.append(_not_begun("cpu", "the cores alone did not pass"))
        else:
            await _all_cores(attempt)
        if all(cell.verdict is Verdict.PASS for cell in attempt.cells):
            await _memory(attempt, memory_before.get("MemTotal", 0))
        else:
            attempt.cells.append(_not_begun("memory", "the CPU pass before it did not pass"))
        return _concluded(attempt, throttled, memory_before)


async def _each_core(attempt: _Attempt) -> None:
    """A core that fails or was not tested gets a cell of its own; the others become measurements."""
    rates: dict[int, float] = {}
    for cpu in sorted(attempt.cpus) if attempt.knobs.core_s else ():
        judged, rate = await _one_core(attempt, cpu)
        if judged.verdict is not Verdict.PASS:
            attempt.cells.append(Cell(component=f"cpu:{cpu}", verdict=judged.verdict, reason=judged.reason))
        elif rate:
            rates[cpu] = rate
    for cpu in [cpu for cpu, share in _shares(attempt.deps, rates).items() if not share >= SLOW_CORE]:
        _, again = await _one_core(attempt, cpu)  # a neighbour's noise does not come twice
        rates[cpu] = max(rates[cpu], again)
    for cpu, share in _shares(attempt.deps, rates).items():
        component = f"cpu:{cpu}"
        attempt.measurements.append(
            Measurement(series=f"cpu.{cpu}.bogo_ops_s", value=rates[cpu], unit="/s", component=component)
        )
        if not share >= SLOW_CORE:
            text = (
                f"computes at {share:.0%} of the median of its peers ({rates[cpu]:.0f} operations a second of CPU time)"
            )
            attempt.findings.append(
                Finding(severity=Severity.WARNING, component=component, text=text, source="stress-ng")
            )


async def _one_core(attempt: _Attempt, cpu: int) -> tuple[Judged, float]:
    """Judgement, and operations of the stressor cpu for each second of CPU time; 0 where there are none."""
    load = attempt.load(ALONE, 1, attempt.knobs.core_s, ("--taskset", str(cpu)))
    seen = Seen(attempt.deps, clock=False)
    judged = await attempt.under(load, seen, cores=1, keep=f"stress-ng-core-{cpu}.txt", note=f"core {cpu} alone")
    if judged.verdict is Verdict.PASS and not seen.busy.get(cpu, 0.0) >= BUSY_ALONE:
        judged = Judged(verdict=Verdict.ERROR, reason=_idle(cpu, seen.busy.get(cpu)))
    metric = judged.told.metric("cpu") if judged.told else None
    spent_s = metric.usr_time_s + metric.sys_time_s if metric else 0.0
    return judged, metric.bogo_ops / spent_s if metric and spent_s > 0 else 0.0


def _shares(deps: Deps, rates: dict[int, float]) -> dict[int, float]:
    """CPU -> its rate by the median of the cores that are built for the same clock."""
    kinds: dict[str, list[int]] = {}
    for cpu in rates:
        try:
            kind = deps.read(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq").strip()
        except OSError:
            kind = ""
        kinds.setdefault(kind, []).append(cpu)
    return {cpu: rates[cpu] / median(rates[peer] for peer in peers) for peers in kinds.values() for cpu in peers}


async def _all_cores(attempt: _Attempt) -> None:
    seen = Seen(attempt.deps)
    load = attempt.load(TOGETHER, 0, attempt.knobs.cpu_s)
    judged = await attempt.under(load, seen, cores=len(attempt.cpus), keep="stress-ng-cpu.txt", note="all cores")
    idle = [cpu for cpu in sorted(attempt.cpus) if not seen.busy.get(cpu, 0.0) >= BUSY_ENOUGH]
    if judged.verdict is Verdict.PASS and idle:
        judged = Judged(verdict=Verdict.ERROR, reason=_idle(idle[0], seen.busy.get(idle[0])), told=judged.told)
    work = Work(what="cpus", done=judged.workers_done, of=len(attempt.cpus), unit="cpus")
    attempt.cells.append(Cell(component="cpu", verdict=judged.verdict, reason=judged.reason, work=(work,)))
    for metric in judged.told.metrics if judged.told else ():
        series = f"stress-ng.{metric.name}.bogo_ops_s"
        attempt.measurements.append(Measurement(series=series, value=metric.bogo_ops_per_s, unit="/s", component="cpu"))
    if seen.clocks:
        attempt.measurements += [
            Measurement(series="clock.min_mhz", value=min(seen.clocks), unit="MHz", component="cpu"),
            Measurement(
                series="clock.mean_mhz", value=sum(seen.clocks) / len(seen.clocks), unit="MHz", component="cpu"
            ),
        ]
    if seen.busy:
        least = min(seen.busy.values()) * 100
        attempt.measurements.append(Measurement(series="cpu.least_busy", value=least, unit="%", component="cpu"))


def memory_to_test(available: int, knobs: CpuStressKnobs) -> int:
    """Bytes, whole MiB; 0 where there is too little to test even the floor."""
    wanted = max(available - knobs.ram_spare_bytes, knobs.ram_floor_bytes)
    if knobs.ram_cap_bytes:
        wanted = min(wanted, knobs.ram_cap_bytes)
    # The floor must leave as much again, or the load would take the agent with it.
    return wanted // MIB * MIB if available >= wanted + min(knobs.ram_floor_bytes, knobs.ram_spare_bytes) else 0


async def _memory(attempt: _Attempt, total: int) -> None:
    available, knobs = meminfo(attempt.deps).get("MemAvailable", 0), attempt.knobs
    size = memory_to_test(available, knobs)

    def cell(verdict: Verdict, reason: str = "", done: float = 0.0) -> None:
        work = Work(what="MiB tested", done=done // MIB, of=total // MIB, unit="MiB")
        attempt.cells.append(Cell(component="memory", verdict=verdict, reason=reason, work=(work,)))

    figures = (
        f"{available // MIB} MiB of {total // MIB} MiB are available, {knobs.ram_spare_bytes // MIB} MiB are spared"
    )
    too_little = ""
    if not size or not total:
        too_little = f"too little memory to test: {figures}, the floor is {knobs.ram_floor_bytes // MIB} MiB"
    elif not size >= knobs.ram_cover * total:
        too_little = f"less than {knobs.ram_cover:.0%} of the memory can be tested: {figures}"
    if too_little:
        cell(Verdict.ERROR, too_little)
        return
    count = min(-(-size // WORKER_BYTES), len(attempt.cpus))
    options = ("--vm-method", "all", "--vm-keep", "--vm-bytes", f"{size // MIB}M")
    load = Load(stressors={"vm": count}, options=options, seconds=knobs.ram_s, cpus=len(attempt.cpus))
    seen = Seen(attempt.deps)
    judged = await attempt.under(
        load, seen, cores=count, keep="stress-ng-memory.txt", note=f"{size // MIB} MiB of memory"
    )
    touched = _touched(judged, seen, size, count)
    reason = judged.reason
    if judged.verdict is Verdict.PASS and not touched >= 0.9 * size:
        judged = Judged(verdict=Verdict.ERROR)
        reason = f"only {touched // MIB} MiB of {size // MIB} MiB were seen in use"
    cell(judged.verdict, reason, touched if judged.verdict is Verdict.PASS else 0.0)
    attempt.measurements.append(Measurement(series="memory.tested_bytes", value=touched, unit="B", component="memory"))


def _touched(judged: Judged, seen: Seen, size: int, count: int) -> int:
    """Bytes that the workers had in memory: by their largest size, unless MemAvailable never fell by half of that."""
    metric = judged.told.metric("vm") if judged.told else None
    resident = (metric.rss_max_kib or 0) * 1024 * count if metric else 0
    claimed = min(size, resident) if resident else min(size, seen.memory_taken)
    return claimed if seen.memory_taken >= 0.5 * claimed else seen.memory_taken


def _concluded(attempt: _Attempt, throttled: dict[str, int], before: dict[str, int]) -> Outcome:
    after, now = meminfo(attempt.deps), _throttles(attempt.deps)
    counters = [
        Counter(component="cpu", name=name, before=throttled.get(name), after=now.get(name))
        for name in {**throttled, **now}
    ]
    for counter in counters:
        if counter.delta is None or counter.delta > 0:
            text = (
                f"{counter.name} grew by {counter.delta:.0f}" if counter.delta else f"{counter.name} became unreadable"
            )
            attempt.findings.append(
                Finding(severity=Severity.WARNING, component="cpu", text=text, source="thermal_throttle")
            )
    key = "HardwareCorrupted"
    corrupted = Counter(component="memory", name=key, before=before.get(key), after=after.get(key))
    cells = list(attempt.cells)
    if corrupted.delta:
        reason = f"the kernel took {corrupted.delta / 1024:.0f} KiB of memory out of use as corrupted"
        cells = [cell for cell in cells if cell.component != "memory"]
        cells.append(Cell(component="memory", verdict=Verdict.FAIL, reason=reason))
    return Outcome.of_cells(
        cells,
        measurements=tuple(attempt.measurements),
        counters=(*counters, corrupted),
        findings=tuple(attempt.findings),
    )


def _throttles(deps: Deps) -> dict[str, int]:
    """Sum over all CPUs of each throttle counter; empty on a machine that has none."""
    sums: dict[str, int] = {}
    for path in deps.glob(THROTTLE):
        name = path.rpartition("/")[2]
        try:
            sums[name] = sums.get(name, 0) + int(deps.read(path))
        except (OSError, ValueError):
            continue
    return sums


def _not_ours(spent_s: float | None, load: Load, cores: int) -> str:
    """Why the load was none of ours: busy cores may be somebody else's work, and words of another day cost no time."""
    if spent_s is None:
        return "the CPU time of the load cannot be read (/proc/self/stat)"
    if not spent_s >= COMPUTED * cores * load.seconds:
        return f"stress-ng computed for {spent_s:.1f} s in {load.seconds:.0f} s on {cores} cores: it did not do what it tells"
    return ""


def _idle(cpu: int, share: float | None) -> str:
    return (
        f"core {cpu} was busy for {share:.0%} of the time only"
        if share is not None
        else f"core {cpu} was not seen busy"
    )


def _not_begun(component: str, why: str) -> Cell:
    return Cell(component=component, verdict=Verdict.ERROR, reason=f"not tested: {why}")


def _neither(reason: str) -> Outcome:
    cells = tuple(Cell(component=component, verdict=Verdict.ERROR, reason=reason) for component in ("cpu", "memory"))
    return Outcome.error(reason, cells=cells)
