"""Slow disks and zones are named as warnings; what is merely how disks are, or how a busy machine is, is not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.disk_world import DISK
from tests.fakes.stage_world import recorded
from vetting.domain.outcome import Severity
from vetting.parsers.surface import Report, SurfacePhase, SurfaceResume, parse
from vetting.stages.disk_paths import Device
from vetting.stages.surface_profile import Surveyed, measured, resumptions, slow_ones

MIB = 1024 * 1024
ZONES = 64
TB = 10**12
PLAIN = parse(recorded("debian12", "surface-scan")[1])


def phase(kind: str, cycle: int, rates: list[float], size_bytes: int, **changes: Any) -> SurfacePhase:
    zone_mib = size_bytes / MIB / len(rates)
    seconds = sum(zone_mib / rate for rate in rates)
    plain = SurfacePhase(
        phase=kind, cycle=cycle, ok_bytes=size_bytes, bad_blocks=0, seconds=seconds,
        mean_mib_s=size_bytes / MIB / seconds, min_mib_s=min(rates), slowest_ms=30.0, slowest_offset=0,
        profile_mib_s=tuple(rates), profile_slowest_ms=(30.0,) * len(rates),
        profile_seconds=tuple(zone_mib / rate for rate in rates),
    )  # fmt: skip
    return replace(plain, **changes)


def disk(
    write: list[float],
    verify: list[float],
    *,
    size_bytes: int = 4 * TB,
    serial: str = "A",
    model: str = "M",
    **changes: Any,
) -> Surveyed:
    phases = (phase("write", 1, write, size_bytes, **changes), phase("verify", 1, verify, size_bytes, **changes))
    assert PLAIN.disk
    report: Report = replace(
        PLAIN,
        phases=phases,
        covered_bytes=size_bytes,
        cycles=1,
        disk=replace(PLAIN.disk, model=model, size_bytes=size_bytes),
    )
    device = Device(
        disk=replace(DISK, serial=serial, size_bytes=size_bytes), path="/x", kname="x", size_bytes=size_bytes
    )
    return Surveyed(device, report)


def flat(rate: float = 200.0, **zones: float) -> list[float]:
    """The same rate all over, but for zones such as z10=3.0."""
    return [zones.get(f"z{number}", rate) for number in range(ZONES)]


def warnings(*disks: Surveyed) -> list[tuple[str, str]]:
    return [(one.component, one.text) for one in slow_ones(disks) if one.severity is Severity.WARNING]


def test_a_zone_that_is_slow_in_both_passes_is_named_with_its_place() -> None:
    ((component, text),) = warnings(disk(flat(z10=20.0), flat(z10=30.0), serial="WD-1"))
    assert component == "disk:WD-1"
    assert text.startswith(f"the zone from byte {4 * TB * 10 // 64} to {4 * TB * 11 // 64} is far slower")
    assert "write 20.0 MiB/s beside 200.0" in text and "verify 30.0 MiB/s beside 200.0" in text


def test_a_zone_that_crawled_for_long_in_one_pass_is_named_and_a_short_hitch_is_not() -> None:
    assert len(warnings(disk(flat(), flat(z5=5.0)))) == 1
    assert warnings(disk(flat(), flat(z5=45.0))) == []  # slow once: the machine may have been busy
    assert warnings(disk(flat(z5=10.0), flat(z5=10.0), size_bytes=64 * MIB)) == []  # a tenth of a second


def test_how_disks_are_is_no_warning() -> None:
    inner = [280.0 - 2.4 * number for number in range(ZONES)]  # a spinning disk from outside to inside
    full = [3000.0] * 20 + [250.0] * 44  # a cache of an SSD that is full
    hot = [3000.0] * 30 + [600.0] * 6 + [3000.0] * 28  # a while of throttling
    for write, verify in ((inner, inner), (full, flat(3500.0)), (full, full[::-1]), (hot, flat(3500.0))):
        assert warnings(disk(write, verify)) == []


def test_a_small_noisy_virtual_disk_is_no_warning() -> None:
    dice = random.Random(5)
    for _ in range(200):
        noisy = [[dice.choice((4.0, 40.0, 400.0)) * dice.uniform(0.5, 2.0) for _ in range(ZONES)] for _ in range(4)]
        pair = (
            disk(noisy[0], noisy[1], size_bytes=256 * MIB),
            disk(noisy[2], noisy[3], size_bytes=256 * MIB, serial="B"),
        )
        assert warnings(*pair) == []


def test_a_disk_far_slower_than_others_of_its_model_is_named_and_none_of_another_model_counts() -> None:
    three = [disk(flat(), flat(), serial=serial) for serial in "ABC"]
    slow = disk(flat(80.0), flat(90.0), serial="S")
    ((component, text),) = warnings(*three, slow)
    assert component == "disk:S"
    assert "far slower than the 3 other disks of its model (M): write 80.0 MiB/s, theirs 200.0" in text
    assert warnings(*three, disk(flat(80.0), flat(90.0), serial="S", model="N")) == []
    assert warnings(*three, disk(flat(80.0), flat(90.0), serial="S", model="")) == []
    assert warnings(*three, disk(flat(120.0), flat(110.0), serial="S")) == []


def test_of_two_disks_alone_only_a_crawling_one_is_named() -> None:
    assert warnings(disk(flat(), flat()), disk(flat(90.0), flat(90.0), serial="S")) == []
    assert [one[0] for one in warnings(disk(flat(), flat()), disk(flat(40.0), flat(), serial="S"))] == ["disk:S"]


def test_a_last_zone_of_one_sector_is_as_slow_as_one_request_and_no_warning() -> None:
    found = disk(flat(8.0, z63=0.1), flat(8.0, z63=0.1), size_bytes=96 * MIB + 4096)
    short = [replace(each, profile_seconds=(*each.profile_seconds[:-1], 0.03)) for each in found.report.phases]
    assert warnings(replace(found, report=replace(found.report, phases=tuple(short)))) == []
    assert warnings(found) != []


def test_a_sampled_disk_names_parts_of_the_sample() -> None:
    found = disk(flat(z3=10.0), flat(z3=10.0))
    found = replace(found, report=replace(found.report, covered_bytes=TB))
    assert warnings(found)[0][1].startswith("part 4 of 64 of the sample")


def test_many_slow_zones_are_told_in_few_words() -> None:
    spots = flat(**{f"z{number}": 10.0 for number in range(5, 60, 5)})
    texts = [text for _, text in warnings(disk(spots, spots))]
    assert len(texts) == 9 and texts[-1] == "3 more of its zones are as slow"


def test_one_long_request_is_told_and_warns_of_nothing() -> None:
    found = list(slow_ones([disk(flat(), flat(), slowest_ms=7200.0, slowest_offset=4096)]))
    assert [(one.severity, one.text) for one in found] == [
        (Severity.INFO, "one request of write took 7.2 s, at byte 4096")
    ]


def test_series_to_compare_hosts_by_are_over_all_cycles() -> None:
    values = {one.series.rpartition("surface.")[2]: one.value for one in measured([disk(flat(100.0), flat(300.0))])}
    assert values["write.mean"] == pytest.approx(100.0) and values["verify.mean"] == pytest.approx(300.0)
    assert values["verify.slowest_zone"] == 300.0 and values["write.1.slowest"] == 30.0


def test_a_resumed_test_says_how_often_and_where() -> None:
    found = disk(flat(), flat())
    assert list(resumptions([found])) == []
    resumes = (
        SurfaceResume(phase="write", cycle=1, at_byte=TB, done_bytes=TB, after="process"),
        SurfaceResume(phase="verify", cycle=1, at_byte=16 * TB // 10, done_bytes=56 * TB // 10, after="boot"),
    )
    (told,) = resumptions([replace(found, report=replace(found.report, resumes=resumes))])
    assert told.severity is Severity.INFO and told.component == "disk:A"
    assert "resumed 2 times" in told.text
    assert "at 12 % (write, cycle 1, byte 1000000000000) after its program or agent had ended" in told.text
    assert "at 70 % (verify, cycle 1, byte 1600000000000) after the host had booted again" in told.text
