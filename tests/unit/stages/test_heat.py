"""Heat under load: highest value and slope of each processor's sensor, and twins that should be as hot as each other."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.scripted_deps import ScriptedDeps, Text, job
from vetting.domain.outcome import Severity
from vetting.stages.heat import Heat, slope_k_min
from vetting.stages.topology import Place
from vetting.stages.watch import every

PLACES = {n: Place(cpu=n, socket=n, core=0, model="Xeon", ppin=f"0x{n + 7}") for n in (0, 1)}


def chips(name: str, labels: tuple[str, ...], *temps: Text) -> dict[str, Text]:
    """A monitor for each temperature, in the kernel's order."""
    files: dict[str, Text] = {}
    for number, temp in enumerate(temps):
        folder = f"/sys/class/hwmon/hwmon{number}"
        files |= {f"{folder}/name": f"{name}\n", f"{folder}/temp1_input": temp}
        if labels:
            files[f"{folder}/temp1_label"] = f"{labels[number]}\n"
    return files


def warming(start_c: float, end_c: float, over_s: float) -> Text:
    return lambda now_s: f"{round((start_c + (end_c - start_c) * min((now_s - 1000) / over_s, 1)) * 1000)}\n"


async def watched(files: dict[str, Text], seconds: float) -> Heat:
    deps = ScriptedDeps(job(), [], files)
    heat = Heat(deps)
    async with every(deps, 5.0, heat.look):
        await asyncio.wait_for(deps.sleep(seconds), 30)
    return heat


INTEL = ("Package id 0", "Package id 1")


async def test_the_highest_value_and_the_slope_of_each_sensor_are_told() -> None:
    heat = await watched(chips("coretemp", INTEL, warming(40, 70, 1800), "55000\n"), 600)
    told = {each.series: each.value for each in heat.measurements("heat")}
    assert told["heat.temp.coretemp.package-id-0.max"] == pytest.approx(50, abs=0.2)
    assert told["heat.temp.coretemp.package-id-0.slope"] == pytest.approx(1.0, abs=0.05)
    assert told["heat.temp.coretemp-1.package-id-1.slope"] == pytest.approx(0.0)


async def test_a_socket_that_is_much_hotter_than_its_twin_is_named() -> None:
    heat = await watched(chips("coretemp", INTEL, "60000\n", "81000\n"), 120)
    (finding,) = heat.findings(PLACES)
    assert finding.severity is Severity.WARNING
    assert finding.text.startswith("processor 1 (Xeon, PPIN 0x8) stood at 81 C where its twins stood at 60 C")


@pytest.mark.parametrize(
    ("name", "labels", "temps", "seconds", "told"),
    [
        ("coretemp", INTEL, ("60000\n", "72000\n"), 120, 0),  # in the other's warm air
        ("coretemp", INTEL, ("60000\n", "95000\n"), 30, 0),  # too short to judge
        ("k10temp", ("Tctl", "Tctl"), ("60000\n", "80000\n"), 120, 1),
        ("k10temp", ("Tctl", "Tdie"), ("60000\n", "90000\n"), 120, 0),  # two scales, not two processors
        ("drivetemp", (), ("30000\n", "60000\n"), 120, 0),  # no processors; not even read
        ("coretemp", INTEL[:1], ("95000\n",), 120, 0),  # no twin
    ],
)
async def test_only_processors_of_one_kind_after_a_while_are_compared(
    name: str, labels: tuple[str, ...], temps: tuple[str, ...], seconds: float, told: int
) -> None:
    heat = await watched(chips(name, labels, *temps), seconds)
    assert len(heat.findings(PLACES)) == told
    assert bool(heat.samples) is (name != "drivetemp")


async def test_heat_that_never_levels_off_is_a_warning() -> None:
    rising = await watched(chips("coretemp", INTEL, warming(40, 80, 2400), warming(40, 79, 2400)), 2400)
    assert ["was still getting hotter by 1.0 K a minute" in each.text for each in rising.findings(PLACES)] == [
        True,
        True,
    ]
    level = await watched(chips("coretemp", INTEL, warming(40, 80, 600), warming(40, 79, 600)), 2400)
    assert level.findings(PLACES) == ()


async def test_a_load_of_a_day_keeps_few_samples_and_the_highest_value() -> None:
    def spike(now_s: float) -> str:
        return "91000\n" if 1004 < now_s < 1006 else "60000\n"

    heat = await watched(chips("coretemp", INTEL, spike, "60000\n"), 5 * 2000)
    assert all(len(samples) <= 721 for samples in heat.samples.values())
    assert heat.measurements("heat")[0].value == 91


def test_few_samples_have_no_slope() -> None:
    assert slope_k_min([(0, 1), (1, 2)]) is None
    assert slope_k_min([(5.0, 1.0)] * 9) is None
