"""Switches the load on and off and watches what power and voltage do.

The burst has to have been real (every core at work, for its whole time) even where no sensor watches: such a host passes as
"not observable", and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import Sensor
from vetting.domain.outcome import Cell, Finding, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import PsuKnobs, Unobserved
from vetting.parsers import hwmon, ipmitool
from vetting.parsers.ipmitool import SensorReading
from vetting.stages.base import Deps, Job
from vetting.stages.probes import envelope, rails
from vetting.stages.probes.asking import Unread, ask, text_of
from vetting.stages.probes.envelope import Envelope
from vetting.stages.stressng_load import END_LIMIT_S, Load, ability, judge
from vetting.stages.watch import every, growth, online_cpus, oom_kills

RAILS = ("power.", "volt.")
SHORTEST_HALF_S, LONGEST_HALF_S = 2.0, 60.0
DCMI = Sensor(series="power.bmc.dcmi", unit="W", source=rails.BMC)
NOT_OBSERVABLE = "not observable: no power or voltage sensor"


@dataclass(frozen=True, slots=True)
class Wave:
    off_s: float
    on_s: int


def waves(seconds: int) -> list[Wave]:
    """A square wave of load that fills the time exactly: off and on for a sixth of it each, within 2 and 60 s."""
    half_s = min(max(seconds / 6, SHORTEST_HALF_S), LONGEST_HALF_S)
    count = max(1, int(seconds // (2 * half_s)))
    each_s = seconds / count
    on_s = max(1, round(each_s / 2))
    return [Wave(each_s - on_s, on_s)] * count


class Psu:
    name: ClassVar[str] = "PSU"
    does: ClassVar[str] = "Switches the load on and off and watches power, voltages and power supplies."
    tools: ClassVar[tuple[str, ...]] = ("stress-ng",)

    def planned_s(self, job: Job) -> float:
        return float(job.profile.psu.seconds)

    def limit_s(self, job: Job) -> float:
        """The waves, each with its own time to stop, and the BMC before and after."""
        seconds = job.profile.psu.seconds
        return seconds + len(waves(seconds)) * END_LIMIT_S + 3 * rails.SDR_LIMIT_S

    async def run(self, deps: Deps) -> Outcome:
        try:
            return await Burst(deps).outcome()
        except Unread as why:
            return _concluded(Verdict.ERROR, f"the BMC is there and does not answer: {why}")


def _concluded(verdict: Verdict, reason: str, *work: Work, seen: Envelope | None = None) -> Outcome:
    cell = Cell(component="psu", verdict=verdict, reason=reason, work=work)
    measurements = tuple(seen.measurements()) if seen else ()
    unlike = tuple(
        Finding(severity=Severity.WARNING, component="psu", text=text, source="psu")
        for text in (envelope.unlike_twins(seen.rails.values()) if seen else ())
    )
    return Outcome.of_cells([cell], measurements=measurements, findings=unlike).but(reason=reason)


@dataclass(slots=True)
class Burst:
    deps: Deps
    seen: Envelope = field(default_factory=Envelope)
    first: tuple[SensorReading, ...] = ()
    last: tuple[SensorReading, ...] = ()
    faults: list[str] = field(default_factory=list)
    empty: tuple[str, ...] = ()  # bays without a supply from the beginning, of which the spec says nothing
    bmc_trouble: str = ""
    has_dcmi: bool = False

    @property
    def knobs(self) -> PsuKnobs:
        return self.deps.job.profile.psu

    async def outcome(self) -> Outcome:
        monitors = [one for one in rails.hwmon_sensors(self.deps) if one.series.startswith(RAILS)]
        if rails.has_bmc_device(self.deps):
            await self._ask_bmc_first()
        began_s = self.deps.monotonic()
        async with every(self.deps, self.knobs.sample_s, lambda: self._read(monitors)), self._bmc_watched():
            not_real = await self._waves()
        elapsed_s = self.deps.monotonic() - began_s
        work = Work(what="load burst", done=elapsed_s, of=self.knobs.seconds, unit="s")
        if not_real is not None:
            return _concluded(*not_real, work, seen=self.seen)
        if not elapsed_s >= self.knobs.seconds - 2:
            why = f"the burst ended after {elapsed_s:.0f} of {self.knobs.seconds} s"
            return _concluded(Verdict.ERROR, why, work, seen=self.seen)
        return self._judged(work)

    async def _waves(self) -> tuple[Verdict, str] | None:
        """Runs the load; None where all of it was real, else what was not."""
        try:
            cpus = len(online_cpus(self.deps))
        except (OSError, ValueError) as why:
            return Verdict.ERROR, f"the online CPUs cannot be told: {why}"
        known = await ability(self.deps)
        plan = waves(self.knobs.seconds)
        for number, wave in enumerate(plan):
            self.deps.progress(number, len(plan), "waves")
            await self.deps.sleep(wave.off_s)
            load = Load(stressors={"cpu": 0}, options=("--cpu-method", "matrixprod"), seconds=wave.on_s, cpus=cpus)
            killed = oom_kills(self.deps)
            self.seen.under_load = True
            ended = await self.deps.run(load.argv(self.deps, known.options), limit_s=load.limit_s, heavy=True)
            self.seen.under_load = False
            judged = judge(ended, load, oom_kills=growth(killed, oom_kills(self.deps)))
            if judged.verdict is not Verdict.PASS:
                return judged.verdict, f"wave {number + 1} of {len(plan)}: {judged.reason}"
        return None

    # --- sensors --------------------------------------------------------------------------------------------------

    def _read(self, monitors: list[Sensor]) -> None:
        for sensor in monitors:
            value = hwmon.reading(sensor.source, text_of(self.deps, sensor.source) or "")
            if value is None:
                self.seen.miss(sensor)
            else:
                self._take(sensor, value)

    def _take(self, sensor: Sensor, value: float, *, under_load: bool | None = None) -> None:
        self.seen.take(sensor, value, under_load=under_load)
        self.deps.sample(sensor.series, value, sensor.unit)

    async def _ask_bmc_first(self) -> None:
        """Raises ToolMissing, Unread: a BMC that is there has to answer."""
        self.first = self.last = await rails.bmc_readings(self.deps, "bmc-sensors.txt")
        if self.deps.job.expected.psu_count is None:
            self.empty = envelope.fewer_supplies(self.first)
        with suppress(Unread):  # DCMI is optional in IPMI
            power_w = await ask(self.deps, ["ipmitool", "dcmi", "power", "reading"], ipmitool.parse_power)
            self.has_dcmi = power_w is not None
        self._take_bmc(self.first, under_load=False)

    def _take_bmc(self, readings: tuple[SensorReading, ...], *, under_load: bool) -> None:
        for sensor, value in rails.bmc_values(readings):
            if sensor.series.startswith(RAILS):
                self._take(sensor, value, under_load=under_load)
        for fault in envelope.supply_faults(readings, self.deps.job.expected.psu_count, self.empty):
            if fault not in self.faults:
                self.faults.append(fault)

    @asynccontextmanager
    async def _bmc_watched(self) -> AsyncIterator[None]:
        """Asks the BMC twice in each half of the wave while the body runs."""
        if not self.first:
            yield
            return
        watcher = asyncio.create_task(self._watch_bmc(max(1.0, waves(self.knobs.seconds)[0].on_s / 2)))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _watch_bmc(self, period_s: float) -> None:
        while True:
            await self.deps.sleep(period_s)
            under_load = self.seen.under_load  # as it was when the BMC was asked: its answer may take half a minute
            try:
                self.last = await rails.bmc_readings(self.deps, "bmc-sensors.txt")
                self._take_bmc(self.last, under_load=under_load)
                if self.has_dcmi:
                    argv = ["ipmitool", "dcmi", "power", "reading"]
                    if (power_w := await ask(self.deps, argv, ipmitool.parse_power)) is not None:
                        self._take(DCMI, power_w, under_load=under_load)
            except (Unread, ToolMissing) as why:
                self.bmc_trouble = str(why)

    # --- judgement ------------------------------------------------------------------------------------------------

    def _judged(self, work: Work) -> Outcome:
        failing = [*self.faults, *self.seen.sags(self.knobs.max_sag_percent)]
        gone = envelope.present_supplies(self.first) - envelope.present_supplies(self.last)
        failing += [f"the power supply {entity} vanished under load" for entity in sorted(gone)]
        if failing:
            return _concluded(Verdict.FAIL, "; ".join(failing), work, seen=self.seen)
        lenient = self.deps.job.profile.unobserved is Unobserved.DECLARE
        if self.bmc_trouble and not lenient:
            return _concluded(Verdict.ERROR, f"the BMC stopped answering: {self.bmc_trouble}", work, seen=self.seen)
        if not self.seen.rails:
            return self._unobserved(work)
        silent = self.seen.silent()
        if silent and not lenient:
            why = f"not heard under load: {', '.join(silent[:5])}"
            return _concluded(Verdict.ERROR, why, work, seen=self.seen)
        remarks = [f"not heard under load: {', '.join(silent[:5])}"] if silent else []
        remarks += [f"{one} (pin psu_count to have it judged)" for one in self.empty]
        if not any(rail.is_supply for rail in self.seen.rails.values()):
            remarks.append("voltages not observable: no sensor of a supply rail")
        return _concluded(Verdict.PASS, "; ".join(remarks), work, seen=self.seen)

    def _unobserved(self, work: Work) -> Outcome:
        found = self.deps.job.inventory.sensors if self.deps.job.inventory else ()
        promised = [one.series for one in found if one.series.startswith(RAILS)]
        if promised:
            return _concluded(Verdict.ERROR, f"sensors found at Inventory are gone: {', '.join(promised[:5])}", work)
        return _concluded(Verdict.PASS, "; ".join((NOT_OBSERVABLE, *self.empty)), work)
