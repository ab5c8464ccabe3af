"""Looking at the machine while a load runs on it: was every core busy, how fast did it clock, how much memory was in use?

What a tool says of itself can be old or false; the kernel's own counters cannot be so by the same mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError
from vetting.parsers.procfs import oom_kills as parse_oom_kills
from vetting.parsers.procfs import parse_cpuinfo, parse_meminfo
from vetting.stages.base import Deps

MEMORY_WORKERS = ("stress-ng-vm", "stressapptest")  # the names that memory's loads give themselves
LOOKS_BETWEEN_SEARCHES = 20
ENOUGH_LOOKS = 5  # to leave the first stretch and the last out and still see the load
CPU_COLUMNS = 8  # user nice system idle iowait irq softirq steal: proc(5); guest time is in user already
IDLE, IOWAIT = 3, 4
CHILDREN_USER, CHILDREN_SYSTEM = 13, 14  # cutime and cstime of proc(5), counted from behind the program's name
USER_HZ = 100  # ticks a second of every time in /proc, on all that Debian runs on


@asynccontextmanager
async def every(deps: Deps, seconds: float, look: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `look` at once, every `seconds` and once more at the end, while the body runs."""

    async def loop() -> None:
        while True:
            look()
            await deps.sleep(seconds)

    watcher = asyncio.create_task(loop())
    try:
        yield
        look()
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


def meminfo(deps: Deps) -> dict[str, int]:
    """/proc/meminfo in bytes; empty where it cannot be read."""
    try:
        return parse_meminfo(deps.read("/proc/meminfo"))
    except (OSError, ParseError):
        return {}


def oom_kills(deps: Deps) -> int | None:
    try:
        return parse_oom_kills(deps.read("/proc/vmstat"))
    except (OSError, ParseError):
        return None


def growth(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def cpu_list(text: str) -> frozenset[int]:
    """Kernel list format, "0-3,8": cpu numbers. Raises ValueError."""
    found: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)


def online_cpus(deps: Deps) -> frozenset[int]:
    """Raises OSError, ValueError."""
    return cpu_list(deps.read("/sys/devices/system/cpu/online"))


def allowed_cpus(deps: Deps) -> frozenset[int]:
    """CPUs that we may run on; a cpuset can keep a load from cores that it claims to test. Raises OSError, ValueError."""
    for line in deps.read("/proc/self/status").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return cpu_list(line.partition(":")[2])
    raise ValueError("/proc/self/status has no Cpus_allowed_list")


def cpu_times(deps: Deps) -> dict[int, tuple[float, float]]:
    """CPU number -> (busy, all) ticks of /proc/stat; empty where it cannot be read."""
    found: dict[int, tuple[float, float]] = {}
    try:
        text = deps.read("/proc/stat")
    except OSError:
        return {}
    for line in text.splitlines():
        words = line.split()
        if words and words[0].startswith("cpu") and words[0][3:].isdigit() and len(words) > CPU_COLUMNS:
            ticks = [float(word) for word in words[1 : CPU_COLUMNS + 1] if word.isdigit()]
            if len(ticks) == CPU_COLUMNS:
                found[int(words[0][3:])] = (sum(ticks) - ticks[IDLE] - ticks[IOWAIT], sum(ticks))
    return found


def busy_shares(before: dict[int, tuple[float, float]], after: dict[int, tuple[float, float]]) -> dict[int, float]:
    """CPU number -> share of the time between two readings in which it did anything; a CPU without time is left out."""
    shares = {}
    for cpu, (busy, total) in after.items():
        was_busy, was_total = before.get(cpu, (busy, total))
        if total > was_total:
            shares[cpu] = (busy - was_busy) / (total - was_total)
    return shares


def own_load_s(deps: Deps) -> float | None:
    """Seconds of CPU time of all programs that we started and that have ended, with everything that they started in turn;
    None where it cannot be read. Other work on the machine does not show here."""
    try:
        fields = deps.read("/proc/self/stat").rpartition(")")[2].split()
        return (int(fields[CHILDREN_USER]) + int(fields[CHILDREN_SYSTEM])) / USER_HZ
    except (OSError, ValueError, IndexError):
        return None


def clocks_mhz(deps: Deps, only: int | None = None) -> dict[int, float]:
    """CPU number -> its present clock, by cpufreq or else /proc/cpuinfo; empty where neither tells. `only`: of this CPU alone,
    by cpufreq alone, for it is asked often."""
    found: dict[int, float] = {}
    which = "*" if only is None else only
    for path in deps.glob(f"/sys/devices/system/cpu/cpu{which}/cpufreq/scaling_cur_freq"):
        try:
            found[int(path.split("/")[5].removeprefix("cpu"))] = int(deps.read(path)) / 1000
        except (OSError, ValueError):
            continue
    if found or only is not None:
        return found
    try:
        return {entry.processor: entry.mhz for entry in parse_cpuinfo(deps.read("/proc/cpuinfo")) if entry.mhz}
    except (OSError, ParseError):
        return {}


def workers(deps: Deps) -> list[str]:
    """The status files of the memory loads' processes that run now."""
    found = []
    for path in deps.glob("/proc/[0-9]*/comm"):
        try:
            if deps.read(path).startswith(MEMORY_WORKERS):
                found.append(path.removesuffix("comm") + "status")
        except OSError:
            continue  # it ended between the two
    return found


def resident_bytes(deps: Deps, path: str) -> int:
    """What a process holds in memory, anonymous and shared, less what it shares with files; 0 for one that has ended."""
    try:
        rows = dict(line.split(":", 1) for line in deps.read(path).splitlines() if ":" in line)
        return sum(int(rows[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem") if name in rows)
    except (OSError, ValueError, IndexError):
        return 0


@dataclass
class Seen:
    """What was seen of the machine between the first look and the last."""

    deps: Deps
    clock: bool = True
    memory: bool = True
    only: int | None = None  # the one CPU whose clock is looked at; None: all of them
    clocks: list[float] = field(default_factory=list)  # the mean of all CPUs at each look, MHz
    slowest: dict[int, float] = field(default_factory=dict)  # CPU -> its lowest clock at any look, MHz
    available: list[int] = field(default_factory=list)  # MemAvailable, bytes
    resident: int = 0  # what the load's own workers held at most, bytes
    workers: list[str] = field(default_factory=list)  # their status files
    looks: int = 0
    times: list[dict[int, tuple[float, float]]] = field(default_factory=list)  # the first two looks and the last two

    def look(self) -> None:
        self.looks += 1
        self.times = [*self.times[:2], *self.times[2:][-1:], cpu_times(self.deps)]
        if self.memory:
            self._look_at_memory()
        if self.clock and (clocks := clocks_mhz(self.deps, self.only)):
            self.clocks.append(sum(clocks.values()) / len(clocks))
            for cpu, mhz in clocks.items():
                self.slowest[cpu] = min(mhz, self.slowest.get(cpu, mhz))

    @property
    def busy(self) -> dict[int, float]:
        """CPU number -> share of the time in which it did anything. Where there were looks enough, the stretches before the
        second and after the last but one are left out: a load begins and ends in them, on a slow machine for seconds."""
        if self.looks >= ENOUGH_LOOKS:
            return busy_shares(self.times[1], self.times[-2])
        return busy_shares(self.times[0], self.times[-1]) if self.times else {}

    def _look_at_memory(self) -> None:
        """Sums up what the load's workers hold. Once all are started they stay the same processes, so that all of /proc is
        read seldom."""
        if (available := meminfo(self.deps).get("MemAvailable")) is not None:
            self.available.append(available)
        if self.looks <= LOOKS_BETWEEN_SEARCHES or self.looks % LOOKS_BETWEEN_SEARCHES == 0:
            self.workers = workers(self.deps)
        now = sum(resident_bytes(self.deps, path) for path in self.workers)
        self.resident = max(self.resident, now)

    @property
    def memory_taken(self) -> int:
        """Bytes that the load held at most: by its workers' own accounts, or by the fall of MemAvailable since the first
        look where that is more. The fall alone would accuse us whenever another program gave memory back meanwhile."""
        fallen = max(self.available[0] - min(self.available), 0) if self.available else 0
        return max(fallen, self.resident)
