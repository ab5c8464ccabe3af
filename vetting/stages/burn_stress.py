"""The processors' and the memory's part of a burn.

Each is looked at for as long as its own load runs: another load may take longer to end, and what a core does then says nothing.
"""

from __future__ import annotations

from vetting.domain.outcome import Verdict, Work
from vetting.domain.profiles import GIB, MIB, Profile
from vetting.stages.base import Deps
from vetting.stages.burn_part import Part
from vetting.stages.stressng_load import Ability, Judged, Load, drive, held_bytes, judge
from vetting.stages.watch import Seen, allowed_cpus, every, meminfo, online_cpus

LOOK_S = 5.0
BESIDE = ("hash", "fma", "matrix", "vecmath", "vecfp")  # beside `cpu`, of which each version takes those that verify
BUSY_ENOUGH = 0.75
# Memory for each vm worker and second: it shares its core with everything else and has to get through a whole cycle.
FILL_BYTES_S = 8 * MIB
MOST_BYTES = 32 * GIB
LEAST_BYTES = 64 * MIB
ALL_BUT = 0.9  # of the memory: as much of it as accounts of pages tell exactly
SEEN_ENOUGH = 0.5  # of the memory: a load that shares every core fills it late


async def burn_cpu(deps: Deps, part: Part, able: Ability) -> None:
    knobs = deps.job.profile.burn
    if not part.verdict.passed:
        return
    try:
        cpus, allowed = online_cpus(deps), allowed_cpus(deps)
    except (OSError, ValueError) as why:
        part.fail(Verdict.ERROR, f"the list of CPUs cannot be read: {why}")
        return
    if not cpus <= allowed or "cpu" not in able.verifies:
        part.fail(Verdict.ERROR, "we may not run on every CPU, or the stressor cpu of this stress-ng does not verify")
        return
    names = ("cpu", *(name for name in BESIDE if name in able.verifies))
    load = Load(
        stressors=dict.fromkeys(names, knobs.cpu_workers),
        options=("--cpu-method", "all"),
        seconds=knobs.seconds,
        cpus=len(cpus),
    )
    seen = Seen(deps, memory=False)
    judged = await _stress(deps, part, load, able, seen, "burn-cpu.txt")
    done = min(judged.workers_done, len(cpus))
    part.work.append(Work(what="cpus", done=done, of=len(cpus), unit="cpus"))
    idle = [cpu for cpu in sorted(cpus) if not seen.busy.get(cpu, 0.0) >= BUSY_ENOUGH]
    if part.verdict is Verdict.PASS and idle and not knobs.cpu_workers:
        share = seen.busy.get(idle[0])
        how = "was not seen busy" if share is None else f"was busy for {share:.0%} of the time only"
        part.fail(Verdict.ERROR, f"core {idle[0]} {how}")


async def _stress(deps: Deps, part: Part, load: Load, able: Ability, seen: Seen, keep: str) -> Judged:
    """Runs one load of stress-ng while looking at the machine."""
    async with every(deps, min(LOOK_S, load.seconds / 6), seen.look):
        ran, death_s = await drive(deps, load, able, keep)
    part.ran(ran)
    judged = judge(ran, load, oom_kills=0, death_s=death_s)  # OOM kills are counted once for all loads, by the caller
    if judged.verdict is not Verdict.PASS:
        part.fail(judged.verdict, judged.reason)
    for metric in judged.told.metrics if judged.told else ():
        part.measure(f"{metric.name}.bogo_ops_s", metric.bogo_ops_per_s, "/s")
    return judged


def memory_to_burn(available: int, profile: Profile) -> tuple[int, int]:
    """Bytes, whole MiB, and the workers that share them; 0 bytes where there is too little memory."""
    spare, cap = profile.cpu_stress.ram_spare_bytes, profile.cpu_stress.ram_cap_bytes
    size = min(available * profile.burn.mem_pct // 100, available - min(spare, available // 2))
    if cap:
        size = min(size, cap)
    if not size >= LEAST_BYTES:
        return 0, 0
    one = min(max(int(profile.burn.seconds * FILL_BYTES_S), LEAST_BYTES), MOST_BYTES)
    return size // MIB * MIB, -(-size // one)


async def burn_memory(deps: Deps, part: Part, able: Ability) -> None:
    if not part.verdict.passed:
        return
    told = meminfo(deps)
    available, total = told.get("MemAvailable", 0), told.get("MemTotal", 0)
    size, workers = memory_to_burn(available, deps.job.profile)
    if not size or "vm" not in able.verifies:
        part.fail(
            Verdict.ERROR, f"too little memory to load: {available // MIB} MiB of {total // MIB} MiB are available"
        )
        return
    options = ("--vm-method", "all", "--vm-keep", "--vm-bytes", f"{size // MIB}M")
    load = Load(stressors={"vm": workers}, options=options, seconds=deps.job.profile.burn.seconds, cpus=workers)
    seen = Seen(deps, clock=False)
    judged = await _stress(deps, part, load, able, seen, "burn-memory.txt")
    held = held_bytes(judged, seen.memory_taken, size, workers)
    if part.verdict is Verdict.PASS and not held >= SEEN_ENOUGH * size:
        part.fail(Verdict.ERROR, f"only {held // MIB} MiB of {size // MIB} MiB were seen in use")
    loaded = size if held >= ALL_BUT * size else held
    done = loaded if part.verdict is Verdict.PASS else 0
    part.work.append(Work(what="MiB loaded", done=done // MIB, of=total // MIB, unit="MiB"))
