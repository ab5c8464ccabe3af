"""The BMC's sensors around a load: past a threshold twice is an alarm, once a glitch; ns is no reading; supplies are counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.hurry import HurriedClock
from tests.fakes.metal import SDR
from tests.fakes.scripted_deps import job
from vetting.agent.around import Around
from vetting.domain.ambient import judge_counters
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import Finding, Outcome, Severity, ToolRun, Verdict
from vetting.parsers.ipmitool import parse_sdr
from vetting.stages.probes.bmcalarms import alarms, supplies

FAN = "FAN1             | 41h | ok  | 29.1 | 3400 RPM"
STILL = "FAN1             | 41h | ok  | 29.1 | 0 RPM"
DEAD = "FAN1             | 41h | nr  | 29.1 | 0 RPM"
HOT = SDR.replace("01h | ok  |  3.1 | 45 degrees C", "01h | cr  |  3.1 | 98 degrees C")
WARM = SDR.replace("01h | ok  |  3.1 | 45 degrees C", "01h | nc  |  3.1 | 88 degrees C")
UNHEARD = SDR.replace("ok  |  3.1 | 45 degrees C", "ns  |  3.1 | No Reading")
ONE_SUPPLY = SDR.replace("10.2 | Presence detected", "10.2 | Presence lost")
LOST_INPUT = SDR.replace(
    "c9h | ok  | 10.2 | Presence detected", "c9h | ok  | 10.2 | Presence detected, Power Supply AC lost"
)
FAULT = SDR + "Drive 3          | 63h | ok  |  4.3 | Drive Present, Drive Fault\n"
DRIVE = SDR + "Drive 3          | 63h | ok  |  4.3 | Drive Present\n"


def said(*texts: str, severities: dict[str, str] | None = None) -> list[tuple[Severity, str]]:
    return [(one.severity, one.component) for one in alarms([parse_sdr(text) for text in texts], severities or {})]


def test_healthy_readings_are_silent() -> None:
    assert said(SDR, SDR, SDR) == []
    assert said(UNHEARD, UNHEARD) == []
    assert said(SDR, UNHEARD, SDR) == []
    assert said() == []


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((SDR, HOT, HOT), [(Severity.CRITICAL, "cpu")]),
        ((HOT, HOT), [(Severity.CRITICAL, "cpu")]),
        ((SDR, HOT, SDR), [(Severity.WARNING, "cpu")]),  # a glitch, told
        ((SDR, WARM, SDR), [(Severity.WARNING, "cpu")]),
        ((SDR, SDR.replace(FAN, DEAD), SDR.replace(FAN, DEAD)), [(Severity.CRITICAL, "fans")]),
        ((SDR, SDR.replace(FAN, STILL), SDR.replace(FAN, STILL)), [(Severity.CRITICAL, "fans")]),
        ((SDR.replace(FAN, STILL),) * 2, [(Severity.WARNING, "fans")]),  # perhaps none is plugged in
        ((SDR, SDR.replace(FAN, STILL), SDR), []),
        ((SDR, LOST_INPUT, LOST_INPUT), [(Severity.CRITICAL, "psu")]),
        ((LOST_INPUT, LOST_INPUT), []),  # PSU judges what stands
        ((FAULT, FAULT), [(Severity.WARNING, "host")]),
        ((DRIVE, FAULT), [(Severity.CRITICAL, "host")]),
        ((DRIVE, DRIVE), []),
    ],
    ids=["hot", "hot before", "glitch", "warm", "fan under its threshold", "fan stops", "no fan", "fan rests", "input lost",
         "input lost before", "drive fault before", "drive fault", "drive"],
)  # fmt: skip
def test_what_sensors_amount_to(texts: tuple[str, ...], found: list[tuple[Severity, str]]) -> None:
    assert said(*texts) == found


def test_a_spec_may_weigh_an_alarm_otherwise() -> None:
    assert said(HOT, HOT, severities={"bmc.alarm": "warning"}) == [(Severity.WARNING, "cpu")]
    assert said(HOT, HOT, severities={"bmc.alarm": "terrible"}) == [(Severity.CRITICAL, "cpu")]


def test_an_alarm_names_the_sensor_its_reading_and_since_when() -> None:
    (finding,) = alarms([parse_sdr(text) for text in (SDR, HOT, HOT)], {})
    assert finding.text == "BMC: CPU1 Temp says 98 degrees C, past the BMC's own critical threshold, under load"


def test_supplies_are_counted_where_the_bmc_tells_of_any() -> None:
    assert supplies(parse_sdr(SDR)) == 2
    assert supplies(parse_sdr(ONE_SUPPLY)) == 1
    assert supplies(parse_sdr(FAN)) is None
    assert supplies(None) is None


def bmc(root: Path, *answers: str | None) -> Around:
    """An agent's look at a BMC that answers so, the last for ever; None: ipmitool is not installed."""
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev/ipmi0").touch()
    left = list(answers)

    async def ask(argv: Sequence[str]) -> ToolRun:
        text = left.pop(0) if len(left) > 1 else left[0]
        if text is None:
            raise ToolMissing("ipmitool")
        return ToolRun(argv=tuple(argv), exit_code=0 if text else 1, signal=None, timed_out=False, started_s=0.0, ended_s=1.0,
                       stdout=text, stderr="")  # fmt: skip

    return Around(root, HurriedClock(), ask)


async def after(around: Around, stage: str = "CPUStress", verdict: Outcome | None = None, **spec: object) -> Outcome:
    async def attempt() -> Outcome:
        return verdict or Outcome.ok()

    return await around.watched(stage, job(expected=ExpectedSpec(**spec)), attempt)  # type: ignore[arg-type]


def critical(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.severity is Severity.CRITICAL]


async def test_an_alarm_after_the_load_is_read_twice_and_accuses_the_host(tmp_path: Path) -> None:
    (finding,) = critical(await after(bmc(tmp_path, SDR, HOT, HOT)))
    assert "CPU1 Temp says 98 degrees C" in finding.text
    assert critical(await after(bmc(tmp_path, SDR, HOT, SDR))) == []


async def test_a_supply_that_vanishes_during_a_stage_is_counted(tmp_path: Path) -> None:
    outcome = await after(bmc(tmp_path, SDR, ONE_SUPPLY))
    judged = judge_counters(outcome.counters)
    assert judged.verdict is Verdict.FAIL and "power supplies: 2 before the stage, 1 after it" in judged.reason
    assert judge_counters((await after(bmc(tmp_path, SDR))).counters).verdict is None


async def test_a_bmc_that_falls_silent_is_unknown_and_one_without_a_tool_is_none(tmp_path: Path) -> None:
    silent = judge_counters((await after(bmc(tmp_path, SDR, ""))).counters)
    assert silent.verdict is Verdict.ERROR
    unknown = judge_counters((await after(bmc(tmp_path, None))).counters)
    assert unknown.verdict is None and "unknown and not zero: bmc_sensors" in unknown.findings[0].text


async def test_what_held_at_the_end_of_a_stage_held_before_the_next(tmp_path: Path) -> None:
    around = bmc(tmp_path, SDR, HOT)
    assert critical(await after(around))
    (finding,) = critical(await after(around, "Burn"))
    assert "already before the load" in finding.text


async def test_a_stage_that_was_called_off_is_let_go_at_once(tmp_path: Path) -> None:
    cancelled = Outcome(verdict=Verdict.CANCELLED, reason="by somebody")
    assert await after(bmc(tmp_path, SDR, HOT), verdict=cancelled) == cancelled


async def test_stages_without_load_ask_nothing_but_whether_the_event_log_has_room(tmp_path: Path) -> None:
    room = "SEL Information\nVersion          : 1.5\nEntries          : 512\nFree Space       : 0 bytes\nPercent Used     : 100%\n"
    outcome = await after(bmc(tmp_path, room), "Inventory")
    assert [finding.severity for finding in outcome.findings] == [Severity.WARNING]
    assert "the BMC's event log is full" in outcome.findings[0].text
    assert (
        await after(bmc(tmp_path, room.replace("0 bytes", "8000 bytes").replace("100%", "2%")), "Inventory")
        == Outcome.ok()
    )
    assert await after(bmc(tmp_path, HOT), "SpecValidate") == Outcome.ok()
