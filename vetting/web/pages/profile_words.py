"""What a profile proves of a host and what it cannot, in words, from its knobs alone."""

from __future__ import annotations

from vetting.domain.profiles import HOUR_S, Profile, SelfTest, SurfaceMode, shortfalls
from vetting.report.text import duration, size


def proves(profile: Profile) -> tuple[str, ...]:
    storage, cpu = profile.storage, profile.cpu_stress
    twice = {1: "", 2: " twice"}.get(storage.cycles, f" {storage.cycles} times")
    if storage.surface is SurfaceMode.FULL:
        surface = f"every byte of every writable disk is written and read back{twice}"
    else:
        surface = f"{size(storage.sample_bytes)} of every writable disk are written and read back{twice}"
    test = {
        SelfTest.NONE: "", SelfTest.SHORT: "every drive runs its short self-test", SelfTest.LONG: "every drive runs its long self-test",
    }  # fmt: skip
    told = [
        f"processors compute and compare for {duration(cpu.cpu_s)}, memory for {duration(cpu.ram_s)}",
        f"{surface}, then {duration(storage.fio_s)} of verified random load",
        test[profile.smart.self_test],
        f"each linked network card carries load for {duration(profile.network.seconds)} in each direction",
        f"everything at once for {duration(profile.burn.seconds)}",
    ]
    return tuple(text for text in told if text)


def cannot(profile: Profile) -> tuple[str, ...]:
    told: list[str] = []
    if profile.storage.surface is SurfaceMode.SAMPLE:
        told.append("a bad sector outside the sample is not found")
    if profile.smart.self_test is not SelfTest.LONG:
        told.append("what only a drive's long self-test finds stays hidden")
    if profile.burn.seconds < HOUR_S:
        told.append("a fault that shows only after hours of heat is not found")
    if short := shortfalls(profile):
        told.append(f"it can never say “vetted”: {', '.join(short)}")
    return tuple(told)
