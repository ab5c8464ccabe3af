"""All the memory that is free, filled and compared by two testers one after the other, each with its own way through it.

stress-ng's `vm` works its many methods off one after the other; stressapptest copies everything again and again with all cores.
Each found flipped bits that the other did not. Together they never run: memory is filled to the brim but for what the agent needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.outcome import Cell, Verdict, Work
from vetting.domain.profiles import GIB, MIB, CpuStressKnobs, memory_pass_s
from vetting.stages.base import Deps
from vetting.stages.sat_load import Sat, judge_sat
from vetting.stages.stress_attempt import StressAttempt, not_ours
from vetting.stages.stressng_load import Load, held_bytes
from vetting.stages.watch import Seen, meminfo

WORKER_BYTES = 128 * MIB  # for each vm worker at least; as many as there are cores, for each fills some 2 GiB/s at most
# What a worker needs for one cycle of its methods, on a slow machine. Newer versions end theirs in one that takes hours for
# that much: so the time is cut into rounds, each of which begins with the first method again.
CYCLE_S_PER_GIB = 200.0
ROUND_S = (60.0, 3600.0)
# Operations that one cycle counts for each MiB: 0.15 some 10,900, 0.19 some 6,000 (by its passes through 16 to 64 MiB).
OPS_PER_MIB = 11_000.0
SEEN_ENOUGH = 0.9  # of the memory that was asked for


@dataclass
class _Tested:
    """What one tester did: bytes that it wrote and compared, and in words how often."""

    what: str
    verdict: Verdict
    reason: str = ""
    touched: int = 0
    words: str = ""

    def work(self, total: int) -> Work:
        done = self.touched if self.verdict is Verdict.PASS else 0
        return Work(what=f"MiB tested by {self.what}", done=done // MIB, of=total // MIB, unit="MiB")


def memory_to_test(available: int, knobs: CpuStressKnobs) -> int:
    """Bytes, whole MiB; 0 where there is too little to test even the floor."""
    wanted = max(available - knobs.ram_spare_bytes, knobs.ram_floor_bytes)
    if knobs.ram_cap_bytes:
        wanted = min(wanted, knobs.ram_cap_bytes)
    # The floor must leave as much again, or the load would take the agent with it.
    return wanted // MIB * MIB if available >= wanted + min(knobs.ram_floor_bytes, knobs.ram_spare_bytes) else 0


def share_s(deps: Deps, total: int) -> float:
    """The time of each of the two testers. By what Inventory found, as the plan is, else by what is there."""
    inventory = deps.job.inventory
    return memory_pass_s(deps.job.profile.cpu_stress, inventory.memory_bytes if inventory else total) / 2


async def memory(attempt: StressAttempt) -> None:
    told = meminfo(attempt.deps)
    total, available = told.get("MemTotal", 0), told.get("MemAvailable", 0)
    size = memory_to_test(available, attempt.knobs)
    if why := _too_little(size, total, available, attempt.knobs):
        work = tuple(_Tested(what, Verdict.ERROR).work(total) for what in ("stress-ng", "stressapptest"))
        attempt.cells.append(Cell(component="memory", verdict=Verdict.ERROR, reason=why, work=work))
        return
    seconds = share_s(attempt.deps, total)
    tested = [await _by_stress_ng(attempt, size, seconds)]
    if tested[0].verdict is Verdict.PASS:
        tested.append(await _by_stressapptest(attempt, size, seconds))
    else:
        tested.append(_Tested("stressapptest", Verdict.ERROR, "not begun: stress-ng did not pass before it"))
    bad = [each for each in tested if each.verdict is not Verdict.PASS]
    verdict = (
        Verdict.FAIL if any(each.verdict is Verdict.FAIL for each in bad) else bad[0].verdict if bad else Verdict.PASS
    )
    reason = "; ".join(each.reason for each in bad) or f"of {total // MIB} MiB: " + "; ".join(
        each.words for each in tested
    )
    attempt.cells.append(
        Cell(component="memory", verdict=verdict, reason=reason, work=tuple(each.work(total) for each in tested))
    )
    least = min((each.touched for each in tested if each.verdict is Verdict.PASS), default=0)
    attempt.measure("memory.tested_bytes", least, "B", "memory")


def _too_little(size: int, total: int, available: int, knobs: CpuStressKnobs) -> str:
    figures = (
        f"{available // MIB} MiB of {total // MIB} MiB are available, {knobs.ram_spare_bytes // MIB} MiB are spared"
    )
    if not size or not total:
        return f"too little memory to test: {figures}, the floor is {knobs.ram_floor_bytes // MIB} MiB"
    if not size >= knobs.ram_cover * total:
        return f"less than {knobs.ram_cover:.0%} of the memory can be tested: {figures}"
    return ""


def rounds_of(seconds: float, worker_bytes: float) -> tuple[int, float]:
    """How many rounds stress-ng's time is cut into, and how long each is: one cycle of a worker, an hour at most."""
    one = min(max(CYCLE_S_PER_GIB * worker_bytes / GIB, ROUND_S[0]), ROUND_S[1])
    count = max(1, int(seconds / one))
    return count, seconds / count


async def _by_stress_ng(attempt: StressAttempt, size: int, seconds: float) -> _Tested:
    count = max(1, min(size // WORKER_BYTES, len(attempt.cpus)))
    rounds, round_s = rounds_of(seconds, size / count)
    options = ("--vm-method", "all", "--vm-keep", "--vm-bytes", f"{size // MIB}M")
    load = Load(stressors={"vm": count}, options=options, seconds=round_s, cpus=len(attempt.cpus))
    touched, operations = size, 0
    for number in range(1, rounds + 1):
        seen = Seen(attempt.deps)
        of = f", round {number} of {rounds}" if rounds > 1 else ""
        note = f"{size // MIB} MiB of memory by stress-ng{of}"
        judged = await attempt.under(load, seen, cores=count, keep="stress-ng-memory.txt", note=note)
        if judged.verdict is not Verdict.PASS:
            return _Tested("stress-ng", judged.verdict, judged.reason)
        touched = min(touched, held_bytes(judged, seen.memory_taken, size, count))
        if not touched >= SEEN_ENOUGH * size:
            return _Tested("stress-ng", Verdict.ERROR, _unseen("stress-ng", touched, size))
        metric = judged.told.metric("vm") if judged.told else None
        operations += metric.bogo_ops if metric else 0
    cycles = operations / (size / MIB * OPS_PER_MIB)
    attempt.measure("memory.stress-ng.cycles", cycles, "", "memory")
    often = (
        f"{int(cycles)} whole cycles of its methods at least"
        if cycles >= 1
        else "less than one whole cycle of its methods"
    )
    words = f"{touched // MIB} by stress-ng for {seconds:.0f} s, {often}"
    return _Tested("stress-ng", Verdict.PASS, touched=touched, words=words)


async def _by_stressapptest(attempt: StressAttempt, size: int, seconds: float) -> _Tested:
    sat = Sat(size_bytes=size, seconds=seconds, cpus=len(attempt.cpus))
    seen = Seen(attempt.deps)
    ran, killed, spent_s = await attempt.watched(
        lambda: attempt.deps.run(sat.argv, limit_s=sat.limit_s, heavy=True, keep="stressapptest.txt"),
        seconds,
        seen.look,
        f"{size // MIB} MiB of memory by stressapptest",
    )
    judged = judge_sat(ran, sat, oom_kills=killed)
    if judged.verdict is not Verdict.PASS:
        return _Tested("stressapptest", judged.verdict, judged.reason)
    if why := not_ours("stressapptest", spent_s, seconds, 1):
        return _Tested("stressapptest", Verdict.ERROR, why)
    if not seen.memory_taken >= SEEN_ENOUGH * size:
        return _Tested("stressapptest", Verdict.ERROR, _unseen("stressapptest", seen.memory_taken, size))
    attempt.measure("memory.stressapptest.visits", judged.visits, "", "memory")
    words = (
        f"{size // MIB} by stressapptest for {seconds:.0f} s, each byte copied and compared {judged.visits:.0f} times"
    )
    return _Tested("stressapptest", Verdict.PASS, touched=size, words=words)


def _unseen(tool: str, touched: int, size: int) -> str:
    return f"{tool}: only {touched // MIB} MiB of {size // MIB} MiB were seen in use"
