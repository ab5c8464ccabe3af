"""What power and voltage sensors said while the load was off and while it was on, and what that amounts to.

Only the rails that a power supply feeds are judged for sagging. A processor's core voltage moves with its clock by design,
and most inputs of a board's monitor chip are scaled by dividers that nobody documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean

from vetting.domain.inventory import Sensor
from vetting.domain.outcome import Measurement
from vetting.parsers.hwmon import slug
from vetting.parsers.ipmitool import SensorReading

# Labels as slugs: "+12V", "P5V_AUX", "3.3V", "PS1 Input", "vin", "vout1"; not "1.5V", "P1V05_PCH".
SUPPLY = re.compile(r"(?<!\d)(?<!\d-)(?:12|5|3-3)v|p(?:12|5)v|p3v3|(?<![a-z0-9])(?:vin|vout\d*|v-(?:in|out)|psu?\d+)")
# Fed through converters on the board, or by a coin cell.
NOT_SUPPLY = re.compile(r"core|cpu|dimm|mem|vtt|bat|pch|soc|gpu|ddr|ref")

POWER_SUPPLY = "10."  # IPMI 2.0, table 43-13: entity 10 is a power supply
PRESENT = re.compile(r"presence detected", re.IGNORECASE)
BROKEN = re.compile(
    r"failure detected|predictive failure|ac lost|input lost|lost or out|out-of-range|config(?:uration)? error",
    re.IGNORECASE,
)
REDUNDANCY = re.compile(r"redundancy (?:lost|degraded)|non-redundant", re.IGNORECASE)
FEWER = re.compile(rf"absent|not present|{REDUNDANCY.pattern}", re.IGNORECASE)
CRITICAL = re.compile(r"[lu]?(?:cr|nr)$")
OF_SUPPLY = re.compile(r"(psu?|pwr-?supply|power-supply)-?(\d)(?!\d)(.*)")  # ps1-input-power, psu2-pin
SEVERAL = 4  # readings of a rail under load, of which one may be a glitch
TWIN_SHARE, TWIN_LEAST_W = 0.5, 50.0


@dataclass(slots=True)
class Rail:
    """One series over the stage. Voltages below zero are compared by their distance from it."""

    sensor: Sensor
    idle: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    missed: int = 0  # looks under load that it did not answer

    @property
    def is_supply(self) -> bool:
        label = self.sensor.series.rpartition(".")[2]
        return self.sensor.series.startswith("volt.") and bool(SUPPLY.search(label)) and not NOT_SUPPLY.search(label)

    @property
    def lowest(self) -> float:
        """The lowest reading under load, but one where there are several: a bus to a sensor has its glitches, and a rail that
        sags under load does so for as long as the load lasts."""
        readings = sorted(self.loaded, key=abs)
        return readings[1] if len(readings) >= SEVERAL else readings[0]

    @property
    def sag_percent(self) -> float | None:
        """How far it fell under load, of its mean without; None where one of the two was never seen or it is not connected."""
        if not self.idle or not self.loaded:
            return None
        rest = abs(fmean(self.idle))
        return (rest - abs(self.lowest)) / rest * 100 if rest > 0 else None


@dataclass(slots=True)
class Envelope:
    """All rails; `under_load` says which kind of reading comes in now."""

    rails: dict[str, Rail] = field(default_factory=dict)
    under_load: bool = False

    def take(self, sensor: Sensor, value: float, *, under_load: bool | None = None) -> None:
        rail = self.rails.setdefault(sensor.series, Rail(sensor))
        loaded = self.under_load if under_load is None else under_load
        (rail.loaded if loaded else rail.idle).append(value)

    def miss(self, sensor: Sensor) -> None:
        """A look that this sensor did not answer."""
        if self.under_load and sensor.series in self.rails:
            self.rails[sensor.series].missed += 1

    def sags(self, max_sag_percent: float) -> Iterator[str]:
        """The supply rails that fell too far under load, in words."""
        for rail in self.rails.values():
            sag = rail.sag_percent
            if rail.is_supply and sag is not None and not (isfinite(sag) and sag <= max_sag_percent):
                low, rest = rail.lowest, fmean(rail.idle)
                yield (
                    f"{rail.sensor.series} fell from {rest:.3f} V to {low:.3f} V under load, {sag:.1f} %, "
                    f"limit {max_sag_percent:g} %"
                )

    def silent(self) -> list[str]:
        """Series that were heard, but under load not at all or hardly."""
        return [series for series, rail in self.rails.items() if not len(rail.loaded) > rail.missed]

    def measurements(self) -> Iterator[Measurement]:
        for series, rail in self.rails.items():
            values = [*rail.idle, *rail.loaded]
            for name, value in (("min", min(values)), ("max", max(values)), ("mean", fmean(values))):
                yield Measurement(series=f"psu.{series}.{name}", value=value, unit=rail.sensor.unit, component="psu")


def present_supplies(readings: Iterable[SensorReading]) -> frozenset[str]:
    """Entities of the power supplies that the BMC sees."""
    return frozenset(
        each.entity for each in readings if each.entity.startswith(POWER_SUPPLY) and PRESENT.search(each.text)
    )


def fewer_supplies(readings: Iterable[SensorReading]) -> tuple[str, ...]:
    """Bays that are empty and redundancy that is not there, in the BMC's words."""
    return tuple(
        f"{each.name}: {each.text}"
        for each in readings
        if of_supply(each) and FEWER.search(each.text) and not BROKEN.search(each.text)
    )


def of_supply(reading: SensorReading) -> bool:
    """Whether a sensor belongs to a power supply, by its entity or by its name."""
    named = re.match(r"(?:ps|psu|power supply)\b", reading.name, re.IGNORECASE)
    return reading.entity.startswith(POWER_SUPPLY) or named is not None


def unlike_twins(rails: Iterable[Rail]) -> Iterator[str]:
    """Power supplies that carry much less of the load than their twin does. Told, for some are set to rest while one suffices."""
    twins: dict[str, list[tuple[str, float]]] = {}
    for rail in rails:
        name = rail.sensor.series.rpartition(".")[2]
        if rail.sensor.series.startswith("power.") and rail.loaded and (match := OF_SUPPLY.match(name)):
            twins.setdefault(f"{match[1]}#{match[3]}", []).append((name, fmean(rail.loaded)))
    for pair in twins.values():
        least, most = min(pair, key=lambda each: each[1]), max(pair, key=lambda each: each[1])
        if len(pair) > 1 and most[1] >= TWIN_LEAST_W and least[1] < most[1] * TWIN_SHARE:
            yield f"under load {least[0]} took {least[1]:.0f} W and {most[0]} {most[1]:.0f} W"


def supply_faults(readings: Iterable[SensorReading], wanted: int | None, at_first: Iterable[str] = ()) -> Iterator[str]:
    """What the BMC holds against the power supplies and the rails that they feed; `wanted` is how many the spec names.

    An empty bay is no fault where the spec is content with those that are present, nor where it says nothing and the bay
    was empty from the beginning (`at_first`): many servers are sold so.
    """
    listed = tuple(readings)
    present = present_supplies(listed)
    enough = len(present) >= wanted if wanted is not None else False
    before = set(at_first) if wanted is None else set()
    for each in listed:
        rail = Rail(Sensor(series=f"volt.bmc.{slug(each.name)}", unit="V", source="bmc"))
        if of_supply(each):
            said = f"{each.name}: {each.text}"
            fewer = FEWER.search(each.text) and not enough and said not in before
            alone = REDUNDANCY.search(each.text) and wanted is not None and wanted > 1
            if BROKEN.search(each.text) or fewer or alone:
                yield said
            elif CRITICAL.match(each.status):
                yield f"{each.name} is at {each.text}, past the BMC's own critical threshold"
        elif each.unit == "Volts" and rail.is_supply and CRITICAL.match(each.status):
            yield f"{each.name} is at {each.text}, past the BMC's own critical threshold"
    if wanted is not None and present and len(present) < wanted:
        yield f"{len(present)} of {wanted} power supplies are present"
