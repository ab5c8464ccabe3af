"""Measure, then pin: limits that the very same measurements keep, with room on the right side."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.siblings import MODEL, Sibling, ill
from vetting.config import hostfile
from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.inventory import FoundCpu
from vetting.domain.outcome import Measurement, Outcome, Verdict
from vetting.domain.pinning import Proposal, fitting, hottest_allowed, literal, pinned, propose, rounded
from vetting.domain.pins import judge, mistake
from vetting.domain.yardsticks import measured

STAGES = ("SMART", "CPUStress", "Storage", "Network")


def twin(number: int = 1, seed: int = 1) -> Sibling:
    return Sibling(number, random.Random(seed))


def offered(
    host: Sibling, *, margin: float | None = None, for_class: bool = False, virtual: str = ""
) -> dict[str, Proposal]:
    inventory = replace(host.inventory, virtual=virtual)
    rows = [row for stage in STAGES for row in measured(stage, host.outcome(stage), inventory)]
    return {one.name: one for one in propose(rows, inventory, profile="quick", margin=margin, for_class=for_class)}


def test_like_disks_share_a_floor_made_of_the_worst_and_cores_share_one() -> None:
    found = offered(twin())
    iops = found["fio IOPS"]
    assert (iops.parts, iops.limit.component, iops.limit.like) == (4, "disk:*", f"{MODEL}, 0 GB")
    assert (iops.limit.series, iops.limit.stage, iops.limit.profile, iops.bounds) == (
        "disk.*.fio.iops",
        "Storage",
        "quick",
        "at least",
    )
    assert iops.limit.value == rounded(iops.worst * 0.7, down=True)
    cores = found["rate of a core alone"]
    assert (cores.parts, cores.limit.component, cores.limit.series, cores.limit.tool) == (
        8, "cpu:*", "cpu.*.bogo_ops_s", "stress-ng 1.0",
    )  # fmt: skip
    assert found["fio p99 latency"].bounds == "at most"
    assert all(mistake(one.limit) == "" for one in found.values())


def test_a_card_of_one_host_is_named_by_address_and_of_a_class_by_speed() -> None:
    host = twin()
    assert offered(host)["network throughput (to server)"].limit.component == f"nic:{host.mac(1)}"
    shared = offered(host, for_class=True)["network throughput (to server)"]
    assert (shared.limit.component, shared.limit.like, shared.parts) == ("nic:*", "ice at 25000 Mb/s", 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([None, 0.0, 0.1, 0.5]))
def test_what_was_pinned_is_kept_by_what_it_was_made_of(seed: int, for_class: bool, margin: float | None) -> None:
    host = twin(seed=seed)
    outcomes = {stage: host.outcome(stage) for stage in STAGES}
    rows = [row for stage, one in outcomes.items() for row in measured(stage, one, host.inventory)]
    spec = pinned(ExpectedSpec(), propose(rows, host.inventory, profile="quick", margin=margin, for_class=for_class))
    assert spec.floors
    for stage, outcome in outcomes.items():
        judged, broken = judge(outcome, stage, spec, host.inventory, "quick")
        assert (judged.verdict, broken) == (Verdict.PASS, ())


def test_the_same_host_on_another_day_keeps_its_pins_and_with_a_sick_part_does_not() -> None:
    spec = pinned(ExpectedSpec(), offered(twin()).values())
    for seed in range(2, 30):
        for stage in STAGES:
            assert judge(twin(seed=seed).outcome(stage), stage, spec, twin().inventory, "quick")[1] == ()
    sick = twin(seed=99).outcome("Storage", ill("disk:T1D2", 0.4, "iops"))
    judged, broken = judge(sick, "Storage", spec, twin().inventory, "quick")
    assert (judged.verdict, [one.component for one in broken]) == (Verdict.FAIL, ["disk:T1D2"])


def test_pinning_again_replaces_what_limits_the_same_and_leaves_the_rest() -> None:
    first = pinned(ExpectedSpec(max_temp_c=80), offered(twin()).values())
    again = pinned(first, offered(twin(), margin=0.5).values())
    assert len(again.floors) == len(first.floors)
    assert (again.floors != first.floors, again.max_temp_c) == (True, 80)


def test_only_what_was_chosen_is_pinned() -> None:
    found = offered(twin())
    key = found["fio IOPS"].key
    spec = pinned(ExpectedSpec(), found.values(), keys=(key,))
    assert ([limit.series for limit in spec.floors], spec.ceilings) == (["disk.*.fio.iops"], ())
    assert pinned(ExpectedSpec(), found.values(), keys=()) == ExpectedSpec()


def test_a_margin_is_room_on_the_side_of_trouble() -> None:
    found = offered(twin(), margin=0.1)
    for one in found.values():
        room = one.limit.value / one.worst
        assert room == pytest.approx(0.9 if one.is_floor else 1.1, rel=0.01)
    for margin in (-0.1, 11.0, float("nan")):
        with pytest.raises(BadInput, match="margin"):
            offered(twin(), margin=margin)


def test_on_a_virtual_machine_the_room_is_wide() -> None:
    real, virtual = offered(twin()), offered(twin(), virtual="kvm")
    for name in ("fio IOPS", "rate of all cores (cpu)", "network throughput (to server)"):
        assert virtual[name].limit.value < 0.25 * real[name].limit.value, name
    assert virtual["link speed"].limit.value == real["link speed"].limit.value


def test_another_host_is_held_to_what_it_has_parts_for() -> None:
    proposals = offered(twin(), for_class=True)
    other = twin(2)
    assert len(list(fitting(proposals.values(), other.inventory))) == len(proposals)
    faster = replace(other.inventory, cpu=FoundCpu(model="EPYC", sockets=1, cores=8, threads=8))
    assert not [one for one in fitting(proposals.values(), faster) if one.limit.stage == "CPUStress"]
    without = replace(other.inventory, disks=())
    assert not [one for one in fitting(proposals.values(), without) if one.limit.stage == "Storage"]


def test_a_name_with_signs_that_mean_something_in_a_glob_is_taken_to_the_letter() -> None:
    host = twin()
    odd = replace(host.inventory, disks=tuple(replace(disk, model="SSD [x] *1") for disk in host.inventory.disks))
    rows = measured("Storage", host.outcome("Storage"), odd)
    spec = pinned(ExpectedSpec(), propose(rows, odd, profile="quick"))
    assert spec.floors[0].like == "SSD [[]x] [*]1, 0 GB" == literal("SSD [x] *1, 0 GB")
    assert judge(host.outcome("Storage"), "Storage", spec, odd, "quick")[1] == ()


def test_rounding_goes_away_from_what_was_measured() -> None:
    assert (rounded(41_987, down=True), rounded(41_987, down=False)) == (41_900, 42_000)
    assert (rounded(0.012345, down=True), rounded(25_000, down=True), rounded(0, down=True)) == (0.0123, 25_000, 0)


def test_a_temperature_is_pinned_only_where_that_is_lower_than_what_holds_already() -> None:
    assert hottest_allowed({"temp.a": 61.2, "temp.b": 70.1, "temp.c": float("nan")}, 95) == 81
    assert hottest_allowed({"temp.a": 61.2}, 70) == hottest_allowed({}, 95) == 0


def test_what_nobody_can_pin_is_not_offered() -> None:
    row = Measurement(series="disk.t1d1.temperature", value=40, unit="C", component="disk:T1D1")
    rows = measured("SMART", Outcome.ok(measurements=(row,)), twin().inventory)
    assert rows
    assert propose(rows, twin().inventory, profile="quick") == ()


def test_what_a_spec_could_not_hold_is_not_offered_and_signs_of_a_glob_stand_for_themselves() -> None:
    host = twin()
    odd = replace(host.inventory, disks=tuple(replace(disk, model="SSD\u202e\x07") for disk in host.inventory.disks))
    assert propose(measured("Storage", host.outcome("Storage"), odd), odd, profile="quick") == ()
    rows = tuple(
        Measurement(series=f"stress-ng.{name}.bogo_ops_s", value=10.0 ** len(name), unit="/s", component="cpu")
        for name in ("*", "cpu")
    )
    found = propose(measured("CPUStress", Outcome.ok(measurements=rows), odd), odd, profile="quick")
    spec = pinned(ExpectedSpec(), found)
    assert [limit.series for limit in spec.floors] == ["stress-ng.[*].bogo_ops_s", "stress-ng.cpu.bogo_ops_s"]
    assert hostfile.read(hostfile.write(spec)) == spec
