"""Firmware: a row for every part that tells a version, a name for what is absent, an ERROR for what is there and silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import metal
from tests.fakes.drive_world import ata, block, document, lsblk, says, scan
from tests.fakes.metal import ASPEED, HBA, NVIDIA, files, pci
from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import tool_text
from vetting.domain.outcome import Outcome, Verdict
from vetting.stages.firmware import Firmware

TABLES = """\
Handle 0x0000, DMI type 0, 26 bytes
BIOS Information
\tVendor: American Megatrends Inc.
\tVersion: 3.2
\tRelease Date: 11/22/2019

Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: Supermicro

Handle 0x0026, DMI type 38, 18 bytes
IPMI Device Information
\tInterface Type: KCS (Keyboard Control Style)
"""


async def take(tools: list[Says], there: dict[str, Text] | None = None) -> Outcome:
    return await Firmware().run(ScriptedDeps(job(), tools, files() if there is None else there))


def rows(outcome: Outcome) -> dict[tuple[str, str], str]:
    return {(item["component"], item["identifier"]): item["version"] for item in outcome.data["firmware"]}


async def test_every_part_of_a_server_has_its_row() -> None:
    outcome = await take(metal.tools(TABLES))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert rows(outcome) == {
        ("bios", "system"): "3.2",
        ("bmc", "bmc"): "1.74 0b",
        ("microcode", "socket-0"): "0x1000065",
        ("nic", "ac:1f:6b:00:00:01"): "0x800005d0, 1.1908.0",
        ("nic", "ac:1f:6b:00:00:02"): "0x800005d0, 1.1908.0",
        ("nvme", "S64"): "GDC5602Q",
        ("disk", "K1"): "APGNW7JH",
        ("hba", "0000:02:00.0"): "16.00.12.00",
    }
    assert outcome.reason == "no GPU"


async def test_what_is_not_there_is_named_and_needs_no_tool() -> None:
    none = Says("dmidecode", stderr="/dev/mem: No such file or directory", exit_code=1)
    loop = Says("lsblk", stdout=tool_text("debian12", "lsblk/columns"))
    known = files(dmi=False, bmc=False, slots=(ASPEED[0],))
    there = {path: text for path, text in known.items() if "nvme" not in path}
    bus = Says("lspci", stdout=pci(ASPEED))
    tools = metal.tools("", "ipmitool", "nvme", "smartctl", dmidecode=none, lsblk=loop, lspci=bus)
    outcome = await take(tools, there)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    for part in (
        "no BMC",
        "no NVMe drive",
        "no SATA or SAS drive",
        "no HBA",
        "bios: this machine shows no SMBIOS tables",
    ):
        assert part in outcome.reason


@pytest.mark.parametrize("tool", ["dmidecode", "ipmitool", "ip", "ethtool", "nvme", "smartctl", "lsblk", "lspci"])
async def test_a_missing_tool_is_an_error_where_its_part_is_there(tool: str) -> None:
    outcome = await take(metal.tools(TABLES, tool))
    assert outcome.verdict is Verdict.ERROR
    assert repr(tool) in outcome.reason
    assert rows(outcome)  # the rest is told all the same


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("nvme", Says("nvme id-ctrl", stdout='{"error": "Identify Controller failed"}', exit_code=1)),
        ("nvme", Says("nvme id-ctrl", stdout="garbage")),
        ("bmc", Says("ipmitool mc info", stderr="Get Device ID command failed", exit_code=1)),
        ("bmc", Says("ipmitool mc info", elapsed_s=900)),
        ("nic", Says("ethtool -i", stdout="")),
        ("disk", Says("smartctl -i /dev/sda", elapsed_s=900)),
        ("bios", Says("dmidecode", stdout="garbage")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_part_that_is_there_and_does_not_tell_is_an_error(part: str, line: Says) -> None:
    outcome = await take([line, *metal.tools(TABLES)])
    assert outcome.verdict is Verdict.ERROR
    assert part in outcome.data["firmware_unreadable"]


async def test_a_disk_that_smartctl_cannot_open_is_an_error() -> None:
    line = says("smartctl -i /dev/sda", document(2, device={"name": "/dev/sda"}))
    outcome = await take([line, *metal.tools(TABLES)])
    assert "smartctl -i tells nothing of sda" in outcome.reason


async def test_the_members_of_a_raid_volume_have_rows_and_the_volume_itself_runs_no_firmware() -> None:
    perc = f"/sys/bus/pci/devices/{HBA[0]}/host0"
    volume = {f"{perc}/target0:2:0/0:2:0:0/{name}": text for name, text in
              {"type": "0", "vendor": "DELL", "model": "PERC H730", "block/sda/size": "1"}.items()}  # fmt: skip
    there: dict[str, Text] = {
        **files(),
        **volume,
        f"{perc}/scsi_host/host0/proc_name": "megaraid_sas",
        f"/sys/bus/pci/devices/{HBA[0]}/class": "0x010400",
    }
    tools = [
        scan(("/dev/bus/0", "megaraid,3")),
        lsblk(block("sda", "00a1b2c3d4", None, vendor="DELL", model="PERC H730")),
        says("smartctl -i -d megaraid,3 /dev/bus/0", ata("M3")),
        *metal.tools(TABLES, "lsblk", "smartctl"),
    ]
    outcome = await take(tools, there)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert [name for name in rows(outcome) if name[0] == "disk"] == [("disk", "M3")]


async def test_a_bmc_that_the_tables_name_and_the_kernel_does_not_show_is_an_error() -> None:
    outcome = await take(metal.tools(TABLES), files(bmc=False))
    assert outcome.verdict is Verdict.ERROR
    assert "ipmi_devintf" in outcome.reason


async def test_a_card_without_firmware_is_named_and_has_no_row() -> None:
    outcome = await take(
        [Says("ethtool -i", stdout=tool_text("debian12", "ethtool/veth-driver")), *metal.tools(TABLES)]
    )
    assert outcome.verdict is Verdict.PASS
    assert "nic ac:1f:6b:00:00:01 tells no version" in outcome.reason
    assert not [component for component, _ in rows(outcome) if component == "nic"]


async def test_a_controller_whose_driver_is_silent_is_told_by_its_revision() -> None:
    there = {path: text for path, text in files().items() if "version_fw" not in path}
    assert rows(await take(metal.tools(TABLES), there))["hba", "0000:02:00.0"] == "rev a1"


async def test_a_gpu_tells_its_vbios(corpus: Path) -> None:
    xml = (corpus / "nvidia-smi" / "a100-sxm4-v12.xml").read_text()
    bus = Says("lspci -Dvmmnnk", stdout=pci(HBA, NVIDIA))
    outcome = await take([Says("nvidia-smi", stdout=xml), bus, *metal.tools(TABLES)])
    assert rows(outcome)["gpu", "GPU-513536b6-7d19-9063-b049-1e69664bb298"]


async def test_a_gpu_without_nvidia_smi_is_an_error() -> None:
    outcome = await take([Says("lspci -Dvmmnnk", stdout=pci(HBA, NVIDIA)), *metal.tools(TABLES)])
    assert outcome.verdict is Verdict.ERROR
    assert "nvidia-smi" in outcome.reason


async def test_recorded_servers_tell_their_bios(corpus: Path) -> None:
    for path in sorted((corpus / "dmidecode").iterdir()):
        outcome = await take(metal.tools(path.read_text()))
        assert rows(outcome)["bios", "system"], path.name
