"""The profiles that ship, and which of them may say "vetted"."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from vetting.domain.profiles import (
    DEEP,
    HOUR_S,
    MINUTE_S,
    QUICK,
    SHIPPED,
    SOAK,
    TASTE,
    Profile,
    SelfTest,
    SurfaceMode,
    Unobserved,
    shortfalls,
)
from vetting.domain.states import STAGE_ORDER


@pytest.mark.parametrize("profile", [QUICK, DEEP, SOAK], ids=lambda profile: profile.name)
def test_quick_deep_and_soak_fall_short_of_nothing(profile: Profile) -> None:
    assert shortfalls(profile) == ()


def test_a_taste_says_in_words_what_it_leaves_out() -> None:
    text = "; ".join(shortfalls(TASTE))
    for word in ("CPU stress", "memory stress", "fio", "network", "burn", "SMART self-test", "sensors", "memory"):
        assert word in text


@pytest.mark.parametrize("stage", STAGE_ORDER)
def test_a_profile_that_drops_a_stage_falls_short(stage: str) -> None:
    assert shortfalls(replace(SOAK, drop=(stage,))) == (f"{stage} is left out",)


def less(profile: Profile) -> list[tuple[str, Profile]]:
    """The profile with each single knob turned below quick."""
    cpu, storage, network, burn = profile.cpu_stress, profile.storage, profile.network, profile.burn
    changed = {
        "cpu_s": replace(profile, cpu_stress=replace(cpu, cpu_s=119)),
        "ram_s": replace(profile, cpu_stress=replace(cpu, ram_s=119)),
        "core_s": replace(profile, cpu_stress=replace(cpu, core_s=0)),
        "ram_cap_bytes": replace(profile, cpu_stress=replace(cpu, ram_cap_bytes=2**40)),
        "ram_cover": replace(profile, cpu_stress=replace(cpu, ram_cover=0.1)),
        "ram_cover is no number": replace(profile, cpu_stress=replace(cpu, ram_cover=float("nan"))),
        "fio_s": replace(profile, storage=replace(storage, fio_s=1)),
        "sample_bytes": replace(profile, storage=replace(storage, surface=SurfaceMode.SAMPLE, sample_bytes=1)),
        "self_test": replace(profile, smart=replace(profile.smart, self_test=SelfTest.NONE)),
        "seconds": replace(profile, network=replace(network, seconds=59)),
        "floor_fraction": replace(profile, network=replace(network, floor_fraction=0.5)),
        "burn": replace(profile, burn=replace(burn, seconds=1)),
        "mem_pct": replace(profile, burn=replace(burn, mem_pct=10)),
        "cpu_workers": replace(profile, burn=replace(burn, cpu_workers=1)),
        "gpu": replace(profile, gpu=replace(profile.gpu, seconds=1)),
        "psu": replace(profile, psu=replace(profile.psu, seconds=1)),
        "unobserved": replace(profile, unobserved=Unobserved.DECLARE),
        "max_sag_percent": replace(profile, psu=replace(profile.psu, max_sag_percent=50.0)),
        "max_sag_percent is no number": replace(profile, psu=replace(profile.psu, max_sag_percent=float("nan"))),
        "sample_s": replace(profile, psu=replace(profile.psu, sample_s=30.0)),
        "max_temp_c": replace(profile, gpu=replace(profile.gpu, max_temp_c=120.0)),
        "parallel": replace(profile, network=replace(network, parallel=1)),
        "iperf_parallel": replace(profile, burn=replace(burn, iperf_parallel=1)),
        "fio_on_spare": replace(profile, burn=replace(burn, fio_on_spare=False)),
        "fio_size_bytes": replace(profile, storage=replace(storage, fio_size_bytes=2**20)),
        "surface_floor_mb_s": replace(profile, storage=replace(storage, surface_floor_mb_s=1.0)),
        "ram_spare_bytes": replace(profile, cpu_stress=replace(cpu, ram_spare_bytes=2**40)),
        "ram_floor_bytes": replace(profile, cpu_stress=replace(cpu, ram_floor_bytes=1)),
        "lost_after_s": replace(profile, lost_after_s=86400),
    }
    return list(changed.items())


@pytest.mark.parametrize(("knob", "profile"), less(DEEP), ids=[name for name, _ in less(DEEP)])
def test_each_knob_below_quick_is_a_shortfall_by_itself(knob: str, profile: Profile) -> None:
    assert len(shortfalls(profile)) == 1, knob


def test_durations_are_those_of_the_product() -> None:
    assert (QUICK.cpu_stress.cpu_s, QUICK.cpu_stress.ram_s) == (2 * MINUTE_S, 2 * MINUTE_S)
    assert (DEEP.cpu_stress.cpu_s, DEEP.cpu_stress.ram_s) == (HOUR_S, HOUR_S)
    assert (SOAK.cpu_stress.cpu_s, SOAK.cpu_stress.ram_s) == (12 * HOUR_S, 12 * HOUR_S)
    assert [one.storage.fio_s for one in (QUICK, DEEP, SOAK)] == [180, 2 * HOUR_S, 6 * HOUR_S]
    assert [one.storage.surface for one in (DEEP, SOAK)] == [SurfaceMode.FULL] * 2
    assert [one.network.seconds for one in (QUICK, DEEP, SOAK)] == [60, 1800, 7200]
    assert [one.burn.seconds for one in (QUICK, DEEP, SOAK)] == [120, 2 * HOUR_S, 18 * HOUR_S]
    assert [one.psu.seconds for one in (QUICK, DEEP, SOAK)] == [60, 600, 900]
    assert [one.smart.self_test for one in (QUICK, DEEP, SOAK)] == [SelfTest.SHORT, SelfTest.LONG, SelfTest.LONG]


def test_probes_and_gates_are_the_same_in_every_profile() -> None:
    """Only durations, sizes and how much is covered scale."""
    for profile in (DEEP, SOAK):
        assert profile.unobserved is QUICK.unobserved
        assert profile.network.floor_fraction == QUICK.network.floor_fraction
        assert profile.psu.max_sag_percent == QUICK.psu.max_sag_percent
        assert profile.gpu.max_temp_c == QUICK.gpu.max_temp_c


def test_every_shipped_profile_is_listed_by_its_name() -> None:
    assert {name: profile.name for name, profile in SHIPPED.items()} == {name: name for name in SHIPPED}
    assert {"quick", "deep", "soak", "taste"} == set(SHIPPED)
    assert fields(Profile)
