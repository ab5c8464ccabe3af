"""Compute on every core and in all the memory that is free, and fail on any result that differs.

First each core alone, then all cores, then, never beside it, the memory: CPU and memory load at once once took the agent and
made a green of a stage that never ran. A pass is counted in workers that verified to the end on cores that were seen busy.
"""

from __future__ import annotations

from typing import ClassVar

from vetting.domain.outcome import Cell, Counter, Outcome, Verdict
from vetting.domain.profiles import memory_pass_s
from vetting.stages.base import Deps, Job
from vetting.stages.cpu_cores import LONGER_S, all_cores, each_core
from vetting.stages.cpu_golden import known_answers
from vetting.stages.cpu_memory import memory, share_s
from vetting.stages.stress_attempt import StressAttempt
from vetting.stages.stressng_load import ability
from vetting.stages.throttles import grown, readings, sums
from vetting.stages.topology import places
from vetting.stages.watch import allowed_cpus, meminfo, online_cpus

TURN_S = 10.0  # a core's turn has some seconds of start and end


class CpuStress:
    name: ClassVar[str] = "CPUStress"
    does: ClassVar[str] = "computes and compares on each core alone, on all cores, then in all free memory"
    tools: ClassVar[tuple[str, ...]] = ("stress-ng", "stressapptest")

    def planned_s(self, job: Job) -> float:
        threads = job.inventory.cpu.threads if job.inventory else 1
        knobs = job.profile.cpu_stress
        memory_s = memory_pass_s(knobs, job.inventory.memory_bytes if job.inventory else 0)
        return knobs.cpu_s + memory_s + knobs.core_s * threads

    def limit_s(self, job: Job) -> float:
        """A core's turn comes twice where it looked slow or did too little, or where all together were wrong; big memory
        takes its time to be filled and given back."""
        threads = job.inventory.cpu.threads if job.inventory else 1024
        again_s = threads * (job.profile.cpu_stress.core_s + LONGER_S + TURN_S)
        filling_s = 2 * (job.inventory.memory_bytes if job.inventory else 0) / 2**27
        return self.planned_s(job) + again_s + filling_s + 600

    async def run(self, deps: Deps) -> Outcome:
        try:
            cpus, allowed = online_cpus(deps), allowed_cpus(deps)
        except (OSError, ValueError) as why:
            return _neither(f"the list of CPUs cannot be read: {why}")
        if not cpus <= allowed:
            return _neither(f"we may run on {len(allowed & cpus)} of {len(cpus)} CPUs only: give the agent all of them")
        before, throttled = meminfo(deps), readings(deps)
        knobs = deps.job.profile.cpu_stress
        planned_s = knobs.cpu_s + knobs.core_s * len(cpus) + 2 * share_s(deps, before.get("MemTotal", 0))
        attempt = StressAttempt(deps, cpus, await ability(deps), places(deps, cpus), planned_s)
        if "cpu" not in attempt.able.verifies or "vm" not in attempt.able.verifies:
            return _neither("the installed stress-ng does not say that its stressors cpu and vm verify (--verifiable)")
        if knobs.core_s:
            await known_answers(attempt)
        await each_core(attempt)
        if knobs.core_s and any(cell.verdict is not Verdict.PASS for cell in attempt.cells):
            attempt.cells.append(_not_begun("cpu", "the cores alone did not pass"))
        else:
            await all_cores(attempt)
        if all(cell.verdict is Verdict.PASS for cell in attempt.cells):
            await memory(attempt)
        else:
            attempt.cells.append(_not_begun("memory", "the CPU pass before it did not pass"))
        return _concluded(attempt, throttled, before)


def _concluded(attempt: StressAttempt, throttled: dict[str, int], before: dict[str, int]) -> Outcome:
    after, now = meminfo(attempt.deps), readings(attempt.deps)
    was, now_sums = sums(throttled), sums(now)
    counters = [
        Counter(component="cpu", name=name, before=was.get(name), after=now_sums.get(name))
        for name in {**was, **now_sums}
    ]
    for counter in counters:
        if counter.delta is None:
            attempt.warn("cpu", f"{counter.name} became unreadable", "thermal_throttle")
        elif counter.delta > 0:
            text = f"{counter.name} grew by {counter.delta:.0f}: {grown(counter.name, throttled, now, attempt.places)}"
            attempt.warn("cpu", text, "thermal_throttle")
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


def _not_begun(component: str, why: str) -> Cell:
    return Cell(component=component, verdict=Verdict.ERROR, reason=f"not tested: {why}")


def _neither(reason: str) -> Outcome:
    cells = tuple(Cell(component=component, verdict=Verdict.ERROR, reason=reason) for component in ("cpu", "memory"))
    return Outcome.error(reason, cells=cells)
