"""Load processors, memory, disks and network at the same moment: what holds alone may fall together.

Each load is judged as in its own stage, by the work that it did; then their times are laid over each other. One that fails
stops none of the others.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Outcome, Verdict, Work
from vetting.stages.base import Deps, Job
from vetting.stages.burn_disks import before_s, burn_disks, devices_for
from vetting.stages.burn_part import Part, guarded
from vetting.stages.burn_stress import LOOK_S, burn_cpu, burn_memory
from vetting.stages.heat import Heat
from vetting.stages.iperf_load import Way, carry, is_loopback
from vetting.stages.stressng_load import Ability, ability, least_s
from vetting.stages.surface_load import START_S
from vetting.stages.topology import Place, places
from vetting.stages.watch import every, growth, online_cpus, oom_kills
from vetting.stages.way_back import WAY_BACK_S

CHECK_S = 1.0  # a first call of iperf3: the server must be free before all begin together


class Burn:
    name: ClassVar[str] = "Burn"
    does: ClassVar[str] = "loads processors, memory, disks and network at the same moment"
    tools: ClassVar[tuple[str, ...]] = ("stress-ng", "fio", "iperf3")

    def planned_s(self, job: Job) -> float:
        return float(job.profile.burn.seconds + before_s(job))

    def limit_s(self, job: Job) -> float:
        return job.profile.burn.seconds * 1.2 + 2 * START_S + 300 + WAY_BACK_S + before_s(job)

    async def run(self, deps: Deps) -> Outcome:
        cpu, memory, disk, network = parts = [Part(name) for name in ("cpu", "memory", "disk", "network")]
        able = Ability(verifies=frozenset(), options=())
        try:
            able = await ability(deps)
        except ToolMissing as why:
            for part in (cpu, memory):
                part.fail(Verdict.ERROR, str(why))
        way = await guarded(network, _way(deps, network))
        devices = await guarded(disk, devices_for(deps, disk)) or []
        heat, kills = Heat(deps), oom_kills(deps)
        began_s = deps.monotonic()

        def look_around() -> None:
            heat.look()
            passed_s = min(deps.monotonic() - began_s, deps.job.profile.burn.seconds)
            deps.progress(passed_s, deps.job.profile.burn.seconds, "s", "everything at once")

        async with every(deps, min(LOOK_S, deps.job.profile.burn.seconds / 6), look_around):
            await asyncio.gather(
                guarded(cpu, burn_cpu(deps, cpu, able)),
                guarded(memory, burn_memory(deps, memory, able)),
                guarded(disk, burn_disks(deps, disk, devices)),
                guarded(network, _network(deps, network, way)),
            )
        grown = growth(kills, oom_kills(deps))
        if grown is None or grown > 0:
            told = f"the kernel killed {grown:.0f} processes" if grown else "the count of OOM kills was unreadable"
            memory.fail(Verdict.ERROR, f"{told} while the load ran")
        _overlapped(deps, parts)
        measurements = (*(each for part in parts for each in part.measurements), *heat.measurements("burn.heat"))
        return Outcome.of_cells(
            [part.cell for part in parts], measurements=measurements, findings=heat.findings(_places(deps))
        )


# network -------------------------------------------------------------------------------------------------------------


async def _way(deps: Deps, part: Part) -> Way | None:
    job = deps.job
    if not job.iperf_host or not job.iperf_port:
        part.fail(Verdict.ERROR, "the orchestrator gave us no iperf3 server")
        return None
    way = Way(host=job.iperf_host, port=job.iperf_port, interface="lo" if is_loopback(job.iperf_host) else "")
    tried = await carry(deps, way, seconds=CHECK_S, parallel=1, mode="", keep="burn-iperf3-first.json")
    if tried.verdict is not Verdict.PASS:
        part.fail(tried.verdict, tried.reason)
        return None
    return way


async def _network(deps: Deps, part: Part, way: Way | None) -> None:
    if way is None:
        return
    knobs = deps.job.profile.burn
    carried = await carry(
        deps, way, seconds=knobs.seconds, parallel=knobs.iperf_parallel, mode="--bidir", keep="burn-iperf3.json"
    )
    part.ran(carried.ran)
    if carried.verdict is not Verdict.PASS:
        part.fail(carried.verdict, carried.reason)
        return
    for name, flow in zip(("to_server", "from_server"), carried.flows, strict=True):
        part.measure(f"net.{name}", (flow.received_bits_s or 0.0) / 1e6, "Mb/s")
        done_s = min(flow.seconds, knobs.seconds)
        part.work.append(Work(what=name.replace("_", " "), done=round(done_s), of=knobs.seconds, unit="s"))
    if is_loopback(way.host):
        part.reasons.append("only loopback was loaded, no network card")


# together ------------------------------------------------------------------------------------------------------------


def _places(deps: Deps) -> dict[int, Place]:
    try:
        return places(deps, online_cpus(deps))
    except (OSError, ValueError):
        return {}


def overlap_s(windows: list[tuple[float, float]]) -> float:
    """Seconds in which all of them ran; 0 where they never did."""
    return max(0.0, min(end for _, end in windows) - max(start for start, _ in windows)) if windows else 0.0


def _overlapped(deps: Deps, parts: list[Part]) -> None:
    """Loads one after another are no burn: every part that ran must have run beside all the others, the whole time."""
    wanted_s = deps.job.profile.burn.seconds
    ran = [part for part in parts if part.windows and part.verdict is Verdict.PASS]
    together_s = overlap_s([window for part in ran for window in part.windows])
    for part in ran:
        part.measure("overlap", together_s, "s")
        if not together_s >= least_s(wanted_s):
            part.fail(Verdict.ERROR, f"all loads together ran for {together_s:.1f} s of {wanted_s} s")
