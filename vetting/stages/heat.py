"""How hot the processors got under a load: the highest value and the slope of each of their sensors, and twins compared.

Limits on temperatures (`temp.*`) are the orchestrator's and stay so. Here stands what no limit sees: a socket that is much
hotter than its twin under the same load, and heat that never levels off. Only sensors inside of processors are read, for they
answer at once; one on a bus or in a drive may hang, and the agent with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from vetting.domain.inventory import Sensor
from vetting.domain.outcome import Finding, Measurement, Severity
from vetting.parsers import hwmon
from vetting.stages.base import Deps
from vetting.stages.probes.asking import text_of
from vetting.stages.topology import Place

CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
IN_PROCESSORS = re.compile(r"temp\.(?P<chip>coretemp|k10temp|zenpower|cpu-thermal)(?P<number>-\d+)?\.(?P<label>.+)")
WHOLE = re.compile(r"(?:package-id-(?P<socket>\d+)|tctl|tdie|temp1)(?:-\d+)?")  # of a processor, not of one core
# K between sockets under the same load. One that stands in the other's warm air is up to ten hotter, and that is healthy.
TWIN_K = 15.0
TWIN_LEAST_S = 60.0  # a short load shows how heat begins, not where it ends
LEVEL_LEAST_S = 20 * 60.0  # by then a heat sink is as warm as it gets
LEVEL_K_MIN = 0.5
LEAST_SAMPLES = 6
MOST_SAMPLES = 720  # of each sensor; of a longer load every second one is kept, then every fourth


@dataclass
class Heat:
    """What was seen of one load, from the first look to the last."""

    deps: Deps
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # series -> (s, C)
    hottest: dict[str, float] = field(default_factory=dict)
    sensors: tuple[Sensor, ...] | None = None
    looks: int = 0
    step: int = 1  # looks between samples that are kept

    def look(self) -> None:
        self.looks += 1
        if self.sensors is None:
            self.sensors = _in_processors(self.deps)
        for sensor in self.sensors:
            try:
                value = hwmon.reading(sensor.source, self.deps.read(sensor.source))
            except OSError:
                continue
            if value is None:
                continue
            self.hottest[sensor.series] = max(value, self.hottest.get(sensor.series, value))
            if self.looks % self.step == 0:
                self.samples.setdefault(sensor.series, []).append((self.deps.monotonic(), value))
        if any(len(samples) > MOST_SAMPLES for samples in self.samples.values()):
            self.step *= 2
            self.samples = {series: samples[::2] for series, samples in self.samples.items()}

    def measurements(self, prefix: str) -> tuple[Measurement, ...]:
        """Highest value and slope of every sensor."""
        found = []
        for series, samples in self.samples.items():
            hottest = Measurement(
                series=f"{prefix}.{series}.max", value=self.hottest[series], unit="C", component="cpu"
            )
            found.append(hottest)
            if (slope := slope_k_min(_later_half(samples))) is not None:
                found.append(Measurement(series=f"{prefix}.{series}.slope", value=slope, unit="K/min", component="cpu"))
        return tuple(found)

    def findings(self, places: Mapping[int, Place]) -> tuple[Finding, ...]:
        """What a person should look at: warnings, for a load that ended well is no failure."""
        return (*self._hotter_twins(places), *self._still_rising(places))

    def _hotter_twins(self, places: Mapping[int, Place]) -> list[Finding]:
        groups: dict[str, dict[str, float]] = {}
        for series, samples in self.samples.items():
            match = IN_PROCESSORS.fullmatch(series)
            whole = WHOLE.fullmatch(match["label"]) if match else None
            if match and whole and _lasted_s(samples) >= TWIN_LEAST_S:
                kind = match["chip"] + ("" if whole["socket"] else whole[0])
                groups.setdefault(kind, {})[series] = median(value for _, value in _later_half(samples))
        found = []
        for group in groups.values():
            for series, value in group.items():
                others = [other for name, other in group.items() if name != series]
                if others and value - median(others) > TWIN_K:
                    text = (
                        f"{_named(series, places)} stood at {value:.0f} C where its twins stood at {median(others):.0f} C "
                        f"under the same load ({series}): look at its heat sink, its paste and the fans before it"
                    )
                    found.append(Finding(severity=Severity.WARNING, component="cpu", text=text, source="temperatures"))
        return found

    def _still_rising(self, places: Mapping[int, Place]) -> list[Finding]:
        found = []
        for series, samples in self.samples.items():
            slope = slope_k_min(_later_half(samples)) if _lasted_s(samples) >= LEVEL_LEAST_S else None
            match = IN_PROCESSORS.fullmatch(series)
            if slope is not None and slope > LEVEL_K_MIN and match and WHOLE.fullmatch(match["label"]):
                text = (
                    f"{_named(series, places)} was still getting hotter by {slope:.1f} K a minute at the end of the load "
                    f"({series}): its cooling does not keep up"
                )
                found.append(Finding(severity=Severity.WARNING, component="cpu", text=text, source="temperatures"))
        return found


def _in_processors(deps: Deps) -> tuple[Sensor, ...]:
    names = {
        path: text for path in deps.glob(f"{hwmon.FOLDER}/hwmon*/name") if (text := text_of(deps, path)) is not None
    }
    texts = dict(names)
    for path, name in names.items():
        if name.strip() in CHIPS:
            for each in deps.glob(f"{path.rpartition('/')[0]}/temp*_*"):
                if (text := text_of(deps, each)) is not None:
                    texts[each] = text
    return tuple(sensor for sensor in hwmon.discover(texts) if IN_PROCESSORS.fullmatch(sensor.series))


def slope_k_min(samples: list[tuple[float, float]]) -> float | None:
    """K a minute of the straight line that fits best; None for too few samples."""
    if len(samples) < LEAST_SAMPLES:
        return None
    mean_s = sum(at for at, _ in samples) / len(samples)
    mean_c = sum(value for _, value in samples) / len(samples)
    spread = sum((at - mean_s) ** 2 for at, _ in samples)
    return sum((at - mean_s) * (value - mean_c) for at, value in samples) / spread * 60 if spread else None


def _later_half(samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return samples[len(samples) // 2 :]


def _lasted_s(samples: list[tuple[float, float]]) -> float:
    return samples[-1][0] - samples[0][0]


def _named(series: str, places: Mapping[int, Place]) -> str:
    """The processor by its socket where the sensor tells it, else the sensor."""
    match = re.search(r"package-id-(\d+)", series)
    here = [place for place in places.values() if match and place.socket == int(match[1])]
    return here[0].processor if here else f"the processor of {series}"
