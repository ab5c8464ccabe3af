"""What a drive counts, under one name whatever its protocol and maker call it; and whom the growth of each accuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vetting.domain.smartreport import Protocol, SmartReport

# ATA attribute numbers, a part of the name which says that this maker means it so, and the name of the counter.
ATA_COUNTERS: tuple[tuple[frozenset[int], str, str], ...] = (
    (frozenset({5}), r"realloc", "reallocated_sectors"),
    (frozenset({10}), r"spin_retry", "spin_retries"),
    (frozenset({184}), r"end-to-end", "end_to_end_errors"),
    (frozenset({187, 195}), r"uncorrect", "reported_uncorrectable"),
    (frozenset({188}), r"timeout", "command_timeouts"),
    (frozenset({197}), r"pending", "pending_sectors"),
    (frozenset({198}), r"uncorrect", "offline_uncorrectable"),
    (frozenset({199}), r"crc", "crc_errors"),
    (frozenset({171, 181}), r"program_fail", "program_failures"),
    (frozenset({172, 182}), r"erase_fail", "erase_failures"),
    (frozenset({183, 243}), r"downshift", "link_downshifts"),
)
# The same from the drive's own statistics (ACS-4, 9.5), where it has no such attribute.
STATISTICS = {
    "reallocated_sectors": "Number of Reallocated Logical Sectors",
    "pending_sectors": "Number of Realloc. Candidate Logical Sectors",
    "reported_uncorrectable": "Number of Reported Uncorrectable Errors",
    "crc_errors": "Number of Interface CRC Errors",
}
# Counters whose growth during a test accuses the drive or its cabling.
JUDGED = frozenset(
    {
        "reallocated_sectors", "spin_retries", "end_to_end_errors", "reported_uncorrectable", "pending_sectors",
        "offline_uncorrectable", "crc_errors", "media_errors", "grown_defects", "uncorrected_read", "uncorrected_write",
        "uncorrected_verify", "pending_defects", "unresolved_places",
    }
)  # fmt: skip
# Those whose growth a person should know, and which sound drives have now and then: a command that took seconds among
# thousands, a block of flash that was replaced from the spare, minutes spent too warm.
WATCHED = frozenset(
    {
        "command_timeouts", "program_failures", "erase_failures", "link_downshifts", "non_medium_errors",
        "warning_temp_minutes", "critical_temp_minutes",
    }
)  # fmt: skip
# Judged counters that tell of data lost or moved, so that even an old value is worth a warning.
GRAVE = JUDGED - {"crc_errors", "spin_retries"}


def counters(report: SmartReport) -> dict[str, int]:
    """The counters that this drive has, for a reading before and one after. One that was not captured is absent."""
    found: dict[str, int] = {}
    for name, value in _all(report):
        if value is not None:
            found.setdefault(name, value)
    return found


def _all(report: SmartReport) -> Iterator[tuple[str, int | None]]:
    for numbers, meaning, name in ATA_COUNTERS:
        for each in report.attributes or ():
            if each.number in numbers and re.search(meaning, each.name, re.IGNORECASE):
                yield name, each.count
    for name, title in STATISTICS.items():
        yield name, report.statistics.get(title)
    if report.nvme:
        yield "media_errors", report.nvme.media_errors
        yield "nvme_error_log", report.nvme.error_log_entries
        yield "warning_temp_minutes", report.nvme.warning_temp_minutes
        yield "critical_temp_minutes", report.nvme.critical_temp_minutes
    yield "grown_defects", report.grown_defects
    for direction, row in (report.scsi_errors or {}).items():
        yield f"uncorrected_{direction}", row.uncorrected
    yield "non_medium_errors", report.non_medium_errors
    yield "pending_defects", report.pending_defects
    if report.background_scan:
        yield "unresolved_places", report.background_scan.unresolved
    if report.protocol is Protocol.ATA:
        yield "ata_error_log", report.error_log_count
