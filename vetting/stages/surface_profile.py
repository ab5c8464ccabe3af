"""How fast each disk was over its surface, against its own neighbourhood and against disks of the same model in this host.

Slow is no fault by itself: nothing here fails a disk, a floor that somebody pinned does that. A warning names what to look at. A zone
is compared with both sides of it, for a rate that falls and stays low (a cache that is full, the inner tracks) is how disks are.
Whatever the machine did meanwhile hits one pass; so a zone is named that was slow in two, or very slow for long in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from vetting.domain.outcome import Finding, Measurement, Severity
from vetting.parsers.surface import Report, SurfacePhase
from vetting.stages.disk_paths import Device

MIB = 1024 * 1024
BESIDE = 4  # zones on each side
ZONE_SHARE, ZONE_EXCESS_S = (
    0.25,
    2.0,
)  # of the slower side's rate; seconds that the zone took beyond what they would have
ALONE_SHARE, ALONE_EXCESS_S = 0.1, 60.0  # for a zone that was slow in one pass only
DISK_SHARE, TWIN_SHARE = 0.5, 1 / 3  # of the others' median; of the only other one's rate
DISK_EXCESS_S = 30.0
LONG_REQUEST_MS = 5000.0
MOST_ZONES = 8  # named of one disk


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A disk and what its scan told."""

    device: Device
    report: Report

    def finding(self, severity: Severity, text: str) -> Finding:
        return Finding(severity=severity, component=self.device.component, text=text, source="surface")


def measured(disks: Sequence[Surveyed]) -> Iterator[Measurement]:
    """Mean and slowest request of each pass; `surface.write.mean` and `.verify.mean` over all cycles, to compare hosts by."""
    for disk in disks:
        values: dict[str, tuple[float, str]] = {}
        phases = disk.report.phases
        for phase in phases:
            values[f"{phase.phase}.{phase.cycle}.mean"] = (phase.mean_mib_s, "MiB/s")
            values[f"{phase.phase}.{phase.cycle}.slowest"] = (phase.slowest_ms, "ms")
        for kind in dict.fromkeys(phase.phase for phase in phases):
            rates = [phase.mean_mib_s for phase in phases if phase.phase == kind and phase.mean_mib_s > 0]
            if rates:
                values[f"{kind}.mean"] = (len(rates) / sum(1 / rate for rate in rates), "MiB/s")
                values[f"{kind}.slowest_zone"] = (min(p.min_mib_s for p in phases if p.phase == kind), "MiB/s")
        for name, (value, unit) in values.items():
            if isfinite(value):
                series = f"{disk.device.series}.surface.{name}"
                yield Measurement(series=series, value=value, unit=unit, component=disk.device.component)


def resumptions(disks: Sequence[Surveyed]) -> Iterator[Finding]:
    """What was not done in one go is said, how often and where."""
    for disk in disks:
        report = disk.report
        if not report.resumes:
            continue
        whole = 2 * max(report.cycles, 1) * report.covered_bytes
        places = [
            f"at {100 * each.done_bytes / whole:.0f} % ({each.phase}, cycle {each.cycle}, byte {each.at_byte}) after "
            f"{'the host had booted again' if each.after == 'boot' else 'its program or agent had ended'}"
            for each in report.resumes
            if whole
        ]
        times = "once" if len(places) == 1 else f"{len(places)} times"
        text = f"the surface test was resumed {times}: {'; '.join(places)}. Every byte counts once"
        yield disk.finding(Severity.INFO, text)


def slow_ones(disks: Sequence[Surveyed]) -> Iterator[Finding]:
    """Disks and zones far slower than their peers, as warnings; single requests that took long, as information."""
    for disk in disks:
        zones = slow_zones(disk.report.phases)
        for zone in zones[:MOST_ZONES]:
            yield disk.finding(
                Severity.WARNING, f"{_place(disk, zone)} is far slower than its neighbourhood: {zone.told}"
            )
        if len(zones) > MOST_ZONES:
            yield disk.finding(Severity.WARNING, f"{len(zones) - MOST_ZONES} more of its zones are as slow")
        long = [phase for phase in disk.report.phases if phase.slowest_ms >= LONG_REQUEST_MS]
        if long:
            worst = max(long, key=lambda phase: phase.slowest_ms)
            text = f"one request of {worst.phase} took {worst.slowest_ms / 1000:.1f} s, at byte {worst.slowest_offset}"
            yield disk.finding(Severity.INFO, text)
        if told := _against_twins(disk, [other for other in disks if other is not disk and _twins(disk, other)]):
            yield disk.finding(Severity.WARNING, told)


@dataclass(frozen=True, slots=True)
class SlowZone:
    number: int
    of: int
    told: str


def slow_zones(phases: Sequence[SurfacePhase]) -> list[SlowZone]:
    """Those that were slow in two passes, or very slow for long in one."""
    found: dict[int, list[tuple[str, bool]]] = {}
    for phase in phases:
        for number, beside, excess_s in _dips(phase):
            rate = phase.profile_mib_s[number]
            alone = rate < ALONE_SHARE * beside and excess_s >= ALONE_EXCESS_S
            told = f"{phase.phase} {rate:.1f} MiB/s beside {beside:.1f}, slowest request {phase.profile_slowest_ms[number]:.0f} ms"
            found.setdefault(number, []).append((told, alone))
    of = max((len(phase.profile_mib_s) for phase in phases), default=0)
    return [
        SlowZone(number, of, "; ".join(told for told, _ in each))
        for number, each in sorted(found.items())
        if len(each) > 1 or any(alone for _, alone in each)
    ]


def _dips(phase: SurfacePhase) -> Iterator[tuple[int, float, float]]:
    """(zone, rate of the slower side, seconds beyond what that would have taken) of each zone below both its sides."""
    rates = phase.profile_mib_s
    for number, (rate, seconds) in enumerate(zip(rates, phase.profile_seconds, strict=False)):
        sides = [rates[max(0, number - BESIDE) : number], rates[number + 1 : number + 1 + BESIDE]]
        beside = min((median(side) for side in sides if len(side) >= BESIDE / 2), default=0.0)
        if not 0 < rate < ZONE_SHARE * beside:
            continue
        excess_s = seconds * (1 - rate / beside)
        if excess_s >= ZONE_EXCESS_S:
            yield number, beside, excess_s


def _place(disk: Surveyed, zone: SlowZone) -> str:
    size, covered = disk.device.size_bytes, disk.report.covered_bytes
    if covered < size:
        return f"part {zone.number + 1} of {zone.of} of the sample"
    return f"the zone from byte {size * zone.number // zone.of} to {size * (zone.number + 1) // zone.of}"


def _twins(one: Surveyed, other: Surveyed) -> bool:
    a, b = one.report.disk, other.report.disk
    if a is None or b is None or not a.model:
        return False
    return (a.model, a.size_bytes, a.transport) == (b.model, b.size_bytes, b.transport)


def _against_twins(disk: Surveyed, twins: Sequence[Surveyed]) -> str:
    """Slow against disks of its model in every pass of a kind, by a rate and by a time that matter; empty where it is not."""
    slow = []
    for kind in ("write", "verify"):
        passes = [phase for phase in disk.report.phases if phase.phase == kind]
        told = [text for phase in passes if (text := _slower(phase, twins))]
        if told and len(told) == len(passes):
            slow.append(told[0])
    if not slow:
        return ""
    whom = "the other disk" if len(twins) == 1 else f"the {len(twins)} other disks"
    model = disk.report.disk.model.strip() if disk.report.disk else ""
    return f"it is far slower than {whom} of its model ({model}): {'; '.join(slow)}"


def _slower(phase: SurfacePhase, twins: Sequence[Surveyed]) -> str:
    rates = [
        same.mean_mib_s
        for twin in twins
        for same in twin.report.phases
        if (same.phase, same.cycle) == (phase.phase, phase.cycle) and same.mean_mib_s > 0
    ]
    if not rates or not phase.mean_mib_s > 0:
        return ""
    usual, share = median(rates), DISK_SHARE if len(rates) > 1 else TWIN_SHARE
    excess_s = phase.ok_bytes / MIB / phase.mean_mib_s - phase.ok_bytes / MIB / usual
    if phase.mean_mib_s < share * usual and excess_s >= DISK_EXCESS_S:
        return f"{phase.phase} {phase.mean_mib_s:.1f} MiB/s, theirs {usual:.1f}"
    return ""
