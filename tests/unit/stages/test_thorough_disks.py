"""A disk that was replaced is scanned whole and twice, whatever the others get, and a smaller scan of it is not believed."""

from __future__ import annotations

from dataclasses import replace

from vetting.domain.coverage import covered
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Cell, Verdict, Work
from vetting.domain.profiles import DEEP, QUICK, SOAK, Profile
from vetting.domain.repair import Part, PartKind, Repair
from vetting.domain.repairweight import weigh
from vetting.orchestrator import planning
from vetting.stages.storage import Storage
from vetting.stages.surface_load import asked_of

TB = 10**12
DISKS = (ExpectedDisk(serial="NEW", size_bytes=TB), ExpectedDisk(serial="OTHER", size_bytes=8 * TB))
AFTER = weigh(QUICK, Repair(parts=(Part(kind=PartKind.DISK, new="NEW"),))).profile


def limit_s(profile: Profile) -> float:
    job = planning.job(
        run_id=1, profile=profile, expected=ExpectedSpec(disks=DISKS), non_destructive=False, inventory=None
    )
    return Storage().limit_s(job)


def test_the_new_disk_is_asked_for_all_of_it_twice_and_the_others_for_their_sample() -> None:
    asked = asked_of(AFTER.storage)
    assert (asked.of("NEW").promised(TB), asked.of("NEW").cycles) == (TB, 2)
    assert asked.of("OTHER") == asked
    assert asked.promised(8 * TB) == QUICK.storage.sample_bytes


def test_a_profile_that_asks_for_more_keeps_it() -> None:
    knobs = replace(SOAK.storage, cycles=3, thorough=("NEW",))
    assert asked_of(knobs).of("NEW").cycles == 3
    assert asked_of(replace(DEEP.storage, thorough=("NEW",))).of("NEW").cycles == 2


def test_its_deadline_leaves_time_for_all_of_it() -> None:
    scan_s = asked_of(AFTER.storage).of("NEW").limit_s(TB)
    assert scan_s > 4 * TB / (QUICK.storage.surface_floor_mb_s * 1e6)
    assert limit_s(AFTER) > scan_s > limit_s(QUICK)


def scanned(serial: str, share: float) -> list[str]:
    size = {disk.serial: disk.size_bytes for disk in DISKS}[serial]
    works = (
        Work(what="surface verified", done=size * share, of=size * share, unit="B"),
        Work(what="surface covered", done=size * share, of=size, unit="B"),
    )
    cell = Cell(component=f"disk:{serial}", verdict=Verdict.PASS, work=works)
    return list(covered("Storage", [cell], profile=AFTER, inventory=None, disks=DISKS))


def test_a_sample_of_the_new_disk_is_not_believed() -> None:
    assert scanned("NEW", 1.0) == []
    assert any("surface covered reached" in text for text in scanned("NEW", 0.5))
    assert scanned("OTHER", 0.5) == []
