"""A physical server for the stages that take stock of it: tables, cards, drives, a BMC; each part can be left out or changed."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.drive_world import ata, block, lsblk, nvme, says, scan
from tests.fakes.scripted_deps import Says, Text
from tests.fakes.stage_world import tool_text

NO_BMC = "Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: No such file or directory"

SDR = """\
CPU1 Temp        | 01h | ok  |  3.1 | 45 degrees C
12V              | 30h | ok  |  7.17 | 12.19 Volts
5VCC             | 31h | ok  |  7.33 | 5.03 Volts
Vcpu1            | 34h | ok  |  3.3 | 1.80 Volts
FAN1             | 41h | ok  | 29.1 | 3400 RPM
PS1 Input Power  | 70h | ok  | 10.1 | 220 Watts
PS1 Status       | c8h | ok  | 10.1 | Presence detected
PS2 Status       | c9h | ok  | 10.2 | Presence detected
"""

MC_INFO = """\
Device ID                 : 32
Device Revision           : 1
Firmware Revision         : 1.74
IPMI Version              : 2.0
Manufacturer ID           : 10876
Manufacturer Name         : Supermicro
Product ID                : 2355 (0x0933)
Device Available          : yes
Aux Firmware Rev Info     :
    0x0b
    0x00
"""

DRIVER = """\
driver: ixgbe
version: 6.12.0
firmware-version: 0x800005d0, 1.1908.0
expansion-rom-version:
bus-info: 0000:03:00.0
"""

LINK = """\
Settings for eno1:
\tSupported ports: [ TP ]
\tSupported link modes:   1000baseT/Full
\t                        10000baseT/Full
\tSpeed: 10000Mb/s
\tDuplex: Full
\tAuto-negotiation: on
\tLink detected: yes
"""


def pci(*rows: tuple[str, str, str, str]) -> str:
    """lspci -Dvmmnnk of (slot, "Class [code]", "Vendor [code]", "Device [code]")."""
    return "".join(
        f"Slot:\t{slot}\nClass:\t{kind}\nVendor:\t{vendor}\nDevice:\t{device}\nRev:\ta1\n\n"
        for slot, kind, vendor, device in rows
    )


ASPEED = ("0000:05:00.0", "VGA compatible controller [0300]", "ASPEED Technology, Inc. [1a03]", "Graphics [2000]")
HBA = ("0000:02:00.0", "Serial Attached SCSI controller [0107]", "Broadcom / LSI [1000]", "SAS3008 [0097]")
NVIDIA = ("0000:01:00.0", "3D controller [0302]", "NVIDIA Corporation [10de]", "GA100 [20b2]")
AMD = ("0000:41:00.0", "Display controller [0380]", "Advanced Micro Devices, Inc. [AMD/ATI] [1002]", "MI210 [740f]")


def interface(name: str, mac: str, *, up: bool = True, **fields: Any) -> dict[str, Any]:
    flags = ["BROADCAST", "MULTICAST", *(["UP", "LOWER_UP"] if up else [])]
    return {"ifindex": 2, "ifname": name, "flags": flags, "link_type": "ether", "address": mac, **fields}


def ip_link(*interfaces: dict[str, Any]) -> Says:
    return Says("ip", stdout=json.dumps(interfaces))


CARDS = (
    interface("eno1", "AC:1F:6B:00:00:01"),
    interface("eno2", "ac:1f:6b:00:00:02", up=False),
    interface("bond0", "ac:1f:6b:00:00:01", linkinfo={"info_kind": "bond"}),
)


def files(*, dmi: bool = True, bmc: bool = True, slots: tuple[str, ...] = ("0000:02:00.0",)) -> dict[str, Text]:
    """/proc and /sys of the server."""
    found: dict[str, Text] = {
        "/proc/cpuinfo": tool_text("debian12", "procfs/cpuinfo"),
        "/proc/meminfo": tool_text("debian12", "procfs/meminfo"),
        "/proc/sys/kernel/osrelease": "6.12.0-amd64\n",
        "/sys/class/net/eno1/device/vendor": "0x8086\n",
        "/sys/class/net/eno2/device/vendor": "0x8086\n",
        "/sys/class/nvme/nvme0/model": "SAMSUNG\n",
        "/sys/class/hwmon/hwmon0/name": "coretemp\n",
        "/sys/class/hwmon/hwmon0/temp1_input": "45000\n",
        "/sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    }
    found |= {f"/sys/bus/pci/devices/{slot}/vendor": "0x1\n" for slot in slots}
    if dmi:
        found["/sys/firmware/dmi/tables/DMI"] = "binary"
    if HBA[0] in slots:
        found[f"/sys/bus/pci/devices/{HBA[0]}/host0/scsi_host/host0/version_fw"] = "16.00.12.00\n"
    if bmc:
        found["/dev/ipmi0"] = ""
    return found


def _on_metal(lscpu: str) -> str:
    """The recording is of a virtual machine."""
    return lscpu.replace("Hypervisor vendor:", "Seen by:").replace("hypervisor ", "")


def tools(tables: str, *without: str, **other: Says) -> list[Says]:
    """All programs of the server; `without` are not installed, `other` (by program, - as _) speak instead."""
    drives = [scan(), says("smartctl -i /dev/sda", ata("K1")), says("smartctl -i /dev/nvme0n1", nvme("S64"))]
    every: dict[str, list[Says]] = {
        "lscpu": [Says("lscpu", stdout=_on_metal(tool_text("debian13", "lscpu/lscpu")))],
        "dmidecode": [Says("dmidecode", stdout=tables)],
        "lsblk": [lsblk(block("sda", "K1"), block("nvme0n1", "S64", "nvme"))],
        "smartctl": drives,
        "nvme": [
            Says("nvme list", stdout=json.dumps({"Devices": [{"DevicePath": "/dev/nvme0n1", "Firmware": "GDC5602Q"}]})),
            Says("nvme id-ctrl /dev/nvme0", stdout=json.dumps({"sn": "S64 ", "mn": "SAMSUNG", "fr": "GDC5602Q"})),
        ],
        "ip": [ip_link(*CARDS)],
        "ethtool": [Says("ethtool -i", stdout=DRIVER), Says("ethtool", stdout=LINK)],
        "lldpcli": [Says("lldpcli", exit_code=1, stderr=tool_text("debian12", "lldp/no-daemon.err"))],
        "lshw": [Says("lshw", stdout=tool_text("debian12", "lshw/lshw"))],
        "lspci": [Says("lspci -Dvmmnnk", stdout=pci(ASPEED, HBA)), Says("lspci -Dvv", stdout="")],
        "systemd-detect-virt": [Says("systemd-detect-virt", stdout="none\n", exit_code=1)],
        "ipmitool": [
            Says("ipmitool sdr elist", stdout=SDR),
            Says("ipmitool mc info", stdout=MC_INFO),
            Says("ipmitool dcmi power reading", stdout="    Instantaneous power reading:   220 Watts\n"),
        ],
    }
    for name, line in other.items():
        every[name.replace("_", "-")] = [line, *every.get(name.replace("_", "-"), [])]
    return [line for name, lines in every.items() if name not in without for line in lines]
