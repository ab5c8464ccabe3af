"""What is far from usual is told, once a part and in words; a healthy fleet is silent."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import honest
from tests.fakes.siblings import Sibling, Sick, ill, well
from vetting.domain.baseline import (
    FEWEST_HOSTS,
    Past,
    baseline_of,
    deviations,
    findings,
    is_far,
    keep,
    worse_by,
)
from vetting.domain.inventory import FoundDimm, FoundDisk, FoundGpu, FoundNic, Inventory
from vetting.domain.outcome import Finding, Measurement, Outcome, Severity, ToolRecord
from vetting.domain.peers import odd_dimms
from vetting.domain.yardsticks import NAMED, YARDSTICKS, Against, Measured, Worse, Yardstick, heat, measured
from vetting.parsers import dmidecode

GIB = 1024**3
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)


def disk(number: int, model: str = "SAMSUNG PM883", size: int = 960 * 10**9) -> FoundDisk:
    return FoundDisk(name=f"sd{number}", serial=f"S{number}", model=model, size_bytes=size, transport="sata")


def host(*disks: FoundDisk, virtual: str = "") -> Inventory:
    return replace(honest.INVENTORY, disks=disks or (disk(1),), virtual=virtual)


def tool(*argv: str, version: str = "fio-3.39") -> ToolRecord:
    return ToolRecord(
        argv=argv, version=version, exit_code=0, signal=None, timed_out=False, started_s=0, ended_s=1, excerpt=""
    )


def storage(iops: Mapping[str, float], version: str = "fio-3.39") -> Outcome:
    rows = [
        Measurement(series=f"disk.{serial.lower()}.fio.iops", value=value, unit="/s", component=f"disk:{serial}")
        for serial, value in iops.items()
    ]
    return Outcome.ok(measurements=tuple(rows), tools=(tool("fio", "job", version=version),))


def of(outcome: Outcome, inventory: Inventory, stage: str = "Storage") -> tuple[Measured, ...]:
    return measured(stage, outcome, inventory)


def told(rows: Sequence[Measured], *, past: Sequence[Past] = (), virtual: bool = False) -> tuple[Finding, ...]:
    return findings(deviations(rows, virtual=virtual, past=past, host_id=1))


# within one host -----------------------------------------------------------------------------------------------------


def test_a_disk_far_slower_than_its_twins_is_told_with_value_baseline_and_how_many() -> None:
    four = host(*(disk(number) for number in range(4)))
    (word,) = told(of(storage({"S0": 50_000, "S1": 52_000, "S2": 9_000, "S3": 49_000}), four))
    assert (word.severity, word.component, word.source) == (Severity.WARNING, "disk:S2", "baseline")
    assert word.text == "fio IOPS 9,000 /s: 82% below the 50,000 /s of the median of 3 like it in this host"


def test_disks_of_another_model_or_size_are_no_peers() -> None:
    mixed = host(disk(0), disk(1), disk(2), disk(3, "ST8000NM", 8 * 10**12), disk(4, size=480 * 10**9))
    assert told(of(storage({"S0": 50_000, "S1": 52_000, "S2": 49_000, "S3": 300, "S4": 9_000}), mixed)) == ()


def test_of_two_twins_one_must_be_farther_off_and_the_better_one_is_never_named() -> None:
    two = host(disk(0), disk(1))
    assert told(of(storage({"S0": 50_000, "S1": 20_000}), two)) == ()
    (word,) = told(of(storage({"S0": 50_000, "S1": 5_000}), two))
    assert word.component == "disk:S1"
    assert "its only like in this host" in word.text


def test_where_peers_differ_as_much_among_themselves_nobody_is_named() -> None:
    six = host(*(disk(number) for number in range(6)))
    spread = {"S0": 20_000, "S1": 90_000, "S2": 35_000, "S3": 70_000, "S4": 50_000, "S5": 110_000}
    assert told(of(storage(spread), six)) == ()


def test_a_scratch_disk_the_loopback_and_what_is_not_in_the_inventory_are_compared_with_nothing() -> None:
    rows = (
        Measurement(series="disk.loop.fio.iops", value=1.0, unit="/s", component="disk:loop:1"),
        Measurement(series="net.lo.to_server", value=1.0, unit="Mb/s", component="nic:loopback"),
    )
    outcome = Outcome.ok(measurements=rows)
    assert of(outcome, honest.INVENTORY) == of(outcome, honest.INVENTORY, "Network") == ()


# a class of hosts ----------------------------------------------------------------------------------------------------


def fleet(values: Sequence[float], inventory: Inventory, version: str = "fio-3.39") -> list[Past]:
    return [
        Past(number + 2, number + 10, keep(of(storage({"S1": value}, version), inventory)))
        for number, value in enumerate(values)
    ]


def test_a_class_speaks_from_three_hosts_on() -> None:
    one, row = host(), of(storage({"S1": 9_000}), host())
    assert told(row, past=fleet([50_000] * (FEWEST_HOSTS - 1), one)) == ()
    (word,) = told(row, past=fleet([50_000] * FEWEST_HOSTS, one))
    assert "of the median of the last good runs of 3 hosts of its class" in word.text


def test_another_version_of_the_program_is_another_figure() -> None:
    assert told(of(storage({"S1": 9_000}), host()), past=fleet([50_000] * 5, host(), "fio-3.33")) == ()
    noise = fleet([50_000] * 5, host(), "fio-3.39 (built elsewhere)")
    assert len(told(of(storage({"S1": 9_000}), host()), past=noise)) == 1


def test_a_host_with_many_disks_has_no_more_to_say_than_one_with_few() -> None:
    many = host(*(disk(number) for number in range(24)))
    crowd = Past(9, 9, keep(of(storage({f"S{number}": 9_000.0 for number in range(24)}), many)))
    (word,) = told(of(storage({"S1": 9_000}), host()), past=[*fleet([50_000] * 6, host()), crowd])
    assert "50,000" in word.text


def test_zero_spread_is_no_reason_to_call_every_hair_far() -> None:
    assert told(of(storage({"S1": 45_000}), host()), past=fleet([50_000] * 9, host())) == ()


# the host's own past -------------------------------------------------------------------------------------------------


def test_a_host_slower_than_in_its_own_last_good_run_is_told_which_run_that_was() -> None:
    own = Past(1, 41, keep(of(storage({"S1": 50_000}), host())))
    (word,) = told(of(storage({"S1": 9_000}), host()), past=[own])
    assert "of this host's last good run (41)" in word.text
    assert told(of(storage({"S1": 9_000}), host()), past=[replace(own, host_id=2)]) == ()


def test_a_link_slower_than_last_time_is_told_at_once_but_one_wired_for_less_is_not() -> None:
    def linked(speed: int) -> tuple[Measured, ...]:
        nic = replace(honest.INVENTORY.nics[0], speed_mb_s=speed)
        row = Measurement(series="net.eno1.link", value=float(speed), unit="Mb/s", component=f"nic:{honest.MAC}")
        return measured("Network", Outcome.ok(measurements=(row,)), replace(honest.INVENTORY, nics=(nic,)))

    (word,) = told(linked(1000), past=[Past(1, 7, keep(linked(10_000)))])
    assert word.text.startswith("link speed 1,000 Mb/s: 90% below")
    assert told(linked(1000), past=[Past(number, 7, keep(linked(10_000))) for number in range(2, 9)]) == ()


def test_heat_is_counted_in_degrees_and_only_more_is_worse() -> None:
    def hot(celsius: float) -> tuple[Measured, ...]:
        return heat({"temp.coretemp.package-id-0": celsius}, honest.INVENTORY)

    past = [Past(number, number, keep(hot(60 + number))) for number in range(2, 7)]
    (word,) = told(hot(88), past=past)
    assert "24 °C above the 64 °C" in word.text
    assert told(hot(74), past=past) == told(hot(20), past=past) == ()


# words ---------------------------------------------------------------------------------------------------------------


def test_one_part_gets_one_warning_however_many_of_its_figures_are_off() -> None:
    def row(series: str, value: float, unit: str) -> Measurement:
        return Measurement(
            series=f"disk.{series}", value=value, unit=unit, component=f"disk:{series.split('.')[0].upper()}"
        )

    rows = [
        row(f"s{number}.{name}", value * (0.1 if number == 2 and name != "fio.p99" else 10 if number == 2 else 1), unit)
        for number in range(4)
        for name, value, unit in (
            ("fio.iops", 50_000, "/s"), ("fio.p99", 2, "ms"), ("surface.write.1.mean", 480, "MiB/s"),
            ("surface.verify.1.mean", 520, "MiB/s"), ("surface.write.1.slowest", 40, "ms"),
        )
    ]  # fmt: skip
    four = host(*(disk(number) for number in range(4)))
    (word,) = told(of(Outcome.ok(measurements=tuple(rows)), four))
    assert word.component == "disk:S2"
    assert word.text.startswith("fio p99 latency 20 ms: 900% above the 2 ms of")
    assert word.text.endswith("and 1 more figures")


def test_where_all_cores_are_slow_it_is_not_the_core_and_is_said_once() -> None:
    def cores(rate: float) -> tuple[Measured, ...]:
        rows = [
            Measurement(series=f"cpu.{number}.bogo_ops_s", value=rate, unit="/s", component=f"cpu:{number}")
            for number in range(64)
        ]
        return measured("CPUStress", Outcome.ok(measurements=tuple(rows)), honest.INVENTORY)

    past = [Past(number, number, keep(cores(1700))) for number in range(1, 6)]
    (word,) = told(cores(900), past=past)
    assert word.component == "cpu"
    assert word.text.startswith(
        "64 parts are far from what is usual, the worst of them cpu:0: rate of a core alone (0)"
    )


# numbers -------------------------------------------------------------------------------------------------------------

IOPS, P99 = NAMED["fio IOPS"], NAMED["fio p99 latency"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_neither_compared_nor_a_baseline(value: float) -> None:
    assert of(storage({"S1": value}), host()) == ()
    assert baseline_of(Against.CLASS, [value]) is None
    assert told(of(storage({"S1": 9_000}), host()), past=[Past(1, 1, {"x": {"disk:S1": value}})]) == ()


@settings(deadline=None)
@given(st.sampled_from(YARDSTICKS), ANY_NUMBER, st.lists(ANY_NUMBER, max_size=9), st.booleans())
def test_no_numbers_whatever_break_the_comparison_and_a_better_value_is_never_told(
    yardstick: Yardstick, value: float, others: list[float], virtual: bool
) -> None:
    base = baseline_of(Against.CLASS, others)
    if base is None:
        return
    far = is_far(yardstick, value, base, virtual=virtual)
    assert not (far and not worse_by(yardstick, value, base.centre) > 0)
    better = value >= base.centre if yardstick.worse is Worse.LESS else value <= base.centre
    assert not (far and better)


@given(st.integers(0, 2**32), st.sampled_from([one for one in YARDSTICKS if not one.absolute]))
@settings(max_examples=60, deadline=None)
def test_noise_as_large_as_the_table_says_is_silent(seed: int, yardstick: Yardstick) -> None:
    """Twelve hosts, 24 parts: normal noise of the yardstick's own size, cut off where the table says that sound hardware ends."""
    dice = random.Random(seed)
    values = [100 * max(0.5, dice.gauss(1, yardstick.noise)) for _ in range(24)]
    for value in values:
        base = baseline_of(Against.CLASS, values)
        assert base is not None
        assert not is_far(yardstick, value, base)


def test_every_yardstick_has_a_reason_and_leaves_more_room_than_its_noise() -> None:
    for one in YARDSTICKS:
        assert len(one.why) > 30
        assert one.least > 3 * one.noise
        assert one.virtual is None or one.virtual >= one.least
        assert not one.glob or one.margin >= 2 * one.noise or one.noise == 0


@pytest.mark.parametrize(
    "series", ["disk.s1.surface.write.1.slowest", "net.eno1.to_server_retransmits", "memory.tested_bytes"]
)
def test_what_says_nothing_about_a_part_is_not_compared(series: str) -> None:
    for stage in ("Storage", "Network", "CPUStress"):
        row = Measurement(series=series, value=1.0, unit="", component="disk:S1")
        assert measured(stage, Outcome.ok(measurements=(row,)), host()) == ()


def test_on_a_virtual_machine_what_neighbours_take_is_no_fault_and_a_dead_slow_twin_is() -> None:
    four = host(*(disk(number) for number in range(4)), virtual="kvm")
    assert told(of(storage({"S0": 50_000, "S1": 52_000, "S2": 14_000, "S3": 49_000}), four), virtual=True) == ()
    assert len(told(of(storage({"S0": 50_000, "S1": 52_000, "S2": 700, "S3": 49_000}), four), virtual=True)) == 1
    rows = (Measurement(series="stress-ng.cpu.bogo_ops_s", value=178, unit="/s", component="cpu"),)
    past = [Past(number, 1, keep(measured("CPUStress", Outcome.ok(measurements=(replace(rows[0], value=527.0),)), four)))
            for number in range(1, 6)]  # fmt: skip
    assert told(measured("CPUStress", Outcome.ok(measurements=rows), four), past=past, virtual=True) == ()


# memory modules ------------------------------------------------------------------------------------------------------


def dimms(*sizes: int, speeds: Sequence[int] = ()) -> Inventory:
    rows = [
        FoundDimm(
            locator=f"A{number}",
            size_bytes=size * GIB,
            serial=f"D{number}",
            speed_mt_s=speeds[number] if speeds else 3200,
        )
        for number, size in enumerate(sizes)
    ]
    return replace(honest.INVENTORY, dimms=tuple(rows))


def test_one_odd_module_among_equal_ones_is_told_by_slot() -> None:
    (word,) = odd_dimms(dimms(32, 32, 32, 16, 0))
    assert word.component == "dimm:D3"
    assert word.text == "the module in A3 holds 16 GiB, the other 3 memory modules of this host hold 32 GiB"
    (slow,) = odd_dimms(dimms(32, 32, 32, 32, speeds=(3200, 2666, 3200, 3200)))
    assert "the module in A1 runs at 2666 MT/s" in slow.text


@pytest.mark.parametrize("sizes", [(32, 32, 16, 16), (32, 16), (32, 32, 16), (64, 64, 32, 32, 16, 16), (32,) * 16, ()])
def test_a_mixture_made_on_purpose_is_sound(sizes: tuple[int, ...]) -> None:
    assert odd_dimms(dimms(*sizes)) == ()


def test_a_module_that_tells_no_speed_is_no_odd_one() -> None:
    assert odd_dimms(dimms(32, 32, 32, 32, speeds=(3200, 0, 3200, 3200))) == ()
    assert odd_dimms(replace(honest.INVENTORY, dimms=None)) == ()


def test_gpus_of_one_model_are_peers() -> None:
    gpus = tuple(FoundGpu(name="NVIDIA A10", uuid=f"GPU-{number}") for number in range(4))
    rows = tuple(
        Measurement(series=f"gpu.gpu-{number}.temperature.max", value=celsius, unit="C", component=f"gpu:GPU-{number}")
        for number, celsius in enumerate((61, 63, 84, 66))
    )
    found = measured("GPU", Outcome.ok(measurements=rows), replace(honest.INVENTORY, gpus=gpus))
    assert [word.component for word in told(found)] == ["gpu:GPU-2"]


def test_cards_at_one_speed_are_peers_direction_by_direction() -> None:
    macs = [f"52:54:00:00:00:0{number}" for number in range(1, 5)]
    nics = tuple(FoundNic(name=f"e{n}", mac=mac, driver="ice", speed_mb_s=25_000) for n, mac in enumerate(macs))
    rows = tuple(
        Measurement(series=f"net.e{n}.{way}", value=9_000 if (n, way) == (2, "from_server") else 23_400, unit="Mb/s", component=f"nic:{mac}")
        for n, mac in enumerate(macs) for way in ("to_server", "from_server")
    )  # fmt: skip
    (word,) = told(measured("Network", Outcome.ok(measurements=rows), replace(honest.INVENTORY, nics=nics)))
    assert word.component == f"nic:{macs[2]}"
    assert "network throughput (from server) 9,000 Mb/s: 62% below" in word.text


# a fleet -------------------------------------------------------------------------------------------------------------

MEASURING = ("SMART", "CPUStress", "Storage", "Network")


def words_of(sibling: Sibling, stage: str, past: Sequence[Past], sick: Sick = well) -> tuple[Finding, ...]:
    rows = measured(stage, sibling.outcome(stage, sick), sibling.inventory)
    return findings(deviations(rows, virtual=False, past=past, host_id=sibling.number))


def past_of(siblings: Sequence[Sibling], stage: str) -> list[Past]:
    return [Past(one.number, one.number, keep(measured(stage, one.outcome(stage), one.inventory))) for one in siblings]


@given(st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_twenty_sound_hosts_are_silent_about_each_other_themselves_and_their_parts(seed: int) -> None:
    twins = [Sibling(number, random.Random(seed + number)) for number in range(20)]
    for stage in MEASURING:
        past = past_of(twins, stage)
        assert [word.text for twin in twins for word in words_of(twin, stage, past)] == []


@pytest.mark.parametrize(
    ("stage", "component", "factor", "names"),
    [
        ("Storage", "disk:T7D2", 0.3, ("iops", "mean")),
        ("Storage", "disk:T7D2", 8.0, ("p99",)),
        ("CPUStress", "cpu:5", 0.5, ()),
        ("CPUStress", "cpu", 0.6, ()),
        ("Network", "nic:52:54:00:00:07:01", 0.4, ("from_server",)),
        ("SMART", "disk:T7D2", 1.9, ("temperature",)),
    ],
)
def test_of_twenty_hosts_one_sick_part_gets_exactly_one_warning(
    stage: str, component: str, factor: float, names: tuple[str, ...]
) -> None:
    twins = [Sibling(number, random.Random(number)) for number in range(20)]
    past = past_of(twins, stage)
    told_of = [
        word
        for twin in twins
        for word in words_of(twin, stage, past, ill(component, factor, *names))
        if twin.number == 7
    ]
    assert [word.component for word in told_of] == [component]


def test_no_recorded_server_has_an_odd_module(corpus: Path) -> None:
    seen = 0
    for path in sorted((corpus / "dmidecode").iterdir()):
        told = dmidecode.parse(path.read_text())
        modules = tuple(
            FoundDimm(
                locator=one.locator or "",
                size_bytes=one.size_bytes or 0,
                speed_mt_s=one.configured_mt_s or one.speed_mt_s or 0,
            )
            for one in told.dimms
        )
        seen += len([one for one in modules if one.size_bytes])
        assert odd_dimms(replace(honest.INVENTORY, dimms=modules)) == (), path.name
    assert seen > 20
