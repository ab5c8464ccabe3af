"""What the kernel complains of: log lines sorted into kinds, with the component that they name.

The table is the whole rule: the first row that matches speaks. A line that no row matches says nothing about the hardware.
Severity is of the line by itself: CRITICAL means hardware lost or falsified something, WARNING that it coped or that a
counter has to be looked at. Whether an OOM kill was our own load is for the caller to know (`OOM`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from vetting.domain.outcome import Severity
from vetting.parsers.errors import bounded

LINE_CHARS = 1000


class Kind(StrEnum):
    MCE = "mce"
    MEMORY = "memory"  # uncorrectable, page poisoned, process killed for it
    EDAC_CE = "edac_ce"
    EDAC_UE = "edac_ue"
    AER = "aer"
    IO_ERROR = "io_error"
    ATA = "ata"
    NVME = "nvme"
    SCSI = "scsi"
    OOM = "oom"
    HUNG_TASK = "hung_task"
    LOCKUP = "lockup"
    THERMAL = "thermal"
    XID = "xid"
    NIC = "nic"
    FILESYSTEM = "filesystem"
    RAID = "raid"
    CRASH = "crash"  # a process died of a trap or segmentation fault
    KERNEL = "kernel"  # oops, panic, BUG


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelEvent:
    kind: Kind
    severity: Severity
    component: str  # as the line names it: "sda", "0000:3b:00.0", "CPU 3", "stress-ng-vm"; empty where it names none
    text: str  # the line, at most 400 printable characters
    seconds: float | None = None  # since boot, by the kernel's stamp


CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
# GPU errors that accuse the hardware, by NVIDIA's "Xid Errors" catalogue; the others mostly accuse the program.
HARDWARE_XIDS = frozenset({48, 61, 62, 63, 64, 74, 79, 92, 94, 95, 109, 110, 119, 120, 140, 143, 149})
PCI = r"(?P<c>[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])"

_TABLE: tuple[tuple[Kind, Severity, str], ...] = (
    (Kind.MEMORY, CRITICAL, r"MCE: Killing (?P<c>\S+?):\d+ due to hardware memory corruption"),
    (Kind.MEMORY, CRITICAL, r"Killing (?P<c>\S+?):\d+ .{0,80}hardware memory corruption"),
    (Kind.MEMORY, CRITICAL, r"Memory failure: (?P<c>0x[0-9a-f]+)"),
    (Kind.MEMORY, CRITICAL, r"[Hh]ardware memory (?:corruption|error)"),
    (Kind.MEMORY, WARNING, r"\[Hardware Error\]: +DIMM location: (?P<c>(?!not present)\S.{0,80})"),
    (Kind.MCE, WARNING, r"\[Hardware Error\]: (?:event severity: corrected|.{0,20}Corrected error)"),
    (Kind.MCE, CRITICAL, r"\[Hardware Error\]: (?:event severity: (?:recoverable|fatal)|.{0,20}(?:Uncorrected|Deferred|Fatal))"),
    # The status that the bank held (Intel SDM 3B, 17.3.2.2): its bit 61 says that the error was not corrected.
    (Kind.MCE, CRITICAL, r"\[Hardware Error\]: CPU (?P<c>\d+): Machine Check: \S+ Bank \d+: [2367abef][0-9a-f]{15}\b"),
    (Kind.MCE, WARNING, r"\[Hardware Error\]: CPU (?P<c>\d+).{0,20}[Mm]achine [Cc]heck"),
    (Kind.MCE, CRITICAL, r"Machine [Cc]heck(?: Exception)?: .{0,40}(?:[Pp]anic|[Ff]atal)|mce: .{0,20}Uncorrected"),
    (Kind.MCE, WARNING, r"Machine check events logged|mce: .{0,20}[Hh]ardware [Ee]rror|threshold interrupt"),
    (Kind.MCE, WARNING, r"mce: CPU(?P<c>\d+).{0,40}(?:error|CMCI storm)"),
    # What firmware found first and told by ACPI (UEFI, N.2.5): a record's line about a memory error of the corrected kinds.
    (Kind.EDAC_CE, WARNING, r"\[Hardware Error\]:\s+error_type: \d+, (?:single-bit ECC|single-symbol chipkill ECC|scrub corrected error)"),
    (Kind.EDAC_UE, CRITICAL, r"EDAC (?P<c>\S+?): .{0,20}\b(?:\d+ )?UE\b"),
    (Kind.EDAC_CE, WARNING, r"EDAC (?P<c>\S+?): .{0,20}\b(?:\d+ )?CE\b"),
    (Kind.AER, WARNING, PCI + r".{0,60}(?:PCIe Bus Error: severity=Correct(?:ed|able)|AER: (?:Multiple )?Correct(?:ed|able) error)"),
    (Kind.AER, CRITICAL, PCI + r".{0,60}(?:PCIe Bus Error: severity=Uncorrect|AER: (?:Multiple )?Uncorrect)"),
    (Kind.AER, CRITICAL, PCI + r".{0,60}(?:DPC: containment event|AER: .{0,40}device recovery failed)"),
    (Kind.AER, WARNING, r"pcieport " + PCI + r".{0,40}(?:Link Down|Slot.{0,10}Link Down|bandwidth)"),
    (Kind.XID, CRITICAL, r"NVRM: Xid \((?:PCI:)?(?P<c>[0-9a-fA-F:.]+)\): (?P<xid>\d{1,4})"),
    (Kind.XID, CRITICAL, r"NVRM: (?:.{0,40}GPU (?P<c>[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?))?.{0,60}fallen off the bus"),
    (Kind.XID, CRITICAL, r"amdgpu (?P<c>[0-9a-fA-F:.]+).{0,60}(?:uncorrectable|ring \S+ timeout|GPU reset)"),
    # Empty optical and floppy drives, real or a BMC's, answer so whenever anybody looks at them.
    (Kind.IO_ERROR, INFO, r"(?:I/O error|critical \w+ error),? (?:on )?dev(?:ice)? (?P<c>(?:sr|fd)\d+)\b"),
    (Kind.IO_ERROR, CRITICAL, r"(?:I/O error|critical (?:medium|target|nexus|space allocation) error),? (?:on )?dev(?:ice)? (?P<c>[\w!-]+)"),
    (Kind.IO_ERROR, CRITICAL, r"\[(?P<c>sd[a-z]+)\].{0,60}(?:Sense Key : (?:Medium|Hardware) Error|Unrecovered read error)"),
    (Kind.IO_ERROR, CRITICAL, r"protection error, dev (?P<c>[\w!-]+)|Buffer I/O error"),
    (Kind.NVME, CRITICAL, r"nvme (?P<c>nvme\d+): .{0,60}(?:(?<!Shutdown )timeout|controller is down|Device not ready|Remov(?:ing|e) after|Disabling device)"),
    (Kind.NVME, WARNING, r"nvme (?P<c>nvme\d+): .{0,40}(?:reset|[Aa]bort status)"),
    (Kind.ATA, CRITICAL, r"(?P<c>ata\d+(?:\.\d+)?): (?:disabled|disable device|COMRESET failed|reset failed|limiting SATA link speed)"),
    (Kind.ATA, WARNING, r"(?P<c>ata\d+(?:\.\d+)?): (?:exception Emask|failed command|hard resetting link|softreset failed|link is slow)"),
    (Kind.ATA, WARNING, r"(?P<c>ata\d+(?:\.\d+)?): (?:error: \{|SError: \{|irq_stat .{0,40}error)"),
    (Kind.SCSI, CRITICAL, r"\[(?P<c>sd[a-z]+)\].{0,40}(?:rejecting I/O to offline device|Synchroniz.{0,20}failed)|Device offlined"),
    (Kind.SCSI, CRITICAL, r"(?P<c>(?:mpt\dsas|megaraid_sas|hpsa|aacraid|smartpqi)\S*).{0,60}(?:\b(?:fault|FAULT|dead)\b|failed state|reset adapter)"),
    (Kind.SCSI, WARNING, r"(?P<c>(?:mpt\dsas|megaraid_sas|hpsa|aacraid|smartpqi)\S*).{0,60}(?:task abort|resetting|log_info.{0,60}SubClass|timeout)"),
    (Kind.OOM, WARNING, r"(?:Memory cgroup out of memory|Out of memory): Kill(?:ed)? process \d+ \((?P<c>[^)]{1,40})\)"),
    (Kind.OOM, WARNING, r"(?P<c>\S{1,40}) invoked oom-killer"),
    (Kind.OOM, WARNING, r"oom-kill:constraint=(?P<c>\w+)"),
    (Kind.LOCKUP, CRITICAL, r"(?:soft lockup|hard LOCKUP).{0,20}(?P<c>CPU ?#?\d+)|(?:soft lockup|hard LOCKUP)"),
    (Kind.LOCKUP, WARNING, r"rcu.{0,40}(?:self-detected stall|detected stalls)"),
    (Kind.LOCKUP, WARNING, r"clocksource: .{0,80}(?:unstable|wd-.{0,20}skew)|Clocksource \S+ unstable"),
    (Kind.HUNG_TASK, WARNING, r"INFO: task (?P<c>\S{1,40}):\d+ blocked for more than"),
    (Kind.THERMAL, CRITICAL, r"(?P<c>thermal \S+|\S+): critical temperature reached"),
    (Kind.THERMAL, WARNING, r"(?P<c>CPU\d+): (?:Core|Package) temperature(?:/power limit)? (?:is )?above threshold|cpu clock throttled"),
    (Kind.NIC, CRITICAL, r"NETDEV WATCHDOG: (?:CPU: \d+: )?(?P<c>[\w.-]+)|(?P<d>[\w.-]+): Detected (?:Hardware Unit Hang|Tx Unit Hang)"),
    (Kind.NIC, CRITICAL, r"(?P<c>[\w.-]+): transmit queue \d+ timed out"),
    (Kind.NIC, WARNING, r"(?:^|[ :])(?P<c>[a-z][\w.-]{1,15}): (?:NIC )?[Ll]ink is [Dd]own"),
    (Kind.RAID, CRITICAL, r"md/raid\d*:(?P<c>\w+): (?:Disk failure|read error|Operation continuing on)"),
    (Kind.FILESYSTEM, WARNING, r"EXT4-fs error \(device (?P<c>[\w-]+)\)"),
    (Kind.FILESYSTEM, WARNING, r"(?:XFS|BTRFS (?:error|warning)) \((?:device )?(?P<c>[\w-]+)\)?.{0,80}(?:[Ee]rror|[Cc]orrupt|csum failed)"),
    (Kind.KERNEL, CRITICAL, r"Kernel panic|BUG: unable to handle|Oops:|kernel BUG at|Internal error:|general protection fault, (?:probably|maybe)"),
    (Kind.CRASH, WARNING, r"(?P<c>[\w.-]{1,40})\[\d+\]: segfault at|traps: (?P<d>[\w.-]{1,40})\[\d+\]"),
)  # fmt: skip
TABLE = tuple((kind, severity, re.compile(pattern)) for kind, severity, pattern in _TABLE)
# Words of which at least one stands in every line that a row can match: spares the table for the thousands that cannot.
HINT = re.compile(
    r"rror|MCE|mce|[Hh]ardware|Memory failure|EDAC|AER|PCIe|pcieport|Xid|NVRM|amdgpu|dev |Sense|nvme|ata\d|sd[a-z]|mpt|megaraid|hpsa|"
    r"aacraid|smartpqi|oom|memory|ockup|LOCKUP|rcu|locksource|blocked|temperature|throttled|WATCHDOG|Hang|timed out|[Ll]ink|"
    r"md/raid|-fs|XFS|BTRFS|panic|BUG|Oops|fault|trap|hreshold|[Mm]achine [Cc]heck|offline"
)
STAMP = re.compile(r"(?:<\d{1,3}>)?\[\s*(\d{1,9}\.\d{1,9})(?:,[^\]]{0,40})?\]\s?(?:\[[^\]]{1,20}\] )?(.*)")
RECORD = re.compile(r"(\d{1,4}),(\d{1,20}),(\d{1,20}),[^;]{0,60};(.*)")


def parse(text: str) -> tuple[KernelEvent, ...]:
    """Every complaint in a kernel log: lines of /dev/kmsg, of dmesg, or bare. Never raises: a log may say anything."""
    return tuple(event for line in text.splitlines() if (event := classify(line)))


def classify(line: str) -> KernelEvent | None:
    """One line; None where it complains of nothing."""
    seconds, said = _stamped(line[:LINE_CHARS])
    if not HINT.search(said):
        return None
    for kind, severity, pattern in TABLE:
        if match := pattern.search(said):
            groups = match.groupdict()
            if kind is Kind.XID and groups.get("xid") and int(groups["xid"]) not in HARDWARE_XIDS:
                severity = WARNING
            component = groups.get("c") or groups.get("d") or ""
            return KernelEvent(
                kind=kind, severity=severity, component=bounded(component, 60), text=bounded(said, 400), seconds=seconds
            )
    return None


def corrected(event: KernelEvent) -> str:
    """Whose error was corrected, where this is the line, one of several, by which the kernel tells of one: cpu:3, or memory."""
    if event.kind is Kind.MCE and event.severity is WARNING and "Machine Check:" in event.text:
        return f"cpu:{event.component}"
    return "memory" if event.kind is Kind.EDAC_CE and "error_type:" in event.text else ""


def _stamped(line: str) -> tuple[float | None, str]:
    """(seconds since boot or None, text) of "6,339,5140900,-;text", "[    5.140900] text" or "text"."""
    if match := RECORD.match(line):
        return int(match[3]) / 1e6, match[4]
    if match := STAMP.match(line):
        return float(match[1]), match[2]
    return None, line


def sequence(line: str) -> int | None:
    """The sequence number of a /dev/kmsg record, to see whether lines were lost; None for any other line."""
    match = RECORD.match(line[:LINE_CHARS])
    return int(match[2]) if match else None
