"""What a person pinned of measurements: short is a FAIL, unmeasured is an ERROR, and nothing passes unseen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import honest
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.domain.outcome import Cell, Measurement, Outcome, ToolRecord, Verdict
from vetting.domain.pins import judge, mistake

DISKS = (
    FoundDisk(name="sda", serial="A", model="PM883", size_bytes=960 * 10**9),
    FoundDisk(name="sdb", serial="B", model="PM883", size_bytes=960 * 10**9),
    FoundDisk(name="sdc", serial="C", model="ST8000", size_bytes=8 * 10**12),
)
FOUND: Inventory = replace(honest.INVENTORY, disks=DISKS)
FLOOR = MeasuredLimit(
    stage="Storage", series="disk.*.fio.iops", component="disk:*", like="PM883*", value=40_000, unit="/s"
)
CEILING = MeasuredLimit(stage="Storage", series="disk.*.fio.p99", component="disk:*", value=5, unit="ms")


def storage(skipped: str = "", unit: str = "/s", **iops: float) -> Outcome:
    cells = [
        Cell(component=f"disk:{disk.serial}", verdict=Verdict.SKIP if disk.serial in skipped else Verdict.PASS)
        for disk in DISKS
    ]
    rows = [
        Measurement(series=f"disk.{name.lower()}.fio.iops", value=value, unit=unit, component=f"disk:{name}")
        for name, value in iops.items()
    ]
    return Outcome.ok(cells=tuple(cells), measurements=tuple(rows))


def held(outcome: Outcome, *floors: MeasuredLimit, stage: str = "Storage", profile: str = "quick") -> Outcome:
    judged, broken = judge(outcome, stage, ExpectedSpec(floors=floors or (FLOOR,)), FOUND, profile)
    assert bool(broken) == (judged.verdict is not Verdict.PASS)
    return judged


def test_a_part_under_its_floor_fails_the_stage_and_its_own_cell() -> None:
    judged = held(storage(A=50_000, B=9_000, C=200))
    assert (judged.verdict, judged.reason) == (Verdict.FAIL, "disk:B: disk.b.fio.iops 9000 /s, pinned floor 40000 /s")
    assert [cell.verdict for cell in judged.cells] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]


def test_what_keeps_its_floor_to_the_letter_passes_and_other_models_are_not_asked() -> None:
    outcome = storage(A=40_000, B=40_000.1, C=1)
    assert held(outcome) is outcome


def test_a_ceiling_is_a_limit_from_above() -> None:
    row = Measurement(series="disk.c.fio.p99", value=5.01, unit="ms", component="disk:C")
    only = replace(CEILING, component="disk:C")
    for value, verdict in (
        (5.0, Verdict.PASS),
        (5.01, Verdict.FAIL),
        (math.nan, Verdict.ERROR),
        (math.inf, Verdict.ERROR),
    ):
        outcome = storage().but(measurements=(replace(row, value=value),))
        assert judge(outcome, "Storage", ExpectedSpec(ceilings=(only,)), FOUND, "quick")[0].verdict is verdict


def test_a_pinned_measurement_that_never_came_is_an_error_of_that_part() -> None:
    judged = held(storage(A=50_000))
    assert (judged.verdict, judged.reason) == (Verdict.ERROR, "disk:B: disk.*.fio.iops is pinned and was not measured")
    assert held(storage()).verdict is Verdict.ERROR
    assert held(storage(C=9), replace(FLOOR, component="*", like="*", series="disk.*.surface.write.1.mean")).reason == (
        "*: disk.*.surface.write.1.mean is pinned and was not measured"
    )


def test_what_fails_and_what_was_not_measured_together_accuse_the_host() -> None:
    judged = held(storage(A=9_000))
    assert (judged.verdict, [cell.verdict for cell in judged.cells]) == (
        Verdict.FAIL, [Verdict.FAIL, Verdict.ERROR, Verdict.PASS],
    )  # fmt: skip


def test_a_disk_that_was_skipped_for_a_declared_reason_is_not_asked_for() -> None:
    assert held(storage(skipped="AB", C=9)).verdict is Verdict.PASS
    assert held(storage(skipped="A", B=50_000)).verdict is Verdict.PASS


def test_a_pin_of_a_model_that_is_not_there_is_an_error_and_no_silence() -> None:
    judged = held(storage(A=1, B=1, C=1), replace(FLOOR, like="PM9A3*"))
    assert (judged.verdict, judged.reason) == (
        Verdict.ERROR, "disk:* like PM9A3*: disk.*.fio.iops is pinned and was not measured",
    )  # fmt: skip


def test_a_number_in_another_unit_is_another_measurement() -> None:
    assert "was measured in MiB/s" in held(storage(unit="MiB/s", A=50_000, B=50_000)).reason


def test_a_pin_of_one_profile_and_of_another_stage_is_left_alone() -> None:
    for limit in (replace(FLOOR, profile="deep"), replace(FLOOR, stage="SMART")):
        assert held(storage(A=1, B=1), limit).verdict is Verdict.PASS


def cores(*numbers: int, rate: float = 1700, version: str = "stress-ng, version 0.18.02") -> Outcome:
    tool = ToolRecord(argv=("stress-ng", "--cpu"), version=version, exit_code=0, signal=None, timed_out=False,
                      started_s=0, ended_s=1, excerpt="")  # fmt: skip
    rows = tuple(
        Measurement(series=f"cpu.{number}.bogo_ops_s", value=rate, unit="/s", component=f"cpu:{number}")
        for number in numbers
    )
    return Outcome.ok(cells=(Cell(component="cpu", verdict=Verdict.PASS),), measurements=rows, tools=(tool,))


CORES = MeasuredLimit(
    stage="CPUStress", series="cpu.*.bogo_ops_s", component="cpu:*", value=1500, unit="/s", tool="stress-ng 0.18.02"
)


def test_a_core_under_its_floor_gets_a_cell_of_its_own() -> None:
    slow = cores(0, 1).but(measurements=(*cores(0).measurements, *cores(1, rate=900).measurements))
    judged = held(slow, CORES, stage="CPUStress")
    assert [(cell.component, cell.verdict) for cell in judged.cells] == [("cpu", Verdict.PASS), ("cpu:1", Verdict.FAIL)]


def test_each_core_must_have_been_measured() -> None:
    assert held(cores(0, 1), CORES, stage="CPUStress").verdict is Verdict.PASS
    assert held(cores(0), CORES, stage="CPUStress").reason.startswith("cpu:* (1 of 2 cores)")


def test_operations_of_another_version_are_not_held_against_the_host() -> None:
    newer = cores(0, 1, rate=900, version="stress-ng, version 0.19.03")
    judged = held(newer, CORES, stage="CPUStress")
    assert judged.verdict is Verdict.ERROR
    assert "pinned as stress-ng 0.18.02 measures it, and this run used stress-ng 0.19.03" in judged.reason
    assert held(newer, replace(CORES, tool="", value=800), stage="CPUStress").verdict is Verdict.PASS


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=False, allow_infinity=False))
def test_no_value_passes_that_is_not_at_least_its_floor(value: float, floor: float) -> None:
    limit = replace(FLOOR, like="*", component="disk:A", value=floor)
    judged = held(storage(A=value), limit)
    assert (judged.verdict is Verdict.PASS) == (math.isfinite(value) and value >= floor)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.SKIP, Verdict.CANCELLED])
def test_what_did_not_pass_is_left_as_it_is(verdict: Verdict) -> None:
    outcome = storage(A=1).but(verdict=verdict)
    assert judge(outcome, "Storage", ExpectedSpec(floors=(FLOOR,)), FOUND, "quick") == (outcome, ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stage": "Storrage"}, "there is no stage 'Storrage' that measures"),
        ({"stage": "Reporting"}, "that measures"),
        ({"series": "net.*"}, "Storage measures nothing that 'net.*' could match"),
        ({"series": "Disk.*"}, "could match"),
        ({"value": math.nan}, "finite"),
        ({"like": " "}, "matches nothing"),
        ({"component": ""}, "matches nothing"),
    ],
)
def test_a_limit_that_could_never_be_judged_is_a_mistake(changes: dict[str, object], says: str) -> None:
    assert mistake(FLOOR) == ""
    assert says in mistake(replace(FLOOR, **changes))  # type: ignore[arg-type]
