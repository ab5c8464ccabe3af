"""The BMC's event log before and after a stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.stage_world import tool_text
from vetting.agent.eventlog import EventLog, grown
from vetting.domain.ambient import judge_counters
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Severity, ToolRun
from vetting.parsers.ipmitool import parse_sel

RECORDED = tool_text("debian13", "ipmitool/sim-sel")


def saying(*answers: str | None, status: int = 0) -> EventLog:
    left = list(answers)

    async def ask(argv: Sequence[str]) -> ToolRun:
        text = left.pop(0) if len(left) > 1 else left[0]
        if text is None:
            raise ToolMissing("ipmitool")
        return ToolRun(argv=tuple(argv), exit_code=status, signal=None, timed_out=False, started_s=0.0, ended_s=1.0,
                       stdout=text, stderr="")  # fmt: skip

    return EventLog(Path("/nowhere"), ask)


async def test_a_power_supply_that_loses_its_input_during_a_stage_accuses_the_host() -> None:
    lines = RECORDED.splitlines(keepends=True)
    log = saying("".join(lines[:3]), RECORDED)
    counters, findings = grown(await log.read(), await log.read())
    assert [(one.before, one.after) for one in counters] == [(3.0, 6.0)]
    assert [(one.severity, one.component) for one in findings] == [
        (Severity.WARNING, "memory"),  # one corrected error
        (Severity.CRITICAL, "psu"),
        (Severity.WARNING, "host"),
    ]
    assert judge_counters(counters).verdict is None


async def test_old_records_accuse_nobody() -> None:
    log = saying(RECORDED)
    assert grown(await log.read(), await log.read())[1] == ()


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        ("Memory #0x53 | Uncorrectable ECC | Asserted", Severity.CRITICAL),
        ("Memory #0x53 | Uncorrectable ECC | Deasserted", Severity.WARNING),
        ("Memory #0x53 | Correctable ECC logging limit reached | Asserted", Severity.CRITICAL),
        ("Processor #0x01 | IERR | Asserted", Severity.CRITICAL),
        ("Critical Interrupt #0x05 | Bus Fatal Error | Asserted", Severity.CRITICAL),
        ("Fan #0x30 | Lower Critical going low | Asserted", Severity.WARNING),
        ("Voltage #0x31 | Lower Critical going low  | Asserted", Severity.CRITICAL),
        (
            "Temperature CPU1 Temp | Upper Critical going high | Asserted | Reading 99 > Threshold 95 degrees C",
            Severity.CRITICAL,
        ),
        ("Temperature CPU1 Temp | Upper Non-critical going high | Asserted", Severity.WARNING),
        ("Temperature CPU1 Temp | Upper Critical going high | Deasserted", Severity.WARNING),
        ("OS Boot | C: boot completed | Asserted", Severity.WARNING),
        ("Event Logging Disabled #0x10 | Log area reset/cleared | Asserted", Severity.WARNING),
    ],
)
def test_what_a_record_weighs(event: str, severity: Severity) -> None:
    after = parse_sel(f"   7 | 11/20/26 | 08:08:02 UTC | {event}\n")
    assert [one.severity for one in grown((), after)[1]] == [severity]


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ("Memory #0x53 | Correctable ECC (@DIMMA1(CPU1)) | Asserted", "dimm:DIMMA1(CPU1)"),
        ("Memory P2-DIMMB1 | Uncorrectable ECC | Asserted", "dimm:P2-DIMMB1"),
        ("Memory #0x87 | Correctable ECC | Asserted | CPU1_DIMM_A3", "dimm:CPU1_DIMM_A3"),
        ("Memory #0x53 | Uncorrectable ECC | Asserted", "memory"),
        ("Critical Interrupt #0x05 | Bus Fatal Error | Asserted | (Bus 3b Device 00 Function 0)", "pci:0000:3b:00.0"),
        ("Slot / Connector Slot 3 | Fault Status | Asserted", "pci:slot 3"),
        ("Processor CPU2 | IERR | Asserted", "cpu"),
        ("Power Supply PS1 Status | Failure detected | Asserted", "psu"),
        ("Fan #0x30 | Lower Critical going low | Asserted", "host"),
    ],
)
def test_which_part_a_record_speaks_of(event: str, part: str) -> None:
    (finding,) = grown((), parse_sel(f"   7 | 11/20/26 | 08:08:02 UTC | {event}\n"))[1]
    assert finding.component == part


@pytest.mark.parametrize(
    ("times", "severities"), [(10, {Severity.WARNING}), (11, {Severity.WARNING, Severity.CRITICAL})]
)
def test_more_corrected_memory_errors_than_ecc_is_for_accuse_the_host(times: int, severities: set[Severity]) -> None:
    line = "  {:2x} | 11/20/26 | 08:08:02 UTC | Memory #0x53 | Correctable ECC (DIMM_A1) | Asserted\n"
    findings = grown((), parse_sel("".join(line.format(number) for number in range(1, times + 1))))[1]
    assert {one.severity for one in findings} == severities
    assert {one.component for one in findings} == {"dimm:DIMM_A1"}


def test_a_log_that_was_cleared_in_between_still_tells_what_came() -> None:
    before = parse_sel("  ff | 11/20/26 | 08:00:00 UTC | Fan #0x30 | Lower Critical going low | Asserted\n")
    after = parse_sel("   1 | 11/20/26 | 09:00:00 UTC | Processor #0x01 | IERR | Asserted\n")
    assert [one.severity for one in grown(before, after)[1]] == [Severity.CRITICAL]


async def test_an_empty_log_is_read_and_a_silent_bmc_is_unknown() -> None:
    assert await saying("SEL has no entries\n").read() == ()
    assert await saying("garbage").read() is None
    assert await saying("", status=1).read() is None
    assert await saying(None).read() is None
    assert await saying("garbage", RECORDED).read() is not None  # slow once, not silent


def test_without_a_bmc_nobody_is_asked(tmp_path: Path) -> None:
    assert not EventLog(tmp_path).there
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ipmi0").touch()
    assert EventLog(tmp_path).there
