"""How long a run of this very host takes, told before it is started; what is not known makes it a least time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.records import INVENTORY, SPEC
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.domain.naming import known
from vetting.domain.profiles import DEEP, QUICK, SHIPPED, SOAK, Profile
from vetting.orchestrator import planning
from vetting.orchestrator.forecast import Forecast, forecast
from vetting.stages import STAGES

TB = 10**12
HDD = FoundDisk(name="sda", serial="H1", size_bytes=20 * TB, transport="sata", rotational=True)
NVME = FoundDisk(name="nvme0n1", serial="N1", size_bytes=2 * TB, transport="nvme", rotational=False)
WITH_HDD = replace(INVENTORY, disks=(HDD, NVME))


def told(profile: Profile, spec: ExpectedSpec, inventory: Inventory | None, **how: Any) -> Forecast:
    return forecast(profile, spec, inventory, STAGES, non_destructive=how.pop("non_destructive", False), **how)


def of(found: Forecast, stage: str) -> float:
    return next(one.seconds for one in found.stages if one.name == stage)


@pytest.mark.parametrize("profile", SHIPPED.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("non_destructive", [True, False])
def test_no_stage_is_told_shorter_than_it_is_planned(profile: Profile, non_destructive: bool) -> None:
    found = told(profile, SPEC, INVENTORY, non_destructive=non_destructive)
    job = planning.job(run_id=1, profile=profile, expected=SPEC, non_destructive=non_destructive, inventory=INVENTORY)
    plans = planning.plan(job, STAGES)
    assert [one.name for one in found.stages] == [plan.name for plan in plans]
    assert all(one.seconds >= plan.planned_s for one, plan in zip(found.stages, plans, strict=True))
    assert found.seconds == pytest.approx(sum(one.seconds for one in found.stages))
    assert found.unknown == ()


def test_the_largest_slowest_disk_decides_about_the_surface_for_all_are_scanned_at_once() -> None:
    spec = ExpectedSpec(disks=(ExpectedDisk(serial="H1"), ExpectedDisk(serial="N1")))
    deep, soak = told(DEEP, spec, WITH_HDD), told(SOAK, spec, WITH_HDD)
    scan_s = 2 * 20e12 / 150e6
    assert of(deep, "Storage") == pytest.approx(DEEP.storage.fio_s + 60 + scan_s)
    assert of(soak, "Storage") == pytest.approx(SOAK.storage.fio_s + 60 + 2 * scan_s)
    assert "H1" in next(one.note for one in deep.stages if one.name == "Storage")
    assert of(deep, "SMART") > 30 * 3600
    spared = replace(spec, disks=(replace(spec.disks[0], write=False), spec.disks[1]))
    assert of(told(DEEP, spared, WITH_HDD), "Storage") < 4 * 3600


def test_a_rate_that_was_measured_goes_before_an_assumed_one() -> None:
    spec = ExpectedSpec(disks=(ExpectedDisk(serial="H1"),))
    found = told(DEEP, spec, WITH_HDD, measured={known("H1"): 300e6})
    assert of(found, "Storage") == pytest.approx(DEEP.storage.fio_s + 60 + 2 * 20e12 / 300e6)
    assert "as its last run measured" in next(one.note for one in found.stages if one.name == "Storage")


def test_a_run_that_writes_nothing_is_not_told_as_one_that_does() -> None:
    gentle = told(DEEP, SPEC, INVENTORY, non_destructive=True)
    assert of(gentle, "Storage") == 0
    assert gentle.seconds < told(DEEP, SPEC, INVENTORY).seconds


def test_what_nobody_knows_is_named_and_makes_it_a_least_time() -> None:
    found = told(DEEP, ExpectedSpec(disks=(ExpectedDisk(serial="X"),)), None)
    assert found.unknown == (
        "the size of disk X",
        "how much memory it has",
        "how many threads its processors have",
        "how many of its network cards have a link",
    )
    sized = ExpectedSpec(disks=(ExpectedDisk(serial="X", size_bytes=TB),), cpu_threads=64, memory_bytes=128 * 2**30)
    assert told(DEEP, sized, None).unknown == ("how many of its network cards have a link",)
    assert of(told(QUICK, sized, None), "CPUStress") == 240 + 64


def test_only_stages_that_matter_make_the_short_story() -> None:
    names = [one.name for one in told(QUICK, SPEC, INVENTORY).longest]
    assert names[0] in ("Storage", "CPUStress")
    assert "Reporting" not in names
