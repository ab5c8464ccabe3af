"""What one attempt at CPUStress gathers on its way, and how each of its loads is run: looked at from outside while it runs,
and believed for work of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from vetting.domain.outcome import Cell, Finding, Measurement, Severity, Verdict
from vetting.domain.profiles import CpuStressKnobs
from vetting.stages.base import Deps
from vetting.stages.stressng_load import Ability, Judged, Load, drive, judge
from vetting.stages.topology import Place
from vetting.stages.watch import Seen, every, growth, oom_kills, own_load_s

T = TypeVar("T")
COMPUTED = (
    0.02  # of the time on its cores, by the load itself: words cost none, and a crowded machine may leave a load little
)
LOOK_S = 5.0


@dataclass
class StressAttempt:
    deps: Deps
    cpus: frozenset[int]
    able: Ability
    places: dict[int, Place]
    planned_s: float
    cells: list[Cell] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    passed_s: float = 0.0  # load already behind us, for the progress

    @property
    def knobs(self) -> CpuStressKnobs:
        return self.deps.job.profile.cpu_stress

    def measure(self, series: str, value: float, unit: str, component: str) -> None:
        self.measurements.append(Measurement(series=series, value=value, unit=unit, component=component))

    def warn(self, component: str, text: str, source: str) -> None:
        self.findings.append(Finding(severity=Severity.WARNING, component=component, text=text, source=source))

    def load(self, extra: tuple[str, ...], count: int, seconds: float, options: tuple[str, ...] = ()) -> Load:
        """The stressor cpu with all its methods, and of `extra` what this version verifies."""
        names = ("cpu", *(name for name in extra if name in self.able.verifies))
        return Load(
            stressors=dict.fromkeys(names, count),
            options=("--cpu-method", "all", *options),
            seconds=seconds,
            cpus=len(self.cpus),
        )

    async def watched(
        self, run: Callable[[], Awaitable[T]], seconds: float, look: Callable[[], None], note: str
    ) -> tuple[T, float | None, float | None]:
        """What a load returned, how many processes were killed for want of memory meanwhile, and how long it computed; None
        for what cannot be read."""
        began_s = self.deps.monotonic()

        def look_and_tell() -> None:
            look()
            here_s = min(self.deps.monotonic() - began_s, seconds)
            self.deps.progress(min(self.passed_s + here_s, self.planned_s), self.planned_s, "s", note)

        kills, spent_s = oom_kills(self.deps), own_load_s(self.deps)
        async with every(self.deps, min(LOOK_S, seconds / 6), look_and_tell):
            value = await run()
        self.passed_s += seconds
        return value, growth(kills, oom_kills(self.deps)), growth(spent_s, own_load_s(self.deps))

    async def under(
        self, load: Load, seen: Seen, *, cores: int, keep: str, note: str, look: Callable[[], None] | None = None
    ) -> Judged:
        """Runs one load of stress-ng that fills `cores` while looking at the machine; judges it by its words, the kernel's OOM
        counter and the time that the load itself computed. `look`: what else is to be looked at."""

        def look_at_all() -> None:
            seen.look()
            if look is not None:
                look()

        (ran, death_s), killed, spent_s = await self.watched(
            lambda: drive(self.deps, load, self.able, keep), load.seconds, look_at_all, note
        )
        judged = judge(ran, load, oom_kills=killed, death_s=death_s)
        if judged.verdict is Verdict.PASS and (why := not_ours("stress-ng", spent_s, load.seconds, cores)):
            return Judged(verdict=Verdict.ERROR, reason=why, told=judged.told)
        return judged


def not_ours(tool: str, spent_s: float | None, seconds: float, cores: int) -> str:
    """Why the load was none of ours: busy cores may be somebody else's work, and words of another day cost no time."""
    if spent_s is None:
        return "the CPU time of the load cannot be read (/proc/self/stat)"
    if not spent_s >= COMPUTED * cores * seconds:
        return f"{tool} computed for {spent_s:.1f} s in {seconds:.0f} s on {cores} cores: it did not do what it tells"
    return ""
