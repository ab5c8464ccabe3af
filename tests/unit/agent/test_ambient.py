"""The machine's counters, read from a picture of a server with EDAC, PCIe error reporting and throttle counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.domain import healthy
from vetting.agent.ambient import counters, snapshot
from vetting.domain import dimmnames
from vetting.domain.ambient import judge_counters, rule_of
from vetting.domain.inventory import FoundDimm
from vetting.domain.outcome import Verdict
from vetting.identity import identity

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
    assert (seen["host", "gpus"], seen["memory", "dimms"]) == (0, 2)
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


def write(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode() if isinstance(text, str) else text)


def test_what_a_bmc_plugs_in_and_out_at_will_is_no_part_of_the_host(machine: Path) -> None:
    """Virtual media, and the network link over USB whose MAC address many BMCs make up at each boot."""
    before, was = snapshot(machine), identity(machine)
    write(machine, "sys/class/net/usb0/address", "be:3a:f2:b6:05:9f\n")
    write(machine, "sys/class/net/usb0/carrier_changes", "7\n")
    write(
        machine, "sys/class/net/usb0/device/uevent", "DEVTYPE=usb_interface\nDRIVER=cdc_ether\nPRODUCT=46b/ffb0/100\n"
    )
    write(machine, "sys/class/net/eno1v0/address", "02:00:00:00:00:01\n")
    write(machine, "sys/class/net/eno1v0/device/physfn/vendor", "0x8086\n")
    write(machine, "sys/devices/pci0/usb1/1-1/host9/target9/block/sdz/device/uevent", "")
    write(machine, "sys/devices/pci0/usb1/1-1/host9/target9/block/sdz/serial", "AAAABBBBCCCC3\n")
    (machine / "sys/block/sdz").symlink_to("../devices/pci0/usb1/1-1/host9/target9/block/sdz")
    assert snapshot(machine) == before
    assert identity(machine) == was


def test_a_gpu_that_falls_off_the_bus_is_named(machine: Path) -> None:
    for slot, kind, vendor in (
        ("3b", "0x030200", "0x10de"),
        ("02", "0x030000", "0x1a03"),
        ("03", "0x020000", "0x8086"),
    ):
        write(machine, f"sys/bus/pci/devices/0000:{slot}:00.0/class", kind + "\n")
        write(machine, f"sys/bus/pci/devices/0000:{slot}:00.0/vendor", vendor + "\n")
    before = snapshot(machine)
    assert before["host", "gpus"] == 1
    for name in ("class", "vendor"):
        (machine / "sys/bus/pci/devices/0000:3b:00.0" / name).unlink()
    judged = judge_counters(counters(before, snapshot(machine)))
    assert judged.verdict is Verdict.FAIL
    assert "GPU" in judged.reason


def test_memory_modules_are_counted_by_the_firmwares_table_where_edac_is_silent(machine: Path) -> None:
    for number, size in enumerate((b"\x00\x40", b"\x00\x00", b"\xff\x7f")):
        write(machine, f"sys/firmware/dmi/entries/17-{number}/raw", bytes(12) + size + bytes(20))
    assert snapshot(machine)["memory", "dimms"] == 2
    assert ("memory", "dimms") not in snapshot(machine / "nowhere")


def test_a_growing_counter_is_told_as_the_module_to_order(machine: Path) -> None:
    """The label that EDAC has from the board, joined with what Inventory read of the slots."""
    label = "sys/devices/system/edac/mc/mc0/dimm0/dimm_label"
    fitted = tuple(
        FoundDimm(locator=f"A{n}", size_bytes=2**34, serial=f"18ABE4A{n}", part_number="M393A2G40DB0-CPB")
        for n in (1, 2)
    )
    inventory = replace(healthy.INVENTORY, dimms=fitted)
    for said, component, words in (
        ("DIMM_A1", "dimm:A1", "DIMM A1 (serial 18ABE4A1, part M393A2G40DB0-CPB): corrected memory errors (EDAC)"),
        (
            "CPU_SrcID#0_MC#0_Chan#0_DIMM#0",
            "dimm:CPU_SrcID#0_MC#0_Chan#0_DIMM#0",
            "dimm:CPU_SrcID#0_MC#0_Chan#0_DIMM#0: corrected",
        ),
    ):
        before = snapshot(server(machine))
        write(machine, label, f"{said}\n")
        write(machine, "sys/devices/system/edac/mc/mc0/dimm1/dimm_label", "DIMM_A2\n")
        before = snapshot(machine)
        write(machine, "sys/devices/system/edac/mc/mc0/dimm0/dimm_ce_count", "25\n")
        moved = counters(before, snapshot(machine))
        slots = dimmnames.parts((one.component for one in moved), inventory)
        named = [replace(one, component=slots[one.component]) for one in moved]
        judged = judge_counters(named, inventory=inventory)
        assert judged.verdict is Verdict.FAIL
        assert judged.reason.startswith(words)
        assert {one.component for one in judged.findings if "EDAC" in one.text} == {component}
