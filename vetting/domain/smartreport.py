"""What a drive tells about itself: the values of one reading, whoever took it. The rules about them are in `drivehealth`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Protocol(StrEnum):
    ATA = "ATA"
    SCSI = "SCSI"
    NVME = "NVMe"
    UNKNOWN = "unknown"


class TestResult(StrEnum):
    """How a self-test of the drive ended."""

    __test__ = False  # the name means nothing to pytest

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    RUNNING = "running"
    UNKNOWN = "unknown"


class ExitFlag(StrEnum):
    """The bits of smartctl's exit status, from smartctl(8)."""

    COMMAND_LINE = "command line did not parse"  # bit 0
    OPEN_FAILED = "device could not be opened"  # bit 1
    COMMAND_FAILED = "a command failed or a checksum was wrong"  # bit 2
    FAILING = "the drive says that it is failing"  # bit 3
    PREFAIL_NOW = "a pre-failure attribute is at its threshold"  # bit 4
    ATTRIBUTE_PAST = "an attribute was at its threshold in the past"  # bit 5
    ERROR_LOG = "the error log has entries"  # bit 6
    SELF_TEST_LOG = "the self-test log has errors"  # bit 7


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartAttribute:
    """One row of the ATA attribute table."""

    number: int
    name: str
    value: int | None
    worst: int | None
    threshold: int | None
    failed_when: str  # "", "now", "past"
    prefailure: bool
    raw: int | None  # all 48 bits as the drive keeps them
    count: int | None  # the raw value as a number of events, vendor packing undone; None where it is no such thing


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """One entry of the drive's self-test log."""

    kind: str  # Short offline, Extended offline, Background long, Short …
    result: TestResult
    text: str
    hours: int | None  # power-on hours when it ended
    remaining_percent: int | None = None
    first_bad_lba: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeHealth:
    critical_warning: int | None
    media_errors: int | None
    percentage_used: int | None
    available_spare: int | None  # percent
    available_spare_threshold: int | None
    unsafe_shutdowns: int | None
    error_log_entries: int | None
    warning_temp_minutes: int | None
    critical_temp_minutes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiErrors:
    """One row of a SCSI error counter log: read, write or verify."""

    uncorrected: int | None
    corrected: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundScan:
    """What a SCSI drive found when it read itself through while it was idle."""

    halted: str  # why it stopped for good, in smartctl's words; empty where it did not
    unresolved: int  # places in its log that wait for a rewrite, or that could not be replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartReport:
    """Everything that smartctl could tell of one drive. None: it was not captured."""

    device: str
    protocol: Protocol
    device_type: str  # sat, scsi, nvme, sat+megaraid,0 …
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    capacity_bytes: int | None = None
    healthy: bool | None = None  # the drive's own verdict
    complaint: str = ""  # why it calls itself failing, in its own words (SCSI)
    attributes: tuple[SmartAttribute, ...] | None = None  # ATA
    nvme: NvmeHealth | None = None
    grown_defects: int | None = None  # SCSI
    scsi_errors: Mapping[str, ScsiErrors] | None = None  # by read, write, verify
    non_medium_errors: int | None = None  # SCSI: retries and resets, mostly of the cabling
    pending_defects: int | None = None  # places that it could not read and has not replaced: its own list of them
    background_scan: BackgroundScan | None = None  # SCSI
    percentage_used: int | None = None  # SATA and SAS: of its rated endurance; NVMe drives have it in `nvme`
    statistics: Mapping[str, int] = field(default_factory=dict)  # ATA device statistics, by smartctl's names
    error_log_count: int | None = None
    self_tests: tuple[SelfTest, ...] | None = None  # newest first; None: the log was not captured
    self_test_running: bool | None = None
    self_test_remaining_percent: int | None = None
    self_test_minutes: Mapping[str, int] = field(default_factory=dict)  # the drive's own estimate: short, extended
    temperature_c: float | None = None
    power_on_hours: int | None = None
    rotation_rpm: int | None = None  # 0: solid state
    link_bits_s: int | None = None  # SATA, negotiated
    link_max_bits_s: int | None = None
    exit_flags: frozenset[ExitFlag] = frozenset()
    messages: tuple[str, ...] = ()
    error_messages: tuple[str, ...] = ()
    version: str = ""  # of smartctl

    def attribute(self, number: int) -> SmartAttribute | None:
        return next((each for each in self.attributes or () if each.number == number), None)

    @property
    def worn_percent(self) -> int | None:
        """How much of its rated endurance is used; None where it does not tell, or does not wear."""
        return self.nvme.percentage_used if self.nvme else self.percentage_used

    @property
    def latest_self_test(self) -> SelfTest | None:
        return self.self_tests[0] if self.self_tests else None
