"""stressapptest as a load that is believed only for work done: it copies all of the memory it holds, again and again, by all
cores at once with changing patterns, and compares what it reads. Other ways through memory than stress-ng's find other cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from vetting.domain.outcome import ToolRun, Verdict
from vetting.domain.profiles import GIB, MIB
from vetting.parsers.errors import ParseError
from vetting.parsers.stressapptest import Ending, SatRun, parse
from vetting.stages.stressng_load import CRASHES, END_LIMIT_S, KILLED, least_s

TOOL = "stressapptest"
FILL_BYTES_S = GIB // 8  # a slow machine, to fill the memory before the time begins
THREAD_BYTES = 8 * MIB  # for each thread at least: it needs some blocks of 1 MiB to choose from
MOST_ERRORS = 1000  # then it ends: the memory is bad, and each error is a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sat:
    """`size_bytes` of memory, copied by one thread for each of `cpus`, for `seconds` after the filling."""

    size_bytes: int
    seconds: float
    cpus: int

    @property
    def threads(self) -> int:
        return max(1, min(self.cpus, self.size_bytes // THREAD_BYTES))

    @property
    def limit_s(self) -> float:
        return self.seconds + END_LIMIT_S + self.size_bytes / FILL_BYTES_S

    @property
    def argv(self) -> list[str]:
        """-W: copying that loads the processor more, and checks each line as it passes."""
        size = ["-M", str(self.size_bytes // MIB), "-m", str(self.threads)]
        return [TOOL, "-W", *size, "-s", str(max(1, ceil(self.seconds))), "--max_errors", str(MOST_ERRORS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SatJudged:
    verdict: Verdict
    reason: str = ""
    told: SatRun | None = None

    @property
    def visits(self) -> float:
        """How often each byte was copied and compared on the average."""
        told = self.told
        return told.copied_mib / told.tested_mib if told and told.copied_mib and told.tested_mib else 0.0


def judge_sat(ran: ToolRun, sat: Sat, *, oom_kills: float | None) -> SatJudged:
    """PASS only when all of the memory was copied and compared for the whole time; FAIL where a comparison failed or the
    program crashed; else ERROR. `oom_kills`: growth during the run, None where it cannot be read."""
    try:
        told: SatRun | None = parse(ran.text)
        unread = ""
    except ParseError as why:
        told, unread = None, str(why)
    if told is not None and (told.ending is Ending.HARDWARE or told.hardware_incidents or told.wrong):
        first = f": {told.wrong[0][:300]}" if told.wrong else ""
        count = told.hardware_incidents or len(told.wrong)
        return SatJudged(verdict=Verdict.FAIL, reason=f"{TOOL} found {count} errors of the memory{first}", told=told)
    if ran.signal in CRASHES and not ran.timed_out:
        return SatJudged(verdict=Verdict.FAIL, reason=f"{TOOL} crashed with {CRASHES[ran.signal]}", told=told)
    not_tested = _interrupted(ran, oom_kills) or unread or (told and _not_done(ran, told, sat)) or ""
    verdict = Verdict.ERROR if not_tested or told is None else Verdict.PASS
    return SatJudged(verdict=verdict, reason=not_tested, told=told)


def _interrupted(ran: ToolRun, oom_kills: float | None) -> str:
    if oom_kills is not None and oom_kills > 0:
        return f"the kernel killed {oom_kills:.0f} processes for want of memory while {TOOL} ran"
    if ran.signal == KILLED and not ran.timed_out:
        return f"{TOOL} was killed by signal 9 from outside after {ran.elapsed_s:.0f} s"
    return ""


def _not_done(ran: ToolRun, told: SatRun, sat: Sat) -> str:
    """What is missing from the work; empty where nothing is."""
    if told.ending is not Ending.PASS or ran.exit_code != 0 or ran.timed_out:
        said = f": {told.complaints[0][:200]}" if told.complaints else ""
        return f"{TOOL} {ran.how_it_ended} and did not say that it passed{said}"
    if not ran.elapsed_s >= least_s(sat.seconds):
        return f"{TOOL} ended after {ran.elapsed_s:.1f} s of {sat.seconds:.0f} s"
    wanted = sat.size_bytes // MIB
    if told.tested_mib is None or not told.tested_mib >= wanted:
        return f"{TOOL} tested {told.tested_mib or 0} MiB, wanted were {wanted} MiB"
    if told.copied_mib is None or not told.copied_mib >= told.tested_mib:
        return f"{TOOL} copied {told.copied_mib or 0:.0f} MiB of {told.tested_mib} MiB: not every byte was visited"
    return ""
