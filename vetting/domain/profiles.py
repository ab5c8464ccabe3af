"""How long and how hard: the knobs of every stage, and the four profiles that ship.

Probes and gates are the same in every profile; only durations and sizes scale. A profile shorter than quick, or one
that drops a stage, can never say "vetted" (`vetting.domain.verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

MINUTE_S = 60
HOUR_S = 3600
GIB = 1024**3
MIB = 1024**2


class SelfTest(StrEnum):
    NONE = "none"  # taste only: says so, and can never be vetted
    SHORT = "short"
    LONG = "long"


class SurfaceMode(StrEnum):
    SAMPLE = "sample"
    FULL = "full"


class Unobserved(StrEnum):
    """What becomes of a threshold or sensor that never spoke."""

    ERROR = "error"  # the rule
    DECLARE = "declare"  # taste: said in the report as not observable


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartKnobs:
    self_test: SelfTest = SelfTest.SHORT
    poll_s: int = 10
    grace_s: int = 5 * MINUTE_S  # beyond the time that the drive itself names


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuStressKnobs:
    cpu_s: int = 2 * MINUTE_S
    ram_s: int = 2 * MINUTE_S  # at least; both testers of the memory share it
    ram_s_per_gib: float = 0.5  # more than ram_s where there is much memory
    core_s: int = 1  # each core alone, before all together; 0 leaves the sweep out
    ram_spare_bytes: int = 1536 * MIB  # left to the agent and kernel: MemAvailable - 1.5 GiB is tested
    ram_floor_bytes: int = 256 * MIB
    ram_cap_bytes: int = 0  # 0: no cap; taste caps to stay gentle
    ram_cover: float = 0.5  # tested MiB of MemTotal that a pass must reach


def memory_pass_s(knobs: CpuStressKnobs, memory_bytes: int) -> float:
    """Seconds of the memory pass on a host with so much memory, both testers together; whole, and even, for each has half."""
    tested = min(memory_bytes, knobs.ram_cap_bytes) if knobs.ram_cap_bytes else memory_bytes
    scaled_s = knobs.ram_s_per_gib * tested / GIB
    return max(float(knobs.ram_s), 2.0 * round(scaled_s / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageKnobs:
    surface: SurfaceMode = SurfaceMode.SAMPLE
    sample_bytes: int = 4 * GIB  # each disk, sample mode
    cycles: int = 1  # 2: data, then its complement
    fio_s: int = 3 * MINUTE_S
    fio_size_bytes: int = 4 * GIB  # area that fio writes and verifies, at most half of the disk
    surface_floor_mb_s: float = 20.0  # slower than this is past the deadline
    countdown_s: int = 60  # before the first byte of a real disk; 0 where only scratch disks are written
    thorough: tuple[str, ...] = ()  # serials of disks that are tested whole and twice, whatever the others get


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkKnobs:
    seconds: int = 60  # each direction
    parallel: int = 4
    floor_fraction: float = 0.9  # of the negotiated speed, where the class floor names none


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnKnobs:
    seconds: int = 2 * MINUTE_S
    cpu_workers: int = 0  # 0: all
    mem_pct: int = 60  # of MemAvailable
    fio_on_spare: bool = True
    iperf_parallel: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuKnobs:
    seconds: int = 2 * MINUTE_S
    max_temp_c: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PsuKnobs:
    seconds: int = 60
    sample_s: float = 1.0
    max_sag_percent: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    smart: SmartKnobs = field(default_factory=SmartKnobs)
    cpu_stress: CpuStressKnobs = field(default_factory=CpuStressKnobs)
    storage: StorageKnobs = field(default_factory=StorageKnobs)
    network: NetworkKnobs = field(default_factory=NetworkKnobs)
    burn: BurnKnobs = field(default_factory=BurnKnobs)
    gpu: GpuKnobs = field(default_factory=GpuKnobs)
    psu: PsuKnobs = field(default_factory=PsuKnobs)
    drop: tuple[str, ...] = ()  # stage names left out; such a profile never says vetted
    unobserved: Unobserved = Unobserved.ERROR
    lost_after_s: int = 180  # silence during a stage after which the host is lost
    grace_s: int = 10 * MINUTE_S  # beyond a stage's planned time, before its deadline


QUICK = Profile(name="quick")
DEEP = Profile(
    name="deep",
    smart=SmartKnobs(self_test=SelfTest.LONG, poll_s=60),
    cpu_stress=CpuStressKnobs(cpu_s=HOUR_S, ram_s=HOUR_S, ram_s_per_gib=16, core_s=10, ram_cover=0.7),
    storage=StorageKnobs(surface=SurfaceMode.FULL, fio_s=2 * HOUR_S),
    network=NetworkKnobs(seconds=30 * MINUTE_S),
    burn=BurnKnobs(seconds=2 * HOUR_S),
    gpu=GpuKnobs(seconds=30 * MINUTE_S),
    psu=PsuKnobs(seconds=10 * MINUTE_S),
    grace_s=30 * MINUTE_S,
)
SOAK = Profile(
    name="soak",
    smart=SmartKnobs(self_test=SelfTest.LONG, poll_s=60),
    cpu_stress=CpuStressKnobs(cpu_s=12 * HOUR_S, ram_s=12 * HOUR_S, ram_s_per_gib=64, core_s=60, ram_cover=0.7),
    storage=StorageKnobs(surface=SurfaceMode.FULL, cycles=2, fio_s=6 * HOUR_S),
    network=NetworkKnobs(seconds=2 * HOUR_S),
    burn=BurnKnobs(seconds=18 * HOUR_S),
    gpu=GpuKnobs(seconds=2 * HOUR_S),
    psu=PsuKnobs(seconds=15 * MINUTE_S),
    grace_s=HOUR_S,
)
TASTE = Profile(
    name="taste",
    smart=SmartKnobs(self_test=SelfTest.NONE),
    cpu_stress=CpuStressKnobs(cpu_s=10, ram_s=10, ram_s_per_gib=0, core_s=1, ram_cap_bytes=1 * GIB, ram_cover=0.0),
    storage=StorageKnobs(surface=SurfaceMode.FULL, fio_s=8, fio_size_bytes=64 * MIB, countdown_s=0),
    network=NetworkKnobs(seconds=5, parallel=2),
    burn=BurnKnobs(seconds=12, mem_pct=10),
    gpu=GpuKnobs(seconds=10),
    psu=PsuKnobs(seconds=5),
    unobserved=Unobserved.DECLARE,
    lost_after_s=60,
    grace_s=60,
)
SHIPPED: dict[str, Profile] = {profile.name: profile for profile in (QUICK, DEEP, SOAK, TASTE)}


def shortfalls(profile: Profile) -> tuple[str, ...]:
    """In which ways a profile is less than quick, in words; empty where it may say "vetted"."""
    short: list[str] = [f"{name} is left out" for name in profile.drop]
    if profile.unobserved is not Unobserved.ERROR:
        short.append("sensors that never spoke are allowed")
    if profile.smart.self_test is SelfTest.NONE:
        short.append("no SMART self-test")
    if profile.storage.surface is SurfaceMode.SAMPLE and profile.storage.sample_bytes < QUICK.storage.sample_bytes:
        short.append("a smaller surface sample than quick")
    floors = (
        ("CPU stress", profile.cpu_stress.cpu_s, QUICK.cpu_stress.cpu_s),
        ("memory stress", profile.cpu_stress.ram_s, QUICK.cpu_stress.ram_s),
        ("each core alone", profile.cpu_stress.core_s, QUICK.cpu_stress.core_s),
        ("fio", profile.storage.fio_s, QUICK.storage.fio_s),
        ("network", profile.network.seconds, QUICK.network.seconds),
        ("burn", profile.burn.seconds, QUICK.burn.seconds),
        ("GPU load", profile.gpu.seconds, QUICK.gpu.seconds),
        ("PSU", profile.psu.seconds, QUICK.psu.seconds),
    )
    short += [f"{what} {got} s instead of {floor} s" for what, got, floor in floors if not got >= floor]
    if not profile.cpu_stress.ram_cover >= QUICK.cpu_stress.ram_cover or profile.cpu_stress.ram_cap_bytes:
        short.append("only a part of the memory")
    if not profile.network.floor_fraction >= QUICK.network.floor_fraction:
        short.append("a lower network floor")
    if not profile.burn.mem_pct >= QUICK.burn.mem_pct or profile.burn.cpu_workers:
        short.append("burn with only a part of CPU or memory")
    if not profile.burn.fio_on_spare:
        short.append("burn without the disks")
    above = [row for row in _ceilings(profile) if not row[1] <= row[2]]
    below = [row for row in _sizes(profile) if not row[1] >= row[2]]
    short += [f"{what} {got:g} instead of {quick:g} {unit}".strip() for what, got, quick, unit in (*above, *below)]
    return tuple(short)


def _ceilings(profile: Profile) -> tuple[tuple[str, float, float, str], ...]:
    """Knobs that may not be above quick's, each as (what, its value, quick's, unit)."""
    return (
        ("supply rails may sag", profile.psu.max_sag_percent, QUICK.psu.max_sag_percent, "%"),
        ("supply rails looked at every", profile.psu.sample_s, QUICK.psu.sample_s, "s"),
        ("GPUs may get as hot as", profile.gpu.max_temp_c, QUICK.gpu.max_temp_c, "C"),
        ("memory spared", profile.cpu_stress.ram_spare_bytes / MIB, QUICK.cpu_stress.ram_spare_bytes / MIB, "MiB"),
        ("silence forgiven", profile.lost_after_s, QUICK.lost_after_s, "s"),
    )


def _sizes(profile: Profile) -> tuple[tuple[str, float, float, str], ...]:
    """Knobs that may not be below quick's."""
    storage = profile.storage
    return (
        ("memory stress", profile.cpu_stress.ram_s_per_gib, QUICK.cpu_stress.ram_s_per_gib, "s for each GiB"),
        ("network streams", profile.network.parallel, QUICK.network.parallel, "at a time"),
        ("network streams in the burn", profile.burn.iperf_parallel, QUICK.burn.iperf_parallel, "at a time"),
        ("fio area", storage.fio_size_bytes / MIB, QUICK.storage.fio_size_bytes / MIB, "MiB"),
        ("surface floor", storage.surface_floor_mb_s, QUICK.storage.surface_floor_mb_s, "MB/s"),
        ("surface cycles", storage.cycles, QUICK.storage.cycles, ""),
        ("least memory", profile.cpu_stress.ram_floor_bytes / MIB, QUICK.cpu_stress.ram_floor_bytes / MIB, "MiB"),
    )
