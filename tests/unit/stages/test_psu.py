"""PSU: the burst is real or nothing is concluded; rails that sag and supplies that fail are seen; blindness is said aloud."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.metal import NO_BMC, SDR
from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import RELEASES, host, recorded
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, Inventory, Sensor
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.profiles import DEEP, QUICK, SOAK, TASTE, Profile, PsuKnobs
from vetting.stages.probes.envelope import Rail
from vetting.stages.psu import NOT_OBSERVABLE, Psu, waves

SHORT = replace(QUICK, psu=PsuKnobs(seconds=6, sample_s=0.5))  # one wave: 3 s off, 3 s on
OFF_S, ON_S = 3.0, 3.0


def burst(release: str = "debian12", **changes: Any) -> list[Says]:
    """stress-ng as it was recorded for three seconds on two cores."""
    asked = [
        Says("stress-ng --verifiable", stdout=recorded(release, "verifiable")[1]),
        Says("stress-ng --help", stdout=recorded(release, "help")[1]),
    ]
    return [*asked, replace(Says("stress-ng --cpu 0", stderr=one_stressor(release), elapsed_s=ON_S), **changes)]


def one_stressor(release: str) -> str:
    """The recording of all stressors, cut down to the lines of cpu alone."""
    kept = []
    for line in recorded(release, "cpu")[1].splitlines():
        if "dispatching hogs:" in line:
            line = re.sub(r"dispatching hogs:.*", "dispatching hogs: 2 cpu", line)
        elif re.search(r"\b(passed|failed|skipped|metrics untrustworthy): \d+", line):
            line = re.sub(r"passed: \d+:? ?.*", "passed: 2: cpu (2)", line)
        elif re.search(r"\] (\w+): (exited|\[\d+\] exited|started|\[\d+\] started)", line) and "] cpu: " not in line:
            continue
        kept.append(line)
    return "\n".join(kept)


def hwmon(**channels: tuple[str, Text]) -> dict[str, Text]:
    """channel -> (label, text of its input)."""
    stem = "/sys/class/hwmon/hwmon1"
    files: dict[str, Text] = {f"{stem}/name": "nct6779\n"}
    for channel, (label, text) in channels.items():
        files[f"{stem}/{channel}_label"] = f"{label}\n"
        files[f"{stem}/{channel}_input"] = text
    return files


def under_load(idle: str, loaded: str) -> Callable[[float], str]:
    """What a sensor says outside and inside the three seconds of load."""
    return lambda now_s: loaded if 1000 + OFF_S < now_s < 1000 + OFF_S + ON_S else idle


def world(
    tools: list[Says], files: dict[str, Text] | None = None, *, profile: Profile = SHORT, **changes: Any
) -> ScriptedDeps:
    return ScriptedDeps(job(profile=profile, **changes), tools, {**host(), **(files or {})})


async def vet(deps: ScriptedDeps) -> Outcome:
    outcome = await Psu().run(deps)
    assert [cell.component for cell in outcome.cells] == ["psu"]
    assert outcome.cells[0].verdict is outcome.verdict
    return outcome


# --- the burst ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [TASTE, QUICK, DEEP, SOAK], ids=lambda profile: profile.name)
def test_the_waves_fill_the_time_exactly_and_are_half_load(profile: Profile) -> None:
    plan = waves(profile.psu.seconds)
    assert sum(wave.off_s + wave.on_s for wave in plan) == pytest.approx(profile.psu.seconds)
    assert all(wave.off_s >= 1 and wave.on_s >= 1 for wave in plan)
    assert sum(wave.on_s for wave in plan) >= 0.4 * profile.psu.seconds
    assert len(plan) <= 10


@pytest.mark.parametrize("release", RELEASES)
async def test_a_host_without_sensors_passes_as_not_observable_after_a_real_burst(release: str) -> None:
    deps = world(burst(release))
    outcome = await vet(deps)
    assert (outcome.verdict, outcome.reason) == (Verdict.PASS, NOT_OBSERVABLE), outcome.reason
    assert outcome.cells[0].work[0].done >= SHORT.psu.seconds - 2
    load = [call for call in deps.calls if "--cpu" in call.argv]
    assert [call.heavy for call in load] == [True]


@pytest.mark.parametrize(
    "changes",
    [
        {"elapsed_s": 0.0},
        {"stderr": ""},
        {"stderr": "garbage"},
        {"exit_code": 3},
        {"signal": 9},
        {"elapsed_s": 9999.0},
    ],
    ids=["at once", "silent", "garbage", "status 3", "killed", "hangs"],
)
async def test_a_burst_that_was_not_carried_out_is_no_pass(changes: dict[str, Any]) -> None:
    assert (await vet(world(burst(**changes)))).verdict is Verdict.ERROR


async def test_a_missing_stress_ng_is_told_as_such() -> None:
    with pytest.raises(ToolMissing, match="stress-ng"):
        await Psu().run(world([]))


async def test_fewer_workers_than_cpus_is_no_burst() -> None:
    outcome = await vet(world(burst(), {"/sys/devices/system/cpu/online": "0-3\n"}))
    assert outcome.verdict is Verdict.ERROR


# --- rails -------------------------------------------------------------------------------------------------------------


async def test_rails_that_hold_pass_with_their_envelope() -> None:
    files = hwmon(
        in1=("+12V", under_load("12096\n", "12000\n")), power1=("Pin", under_load("90000000\n", "210000000\n"))
    )
    deps = world(burst(), files)
    outcome = await vet(deps)
    assert (outcome.verdict, outcome.reason) == (Verdict.PASS, ""), outcome.reason
    envelope = {measured.series: (measured.value, measured.unit) for measured in outcome.measurements}
    assert envelope["psu.volt.nct6779.12v.min"] == (12.0, "V")
    assert envelope["psu.power.nct6779.pin.max"] == (210.0, "W")
    assert ("volt.nct6779.12v", 12.0, "V") in deps.samples


async def test_a_supply_rail_that_sags_under_load_fails() -> None:
    outcome = await vet(world(burst(), hwmon(in1=("+12V", under_load("12096\n", "11300\n")))))
    assert outcome.verdict is Verdict.FAIL
    assert "volt.nct6779.12v fell from 12.096 V to 11.300 V under load, 6.6 %, limit 5 %" in outcome.reason


async def test_one_reading_of_several_that_makes_no_sense_accuses_nobody_and_two_do() -> None:
    def once(now_s: float) -> str:
        return "0\n" if 1004.9 < now_s < 1005.1 else "12096\n"

    def twice(now_s: float) -> str:
        return "0\n" if 1004.4 < now_s < 1005.1 else "12096\n"

    assert (await vet(world(burst(), hwmon(in1=("+12V", once))))).verdict is Verdict.PASS
    assert (await vet(world(burst(), hwmon(in1=("+12V", twice))))).verdict is Verdict.FAIL


@pytest.mark.parametrize("label", ["Vcore", "in3", "CPU 1.8V", "VBAT", "DIMM AB", "1.5V", "VTT 12V ref"])
async def test_voltages_that_move_by_design_accuse_nobody(label: str) -> None:
    outcome = await vet(world(burst(), hwmon(in1=(label, under_load("1800\n", "900\n")))))
    assert outcome.verdict is Verdict.PASS
    assert "voltages not observable" in outcome.reason


@pytest.mark.parametrize(
    "label", ["12v", "5v", "3-3v", "p12v", "p5v-aux", "p3v3", "12vsb", "ps1-input-voltage", "vin", "psu2-12v"]
)
def test_the_rails_of_a_power_supply_are_known(label: str) -> None:
    assert Rail(Sensor(series=f"volt.bmc.{label}", unit="V", source="bmc")).is_supply


async def test_a_negative_rail_is_judged_by_its_distance_from_zero() -> None:
    outcome = await vet(world(burst(), hwmon(in1=("-12V", under_load("-12000\n", "-10900\n")))))
    assert outcome.verdict is Verdict.FAIL


async def test_a_sensor_that_falls_silent_under_load_is_an_error() -> None:
    files = hwmon(in1=("+12V", under_load("12000\n", "unreadable\n")))
    outcome = await vet(world(burst(), files))
    assert outcome.verdict is Verdict.ERROR
    assert "not heard under load: volt.nct6779.12v" in outcome.reason


async def test_sensors_that_inventory_found_and_that_are_gone_are_an_error() -> None:
    cpu = FoundCpu(model="", sockets=1, cores=1, threads=2)
    rail = Sensor(series="volt.x.12v", unit="V", source="/sys/class/hwmon/hwmon1/in1_input")
    known = Inventory(identity=Identity(), cpu=cpu, memory_bytes=1, sensors=(rail,))
    outcome = await vet(world(burst(), inventory=known))
    assert outcome.verdict is Verdict.ERROR
    assert "gone" in outcome.reason


# --- the BMC -----------------------------------------------------------------------------------------------------------

BMC: dict[str, Text] = {"/dev/ipmi0": ""}
DCMI = Says("ipmitool dcmi power reading", stdout="    Instantaneous power reading:   220 Watts\n")


def sdr(first: str = SDR, then: str | None = None) -> list[Says]:
    return [Says("ipmitool sdr elist", stdout=first, times=1), Says("ipmitool sdr elist", stdout=then or first), DCMI]


async def test_a_bmc_is_followed_through_the_burst() -> None:
    deps = world([*burst(), *sdr()], BMC)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    series = {measured.series for measured in outcome.measurements}
    assert {"psu.volt.bmc.12v.min", "psu.power.bmc.ps1-input-power.max", "psu.power.bmc.dcmi.max"} <= series
    assert not [name for name in series if "temp" in name or "fan" in name]


@pytest.mark.parametrize(
    "line",
    [
        "PS2 Status       | c9h | ok  | 10.2 | Presence detected, Failure detected\n",
        "PS2 Status       | c9h | ok  | 10.2 | Presence detected, Power Supply AC lost\n",
        "PS2 Status       | c9h | ok  | 10.2 | Presence detected, Predictive failure\n",
        "12V              | 30h | cr  |  7.17 | 10.60 Volts\n",
    ],
)
async def test_what_the_bmc_holds_against_a_power_supply_fails_the_host(line: str) -> None:
    name = line.partition("|")[0]
    told = "".join(kept for kept in SDR.splitlines(keepends=True) if not kept.startswith(name)) + line
    outcome = await vet(world([*burst(), *sdr(told)], BMC))
    assert outcome.verdict is Verdict.FAIL
    assert name.strip() in outcome.reason


async def test_a_fault_that_shows_only_under_load_fails() -> None:
    worse = SDR.replace("10.2 | Presence detected", "10.2 | Presence detected, Power Supply AC lost")
    assert (await vet(world([*burst(), *sdr(SDR, worse)], BMC))).verdict is Verdict.FAIL


async def test_a_power_supply_that_vanishes_under_load_fails() -> None:
    without = SDR.replace("PS2 Status       | c9h | ok  | 10.2 | Presence detected\n", "")
    outcome = await vet(world([*burst(), *sdr(SDR, without)], BMC))
    assert outcome.verdict is Verdict.FAIL
    assert "10.2 vanished" in outcome.reason


async def test_an_empty_bay_is_fine_where_the_spec_asks_for_no_more() -> None:
    one = SDR.replace("10.2 | Presence detected", "10.2 | Absent")
    assert (await vet(world([*burst(), *sdr(one)], BMC, expected=ExpectedSpec(psu_count=1)))).verdict is Verdict.PASS
    outcome = await vet(world([*burst(), *sdr(one)], BMC, expected=ExpectedSpec(psu_count=2)))
    assert outcome.verdict is Verdict.FAIL


@pytest.mark.parametrize("words", ["Absent", "Redundancy Lost"])
async def test_an_empty_bay_of_which_the_spec_says_nothing_is_told_and_accuses_nobody(words: str) -> None:
    """Many servers are sold with one supply in two bays."""
    one = SDR.replace("10.2 | Presence detected", f"10.2 | {words}")
    outcome = await vet(world([*burst(), *sdr(one)], BMC))
    assert outcome.verdict is Verdict.PASS
    assert f"PS2 Status: {words}" in outcome.reason
    assert "psu_count" in outcome.reason


@pytest.mark.parametrize("words", ["Absent", "Redundancy Lost"])
async def test_redundancy_that_is_lost_under_load_fails(words: str) -> None:
    worse = SDR.replace("10.2 | Presence detected", f"10.2 | {words}")
    assert (await vet(world([*burst(), *sdr(SDR, worse)], BMC))).verdict is Verdict.FAIL


async def test_redundancy_that_is_lost_fails_where_the_spec_asks_for_two_although_both_are_present() -> None:
    lost = SDR + "PS Redundancy    | 77h | ok  | 10.3 | Redundancy Lost\n"
    outcome = await vet(world([*burst(), *sdr(lost)], BMC, expected=ExpectedSpec(psu_count=2)))
    assert outcome.verdict is Verdict.FAIL and "PS Redundancy: Redundancy Lost" in outcome.reason
    assert (await vet(world([*burst(), *sdr(lost)], BMC, expected=ExpectedSpec(psu_count=1)))).verdict is Verdict.PASS


async def test_a_supply_s_own_fan_or_heat_past_its_threshold_fails() -> None:
    outcome = await vet(world([*burst(), *sdr(SDR + "PS2 Fan          | 7ah | cr  | 10.2 | 0 RPM\n")], BMC))
    assert outcome.verdict is Verdict.FAIL and "PS2 Fan is at 0 RPM" in outcome.reason


@pytest.mark.parametrize(("watts", "told"), [(230, False), (115, False), (40, True), (0, True)])
async def test_a_supply_that_carries_much_less_than_its_twin_is_told(watts: int, told: bool) -> None:
    twin = SDR + f"PS2 Input Power  | 71h | ok  | 10.2 | {watts} Watts\n"
    outcome = await vet(world([*burst(), *sdr(twin)], BMC))
    assert outcome.verdict is Verdict.PASS, outcome.reason  # it may be set to rest while one suffices
    text = f"under load ps2-input-power took {watts} W and ps1-input-power 220 W"
    assert [finding.text for finding in outcome.findings] == ([text] if told else [])


async def test_a_bmc_that_is_there_and_does_not_answer_is_an_error() -> None:
    outcome = await vet(world([*burst(), Says("ipmitool", exit_code=1, stderr=NO_BMC)], BMC))
    assert outcome.verdict is Verdict.ERROR


async def test_a_bmc_that_stops_answering_is_an_error() -> None:
    tools = [Says("ipmitool sdr elist", stdout=SDR, times=1), Says("ipmitool sdr elist", exit_code=1), DCMI]
    outcome = await vet(world([*burst(), *tools], BMC))
    assert outcome.verdict is Verdict.ERROR
    assert "stopped answering" in outcome.reason


async def test_a_bmc_without_ipmitool_is_a_missing_tool() -> None:
    with pytest.raises(ToolMissing, match="ipmitool"):
        await Psu().run(world(burst(), BMC))


async def test_a_bmc_without_dcmi_is_no_trouble() -> None:
    no_dcmi = Says("ipmitool dcmi", stderr="DCMI request failed because: Invalid command (c1)", exit_code=1)
    outcome = await vet(world([*burst(), Says("ipmitool sdr elist", stdout=SDR), no_dcmi], BMC))
    assert outcome.verdict is Verdict.PASS, outcome.reason


@pytest.mark.parametrize("profile", [TASTE, QUICK, SOAK], ids=lambda profile: profile.name)
def test_the_plan_is_the_profiles_and_the_limit_is_beyond_it(profile: Profile) -> None:
    assert Psu().planned_s(job(profile=profile)) == profile.psu.seconds
    assert Psu().limit_s(job(profile=profile)) > profile.psu.seconds
