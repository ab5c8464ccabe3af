"""Computing with comparison on each core alone, then on all at once; who computes wrong is named as the part to order.

Most bad cores are single cores and show within a second of varied work, while an average over all cores hides them.
"""

from __future__ import annotations

from statistics import median

from vetting.domain.outcome import Cell, Verdict, Work
from vetting.parsers.stressng import failed_workers, worker_places
from vetting.stages.base import Deps
from vetting.stages.heat import Heat
from vetting.stages.stress_attempt import StressAttempt
from vetting.stages.stressng_load import Judged
from vetting.stages.watch import Seen

# Stressors beside `cpu`, of which each version takes those that verify: variety finds more bad cores than length, and
# `cpu` alone sees next to nothing of a vector unit.
ALONE = ("hash", "zlib", "fma", "matrix", "vecmath", "vecfp")
TOGETHER = ("hash", "zlib", "memcpy", "fma", "matrix", "vecmath", "vecfp", "vecshuf")
BUSY_ENOUGH = 0.75  # of the time, each core, while all are loaded
BUSY_ALONE = 0.5  # in the short time that a core is tested alone, with the start of stress-ng in it
LONGER_S = 10.0  # added where a slow or crowded machine did not get through every stressor in a core's turn
GUILTY_S = 5.0  # for each core at most, to find the one that was at fault while all were loaded
SLOW_CORE = 0.7  # of its peers' median


async def each_core(attempt: StressAttempt) -> None:
    """A core that fails or was not tested gets a cell of its own; the others become measurements."""
    rates: dict[int, float] = {}
    clocks: dict[int, float] = {}
    for cpu in sorted(attempt.cpus) if attempt.knobs.core_s else ():
        judged, rate = await _one_core(attempt, cpu, attempt.knobs.core_s, clocks)
        if judged.verdict is Verdict.ERROR and judged.too_little:
            judged, rate = await _one_core(attempt, cpu, attempt.knobs.core_s + LONGER_S, clocks)
        if judged.verdict is not Verdict.PASS:
            attempt.cells.append(_of_core(attempt, cpu, judged))
        elif rate:
            rates[cpu] = rate
    for cpu in [cpu for cpu, share in _shares(attempt.deps, rates).items() if not share >= SLOW_CORE]:
        _, again = await _one_core(
            attempt, cpu, attempt.knobs.core_s, clocks
        )  # a neighbour's noise does not come twice
        rates[cpu] = max(rates[cpu], again)
    for cpu, share in _shares(attempt.deps, rates).items():
        attempt.measure(f"cpu.{cpu}.bogo_ops_s", rates[cpu], "/s", f"cpu:{cpu}")
        if cpu in clocks:
            attempt.measure(f"cpu.{cpu}.clock_mhz", clocks[cpu], "MHz", f"cpu:{cpu}")
        if not share >= SLOW_CORE:
            attempt.warn(f"cpu:{cpu}", _slow(attempt, cpu, share, rates, clocks), "stress-ng")


def _of_core(attempt: StressAttempt, cpu: int, judged: Judged) -> Cell:
    place = attempt.places.get(cpu)
    words = f"{place.words}: " if place else ""
    return Cell(component=f"cpu:{cpu}", verdict=judged.verdict, reason=words + judged.reason)


def _slow(attempt: StressAttempt, cpu: int, share: float, rates: dict[int, float], clocks: dict[int, float]) -> str:
    place = attempt.places.get(cpu)
    text = f"{place.words} " if place else ""
    text += f"computes at {share:.0%} of the median of its peers ({rates[cpu]:.0f} operations a second of CPU time)"
    if cpu in clocks and len(clocks) > 1:
        text += f", clocked at {clocks[cpu]:.0f} MHz, all cores' median is {median(clocks.values()):.0f} MHz"
    return text


async def _one_core(attempt: StressAttempt, cpu: int, seconds: float, clocks: dict[int, float]) -> tuple[Judged, float]:
    """Judgement, and operations of the stressor cpu for each second of CPU time; 0 where there are none."""
    load = attempt.load(ALONE, 1, seconds, ("--taskset", str(cpu)))
    seen = Seen(attempt.deps, memory=False, only=cpu)
    judged = await attempt.under(load, seen, cores=1, keep=f"stress-ng-core-{cpu}.txt", note=f"core {cpu} alone")
    if seen.clocks:
        clocks[cpu] = max(seen.clocks)
    if judged.verdict is Verdict.PASS and not seen.busy.get(cpu, 0.0) >= BUSY_ALONE:
        share = seen.busy.get(cpu)
        judged = Judged(verdict=Verdict.ERROR, reason=_idle(cpu, share), too_little=share is not None)
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


async def all_cores(attempt: StressAttempt) -> None:
    seen, heat = Seen(attempt.deps, memory=False), Heat(attempt.deps)
    load = attempt.load(TOGETHER, 0, attempt.knobs.cpu_s)
    count = len(attempt.cpus)
    judged = await attempt.under(load, seen, cores=count, keep="stress-ng-cpu.txt", note="all cores", look=heat.look)
    idle = [cpu for cpu in sorted(attempt.cpus) if not seen.busy.get(cpu, 0.0) >= BUSY_ENOUGH]
    if judged.verdict is Verdict.PASS and idle:
        judged = Judged(verdict=Verdict.ERROR, reason=_idle(idle[0], seen.busy.get(idle[0])), told=judged.told)
    work = Work(what="cpus", done=judged.workers_done, of=count, unit="cpus")
    attempt.cells.append(Cell(component="cpu", verdict=judged.verdict, reason=judged.reason, work=(work,)))
    for metric in judged.told.metrics if judged.told else ():
        attempt.measure(f"stress-ng.{metric.name}.bogo_ops_s", metric.bogo_ops_per_s, "/s", "cpu")
    if seen.clocks:
        attempt.measure("clock.min_mhz", min(seen.clocks), "MHz", "cpu")
        attempt.measure("clock.mean_mhz", sum(seen.clocks) / len(seen.clocks), "MHz", "cpu")
    if seen.slowest:
        slowest = min(seen.slowest, key=lambda cpu: seen.slowest[cpu])
        attempt.measure("clock.slowest_core_mhz", seen.slowest[slowest], "MHz", f"cpu:{slowest}")
    if seen.busy:
        attempt.measure("cpu.least_busy", min(seen.busy.values()) * 100, "%", "cpu")
    attempt.measurements += heat.measurements("heat")
    attempt.findings += heat.findings(attempt.places)
    if judged.verdict is Verdict.FAIL:
        await _name_the_guilty(attempt, judged)


async def _name_the_guilty(attempt: StressAttempt, judged: Judged) -> None:
    """A cell for the core that was at fault while all were loaded: by what stress-ng tells of its workers' places where it
    does, else by giving each core its turn alone once more."""
    faulty, places = failed_workers(judged.text), worker_places(judged.text)
    suspects = {cpu for pid in faulty for cpu in places.get(pid, ("", ()))[1]}
    if len(suspects) == 1:
        attempt.cells.append(_of_core(attempt, suspects.pop(), judged))
        return
    for cpu in sorted(attempt.cpus):
        alone, _ = await _one_core(attempt, cpu, min(attempt.knobs.core_s or GUILTY_S, GUILTY_S), {})
        if alone.verdict is Verdict.FAIL:
            attempt.cells.append(_of_core(attempt, cpu, alone))
            return
    seen_on = ", ".join(str(cpu) for cpu in sorted(suspects))
    where = f" (its workers at fault were seen on CPUs {seen_on})" if suspects else ""
    attempt.warn("cpu", f"wrong only while all cores were loaded, no core alone was{where}", "stress-ng")


def _idle(cpu: int, share: float | None) -> str:
    return (
        f"core {cpu} was busy for {share:.0%} of the time only"
        if share is not None
        else f"core {cpu} was not seen busy"
    )
