"""Load processors, memory, disks and network at the same moment: what holds alone may fall together.

Each load is judged as in its own stage, by the work that it did; then their times are laid over each other. One that fails
stops none of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Cell, Measurement, Outcome, ToolRun, Verdict, Work
from vetting.domain.profiles import GIB, MIB, Profile
from vetting.stages.base import Deps, Job
from vetting.stages.disk_paths import Device, device_of, free, look, no_permit, targets_of, unexpected
from vetting.stages.fio_load import Rounds, rounds
from vetting.stages.iperf_load import Way, carry, is_loopback
from vetting.stages.probes.asking import Unread
from vetting.stages.stressng_load import Ability, Load, ability, judge, least_s
from vetting.stages.surface_load import START_S, Asked, scan
from vetting.stages.watch import Seen, allowed_cpus, every, growth, meminfo, online_cpus, oom_kills
from vetting.stages.way_back import WAY_BACK_S, carry_away, count_down, countdown_s

T = TypeVar("T")
LOOK_S = 5.0
BESIDE = ("hash", "fma", "matrix", "vecmath", "vecfp")  # beside `cpu`, of which each version takes those that verify
BUSY_ENOUGH = 0.75
GATE_BYTES = 16 * MIB  # a sample that takes each disk through every safety line before fio may write to it
CHECK_S = 1.0  # a first call of iperf3: the server must be free before all begin together
# Memory for each vm worker and second: it shares its core with everything else and has to get through a whole cycle.
FILL_BYTES_S = 8 * MIB
MOST_BYTES = 32 * GIB
LEAST_BYTES = 64 * MIB


@dataclass
class Part:
    """One of the four loads: its verdict, its work and when it ran."""

    component: str
    verdict: Verdict = Verdict.PASS
    reasons: list[str] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)

    def fail(self, verdict: Verdict, reason: str) -> None:
        """FAIL outweighs ERROR; every reason is kept."""
        self.reasons.append(reason)
        if self.verdict is not Verdict.FAIL:
            self.verdict = verdict

    def ran(self, ran: ToolRun | Rounds | None) -> None:
        if ran is not None:
            self.windows.append((ran.started_s, ran.ended_s))

    def measure(self, series: str, value: float | None, unit: str) -> None:
        if value is not None:
            self.measurements.append(
                Measurement(series=f"burn.{series}", value=value, unit=unit, component=self.component)
            )

    @property
    def cell(self) -> Cell:
        return Cell(
            component=self.component, verdict=self.verdict, reason="; ".join(self.reasons), work=tuple(self.work)
        )


class Burn:
    name: ClassVar[str] = "Burn"
    does: ClassVar[str] = "loads processors, memory, disks and network at the same moment"
    tools: ClassVar[tuple[str, ...]] = ("stress-ng", "fio", "iperf3")

    def planned_s(self, job: Job) -> float:
        return float(job.profile.burn.seconds + _before_s(job))

    def limit_s(self, job: Job) -> float:
        return job.profile.burn.seconds * 1.2 + 2 * START_S + 300 + WAY_BACK_S + _before_s(job)

    async def run(self, deps: Deps) -> Outcome:
        cpu, memory, disk, network = parts = [Part(name) for name in ("cpu", "memory", "disk", "network")]
        able = Ability(verifies=frozenset(), options=())
        try:
            able = await ability(deps)
        except ToolMissing as why:
            for part in (cpu, memory):
                part.fail(Verdict.ERROR, str(why))
        way = await _guarded(network, _way(deps, network))
        devices = await _guarded(disk, _devices(deps, disk)) or []
        seen, kills = Seen(deps), oom_kills(deps)
        began_s = deps.monotonic()

        def look_around() -> None:
            seen.look()
            passed_s = min(deps.monotonic() - began_s, deps.job.profile.burn.seconds)
            deps.progress(passed_s, deps.job.profile.burn.seconds, "s", "everything at once")

        async with every(deps, min(LOOK_S, deps.job.profile.burn.seconds / 6), look_around):
            await asyncio.gather(
                _guarded(cpu, _cpu(deps, cpu, able, seen)),
                _guarded(memory, _memory(deps, memory, able, seen)),
                _guarded(disk, _disks(deps, disk, devices)),
                _guarded(network, _network(deps, network, way)),
            )
        grown = growth(kills, oom_kills(deps))
        if grown is None or grown > 0:
            told = f"the kernel killed {grown:.0f} processes" if grown else "the count of OOM kills was unreadable"
            memory.fail(Verdict.ERROR, f"{told} while the load ran")
        _overlapped(deps, parts)
        for cpu_number, share in sorted(seen.busy.items()):
            if cpu.verdict is Verdict.PASS and not share >= BUSY_ENOUGH:
                cpu.fail(Verdict.ERROR, f"core {cpu_number} was busy for {share:.0%} of the time only")
        measurements = tuple(each for part in parts for each in part.measurements)
        return Outcome.of_cells([part.cell for part in parts], measurements=measurements)


async def _guarded(part: Part, work: Awaitable[T]) -> T | None:
    """A program that is missing is this part's ERROR and nobody else's."""
    try:
        return await work
    except ToolMissing as why:
        part.fail(Verdict.ERROR, str(why))
    return None


# processors and memory -----------------------------------------------------------------------------------------------


async def _cpu(deps: Deps, part: Part, able: Ability, seen: Seen) -> None:
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
    judged = await _stress(deps, part, load, able, "burn-cpu.txt")
    part.work.append(Work(what="cpus", done=min(judged, len(cpus)), of=len(cpus), unit="cpus"))
    if part.verdict is Verdict.PASS and not knobs.cpu_workers and not cpus <= seen.busy.keys():
        part.fail(Verdict.ERROR, "not every core was seen busy")


async def _stress(deps: Deps, part: Part, load: Load, able: Ability, keep: str) -> int:
    """Runs one load of stress-ng; returns the workers that verified to the end."""
    ran = await deps.run(load.argv(deps, able.options), limit_s=load.limit_s, heavy=True, keep=keep)
    part.ran(ran)
    judged = judge(ran, load, oom_kills=0)  # counted once for all loads, by the caller
    if judged.verdict is not Verdict.PASS:
        part.fail(judged.verdict, judged.reason)
    for metric in judged.told.metrics if judged.told else ():
        part.measure(f"{metric.name}.bogo_ops_s", metric.bogo_ops_per_s, "/s")
    return judged.workers_done


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


async def _memory(deps: Deps, part: Part, able: Ability, seen: Seen) -> None:
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
    await _stress(deps, part, load, able, "burn-memory.txt")
    taken = min(seen.memory_taken, size)
    if part.verdict is Verdict.PASS and not taken >= 0.5 * size:
        part.fail(Verdict.ERROR, f"only {taken // MIB} MiB of {size // MIB} MiB were seen in use")
    done = size if part.verdict is Verdict.PASS else 0
    part.work.append(Work(what="MiB loaded", done=done // MIB, of=total // MIB, unit="MiB"))


# disks ---------------------------------------------------------------------------------------------------------------


async def _devices(deps: Deps, part: Part) -> list[Device]:
    """The disks that fio may write in this stage. Each goes through the surface program's gate first; where none may be
    written the part is a SKIP that says why."""
    if not deps.job.profile.burn.fio_on_spare:
        part.verdict = Verdict.SKIP
        part.reasons.append("this profile leaves the disks out of the burn")
        return []
    try:
        targets = await targets_of(deps)
    except Unread as why:
        part.fail(Verdict.ERROR, f"the disks could not be listed: {why}")
        return []
    wanted = [target for target in targets if not target.why_not]
    if not wanted:
        part.verdict = Verdict.SKIP
        reasons = [f"disk:{target.expected.serial}: {target.why_not}" for target in targets]
        part.reasons.append("; ".join(reasons) or "no disk is expected of this host")
        return []
    devices = [device_of(deps, target) for target in wanted]
    for device in devices:
        if isinstance(device, str):
            part.fail(Verdict.ERROR, device)
    return await _admitted(deps, part, [each for each in devices if isinstance(each, Device)])


def _before_s(job: Job) -> int:
    """Countdown of a run whose profile leaves Storage out: then the first byte is written here."""
    return countdown_s(job) if "Storage" in job.profile.drop and job.profile.burn.fio_on_spare else 0


async def _admitted(deps: Deps, part: Part, devices: list[Device]) -> list[Device]:
    job = deps.job
    if not job.permit or not job.permit_key:
        part.fail(Verdict.ERROR, no_permit(job))
        return []
    looks = [await look(deps, device, "before-burn") for device in devices]
    if why_not := unexpected(looks, job.override_flags):
        part.fail(Verdict.ERROR, why_not)
        return []
    permit = deps.write_scratch("permit.json", job.permit.encode())
    asked = Asked(sample_bytes=GATE_BYTES, cycles=1, floor_mb_s=job.profile.storage.surface_floor_mb_s)
    if why_not := await carry_away(deps, devices, permit, asked):
        part.fail(Verdict.ERROR, f"nothing was written: {why_not}")
        return []
    if _before_s(job):
        await count_down(deps, devices)
    scanned = await asyncio.gather(*(scan(deps, device, asked, permit) for device in devices))
    for each in scanned:
        if each.verdict is not Verdict.PASS:
            part.fail(each.verdict, f"{each.device.component}: {each.reason}")
    ready = [each.device for each in scanned if each.verdict is Verdict.PASS]
    return [device for device in ready if await _still_free(deps, part, device)]


async def _still_free(deps: Deps, part: Part, device: Device) -> bool:
    """fio opens the disk by name: the last look right before all begin together."""
    looked = await look(deps, device, "before-fio")
    if not free(looked, deps.job.override_flags):
        part.fail(Verdict.ERROR, f"not given to fio: {unexpected([looked], deps.job.override_flags)}")
        return False
    return True


async def _disks(deps: Deps, part: Part, devices: list[Device]) -> None:
    done = await asyncio.gather(*(_fio(deps, part, device) for device in devices))
    read_back, written = sum(each.read_back for each in done), sum(each.written for each in done)
    if devices:
        part.work.append(Work(what="fio verified", done=read_back, of=written, unit="B"))


async def _fio(deps: Deps, part: Part, device: Device) -> Rounds:
    knobs = deps.job.profile
    done = await rounds(deps, device, area_bytes=knobs.storage.fio_size_bytes, seconds=knobs.burn.seconds)
    part.ran(done)
    if done.verdict is not Verdict.PASS:
        part.fail(done.verdict, f"{device.component}: {done.reason}")
    part.measure(f"{device.series}.iops", done.iops, "/s")
    after = await look(deps, device, "after-fio")
    if after.fault or after.trouble:
        part.fail(Verdict.FAIL if after.fault else Verdict.ERROR, f"after fio: {after.fault or after.trouble}")
    return done


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
