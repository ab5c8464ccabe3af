"""Behind a RAID controller: its members are examined, and where nobody can see them no host ends green."""

from __future__ import annotations

from tests.fakes.drive_world import ata, block, document, lsblk, says, scan
from tests.fakes.scripted_deps import Says, ScriptedDeps, job
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.profiles import TASTE
from vetting.stages.probes import raid
from vetting.stages.smart import Smart

VOLUME = ExpectedDisk(serial="00a1b2c3d4")
SDA = block("sda", "00a1b2c3d4", None, vendor="DELL", model="PERC H730P Mini")
PCI = "/sys/bus/pci/devices/0000:18:00.0"


def unit(place: str, vendor: str, model: str, *, kind: str = "0", deep: str = "", **children: str) -> dict[str, str]:
    """A SCSI device of host 0 in sysfs; `children`: block="sda", generic="sg0", level="RAID 5"."""
    stem = f"{PCI}/host0/{deep}target{place.rpartition(':')[0]}/{place}"
    files = {f"{stem}/type": f"{kind}\n", f"{stem}/vendor": f"{vendor}\n", f"{stem}/model": f"{model}   \n"}
    if name := children.get("block"):
        files[f"{stem}/block/{name}/removable"] = "0\n"
    if name := children.get("generic"):
        files[f"{stem}/scsi_generic/{name}/dev"] = "21:0\n"
    if level := children.get("level"):
        files[f"{stem}/raid_level"] = f"{level}\n"
    return files


def controller(driver: str, *units: dict[str, str], pci_class: str = "0x010400") -> dict[str, str]:
    files = {f"{PCI}/class": pci_class + "\n", f"{PCI}/vendor": "0x1000\n", f"{PCI}/device": "0x005d\n"}
    if driver:
        files |= {f"{PCI}/driver/module/version": "1\n", f"{PCI}/host0/scsi_host/host0/proc_name": driver + "\n"}
    for each in units:
        files |= each
    return files


MEGARAID = controller("megaraid_sas", unit("0:2:0:0", "DELL", "PERC H730P Mini", block="sda"))
CLOSED = Says("smartctl -x /dev/sda", stdout=document(2, device={"name": "/dev/sda", "type": "scsi"}), exit_code=2)


def member(address: str, serial: str, **changes: object) -> list[Says]:
    """A drive that smartctl reaches by these words, as `-d megaraid,0 /dev/bus/0`."""
    told = ata(serial, **changes)  # type: ignore[arg-type]
    return [says(f"smartctl {option} {address}", told) for option in ("-i", "-x")]


async def vet(files: dict[str, str], *tools: Says, disks: tuple[ExpectedDisk, ...] = (VOLUME,)) -> Outcome:
    deps = ScriptedDeps(job(profile=TASTE, expected_disks=disks), tools, files)
    return await Smart().run(deps)


TWO = scan(("/dev/sda", "scsi"), ("/dev/bus/0", "megaraid,0"), ("/dev/bus/0", "megaraid,1"))


async def test_members_that_a_scan_lists_are_examined_in_the_place_of_their_volume() -> None:
    tools = [TWO, lsblk(SDA), *member("-d megaraid,0 /dev/bus/0", "M0"), *member("-d megaraid,1 /dev/bus/0", "M1")]
    outcome = await vet(MEGARAID, *tools)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    cells = {cell.component: cell for cell in outcome.cells}
    assert cells.keys() == {"raid:0000:18:00.0", "disk:M0", "disk:M1", "disk:00a1b2c3d4"}
    assert cells["raid:0000:18:00.0"].reason == "members: M0, M1"
    assert "no health of its own: members: M0, M1" in cells["disk:00a1b2c3d4"].reason


async def test_a_failing_member_fails_the_host_and_its_volume() -> None:
    bad = member("-d megaraid,1 /dev/bus/0", "M1", passed=False, exit_status=8)
    outcome = await vet(MEGARAID, TWO, lsblk(SDA), *member("-d megaraid,0 /dev/bus/0", "M0"), *bad)
    verdicts = {cell.component: cell.verdict for cell in outcome.cells}
    assert outcome.verdict is Verdict.FAIL
    assert verdicts["disk:M1"] is verdicts["disk:00a1b2c3d4"] is Verdict.FAIL
    assert verdicts["disk:M0"] is Verdict.PASS


async def test_members_that_nobody_can_see_are_an_error_that_names_the_controller_and_the_way_out() -> None:
    outcome = await vet(MEGARAID, scan(("/dev/sda", "scsi")), lsblk(SDA), CLOSED)
    assert outcome.verdict is Verdict.ERROR
    reason = next(cell.reason for cell in outcome.cells if cell.component == "raid:0000:18:00.0")
    assert "members not visible behind 0000:18:00.0 (DELL PERC H730P Mini)" in reason
    assert "HBA or JBOD mode" in reason


async def test_members_are_owed_also_where_the_spec_names_other_disks_alone() -> None:
    nvme = block("nvme0n1", "K1", "nvme")
    tools = [scan(("/dev/sda", "scsi")), lsblk(SDA, nvme), says("smartctl -x /dev/nvme0n1", ata("K1"))]
    outcome = await vet(MEGARAID, *tools, disks=(ExpectedDisk(serial="K1"),))
    assert outcome.verdict is Verdict.ERROR and "members not visible" in outcome.reason


async def test_a_member_that_does_not_answer_is_an_error() -> None:
    silent = Says("smartctl -i -d megaraid,1 /dev/bus/0", elapsed_s=900)
    outcome = await vet(MEGARAID, TWO, lsblk(SDA), *member("-d megaraid,0 /dev/bus/0", "M0"), silent)
    assert outcome.verdict is Verdict.ERROR
    assert "1 of 2 members behind" in outcome.reason


async def test_members_that_the_spec_names_are_examined_once() -> None:
    tools = [TWO, lsblk(SDA), *member("-d megaraid,0 /dev/bus/0", "M0"), *member("-d megaraid,1 /dev/bus/0", "M1")]
    tools.append(Says("smartctl -i /dev/sda", stdout=document(2, device={"name": "/dev/sda"}), exit_code=2))
    named = (ExpectedDisk(serial="M0"), ExpectedDisk(serial="M1"))
    outcome = await vet(MEGARAID, *tools, disks=named)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert sorted(cell.component for cell in outcome.cells) == ["disk:M0", "disk:M1", "raid:0000:18:00.0"]


async def test_a_member_that_bears_its_volume_s_serial_is_examined_all_the_same() -> None:
    """As QEMU's megasas shows them."""
    failing = member("-d megaraid,0 /dev/bus/0", "00a1b2c3d4", passed=False, exit_status=8)
    outcome = await vet(MEGARAID, scan(("/dev/bus/0", "megaraid,0")), lsblk(SDA), *failing)
    assert outcome.verdict is Verdict.FAIL
    assert sorted(cell.component for cell in outcome.cells) == ["disk:00a1b2c3d4", "raid:0000:18:00.0"]


async def test_a_member_that_is_seen_by_two_paths_is_examined_once() -> None:
    tools = [TWO, lsblk(SDA), *member("-d megaraid,0 /dev/bus/0", "M0")]
    tools.append(says("smartctl -i -d megaraid,1 /dev/bus/0", ata("M0")))
    outcome = await vet(MEGARAID, *tools)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert [cell.component for cell in outcome.cells].count("disk:M0") == 1


async def test_a_drive_that_is_passed_through_beside_a_volume_is_examined_once() -> None:
    files = MEGARAID | unit("0:0:5:0", "ATA", "WDC WD4000FYYX", block="sdb")
    tools = [
        TWO,
        lsblk(SDA, block("sdb", "M1")),
        says("smartctl -x /dev/sdb", ata("M1")),
        *member("-d megaraid,0 /dev/bus/0", "M0"),
    ]
    tools.append(says("smartctl -i -d megaraid,1 /dev/bus/0", ata("M1")))
    outcome = await vet(files, *tools, disks=(VOLUME, ExpectedDisk(serial="M1")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert sorted(cell.component for cell in outcome.cells) == [
        "disk:00a1b2c3d4",
        "disk:M0",
        "disk:M1",
        "raid:0000:18:00.0",
    ]


async def test_a_smart_array_s_members_are_asked_for_by_number_until_there_is_none() -> None:
    files = controller(
        "smartpqi",
        unit("0:0:0:0", "HPE", "LOGICAL VOLUME", level="RAID 1(+0)", block="sda"),
        unit("0:2:0:0", "HPE", "P408i-a SR Gen10", kind="12", generic="sg0"),
        pci_class="0x010700",
    )
    none = document(2, device={"name": "/dev/sg0", "type": "cciss"})
    tools = [scan(), lsblk(SDA), *member("-d cciss,0 /dev/sg0", "C0"), *member("-d cciss,1 /dev/sg0", "C1")]
    tools.append(Says("smartctl -i -d cciss,2 /dev/sg0", stdout=none, exit_code=2))
    outcome = await vet(files, *tools)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert {"disk:C0", "disk:C1"} < {cell.component for cell in outcome.cells}


async def test_members_that_the_kernel_makes_no_disks_of_are_asked_as_scsi_devices() -> None:
    files = controller(
        "mpt3sas",
        unit("0:1:0:0", "LSI", "Logical Volume", block="sda", deep=""),
        unit("0:0:0:0", "SEAGATE", "ST600MM0006", generic="sg1", deep="port-0:0/end_device-0:0/"),
        pci_class="0x010700",
    )
    outcome = await vet(files, scan(), lsblk(SDA), *member("/dev/sg1", "M0"))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert "disk:M0" in {cell.component for cell in outcome.cells}


async def test_a_raid_controller_that_no_driver_took_is_an_error() -> None:
    nvme = block("nvme0n1", "K1", "nvme")
    tools = [scan(), lsblk(nvme), says("smartctl -x /dev/nvme0n1", ata("K1"))]
    outcome = await vet(controller(""), *tools, disks=(ExpectedDisk(serial="K1"),))
    assert outcome.verdict is Verdict.ERROR
    assert "0000:18:00.0 (1000:005d): no driver has taken it" in outcome.reason


def seen(files: dict[str, str]) -> tuple[raid.RaidController, ...]:
    return raid.controllers(ScriptedDeps(job(), (), files))


def test_drives_that_are_passed_through_owe_nobody_anything() -> None:
    jbod = unit("0:0:3:0", "ATA", "WDC WD4000FYYX", block="sdb")
    assert seen(controller("megaraid_sas", jbod)) == ()
    plain = unit("0:0:1:0", "SEAGATE", "ST600MM0006", block="sdb", level="N/A")
    assert seen(controller("hpsa", plain)) == ()
    it_mode = unit(
        "0:0:1:0", "HGST", "HUS726060AL5210", block="sdb", deep="port-0:0/expander-0:0/port-0:0:1/end_device-0:0:1/"
    )
    assert seen(controller("mpt3sas", it_mode, pci_class="0x010700")) == ()


def test_a_raid_class_device_without_volumes_is_silent() -> None:
    assert seen(controller("vmd")) == ()  # Intel's NVMe domains, whose drives stand on a bus of their own
    assert seen(controller("ahci", unit("0:0:0:0", "ATA", "Micron_5300_MTFD", block="sda"))) == ()


def test_disks_of_a_hypervisor_are_no_volumes() -> None:
    assert seen(controller("megaraid_sas", unit("0:2:0:0", "QEMU", "QEMU HARDDISK", block="sda"))) == ()


def test_a_small_controller_for_booting_shows_a_volume_too() -> None:
    boss = {f"{PCI}/ata3{path.removeprefix(PCI)}" if "/host0/" in path else path: text
            for path, text in controller("ahci", unit("0:0:0:0", "ATA", "DELLBOSS VD", block="sda")).items()}  # fmt: skip
    (found,) = seen(boss)
    assert (found.name, found.volumes) == ("ATA DELLBOSS VD", ("sda",))


def test_a_bridge_does_not_own_what_stands_behind_it() -> None:
    files = controller("megaraid_sas", unit("0:2:0:0", "DELL", "PERC H730P Mini", block="sda"))
    above = "/sys/bus/pci/devices/0000:00:02.0"
    files |= {path.replace(PCI, f"{above}/0000:18:00.0"): text for path, text in files.items()}
    files[f"{above}/class"] = "0x060400\n"
    assert [one.pci for one in seen(files)] == ["0000:18:00.0"]
