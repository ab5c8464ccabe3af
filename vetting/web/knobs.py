"""The profiles' knobs as a person reads them: what each does, its value in each profile, and what differs from what ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, FoundNic, Inventory
from vetting.domain.profiles import SHIPPED, Profile, shortfalls
from vetting.orchestrator import planning
from vetting.report.text import duration, size
from vetting.stages import STAGES

WORDS = {
    "smart.self_test": "the drives' own self-test",
    "smart.poll_s": "how often a drive is asked how far it is",
    "smart.grace_s": "patience beyond the time that the drive names",
    "cpu_stress.cpu_s": "all cores compute and compare",
    "cpu_stress.ram_s": "then the memory, never beside it, by two testers",
    "cpu_stress.ram_s_per_gib": "seconds for each GiB, where that is more",
    "cpu_stress.core_s": "each core alone, before all together",
    "cpu_stress.ram_spare_bytes": "memory left to agent and kernel",
    "cpu_stress.ram_floor_bytes": "the least memory that is tested",
    "cpu_stress.ram_cap_bytes": "the most memory that is tested",
    "cpu_stress.ram_cover": "share of the memory that a pass must have tested",
    "storage.surface": "how much of each disk is written and verified",
    "storage.sample_bytes": "where a sample is: so much of each disk",
    "storage.cycles": "2: data, then its complement",
    "storage.fio_s": "verified random load on all disks at once",
    "storage.fio_size_bytes": "the area of that load on each disk",
    "storage.surface_floor_mb_s": "a slower scan is past its deadline",
    "storage.countdown_s": "before the first byte: time to cancel",
    "storage.thorough": "disks, by serial, that are tested whole and twice",
    "network.seconds": "each direction of each card",
    "network.parallel": "streams at a time",
    "network.floor_fraction": "share of the link's speed that must come through",
    "burn.seconds": "everything at the same moment",
    "burn.cpu_workers": "cores that take part",
    "burn.mem_pct": "of the memory that is free",
    "burn.fio_on_spare": "disks take part",
    "burn.iperf_parallel": "network streams in it",
    "gpu.seconds": "load on every GPU",
    "gpu.max_temp_c": "a hotter GPU fails",
    "psu.seconds": "load switched on and off, the supplies watched",
    "psu.sample_s": "how often they are looked at",
    "psu.max_sag_percent": "a rail that dips further fails",
    "drop": "stages left out: such a profile never says vetted",
    "unobserved": "what becomes of a sensor that never spoke",
    "lost_after_s": "silence after which a host is lost",
    "grace_s": "beyond a stage's planned time, before its deadline",
}
ZERO = {"cpu_stress.core_s": "left out", "cpu_stress.ram_cap_bytes": "no cap", "burn.cpu_workers": "all",
        "storage.countdown_s": "none"}  # fmt: skip
UNITS = {"_mb_s": "MB/s", "_pct": "%", "_percent": "%", "_c": "°C"}
EXAMPLE = ExpectedSpec(
    disks=(ExpectedDisk(serial="A", size_bytes=960 * 10**9), ExpectedDisk(serial="B", size_bytes=960 * 10**9))
)
EXAMPLE_FOUND = Inventory(
    identity=Identity(),
    cpu=FoundCpu(model="", sockets=1, cores=16, threads=32),
    memory_bytes=128 * 1024**3,
    nics=(FoundNic(name="eno1", mac="02:00:00:00:00:01", driver="", link=True, speed_mb_s=10_000),),
)
EXAMPLE_WORDS = "a host with 32 threads, two disks and one network card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    value: str
    changed: str  # what ships, where this is another value


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    name: str  # as vetting.yaml has it
    does: str
    cells: tuple[Cell, ...]  # one for each profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A profile. `planned_s`: what is timed in it; scans and self-tests go by the disk and come on top."""

    name: str
    ships: bool  # under this name
    changed: int  # knobs that are not as it ships
    planned_s: float
    shortfalls: tuple[str, ...]


def columns(profiles: Mapping[str, Profile]) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=name,
            ships=name in SHIPPED,
            changed=sum(values(profile)[knob] != values(SHIPPED[name])[knob] for knob in WORDS)
            if name in SHIPPED
            else 0,
            planned_s=planned_s(profile),
            shortfalls=shortfalls(profile),
        )
        for name, profile in profiles.items()
    )


def knobs(profiles: Mapping[str, Profile]) -> tuple[Knob, ...]:
    told = {name: values(profile) for name, profile in profiles.items()}
    shipped = {name: values(SHIPPED[name]) for name in profiles if name in SHIPPED}
    return tuple(
        Knob(name=name, does=does, cells=tuple(_cell(name, told[one], shipped.get(one)) for one in profiles))
        for name, does in WORDS.items()
    )


def _cell(name: str, told: Mapping[str, Any], shipped: Mapping[str, Any] | None) -> Cell:
    changed = shipped is not None and shipped[name] != told[name]
    return Cell(value=in_words(name, told[name]), changed=in_words(name, shipped[name]) if shipped and changed else "")


def values(profile: Profile) -> dict[str, Any]:
    """Every knob by its name in vetting.yaml."""
    whole = msgspec.to_builtins(profile)
    return {name: value for name, value in _flat("", whole) if name != "name"}


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def in_words(name: str, value: Any) -> str:
    """2 min 00 s, 4.0 GiB, 90 %, yes, all."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if not isinstance(value, int | float):
        return str(value)
    if value == 0 and name in ZERO:
        return ZERO[name]
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return f"{value:g}\u00a0{unit}"
    if name.endswith(("_cover", "_fraction")):
        return f"{value * 100:g}\u00a0%"
    if name.endswith("_bytes"):
        return size(value)
    return duration(value) if name.endswith(("_s", "seconds")) else f"{value:g}"


def planned_s(profile: Profile) -> float:
    """The least seconds that a passing run of the example host takes."""
    job = planning.job(run_id=0, profile=profile, expected=EXAMPLE, non_destructive=False, inventory=EXAMPLE_FOUND)
    return sum(one.planned_s for one in planning.plan(job, STAGES))
