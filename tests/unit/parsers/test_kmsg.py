"""Kernel log lines, in the kernel's own words, and the kind, weight and component that each amounts to.

The lines are written after the format strings in the kernel's sources (6.1 and 6.12); no recording of a dying server lies at hand.
"""

from __future__ import annotations

import pytest

from vetting.domain.outcome import Severity
from vetting.parsers import kmsg
from vetting.parsers.kmsg import Kind

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING

LINES: list[tuple[str, Kind, Severity, str]] = [
    ("MCE: Killing stress-ng-vm:4242 due to hardware memory corruption fault at 7f0012345000", Kind.MEMORY, CRITICAL, "stress-ng-vm"),
    ("Memory failure: 0x12f3c4: recovery action for dirty LRU page: Recovered", Kind.MEMORY, CRITICAL, "0x12f3c4"),
    ("mce: [Hardware Error]: Machine check events logged", Kind.MCE, WARNING, ""),
    ("{1}[Hardware Error]: event severity: corrected", Kind.MCE, WARNING, ""),
    ("{1}[Hardware Error]: event severity: recoverable", Kind.MCE, CRITICAL, ""),
    ("[Hardware Error]: Corrected error, no action required.", Kind.MCE, WARNING, ""),
    ("[Hardware Error]: Uncorrected, software containable error.", Kind.MCE, CRITICAL, ""),
    ("mce: [Hardware Error]: CPU 7: Machine Check: 0 Bank 5: be00000000800400", Kind.MCE, CRITICAL, "7"),
    ("mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 9: bd000000000000c0", Kind.MCE, CRITICAL, "1"),
    ("mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 6: 9c00004000010090", Kind.MCE, WARNING, "1"),
    ("Kernel panic - not syncing: Fatal machine check", Kind.KERNEL, CRITICAL, ""),
    (
        "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x1 offset:0x0 grain:32 syndrome:0x0)",
        Kind.EDAC_CE, WARNING, "MC0",
    ),
    ("{2}[Hardware Error]: error_type: 4, single-symbol chipkill ECC", Kind.EDAC_CE, WARNING, ""),
    ("EDAC MC1: 1 UE memory scrubbing error on CPU_SrcID#1_MC#0_Chan#0_DIMM#0 (channel:0)", Kind.EDAC_UE, CRITICAL, "MC1"),
    ("pcieport 0000:00:1c.0: AER: Corrected error received: 0000:01:00.0", Kind.AER, WARNING, "0000:00:1c.0"),
    ("pcieport 0000:00:1c.0: AER: Correctable error message received from 0000:01:00.0", Kind.AER, WARNING, "0000:00:1c.0"),
    ("nvme 0000:3b:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)", Kind.AER, WARNING, "0000:3b:00.0"),
    ("e1000e 0000:01:00.0: PCIe Bus Error: severity=Correctable, type=Data Link Layer, (Receiver ID)", Kind.AER, WARNING, "0000:01:00.0"),
    ("pcieport 0000:00:1c.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0", Kind.AER, CRITICAL, "0000:00:1c.0"),
    ("ixgbe 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer", Kind.AER, CRITICAL, "0000:01:00.0"),
    ("I/O error, dev sda, sector 123456 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", Kind.IO_ERROR, CRITICAL, "sda"),
    ("blk_update_request: I/O error, dev nvme0n1, sector 8 op 0x1:(WRITE)", Kind.IO_ERROR, CRITICAL, "nvme0n1"),
    ("critical medium error, dev sdb, sector 4096 op 0x0:(READ)", Kind.IO_ERROR, CRITICAL, "sdb"),
    ("Buffer I/O error on dev sdc1, logical block 0, async page read", Kind.IO_ERROR, CRITICAL, "sdc1"),
    ("sd 0:0:0:0: [sda] tag#5 Sense Key : Medium Error [current]", Kind.IO_ERROR, CRITICAL, "sda"),
    ("nvme nvme0: I/O 128 QID 4 timeout, aborting", Kind.NVME, CRITICAL, "nvme0"),
    ("nvme nvme1: I/O tag 9 (b009) opcode 0x1 (I/O Cmd) QID 2 timeout, aborting req_op:WRITE(1) size:4096", Kind.NVME, CRITICAL, "nvme1"),
    ("nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff", Kind.NVME, CRITICAL, "nvme0"),
    ("nvme nvme0: Device not ready; aborting reset, CSTS=0x1", Kind.NVME, CRITICAL, "nvme0"),
    ("ata3.00: exception Emask 0x10 SAct 0x0 SErr 0x400100 action 0x6 frozen", Kind.ATA, WARNING, "ata3.00"),
    ("ata3: hard resetting link", Kind.ATA, WARNING, "ata3"),
    ("ata3.00: disable device", Kind.ATA, CRITICAL, "ata3.00"),
    ("ata5: limiting SATA link speed to 1.5 Gbps", Kind.ATA, CRITICAL, "ata5"),
    ("sd 2:0:0:0: [sdd] Synchronize Cache(10) failed: Result: hostbyte=DID_BAD_TARGET", Kind.SCSI, CRITICAL, "sdd"),
    ("Out of memory: Killed process 4711 (stress-ng-vm) total-vm:1234kB, anon-rss:1kB", Kind.OOM, WARNING, "stress-ng-vm"),
    ("Memory cgroup out of memory: Killed process 4711 (fio) total-vm:1234kB", Kind.OOM, WARNING, "fio"),
    ("stress-ng-vm invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), order=0, oom_score_adj=500", Kind.OOM, WARNING, "stress-ng-vm"),
    ("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0", Kind.OOM, WARNING, "CONSTRAINT_MEMCG"),
    ("INFO: task kworker/3:1:812 blocked for more than 120 seconds.", Kind.HUNG_TASK, WARNING, "kworker/3:1"),
    ("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [stress-ng:99]", Kind.LOCKUP, CRITICAL, "CPU#3"),
    ("rcu: INFO: rcu_preempt self-detected stall on CPU", Kind.LOCKUP, WARNING, ""),
    ("CPU4: Core temperature above threshold, cpu clock throttled (total events = 12)", Kind.THERMAL, WARNING, "CPU4"),
    ("CPU4: Package temperature is above threshold, cpu clock is throttled (total events = 12)", Kind.THERMAL, WARNING, "CPU4"),
    ("thermal thermal_zone0: acpitz: critical temperature reached, shutting down", Kind.THERMAL, CRITICAL, ""),
    ("NVRM: Xid (PCI:0000:03:00): 79, pid=1234, name=gpu_burn, GPU has fallen off the bus.", Kind.XID, CRITICAL, "0000:03:00"),
    ("NVRM: GPU 0000:03:00.0: GPU has fallen off the bus.", Kind.XID, CRITICAL, "0000:03:00.0"),
    ("NVRM: The GPU has fallen off the bus.", Kind.XID, CRITICAL, ""),
    ("NVRM: Xid (PCI:0000:03:00): 48, pid=1, DBE (double bit error) ECC Error on GPU", Kind.XID, CRITICAL, "0000:03:00"),
    ("NVRM: Xid (PCI:0000:03:00): 63, pid=1, Row Remapper: New row marked for remapping", Kind.XID, CRITICAL, "0000:03:00"),
    ("NVRM: Xid (PCI:0000:03:00): 74, pid=1, NVLink: fatal error detected on link 4", Kind.XID, CRITICAL, "0000:03:00"),
    ("NVRM: Xid (PCI:0000:03:00): 94, pid=1, Contained: SM (0x1)", Kind.XID, CRITICAL, "0000:03:00"),
    ("NVRM: Xid (PCI:0000:03:00): 13, pid=1, Graphics SM Warp Exception", Kind.XID, WARNING, "0000:03:00"),
    ("NVRM: Xid (PCI:0000:03:00): 31, pid=1234, name=x, Ch 00000008, intr 00000000. MMU Fault", Kind.XID, WARNING, "0000:03:00"),
    ("NETDEV WATCHDOG: eno1 (ixgbe): transmit queue 3 timed out", Kind.NIC, CRITICAL, "eno1"),
    ("e1000e 0000:00:19.0 eno1: Detected Hardware Unit Hang:", Kind.NIC, CRITICAL, "eno1"),
    ("ixgbe 0000:01:00.0 eno1: NIC Link is Down", Kind.NIC, WARNING, "eno1"),
    ("md/raid1:md0: Disk failure on sdb1, disabling device.", Kind.RAID, CRITICAL, "md0"),
    ("EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: iget: checksum invalid", Kind.FILESYSTEM, WARNING, "sda1"),
    ("BUG: unable to handle page fault for address: ffffc90000000000", Kind.KERNEL, CRITICAL, ""),
    ("stress-ng-cpu[4711]: segfault at 0 ip 000055 sp 00007f error 4 in stress-ng", Kind.CRASH, WARNING, "stress-ng-cpu"),
    ("traps: stress-ng-vecma[99] trap invalid opcode ip:55 sp:7f error:0", Kind.CRASH, WARNING, "stress-ng-vecma"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "severity", "component"), LINES, ids=lambda value: str(value)[:40])
def test_a_complaint_has_its_kind_weight_and_component(
    line: str, kind: Kind, severity: Severity, component: str
) -> None:
    event = kmsg.classify(line)
    assert event is not None
    assert (event.kind, event.severity) == (kind, severity)
    if component:
        assert event.component == component
    assert event.text == line[:400] or len(event.text) == 400


@pytest.mark.parametrize(
    "line",
    [
        "Linux version 6.12.0-amd64 (debian-kernel@lists.debian.org)",
        "EDAC MC: Ver: 3.0.0",
        "EDAC MC0: Giving out device to module skx_edac controller Skylake Socket#0 IMC#0",
        "mce: CPU0: Thermal monitoring enabled (TM1)",
        "MCE: In-kernel MCE decoding enabled.",
        "mce: CPU4: Core temperature/speed normal",
        "pcieport 0000:00:1c.0: AER: enabled with IRQ 24",
        "nvme nvme0: 8/0/0 default/read/poll queues",
        "nvme nvme0: pci function 0000:3b:00.0",
        "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)",
        "ata2: SATA link down (SStatus 0 SControl 300)",
        "ata1.00: ATA-9: INTEL SSDSC2BB240G4, D2010355, max UDMA/133",
        "sd 0:0:0:0: [sda] Attached SCSI disk",
        "EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.",
        "XFS (sdb1): Mounting V5 Filesystem",
        "EXT4-fs (sda1): re-mounted r/o. errors=remount-ro",
        "ixgbe 0000:01:00.0 eno1: NIC Link is Up 10 Gbps, Flow Control: RX/TX",
        "md/raid1:md0: active with 2 out of 2 mirrors",
        "ACPI: thermal: Thermal Zone [TZ00] (28 C)",
        "Memory: 24643768K/25165824K available",
        "oom_reaper: reaped process 4711 (stress-ng-vm), now anon-rss:0kB",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.54.03",
        "nvme nvme0: Shutdown timeout set to 10 seconds",
        "mpt3sas_cm0: using default queue depth",
        "megaraid_sas 0000:3b:00.0: deadline of the default profile",
        "",
    ],
)
def test_a_healthy_boot_complains_of_nothing(line: str) -> None:
    assert kmsg.classify(line) is None


@pytest.mark.parametrize(
    "prefix", ["", "[  512.345678] ", "<3>[  512.345678] ", "[  512.345678,3] ", "3,1042,512345678,-;"]
)
def test_stamps_of_every_kind_are_read(prefix: str) -> None:
    event = kmsg.classify(f"{prefix}I/O error, dev sda, sector 1")
    assert event is not None and event.component == "sda"
    assert event.text == "I/O error, dev sda, sector 1"
    assert event.seconds == (pytest.approx(512.345678) if prefix else None)


def test_sequence_numbers_show_lost_lines() -> None:
    assert kmsg.sequence("6,1042,512345678,-;text") == 1042
    assert kmsg.sequence("6,1042,512345678,-,caller=T1;text") == 1042
    assert kmsg.sequence("[ 512.3] text") is None


def test_a_whole_log_gives_its_complaints_in_order() -> None:
    log = "\n".join(
        [
            "[    1.0] usb 1-1: new device",
            "[    2.0] ata3: hard resetting link",
            "[    3.0] critical medium error, dev sdb, sector 9",
        ]
    )
    assert [(event.kind, event.seconds) for event in kmsg.parse(log)] == [(Kind.ATA, 2.0), (Kind.IO_ERROR, 3.0)]


def test_a_hostile_line_is_bounded_and_printable() -> None:
    event = kmsg.classify("I/O error, dev sda \x1b[31m" + "x" * 5000)
    assert event is not None
    assert len(event.text) <= 400 and event.text.isprintable()


def test_every_row_of_the_table_can_be_reached() -> None:
    """A line that shows for each kind that the quick look lets it through to the table."""
    assert {kind for _, kind, _, _ in LINES} == set(Kind)


@pytest.mark.parametrize("name", ["sr0", "fd0"])
def test_an_empty_drive_of_a_bmc_accuses_nobody(name: str) -> None:
    """Inventory looks at all block devices, and each empty one answers with an I/O error."""
    for line in (
        f"blk_update_request: I/O error, dev {name}, sector 0 op 0x0:(READ)",
        f"Buffer I/O error on dev {name}",
    ):
        event = kmsg.classify(line)
        assert event is not None
        assert event.severity is Severity.INFO


@pytest.mark.parametrize("name", ["sda", "nvme0n1", "loop0", "srx", "dm-0"])
def test_an_io_error_of_any_other_disk_does(name: str) -> None:
    event = kmsg.classify(f"I/O error, dev {name}, sector 8")
    assert event is not None
    assert event.severity is Severity.CRITICAL
