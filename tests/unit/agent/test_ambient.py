"""The machine's counters, read from a picture of a server with EDAC, PCIe error reporting and throttle counts."""

from __future__ import annotations

from pathlib import Path

from vetting.agent.ambient import counters, snapshot
from vetting.domain.ambient import judge_counters, rule_of
from vetting.domain.outcome import Verdict

INTERRUPTS = """            CPU0       CPU1
  0:         41          0   IO-APIC    2-edge      timer
MCE:          1          2   Machine check exceptions
MCP:         14         15   Machine check polls
"""
AER = "RxErr 0\nBadTLP 2\nTOTAL_ERR_COR 2\n"


def server(root: Path) -> Path:
    for path, text in {
        "proc/interrupts": INTERRUPTS,
        "sys/devices/system/edac/mc/mc0/dimm0/dimm_label": "DIMM_A1\n",
        "sys/devices/system/edac/mc/mc0/dimm0/dimm_ce_count": "5\n",
        "sys/devices/system/edac/mc/mc0/dimm0/dimm_ue_count": "0\n",
        "sys/devices/system/edac/mc/mc0/dimm1/dimm_label": "DIMM_A1\n",
        "sys/devices/system/edac/mc/mc0/dimm1/dimm_ce_count": "0\n",
        "sys/devices/system/edac/mc/mc0/dimm1/dimm_ue_count": "0\n",
        "sys/devices/system/edac/mc/mc0/ce_noinfo_count": "0\n",
        "sys/devices/system/edac/mc/mc0/ue_noinfo_count": "0\n",
        "sys/devices/system/edac/mc/mc1/ce_count": "3\n",
        "sys/devices/system/edac/mc/mc1/ue_count": "0\n",
        "sys/bus/pci/devices/0000:3b:00.0/aer_dev_correctable": AER,
        "sys/bus/pci/devices/0000:3b:00.0/aer_dev_fatal": "TOTAL_ERR_FATAL 0\n",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "1\n",
        "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "2\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_every_counter_is_read_and_has_a_rule(machine: Path) -> None:
    seen = snapshot(server(machine))
    assert seen["cpu", "mce"] == 3
    assert seen["dimm:DIMM_A1", "corrected"] == 5
    assert seen["dimm:mc0-dimm1", "corrected"] == 0
    assert seen["memory", "mc1_corrected"] == 3
    assert seen["pci:0000:3b:00.0", "aer_dev_correctable"] == 2
    assert seen["cpu", "core_throttle_count"] == 3
    assert seen["nic:52:54:00:ab:cd:ef", "carrier_changes"] == 2
    assert seen["nic:52:54:00:ab:cd:ef", "rx_errors"] is None
    assert (seen["host", "cpus"], seen["host", "disks"], seen["host", "nics"]) == (2, 1, 1)
    without = sorted({name for _, name in seen if rule_of(name) is None})
    assert not without, f"nobody judges {without}"


def test_what_is_not_there_is_not_counted_and_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    seen = snapshot(tmp_path)
    assert seen["host", "oom_kill"] is None
    assert seen["memory", "hardware_corrupted_kb"] is None
    assert seen["host", "disks"] is None
    assert not [key for key in seen if key[0].startswith(("dimm", "pci", "nic"))]


def test_growth_of_uncorrected_errors_fails_the_host(machine: Path) -> None:
    before = snapshot(server(machine))
    (machine / "sys/devices/system/edac/mc/mc0/dimm0/dimm_ue_count").write_text("1\n")
    judged = judge_counters(counters(before, snapshot(machine)))
    assert judged.verdict is Verdict.FAIL
    assert "DIMM_A1" in judged.reason


def test_a_device_that_falls_off_the_bus_is_seen_twice(machine: Path) -> None:
    before = snapshot(server(machine))
    for path in (machine / "sys/bus/pci/devices/0000:3b:00.0").iterdir():
        path.unlink()
    (machine / "sys/bus/pci/devices/0000:3b:00.0").rmdir()
    found = counters(before, snapshot(machine))
    both = {c.name: (c.before, c.after) for c in found}
    assert both["aer_dev_correctable"] == (2.0, None)
    assert both["pci_devices"] == (1.0, 0.0)
    assert judge_counters(found).verdict is Verdict.FAIL
