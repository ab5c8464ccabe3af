"""What was found becomes a spec that a person looks over; never does that alone let a run erase a disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes import records
from vetting.config import hostfile
from vetting.domain.adopting import adopt, pin_now
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, MeasuredLimit
from vetting.domain.inventory import FirmwareItem, FoundDimm, FoundDisk, FoundNic
from vetting.domain.specchanges import changes, newly_erasable
from vetting.domain.specdiff import compare
from vetting.parsers import smartctl

FOUND = records.INVENTORY
SERIALS = st.sampled_from(("S1", "s1", "S2", "S3", "", "unknown", "S\n4", "S1 ", "S" * 2000, "\u202eS5"))
SIZES = st.sampled_from((0, 1, 4096))
WWNS = st.sampled_from(("", "0x5000c500a1b2c3d4", "naa.5000c500a1b2c3d4", "eui.00"))
TRANSPORTS = st.sampled_from(("", "sata", "nvme", "usb", "fc", "iscsi", "loop"))
FOUND_DISKS = st.lists(
    st.builds(FoundDisk, name=st.just("sda"), serial=SERIALS, wwn=WWNS, size_bytes=SIZES, transport=TRANSPORTS), max_size=6
)  # fmt: skip
OLD_DISKS = st.lists(
    st.builds(ExpectedDisk, serial=SERIALS, wwn=WWNS, size_bytes=SIZES, write=st.booleans()), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(FOUND_DISKS, OLD_DISKS)
@example(
    [FoundDisk(name="sda", serial="s1", size_bytes=0)],
    [ExpectedDisk(serial="s1"), ExpectedDisk(serial="s1", size_bytes=1)],
)
def test_adopting_never_lets_a_run_erase_a_disk_that_it_could_not_erase_before(
    found: list[FoundDisk], old: list[ExpectedDisk]
) -> None:
    before = ExpectedSpec(disks=tuple(old))
    adopted = adopt(replace(FOUND, disks=tuple(found)), before).spec
    assert newly_erasable(before, adopted) == ()
    allowed = {" ".join(disk.serial.split()) for disk in old if disk.write}
    assert {disk.serial for disk in adopted.disks if disk.write} <= allowed
    assert hostfile.read(hostfile.write(adopted)) == adopted


def test_a_host_without_a_spec_gets_one_that_it_meets_and_in_which_nothing_is_written() -> None:
    adopted = adopt(FOUND, ExpectedSpec())
    assert [disk.write for disk in adopted.spec.disks] == [False, False]
    assert any("write: false" in note for note in adopted.notes)
    assert compare(adopted.spec, FOUND) == ()
    assert adopted.spec.dimm_serials == ("34A1B2C0", "34A1B2C1", "34A1B2C2", "34A1B2C3")
    assert adopted.spec.product == "SYS-6019P"


def test_what_a_person_decided_stays_and_what_was_exchanged_does_not() -> None:
    first, second = records.DISKS
    old = ExpectedSpec(
        disks=(first, replace(second, size_bytes=second.size_bytes + 512), ExpectedDisk(serial="GONE")),
        nics=(ExpectedNic(mac="3C-EC-EF-00-11-22", floor_mb_s=9000),),
        firmware=(FirmwarePin(component="bios", version="1"),),
        max_temp_c=80.0,
        severities={"disk.extra": "critical"},
    )
    adopted = adopt(FOUND, old)
    assert [(disk.serial, disk.write) for disk in adopted.spec.disks] == [(first.serial, True), (second.serial, False)]
    assert any("GONE" in note for note in adopted.notes)
    assert any("another size or WWN" in note for note in adopted.notes)
    assert adopted.spec.nics[0].floor_mb_s == 9000
    assert (adopted.spec.firmware, adopted.spec.max_temp_c, adopted.spec.severities) == (
        old.firmware,
        old.max_temp_c,
        old.severities,
    )


def test_what_could_not_be_read_stays_as_it_was_pinned() -> None:
    old = replace(records.SPEC, dimm_serials=("A", "B"), psu_count=2, gpu_count=1, gpu_models=("A10",))
    dark = replace(
        FOUND, dimms=None, psu_count=None, disks=(), nics=(), manufacturer="To be filled by O.E.M.",
        unreadable={"lsblk": "timed out", "nvidia-smi": "broken", "ip": "no", "dmidecode": "no /dev/mem"},
    )  # fmt: skip
    adopted = adopt(dark, old)
    assert adopted.spec == replace(
        old,
        cpu_model=FOUND.cpu.model,
        cpu_sockets=1,
        memory_bytes=FOUND.memory_bytes,
        system_serial="A263350X0904567",
        product="SYS-6019P",
    )
    assert sum("could not be read" in note for note in adopted.notes) == 4


def test_dimms_without_serials_are_pinned_by_number_alone() -> None:
    mute = tuple(FoundDimm(locator=f"A{n}", size_bytes=1024**3, serial="NO DIMM" if n else "X1") for n in range(2))
    adopted = adopt(replace(FOUND, dimms=mute), ExpectedSpec())
    assert (adopted.spec.dimm_count, adopted.spec.dimm_serials) == (2, ())


def test_a_card_without_a_link_is_expected_and_its_speed_is_not_pinned() -> None:
    nics = (FoundNic(name="eno2", mac="3c:ec:ef:00:11:23", link=False, speed_mb_s=-1), FoundNic(name="veth0", mac="02:00:00:00:00:01", physical=False))  # fmt: skip
    assert adopt(replace(FOUND, nics=nics), ExpectedSpec()).spec.nics == (
        ExpectedNic(mac="3c:ec:ef:00:11:23", name="eno2"),
    )


def test_firmware_is_pinned_to_what_is_there_and_pins_of_absent_parts_stay() -> None:
    old = ExpectedSpec(
        firmware=(
            FirmwarePin(component="bios", identifier="system", version="3.7", at_least=True),
            FirmwarePin(component="nic", version="9.1"),
        )
    )
    items = (
        FirmwareItem(component="bios", identifier="system", version="3.8a"),
        FirmwareItem(component="hba", identifier="0000:01:00.0", version="unknown"),
        FirmwareItem(component="nvme", identifier="S\n1", version="1"),
    )
    assert pin_now(old, items).firmware == (
        FirmwarePin(component="bios", identifier="system", version="3.8a", at_least=True),
        FirmwarePin(component="nic", version="9.1"),
    )


@pytest.mark.parametrize("write", [True, False])
def test_every_recorded_drive_can_be_adopted_and_is_then_expected(corpus: Path, write: bool) -> None:
    drives = [smartctl.parse(path.read_text()) for path in sorted((corpus / "smartctl").glob("*.json"))]
    told = [
        FoundDisk(name=f"sd{n}", serial=f"{one.serial or 'S'}-{n}", model=one.model or "", size_bytes=one.capacity_bytes or 0, transport="sas")
        for n, one in enumerate(drives)
    ]  # fmt: skip
    found = replace(FOUND, disks=tuple(told))
    old = ExpectedSpec(disks=tuple(ExpectedDisk(serial=one.serial, write=write) for one in told if one.serial))
    adopted = adopt(found, old).spec
    assert len(adopted.disks) > 10
    assert {disk.write for disk in adopted.disks} == {write}
    assert compare(adopted, found) == ()
    assert hostfile.read(hostfile.write(adopted)) == adopted
    assert changes(adopted, hostfile.read(hostfile.write(adopted))) == ()


def test_a_switch_port_is_pinned_where_one_was_heard_and_left_alone_where_several_were() -> None:
    first, *others = FOUND.nics
    one = adopt(replace(FOUND, nics=(replace(first, neighbour="sw1 Eth1/9"), *others)), ExpectedSpec())
    assert one.spec.nics[0].neighbour == "sw1 Eth1/9"
    several = replace(FOUND, nics=(replace(first, neighbour="pve-01 eno1 and also pve-02 eno1"), *others))
    assert adopt(several, ExpectedSpec()).spec.nics[0].neighbour == ""
    assert adopt(several, one.spec).spec.nics[0].neighbour == "sw1 Eth1/9"


def test_a_floor_of_a_card_that_is_gone_goes_with_it_and_the_others_stay() -> None:
    gone, stays = ExpectedNic(mac="52:54:00:99:99:99"), ExpectedNic(mac=FOUND.nics[0].mac)
    floors = tuple(
        MeasuredLimit(stage="Network", series="net.*.to_server", component=f"nic:{nic.mac}", value=900)
        for nic in (gone, stays)
    )
    every = MeasuredLimit(stage="Network", series="net.*.link", component="nic:*", value=1000)
    adopted = adopt(FOUND, ExpectedSpec(nics=(gone, stays), floors=(*floors, every)))
    assert adopted.spec.floors == (floors[1], every)
    assert any("1 floors and ceilings named parts that were not found" in note for note in adopted.notes)


def test_a_floor_of_a_model_that_is_gone_goes_and_one_that_could_not_be_read_stays() -> None:
    model = FOUND.disks[0].model
    here, gone = (
        MeasuredLimit(stage="Storage", series="disk.*.fio.iops", component="disk:*", like=f"{name}*", value=900)
        for name in (model, "ST8000")
    )
    old = ExpectedSpec(floors=(here, gone))
    assert adopt(FOUND, old).spec.floors == (here,)
    assert adopt(replace(FOUND, unreadable={"disks": "no"}), old).spec.floors == (here, gone)
