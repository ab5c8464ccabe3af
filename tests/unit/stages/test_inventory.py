"""Inventory: everything that tells is written down, what does not tell is named, and what must answer and does not is an ERROR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes import metal
from tests.fakes.drive_world import ata, block, document, lsblk, says, scan
from tests.fakes.metal import AMD, ASPEED, HBA, NVIDIA, files, ip_link, pci
from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import RELEASES, tool_text
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedNic, ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Outcome, Verdict
from vetting.stages.inventory import InventoryStage

TABLES = """\
# dmidecode 3.4
SMBIOS 3.0 present.

Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: Supermicro
\tProduct Name: SSG-6028R
\tSerial Number: S212101X
\tUUID: 00112233-4455-6677-8899-AC1F6B05E596

Handle 0x0002, DMI type 2, 15 bytes
Base Board Information
\tSerial Number: VM16BS

Handle 0x0011, DMI type 17, 40 bytes
Memory Device
\tSize: 16 GB
\tLocator: DIMM A1
\tBank Locator: P0
\tSerial Number: 18ABE4AE

Handle 0x0012, DMI type 17, 40 bytes
Memory Device
\tSize: 16 GB
\tLocator: DIMM A1
\tBank Locator: P1
\tSerial Number: 18ABAD5A

Handle 0x0013, DMI type 17, 40 bytes
Memory Device
\tSize: No Module Installed
\tLocator: DIMM A2
\tBank Locator: P0
"""


async def take(tools: list[Says], there: dict[str, Text] | None = None) -> tuple[Outcome, ScriptedDeps]:
    deps = ScriptedDeps(job(), tools, files() if there is None else there)
    return await InventoryStage().run(deps), deps


async def inventory_of(tools: list[Says], there: dict[str, Text] | None = None) -> Inventory:
    outcome, _ = await take(tools, there)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    return msgspec.convert(outcome.data["inventory"], Inventory)


async def test_a_server_is_written_down_with_all_its_parts() -> None:
    found = await inventory_of(metal.tools(TABLES))
    assert found.identity.smbios_uuid == "00112233-4455-6677-8899-ac1f6b05e596"
    assert (found.identity.system_serial, found.identity.board_serial) == ("S212101X", "VM16BS")
    assert found.identity.macs == ("ac:1f:6b:00:00:01", "ac:1f:6b:00:00:02")
    assert found.identity.disk_serials == ("K1", "S64")
    assert (found.manufacturer, found.product, found.virtual) == ("Supermicro", "SSG-6028R", "")
    assert found.dimms is not None
    assert [(dimm.locator, dimm.size_bytes) for dimm in found.dimms] == [("P0 DIMM A1", 2**34), ("P1 DIMM A1", 2**34)]
    assert [(disk.name, disk.serial, disk.firmware, disk.smart) for disk in found.disks] == [
        ("sda", "K1", "APGNW7JH", True),
        ("nvme0n1", "S64", "GDC5602Q", True),
    ]
    assert found.memory_bytes > 0
    assert found.gpus == ()  # the BMC's graphics are none
    assert found.unreadable.keys() == {"lldpcli"}


async def test_the_inventory_is_kept_as_one_json_file() -> None:
    outcome, deps = await take(metal.tools(TABLES))
    assert json.loads(deps.artifacts["inventory.json"]) == json.loads(msgspec.json.encode(outcome.data["inventory"]))


async def test_cards_tell_what_they_negotiated_and_what_they_could() -> None:
    found = {nic.name: nic for nic in (await inventory_of(metal.tools(TABLES))).nics}
    assert (found["eno1"].link, found["eno1"].speed_mb_s, found["eno1"].capable_mb_s) == (True, 10000, 10000)
    assert (found["eno1"].driver, found["eno1"].pci) == ("ixgbe", "0000:03:00.0")
    assert found["eno2"].link is None  # switched off: nobody knows whether a cable is in it
    assert not found["bond0"].physical


async def test_the_burnt_in_address_of_a_bonded_card_is_its_identity() -> None:
    slave = metal.interface("eno2", "ac:1f:6b:00:00:01", permaddr="ac:1f:6b:00:00:02", master="bond0")
    found = await inventory_of(metal.tools(TABLES, ip=ip_link(metal.CARDS[0], slave)))
    assert found.identity.macs == ("ac:1f:6b:00:00:01", "ac:1f:6b:00:00:02")


async def test_a_slice_of_another_card_is_no_card() -> None:
    there = {**files(), "/sys/class/net/eno2/device/physfn/vendor": "0x8086"}
    found = await inventory_of(metal.tools(TABLES), there)
    assert [nic.name for nic in found.nics if nic.physical] == ["eno1"]


@pytest.mark.parametrize("driver", ["cdc_ether", "cdc_eem", "rndis_host"])
async def test_the_link_that_a_bmc_shows_over_usb_is_no_card(driver: str) -> None:
    """It leads nowhere but to the BMC: no healthy server that has one could pass Network."""
    there = {**files(), "/sys/class/net/eno2/device/uevent": f"DEVTYPE=usb_interface\nDRIVER={driver}\n"}
    found = await inventory_of(metal.tools(TABLES), there)
    assert [nic.name for nic in found.nics if nic.physical] == ["eno1"]


async def test_sensors_of_the_kernel_and_of_the_bmc_are_found() -> None:
    found = await inventory_of(metal.tools(TABLES))
    series = {sensor.series: sensor.source for sensor in found.sensors}
    assert series["temp.coretemp.package-id-0"] == "/sys/class/hwmon/hwmon0/temp1_input"
    assert series["volt.bmc.12v"] == "bmc"
    assert not [name for name in series if name.startswith("temp.bmc")]  # nobody follows them in every stage


@pytest.mark.parametrize("release", RELEASES)
async def test_a_virtual_machine_without_tables_invents_nothing(release: str) -> None:
    said = Says("dmidecode", stdout="# dmidecode 3.6\n# No SMBIOS nor DMI entry point found, sorry.\n", exit_code=0)
    loop = tool_text(release, "smartctl/loop")
    tools = metal.tools(
        "",
        dmidecode=said,
        lsblk=Says("lsblk", stdout=tool_text(release, "lsblk/columns")),
        smartctl=Says("smartctl -i /dev/vda", stdout=loop, exit_code=1),
        lscpu=Says("lscpu", stdout=tool_text(release, "lscpu/lscpu")),
        ip=Says("ip", stdout=tool_text(release, "ip/link-stats")),
        lspci=Says("lspci", stdout=tool_text(release, "lspci/machine")),
        systemd_detect_virt=Says("systemd-detect-virt", stdout="kvm\n"),
    )
    there = files(dmi=False, bmc=False, slots=("0000:00:03.0",))
    found = await inventory_of(tools, {path: text for path, text in there.items() if "/sys/class/net/" not in path})
    assert found.dimms is None
    assert found.psu_count is None
    assert found.identity.smbios_uuid == ""
    assert found.unreadable.keys() >= {"dimms", "identity", "psu"}
    assert found.virtual == "kvm"
    assert [(disk.name, disk.serial, disk.transport, disk.smart) for disk in found.disks] == [
        ("vda", "", "virtio", False)
    ]
    assert not [nic for nic in found.nics if nic.physical]
    assert found.gpus == ()


def no_tables(release: str) -> Says:
    said, why = tool_text(release, "dmidecode/none"), tool_text(release, "dmidecode/none.err")
    return Says("dmidecode", stdout=said, stderr=why, exit_code=1)


@pytest.mark.parametrize("release", RELEASES)
async def test_the_recorded_dmidecode_of_a_machine_without_tables_is_understood(release: str) -> None:
    assert (await inventory_of(metal.tools("", dmidecode=no_tables(release)), files(dmi=False))).dimms is None


@pytest.mark.parametrize("release", RELEASES)
async def test_tables_that_the_kernel_shows_and_dmidecode_cannot_read_are_an_error(release: str) -> None:
    outcome, _ = await take(metal.tools("", dmidecode=no_tables(release)), files())
    assert outcome.verdict is Verdict.ERROR
    assert "dmidecode exited 1" in outcome.reason


async def test_recorded_servers_are_read(corpus: Path) -> None:
    for path in sorted((corpus / "dmidecode").iterdir()):
        found = await inventory_of(metal.tools(path.read_text()))
        assert found.dimms, path.name
        assert len({dimm.locator for dimm in found.dimms}) == len(found.dimms), path.name
        assert found.manufacturer
        assert found.identity.smbios_uuid


async def test_only_power_supplies_that_are_present_count(corpus: Path) -> None:
    tables = (corpus / "dmidecode" / "SM_SSG-6028R").read_text()
    assert (await inventory_of(metal.tools(tables))).psu_count == 2


# --- disks -------------------------------------------------------------------------------------------------------------


async def test_drives_behind_a_raid_controller_are_disks_of_the_host() -> None:
    told = says("smartctl -i -d megaraid,4 /dev/bus/0", ata("K9"))
    tools = [scan(("/dev/bus/0", "megaraid,4")), told, *metal.tools(TABLES)]
    found = {disk.serial: disk for disk in (await inventory_of(tools)).disks}
    assert found["K9"].name == "bus/0 megaraid,4"
    assert found["K9"].transport == "megaraid"
    assert found["K9"].size_bytes == 6_001_175_126_016


async def test_a_disk_of_another_machine_over_the_network_is_not_taken_for_a_local_one() -> None:
    space = {"NameSpace": "nvme0n1", "PhysicalSize": 1}
    control = {"Controller": "nvme0", "SerialNumber": "S64", "Transport": "tcp", "Namespaces": [space]}
    listed = {"Devices": [{"HostNQN": "x", "Subsystems": [{"Controllers": [control]}]}]}
    found = await inventory_of(metal.tools(TABLES, nvme=Says("nvme list", stdout=json.dumps(listed))))
    assert {disk.name: disk.transport for disk in found.disks}["nvme0n1"] == "nvme-tcp"


async def test_a_drive_that_hangs_is_named_and_delays_nobody_else() -> None:
    tools = metal.tools(TABLES, smartctl=Says("smartctl -i /dev/sda", elapsed_s=900))
    found = await inventory_of(tools)
    assert found.unreadable.keys() == {"smart:sda", "lldpcli"}
    assert {disk.name: disk.smart for disk in found.disks} == {"sda": None, "nvme0n1": True}


async def test_a_disk_that_a_hypervisor_made_up_has_no_health_whatever_face_it_shows() -> None:
    fake = block("sdb", "drive-scsi0", None, vendor="QEMU", model="QEMU HARDDISK")
    said = document(4, device={"name": "/dev/sdb", "type": "scsi", "protocol": "SCSI"}, scsi_model_name="QEMU HARDDISK")
    tools = metal.tools(TABLES, lsblk=lsblk(fake), smartctl=says("smartctl -i /dev/sdb", said))
    assert [disk.smart for disk in (await inventory_of(tools)).disks] == [False]


async def test_memory_disks_and_empty_slots_are_no_disks() -> None:
    tools = metal.tools(
        TABLES,
        lsblk=lsblk(block("zram0", None), block("sda", "K1"), block("nbd0", None), {**block("sdb", "X"), "size": 0}),
    )
    assert [disk.name for disk in (await inventory_of(tools)).disks] == ["sda"]


# --- GPUs --------------------------------------------------------------------------------------------------------------


async def test_gpus_are_found_without_a_driver_and_named_with_one(corpus: Path) -> None:
    bus = Says("lspci -Dvmmnnk", stdout=pci(ASPEED, HBA, NVIDIA, AMD))
    bare = await inventory_of(metal.tools(TABLES, lspci=bus))
    assert [(gpu.pci, gpu.uuid) for gpu in bare.gpus] == [("0000:01:00.0", ""), ("0000:41:00.0", "")]
    assert "nvidia-smi" in bare.absent_tools
    xml = (corpus / "nvidia-smi" / "a100-sxm4-v12.xml").read_text()
    named = await inventory_of([Says("nvidia-smi", stdout=xml), *metal.tools(TABLES, lspci=bus)])
    assert named.gpus[0].uuid.startswith("GPU-")
    assert named.gpus[0].name == "NVIDIA A100-SXM4-80GB"


async def test_the_graphics_of_a_processor_are_no_gpu_but_a_card_of_the_same_maker_is() -> None:
    inside = ("0000:00:02.0", "VGA compatible controller [0300]", "Intel Corporation [8086]", "UHD [3e9a]")
    card = ("0000:51:00.0", "Display controller [0380]", "Intel Corporation [8086]", "Flex 170 [56c0]")
    amd = ("0000:0d:00.0", "VGA compatible controller [0300]", "AMD/ATI [1002]", "Raphael [164e]")
    found = await inventory_of(metal.tools(TABLES, lspci=Says("lspci", stdout=pci(HBA, inside, amd, card))))
    assert [gpu.pci for gpu in found.gpus] == ["0000:51:00.0"]


# --- what does not answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["lscpu", "lsblk", "ip", "lspci", "dmidecode"])
async def test_a_missing_tool_that_this_server_needs_is_told_as_such(tool: str) -> None:
    with pytest.raises(ToolMissing, match=tool):
        await take(metal.tools(TABLES, tool))


@pytest.mark.parametrize("tool", ["lshw", "lldpcli", "smartctl", "nvme", "ethtool", "ipmitool", "systemd-detect-virt"])
async def test_an_absent_optional_tool_is_tolerated_and_named(tool: str) -> None:
    outcome, _ = await take(metal.tools(TABLES, tool))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert tool in outcome.data["inventory"]["absent_tools"]
    assert f"not installed: {tool}" in outcome.reason


@pytest.mark.parametrize("tool", ["lscpu", "lsblk", "ip", "lspci", "dmidecode"])
@pytest.mark.parametrize(
    "answer",
    [{"stdout": ""}, {"stdout": "\x00garbage {"}, {"exit_code": 1}, {"elapsed_s": 900}, {"signal": 9}],
    ids=["nothing", "garbage", "status 1", "hangs", "dies"],
)
async def test_a_needed_tool_that_makes_no_sense_is_an_error(tool: str, answer: dict[str, Any]) -> None:
    outcome, _ = await take(metal.tools(TABLES, **{tool: Says(tool, **answer)}))
    assert outcome.verdict is Verdict.ERROR


@pytest.mark.parametrize("path", ["/proc/meminfo", "/proc/cpuinfo"])
async def test_a_kernel_that_does_not_tell_is_an_error(path: str) -> None:
    outcome, _ = await take(metal.tools(TABLES), {name: text for name, text in files().items() if name != path})
    assert outcome.verdict is Verdict.ERROR
    assert path in outcome.reason


async def test_hostile_words_of_a_drive_stay_on_one_line() -> None:
    evil = document(model_name="X\n\x1b[31mrm -rf " + "A" * 5000, serial_number="K1", device={"protocol": "ATA"})
    found = await inventory_of(metal.tools(TABLES, smartctl=says("smartctl -i /dev/sda", evil)))
    assert len(found.disks[0].model) <= 200
    assert found.disks[0].model.isprintable()


def heard(*neighbours: str) -> str:
    """What lldpcli says where these were heard at eno1, each "switch port"."""
    rows = [{"eno1": {"via": "LLDP", "chassis": {one.split()[0]: {"id": {"type": "mac", "value": one}}},
                      "port": {"id": {"type": "ifname", "value": one.split()[1]}}}} for one in neighbours]  # fmt: skip
    return json.dumps({"lldp": {"interface": rows} if rows else {}})


async def neighbour_at_eno1(pinned: str, *said: Says) -> tuple[str, float]:
    """What Inventory writes down of that card, and how long it took to hear it."""
    tools = [*said, *metal.tools(TABLES, "lldpcli")]
    spec = ExpectedSpec(nics=(ExpectedNic(mac="AC-1F-6B-00-00-01", neighbour=pinned),))
    deps = ScriptedDeps(job(expected=spec), tools, files())
    began_s = deps.monotonic()
    outcome = await InventoryStage().run(deps)
    found = msgspec.convert(outcome.data["inventory"], Inventory)
    return next(nic.neighbour for nic in found.nics if nic.name == "eno1"), deps.monotonic() - began_s


async def test_a_neighbour_that_the_spec_names_is_waited_for_until_its_switch_has_spoken() -> None:
    silent = Says("lldpcli", stdout=heard(), times=3)
    assert (await neighbour_at_eno1("sw1 Eth1/7", silent, Says("lldpcli", stdout=heard("sw1 Eth1/7"))))[
        0
    ] == "sw1 Eth1/7"
    never, took_s = await neighbour_at_eno1("sw1 Eth1/7", Says("lldpcli", stdout=heard()))
    assert (never, 60 < took_s < 90) == ("", True)
    unasked, took_s = await neighbour_at_eno1("", Says("lldpcli", stdout=heard()))
    assert (unasked, took_s < 5) == ("", True)


async def test_of_several_neighbours_at_one_port_the_expected_one_counts() -> None:
    both = Says("lldpcli", stdout=heard("sw2 Eth4", "sw1 Eth1/7"))
    assert (await neighbour_at_eno1("SW1 eth1/7", both))[0] == "sw1 Eth1/7"
    assert (await neighbour_at_eno1("sw3 Eth9", both))[0] == "sw1 Eth1/7 and also sw2 Eth4"
