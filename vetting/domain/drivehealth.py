"""Whether what a drive tells about itself condemns it.

Failing accuses the drive, trouble accuses us (we could not ask), notes tell a person. Lifetime values inform; what is true *now* or
has *grown* judges. Old entries in a drive's logs (exit bits 6 and 7) and attributes that were low in the past (bit 5) condemn
nobody for life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain

from vetting.domain.drivecounters import GRAVE, JUDGED, WATCHED, counters
from vetting.domain.drivetests import judge_tests
from vetting.domain.smartreport import (
    ExitFlag,
    NvmeHealth,
    Protocol,
    ScsiErrors,
    SelfTest,
    SmartAttribute,
    SmartReport,
    TestResult,
)

__all__ = [
    "DriveLimits", "DriveVerdict", "ExitFlag", "NvmeHealth", "Protocol", "ScsiErrors", "SelfTest", "SmartAttribute", "SmartReport",
    "TestResult", "Weight", "counters", "judge", "judge_growth",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveLimits:
    """Absolute limits on what is wrong now. Counts of a whole life have none unless somebody sets one."""

    pending_sectors: int | None = 0
    pending_defects: int | None = 0
    offline_uncorrectable: int | None = 0
    reallocated_sectors: int | None = None
    media_errors: int | None = None
    grown_defects: int | None = None
    percentage_used: int | None = None


class Weight(StrEnum):
    """What a remark about a drive amounts to."""

    FAILING = "failing"  # accuses the drive: FAIL
    TROUBLE = "trouble"  # accuses us, it could not be judged: ERROR
    WARNING = "warning"  # lost or moved data in its life: a person should know
    NOTE = "note"  # harmless, or of long ago


Remark = tuple[Weight, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveVerdict:
    """`failing` not empty: FAIL. Else `trouble` not empty: ERROR. Else the drive passes, with warnings and notes for a person."""

    failing: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        return not self.failing and not self.trouble

    @classmethod
    def of(cls, remarks: Iterable[Remark]) -> DriveVerdict:
        kept = tuple(remarks)

        def of_weight(weight: Weight) -> tuple[str, ...]:
            return tuple(text for each, text in kept if each is weight)

        return cls(
            failing=of_weight(Weight.FAILING),
            trouble=of_weight(Weight.TROUBLE),
            warnings=of_weight(Weight.WARNING),
            notes=of_weight(Weight.NOTE),
        )


# Attributes that mean lost, moved or unreadable data: at their threshold they condemn, whatever kind the drive calls them.
CRITICAL = frozenset({5, 10, 170, 171, 172, 181, 182, 184, 187, 196, 197, 198, 232})
SPARE_LOW = 2  # times its threshold: a person should order the next drive
BAD_CABLE = 1000  # checksum errors in a life: no accident of plugging, whatever cable it was
WORN_PERCENT, WEARING_PERCENT = 100, 80  # of its rated endurance used: a warning, a note
# NVM Express base specification, SMART / Health Information log page, byte 0.
CRITICAL_WARNINGS = {
    0: "spare below its threshold",
    1: "temperature over or under its threshold",
    2: "reliability degraded",
    3: "media read-only",
    4: "volatile memory backup failed",
    5: "persistent memory region unreliable",
}


def judge(report: SmartReport, limits: DriveLimits = DriveLimits()) -> DriveVerdict:
    """One reading of a drive by itself."""
    parts = (
        _own_verdict(report),
        _attributes(report),
        _nvme(report),
        _limits(report, limits),
        _self_test(report),
        _logs(report),
    )
    return DriveVerdict.of(chain(*parts))


def judge_growth(before: SmartReport, after: SmartReport) -> DriveVerdict:
    """Two readings of one drive: growth of a judged counter is failing, and so is what the first did not say and would condemn it;
    a counter that cannot be read any more is trouble."""
    if before.serial != after.serial:
        other = f"the second reading is of another drive ({after.serial}, expected {before.serial})"
        return DriveVerdict(trouble=(other,))
    return DriveVerdict.of(chain(_growth(counters(before), counters(after)), _turned(before, after)))


def _turned(before: SmartReport, after: SmartReport) -> Iterator[Remark]:
    """What the drive says now and did not say before: it calls itself failing, warns, or an attribute reached its threshold."""
    known = set(judge(before).failing)
    grown = {_spoken(name) for name in JUDGED if counters(after).get(name, 0) > counters(before).get(name, 0)}
    for text in judge(after).failing:
        if text not in known and not text.startswith(tuple(grown)):
            yield Weight.FAILING, text


def _growth(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[Remark]:
    for name, value in old.items():
        if name not in new:
            yield Weight.TROUBLE, f"{_spoken(name)} was {value} and can no longer be read"
        elif new[name] > value:
            weight = Weight.FAILING if name in JUDGED else Weight.WARNING if name in WATCHED else Weight.NOTE
            yield weight, f"{_spoken(name)} grew from {value} to {new[name]}"
        elif new[name] < value:
            yield Weight.NOTE, f"{_spoken(name)} fell from {value} to {new[name]}"
    for name in new.keys() - old.keys():
        if name in JUDGED and new[name]:
            yield Weight.TROUBLE, f"{_spoken(name)} is {new[name]} and could not be read before"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _own_verdict(report: SmartReport) -> Iterator[Remark]:
    if report.healthy is False or ExitFlag.FAILING in report.exit_flags:
        why = f": {report.complaint}" if report.complaint else ""
        yield Weight.FAILING, f"the drive says that it is failing{why}"
    for flag in (ExitFlag.COMMAND_LINE, ExitFlag.OPEN_FAILED):
        if flag in report.exit_flags:
            yield Weight.TROUBLE, f"smartctl: {flag}: {'; '.join(report.error_messages) or 'no message'}"
    if report.healthy is None:
        yield Weight.TROUBLE, "the drive's own health verdict was not captured"
    if not _has_counters(report):
        yield Weight.TROUBLE, "its error counters were not captured, so they cannot be judged"
    if ExitFlag.COMMAND_FAILED in report.exit_flags:  # what is missing because of it is told above
        yield Weight.NOTE, f"smartctl: {ExitFlag.COMMAND_FAILED}"


def _has_counters(report: SmartReport) -> bool:
    """SCSI devices may lack a counter log; ATA attributes and the NVMe health page are there on every real drive."""
    if report.protocol is Protocol.ATA:
        return bool(report.attributes)
    if report.protocol is Protocol.NVME:
        return (
            report.nvme is not None
            and report.nvme.critical_warning is not None
            and report.nvme.media_errors is not None
        )
    return report.protocol is Protocol.SCSI


def _attributes(report: SmartReport) -> Iterator[Remark]:
    for each in report.attributes or ():
        text = f"{each.name} ({each.number}) at {each.value}, threshold {each.threshold}"
        if each.failed_when == "now":
            condemns = each.prefailure or each.number in CRITICAL
            yield Weight.FAILING if condemns else Weight.WARNING, text
        elif each.failed_when:
            yield Weight.NOTE, f"{each.name} ({each.number}) was at its threshold in the past (worst {each.worst})"
    if ExitFlag.PREFAIL_NOW in report.exit_flags and not any(
        each.failed_when == "now" for each in report.attributes or ()
    ):
        yield Weight.FAILING, str(ExitFlag.PREFAIL_NOW)


def _nvme(report: SmartReport) -> Iterator[Remark]:
    health = report.nvme
    if not health:
        return
    if health.critical_warning:
        bits = [name for bit, name in CRITICAL_WARNINGS.items() if health.critical_warning >> bit & 1]
        yield Weight.FAILING, f"critical warning 0x{health.critical_warning:02x}: {', '.join(bits) or 'unknown bits'}"
    spare, least = health.available_spare, health.available_spare_threshold
    if spare is not None and least is not None and spare < least:
        yield Weight.FAILING, f"available spare {spare} % is under its threshold of {least} %"
    elif spare is not None and least is not None and spare < least * SPARE_LOW:
        yield Weight.WARNING, f"available spare {spare} %, its threshold is {least} %"


def _limits(report: SmartReport, limits: DriveLimits) -> Iterator[Remark]:
    found = counters(report)
    if report.worn_percent is not None:
        found["percentage_used"] = report.worn_percent
    for name, limit in asdict(limits).items():
        value = found.get(name)
        if value is not None and limit is not None and not value <= limit:
            yield Weight.FAILING, f"{_spoken(name)} {value}, limit {limit}"
            del found[name]
    for name in sorted((JUDGED | WATCHED) & found.keys()):
        if found[name]:
            grave = name in GRAVE or (name == "crc_errors" and found[name] >= BAD_CABLE)
            yield Weight.WARNING if grave else Weight.NOTE, f"{_spoken(name)} {found[name]} in its life"
    worn = found.get("percentage_used", 0)
    if worn >= WEARING_PERCENT:
        yield Weight.WARNING if worn >= WORN_PERCENT else Weight.NOTE, f"{worn} % of its rated endurance used"


def _self_test(report: SmartReport) -> Iterator[Remark]:
    said = judge_tests(report.self_tests or (), report.power_on_hours)
    yield from ((Weight.FAILING, text) for text in said.failing)
    yield from ((Weight.WARNING, text) for text in said.warnings)
    yield from ((Weight.NOTE, text) for text in said.notes)


def _logs(report: SmartReport) -> Iterator[Remark]:
    if report.background_scan and report.background_scan.halted:
        yield Weight.WARNING, f"its background scan stopped: {report.background_scan.halted}"
    if report.error_log_count:
        yield Weight.NOTE, f"{report.error_log_count} old entries in its error log"
    if report.link_bits_s and report.link_max_bits_s and report.link_bits_s < report.link_max_bits_s:
        yield Weight.WARNING, f"its link runs at {report.link_bits_s / 1e9:g} of {report.link_max_bits_s / 1e9:g} Gb/s"
