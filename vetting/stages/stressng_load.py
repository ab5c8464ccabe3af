"""stress-ng as a load that is believed only for work done: what to ask of it, and what its answer is worth.

Its exit status proves nothing: a worker killed, an early end, nothing done and nothing supported can all come with 0. So it
runs with --verbose, and every worker has to be seen to start, to do verified work for the whole time and to end by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vetting.domain.outcome import ToolRun, Verdict
from vetting.parsers.errors import ParseError
from vetting.parsers.stressng import StressNgRun, Workers, died, parse, parse_verifiable, parse_workers
from vetting.stages.base import Deps

TOOL = "stress-ng"
END_LIMIT_S = 180  # to stop the workers and to give back a big host's memory

# stress-ng(1) EXIT STATUS. 2, 5 and 7 accuse the host, the others the test.
HOST_AT_FAULT = {2: "a stressor failed", 5: "a stressor was killed", 7: "bogo-op counters are corrupt"}
# What a worker dies of when the machine under it computes or remembers wrong; 7 is also how an uncorrectable error arrives.
KILLED = 9
CRASHES = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}

NO_WORK = "did no work"
# 0.15 calls the counters of a worker that was killed corrupt, in a "fail:" line; that is no wrong result.
ABOUT_COUNTERS = re.compile(r"bogo-ops counter|metrics-check:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Stressors side by side for `seconds`: stressor -> workers; 0 is one for each online CPU, which are `cpus`."""

    stressors: Mapping[str, int]
    options: tuple[str, ...]
    seconds: float
    cpus: int

    @property
    def wanted(self) -> dict[str, int]:
        return {name: count or self.cpus for name, count in self.stressors.items()}

    @property
    def limit_s(self) -> float:
        return self.seconds + END_LIMIT_S

    def argv(self, deps: Deps, also: tuple[str, ...] = ()) -> list[str]:
        """`also`: options of this version alone, see `options_of`."""
        argv = [TOOL]
        for name, count in self.stressors.items():
            argv += [f"--{name}", str(count)]
        folder = deps.scratch("stress-ng").rpartition("/")[0] or "/"
        argv += [*self.options, "--verify", "--metrics", "--verbose", "--oomable", *also, "--temp-path", folder]
        return [*argv, "--timeout", f"{self.seconds:g}s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: Verdict
    reason: str = ""
    told: StressNgRun | None = None
    workers_done: int = 0  # of the stressor that has fewest: workers that verified to the end
    text: str = ""  # all that stress-ng said
    too_little: bool = False  # it ran well and did too little: a longer time may show more


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What the installed version can do."""

    verifies: frozenset[str]  # stressors that compare what they computed
    options: tuple[str, ...]  # that not every version knows and that we want


async def ability(deps: Deps) -> Ability:
    """Asks the installed stress-ng. An answer that makes no sense leaves nothing that verifies, which nobody may pass."""
    listed = await deps.run([TOOL, "--verifiable"], limit_s=30)
    usage = await deps.run([TOOL, "--help"], limit_s=30)
    # Without it stress-ng, as root, exempts itself from the OOM killer, which then takes the agent (0.16.05 and later).
    known = tuple(option for option in ("--no-oom-adjust",) if option in usage.text)
    return Ability(verifies=parse_verifiable(listed.text), options=known)


async def drive(deps: Deps, load: Load, able: Ability, keep: str) -> tuple[ToolRun, float | None]:
    """Runs a load; also the second after its start at which it first told of a worker's death, None where none died."""
    began_s = deps.monotonic()
    first_s: float | None = None

    def listen(_stream: str, line: str) -> None:
        nonlocal first_s
        if first_s is None and died(line):
            first_s = deps.monotonic() - began_s

    argv = load.argv(deps, able.options)
    ran = await deps.run(argv, limit_s=load.limit_s, heavy=True, keep=keep, on_line=listen)
    return ran, first_s


def least_s(target_s: float) -> float:
    """What a run of `target_s` must last: 2 s less, or 30 % where 2 s would be more than that."""
    return target_s - min(2.0, 0.3 * target_s)


def judge(run: ToolRun, load: Load, *, oom_kills: float | None, death_s: float | None = None) -> Judged:
    """PASS only when all the work was done; FAIL where the host computed or remembered wrong; else ERROR.

    `oom_kills`: growth of the kernel's oom_kill counter during the run, None where it cannot be read.
    `death_s`: when it told of the first worker that died, in seconds after its start.
    """
    try:
        told: StressNgRun | None = parse(run.text)
        unread = ""
    except ParseError as why:
        told, unread = None, str(why)
    ended = parse_workers(run.text)
    if against_host := _host_at_fault(run, told, ended, oom_kills):
        return Judged(verdict=Verdict.FAIL, reason=against_host, told=told, text=run.text)
    not_tested = _interrupted(run, load, ended, oom_kills, death_s) or unread
    not_done = _not_done(run, told, ended, load) if told and not not_tested else ""
    done = min((min(ended.exited.get(name, 0), count) for name, count in load.wanted.items()), default=0)
    verdict = Verdict.ERROR if not_tested or not_done or told is None else Verdict.PASS
    return Judged(
        verdict=verdict,
        reason=not_tested or not_done,
        told=told,
        text=run.text,
        workers_done=done,
        too_little=not_done.endswith(NO_WORK),
    )


def held_bytes(judged: Judged, taken: int, size: int, workers: int) -> int:
    """Bytes that the vm workers had in memory: by their largest size where this version tells it, unless the machine was never
    seen to give half of that (`taken`)."""
    metric = judged.told.metric("vm") if judged.told else None
    resident = (metric.rss_max_kib or 0) * 1024 * workers if metric else 0
    claimed = min(size, resident) if resident else min(size, taken)
    return claimed if taken >= 0.5 * claimed else taken


def _host_at_fault(run: ToolRun, told: StressNgRun | None, ended: Workers, oom_kills: float | None) -> str:
    wrong = [line for line in (told.failures if told else ()) if not ABOUT_COUNTERS.search(line)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return f"stress-ng saw a wrong result: {wrong[0][:200]}{more}"
    crashed = [(name, number) for name, number in ended.deaths if number in CRASHES]
    if crashed:
        name, number = crashed[0]
        return f"{len(crashed)} of the workers crashed, the first was {name} with {CRASHES[number]}"
    ours = run.timed_out or bool(ended.deaths) or (oom_kills or 0) > 0
    if run.exit_code in HOST_AT_FAULT and told is not None and not ours:
        return f"stress-ng exited {run.exit_code}: {HOST_AT_FAULT[run.exit_code]}"
    return ""


def _interrupted(run: ToolRun, load: Load, ended: Workers, oom_kills: float | None, death_s: float | None) -> str:
    if oom_kills is not None and oom_kills > 0:
        return f"the kernel killed {oom_kills:.0f} processes for want of memory while stress-ng ran"
    if ended.deaths:
        name, number = ended.deaths[0]
        if death_s is not None and death_s >= load.seconds and {number for _, number in ended.deaths} == {KILLED}:
            # Nobody else: whoever does not stop at the end of the time is killed by stress-ng itself some seconds later.
            return (
                f"a worker of {name} did not stop when its {load.seconds:.0f} s were over, and stress-ng killed it: "
                "what it verified last is unknown (this machine is too slow or too busy for so much at once)"
            )
        return f"a worker of {name} was killed by signal {number} from outside, not by the load"
    if run.timed_out or run.signal is not None or run.exit_code != 0:
        return f"stress-ng {run.how_it_ended}"
    return ""


def _not_done(run: ToolRun, told: StressNgRun, ended: Workers, load: Load) -> str:
    """What is missing from a run that ended well; empty where nothing is."""
    least = least_s(load.seconds)
    if not run.elapsed_s >= least:
        return f"stress-ng ended after {run.elapsed_s:.1f} s of {load.seconds:.0f} s"
    if told.not_run or told.skipped or told.errors:
        said = (*told.not_run, *told.errors, f"{told.skipped} stressors were skipped")[0]
        return f"stress-ng left something out: {said[:200]}"
    if told.failed or told.untrustworthy or told.success is not True:
        return "stress-ng does not say that its run was successful"
    if told.dispatched != load.wanted:
        return f"stress-ng started {_counted(told.dispatched)}, wanted were {_counted(load.wanted)}"
    for name, count in load.wanted.items():
        metric = told.metric(name)
        if metric is None or not metric.bogo_ops > 0:
            return f"the stressor {name} {NO_WORK}"
        if not metric.real_time_s >= least:
            return f"the stressor {name} worked for {metric.real_time_s:.1f} s of {load.seconds:.0f} s"
        if ended.exited.get(name, 0) != count:
            return f"{ended.exited.get(name, 0)} of {count} workers of {name} worked to the end"
    return ""


def _counted(hogs: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in hogs.items()) or "nothing"
