"""A changed spec is told in words, and every disk that it newly lets a run erase is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.records import DISKS, SPEC
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, MeasuredLimit
from vetting.domain.specchanges import changes, newly_erasable

FIRST, SECOND = DISKS


def test_nothing_is_told_of_nothing() -> None:
    assert changes(SPEC, SPEC) == ()
    assert newly_erasable(SPEC, SPEC) == ()


@pytest.mark.parametrize(
    ("disk", "newly"),
    [
        (FIRST, False),
        (replace(FIRST, write=False), False),
        (replace(FIRST, wwn="0x5000c500a1b2c3d4"), False),
        (replace(FIRST, model="another word for it"), False),
        (replace(FIRST, size_bytes=0), True),
        (replace(FIRST, size_bytes=5), True),
        (ExpectedDisk(serial="NEW"), True),
        (ExpectedDisk(serial="NEW", write=False), False),
        (replace(FIRST, serial=FIRST.serial.lower()), True),
    ],
)
def test_a_disk_is_newly_erasable_when_no_pin_as_narrow_let_it_be_erased_before(
    disk: ExpectedDisk, newly: bool
) -> None:
    assert bool(newly_erasable(SPEC, replace(SPEC, disks=(disk, SECOND)))) is newly


def test_a_disk_that_becomes_writable_is_named_with_what_will_happen_to_it() -> None:
    spared = replace(SPEC, disks=(FIRST, replace(SECOND, write=False)))
    assert newly_erasable(spared, SPEC) == (SECOND,)
    assert changes(spared, SPEC) == (
        "disk WD-WCC4N7KZ1234 (WDC WD40EFRX-68N32N0, 4 TB): a destructive run will ERASE it from now on",
    )
    assert changes(SPEC, spared) == ("disk WD-WCC4N7KZ1234 (WDC WD40EFRX-68N32N0, 4 TB): it is no longer written",)


def test_every_kind_of_change_is_told() -> None:
    new = replace(
        SPEC,
        product="SYS-1",
        manufacturer="",
        psu_count=0,
        memory_bytes=64 * 1024**3,
        disks=(replace(FIRST, wwn="naa.5"), ExpectedDisk(serial="N", write=False)),
        nics=(replace(SPEC.nics[0], speed_mb_s=25000), ExpectedNic(mac="52:54:00:00:00:01")),
        firmware=(replace(SPEC.firmware[0], version="4"), FirmwarePin(component="nic", version="9")),
        severities={"disk.extra": "critical"},
    )
    assert changes(SPEC, new) == (
        "disk S4EVNF0M612345: wwn nothing → naa.5",
        "disk N is expected now; it is never written",
        "disk WD-WCC4N7KZ1234 (WDC WD40EFRX-68N32N0, 4 TB) is no longer expected: it will not be tested",
        "manufacturer is no longer pinned (was Supermicro)",
        "product: SYS-6019P → SYS-1",
        "memory: 128 GiB → 64 GiB",
        "number of power supplies is pinned to 0",
        "network card 52:54:00:00:00:01 is expected now",
        "network card 3c:ec:ef:00:11:22: speed_mb_s 10000 → 25000",
        "firmware of every bios: version 3.8a → 4",
        "firmware of every nic is pinned to 9",
        "a difference in disk.extra weighs: as usual → critical",
    )


def test_whatever_differs_between_two_specs_is_told() -> None:
    for field in ExpectedSpec.__dataclass_fields__:
        assert changes(SPEC, replace(SPEC, **{field: getattr(OTHER, field)})), field


def test_a_floor_that_came_changed_and_went_is_told_with_what_it_limits() -> None:
    one, more = ExpectedSpec(floors=(FLOOR,)), ExpectedSpec(floors=(replace(FLOOR, value=50_000, tool="fio 3.39"),))
    what = "disk.*.fio.iops of disk:* like PM883*"
    assert changes(ExpectedSpec(), one) == (f"{what} must be at least 40000 /s",)
    assert changes(one, more) == (f"{what} by fio 3.39 must be at least 50000 /s, was 40000 /s",)
    assert changes(one, ExpectedSpec()) == (f"{what} is no longer held to at least 40000 /s",)


FLOOR = MeasuredLimit(
    stage="Storage", series="disk.*.fio.iops", component="disk:*", like="PM883*", value=40_000, unit="/s"
)
OTHER = ExpectedSpec(
    manufacturer="a", product="b", system_serial="c", cpu_model="d", cpu_sockets=9, cpu_threads=9, memory_bytes=9,
    dimm_count=9, dimm_serials=("e",), disks=(), nics=(), gpu_count=9, gpu_models=("f",), psu_count=9, firmware=(),
    max_temp_c=9.0, disk_iops_floor=9, disk_p99_ceiling_ms=9.0, severities={"psu_count": "info"},
    floors=(FLOOR,), ceilings=(FLOOR,),
)  # fmt: skip
