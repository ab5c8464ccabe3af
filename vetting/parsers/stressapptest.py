"""What stressapptest said of the memory it copied and checked (1.0.6, and 1.0.11 with a date before each line)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.reading import real, whole

TOOL = "stressapptest"
DATE = re.compile(r"^\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\([^)\n]{1,20}\) ", re.MULTILINE)
STATUS = re.compile(r"^Status: (PASS|FAIL)\b(.*)$", re.MULTILINE)
DONE = re.compile(
    r"^Stats: Completed: ([\d.]{1,20})M in ([\d.]{1,20})s .*with (\d{1,12}) hardware incidents, (\d{1,12}) errors",
    re.MULTILINE,
)
START = re.compile(r"^Stats: Starting SAT, (\d{1,12})M", re.MULTILINE)


class Ending(StrEnum):
    PASS = "PASS"
    HARDWARE = "hardware"  # it discovered problems of the hardware
    PROCEDURE = "procedure"  # it could not do what it was told: our trouble
    NONE = "none"  # it never wrote a status: killed


@dataclass(frozen=True, slots=True, kw_only=True)
class SatRun:
    ending: Ending
    tested_mib: int | None  # memory under test
    copied_mib: float | None  # moved through it
    seconds: float | None  # as it counts, allocation included
    hardware_incidents: int | None
    errors: int | None  # procedural
    complaints: tuple[str, ...]  # "Hardware Error", "Report Error" and "Process Error" lines, at most 100
    cpus: int | None

    @property
    def wrong(self) -> tuple[str, ...]:
        """Those of the complaints that tell of wrong data, with the address first."""
        return tuple(sorted(line for line in self.complaints if line.startswith(("Hardware Error", "Report Error"))))


def parse(text: str) -> SatRun:
    """stdout and stderr joined. Raises ParseError where nothing in it is stressapptest's."""
    text = DATE.sub("", text)
    if "Stats: SAT revision" not in text and not STATUS.search(text):
        raise ParseError(TOOL, "neither its revision nor a status is in it", text)
    done, start = DONE.search(text), START.search(text)
    cpus = re.search(r"^Log: \d{1,6} nodes, (\d{1,6}) cpus", text, re.MULTILINE)
    return SatRun(
        ending=_ending(text),
        tested_mib=whole(TOOL, start[1], "memory") if start else None,
        copied_mib=real(TOOL, done[1], "copied") if done else None,
        seconds=real(TOOL, done[2], "seconds") if done else None,
        hardware_incidents=whole(TOOL, done[3], "incidents") if done else None,
        errors=whole(TOOL, done[4], "errors") if done else None,
        complaints=tuple(
            bounded(line, 300) for line in text.splitlines() if re.match(r"(?:Hardware|Report|Process) Error", line)
        )[:100],
        cpus=whole(TOOL, cpus[1], "cpus") if cpus else None,
    )


def _ending(text: str) -> Ending:
    match = STATUS.search(text)
    if not match:
        return Ending.NONE
    if match[1] == "PASS":
        return Ending.PASS
    return Ending.PROCEDURE if "procedural" in match[2] else Ending.HARDWARE
