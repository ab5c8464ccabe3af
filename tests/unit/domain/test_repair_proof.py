"""A repair is proved by the inventories before and after; the wrong DIMM, a part beside it, and a mere move are all told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vetting.domain.difference import verdict_of
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, FoundDimm, FoundDisk, FoundGpu, FoundNic, Inventory
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.repair import Part, PartKind, Repair
from vetting.domain.repairdimms import neighbours, slot_called
from vetting.domain.repairproof import Proof, Proved, differences, prove

GIB = 1024**3
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:0a")


def dimm(slot: str, serial: str, **changes: Any) -> FoundDimm:
    return FoundDimm(**{"locator": slot, "serial": serial, "size_bytes": 16 * GIB, "part_number": "M393", **changes})


def disk(serial: str, name: str = "sda", **changes: Any) -> FoundDisk:
    told = {"name": name, "serial": serial, "size_bytes": 10**12, "transport": "sata", "model": "PM883"}
    return FoundDisk(**{**told, **changes})


def nic(name: str, mac: str, pci: str = "") -> FoundNic:
    return FoundNic(name=name, mac=mac, pci=pci, driver="ixgbe", link=True)


BEFORE = Inventory(
    identity=Identity(smbios_uuid="6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e5f", system_serial="SYS1", board_serial="BRD1"),
    cpu=FoundCpu(model="Xeon 6130", sockets=2, cores=32, threads=64),
    memory_bytes=64 * GIB,
    dimms=(dimm("DIMM_A1", "OLD"), dimm("DIMM_A2", "KEEP2"), dimm("DIMM_B1", "KEEP3"), dimm("DIMM_B2", "", size_bytes=0)),
    disks=(disk("D-OLD"), disk("D-KEEP", "sdb"), disk("STICK", "sdc", transport="usb")),
    nics=(
        nic("eno1", MACS[0], "0000:3b:00.0"), nic("eno2", MACS[1], "0000:3b:00.1"), nic("eno3", MACS[2], "0000:5e:00.0"),
    ),
    gpus=(FoundGpu(name="A100", uuid="GPU-1", pci="0000:af:00.0"), FoundGpu(name="A100", uuid="GPU-2", pci="0000:b0:00.0")),
    psu_count=2,
)  # fmt: skip
A1 = Part(kind=PartKind.DIMM, slot="A1", old="OLD", new="NEW")


def proved(part: Part, **changes: Any) -> Proved:
    return prove(Repair(parts=(part,)), BEFORE, replace(BEFORE, **changes), before_run=41)


def with_dimms(*fitted: FoundDimm) -> tuple[FoundDimm, ...]:
    """The DIMMs of before, those named here in place of what was in their slots."""
    by_slot = {one.locator: one for one in (*(BEFORE.dimms or ()), *fitted)}
    return tuple(by_slot.values())


def critical(found: Proved) -> list[str]:
    return [row.text for row in differences(found) if row.severity is Severity.CRITICAL]


def test_the_dimm_that_was_named_changed_and_nothing_else() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "NEW")))
    assert [one.proof for one in found.parts] == [Proof.PROVED]
    assert found.parts[0].text == "DIMM DIMM_A1 was replaced: OLD → NEW"
    assert found.beside == ()
    assert found.gone == {"old"}
    assert verdict_of(differences(found)) is Verdict.PASS


def test_a_dimm_that_was_not_replaced_is_named_with_its_serial() -> None:
    found = proved(A1)
    assert critical(found) == ["DIMM DIMM_A1 still has serial OLD: the part named as replaced was not replaced"]
    assert verdict_of(differences(found)) is Verdict.FAIL


def test_the_wrong_dimm_that_was_taken_is_named_beside_the_one_that_stayed() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A2", "NEW")))
    assert any("DIMM_A1 still has serial OLD" in text for text in critical(found))
    assert any("DIMM_A2 changed too" in text and "KEEP2 → NEW" in text for text in critical(found))


def test_what_changed_beside_it_is_named() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "NEW")), disks=(disk("D-OLD"), disk("D-OTHER", "sdb")))
    assert [one.proof for one in found.parts] == [Proof.PROVED]
    assert critical(found) == [
        "disk D-KEEP (PM883) is gone since run 41: it changed too, and nobody named it",
        "disk D-OTHER (PM883) is new since run 41: it changed too, and nobody named it",
    ]


def test_a_dimm_that_moved_to_another_slot_is_told_as_moved() -> None:
    moved = (dimm("DIMM_A1", "NEW"), dimm("DIMM_A2", "", size_bytes=0), dimm("DIMM_B2", "KEEP2"))
    found = proved(A1, dimms=with_dimms(*moved))
    assert [(one.severity, one.text) for one in found.beside] == [
        (Severity.WARNING, "DIMM KEEP2 moved from DIMM_A2 to DIMM_B2")
    ]
    assert verdict_of(differences(found)) is Verdict.PASS


def test_two_dimms_that_changed_places_are_no_replacement() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "KEEP2"), dimm("DIMM_A2", "OLD")))
    assert any("new one was to have NEW" in text for text in critical(found))
    unnamed = proved(replace(A1, new=""), dimms=with_dimms(dimm("DIMM_A1", "KEEP2"), dimm("DIMM_A2", "OLD")))
    assert any("was moved, not replaced" in text for text in critical(unnamed))


def test_the_old_dimm_in_another_slot_is_still_in_the_machine() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "NEW"), dimm("DIMM_B2", "OLD")))
    assert any("the old DIMM OLD" in text and "in DIMM_B2" in text for text in critical(found))


def test_a_slot_that_is_empty_now_is_no_replacement() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "", size_bytes=0)))
    assert any("DIMM DIMM_A1 is empty" in text for text in critical(found))


def test_a_dimm_that_the_last_run_did_not_see_any_more_is_new() -> None:
    """A dead DIMM is often not there at all in the run that failed."""
    dead = replace(BEFORE, dimms=with_dimms(dimm("DIMM_A1", "", size_bytes=0)))
    found = prove(Repair(parts=(A1,)), dead, replace(BEFORE, dimms=with_dimms(dimm("DIMM_A1", "NEW"))), before_run=41)
    assert (found.parts[0].proof, critical(found)) == (Proof.PROVED, [])
    assert "run 41 saw nothing in that slot" in found.parts[0].text


def test_a_dimm_without_a_serial_cannot_be_proved_and_accuses_nobody() -> None:
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "Not Specified")))
    assert found.parts[0].proof is Proof.UNPROVABLE
    assert verdict_of(differences(found)) is Verdict.PASS


def test_a_serial_that_several_dimms_tell_is_none() -> None:
    """Seen on boards whose firmware hands out one serial for all: nobody can be accused by it."""
    twins = tuple(dimm(slot, "84218421") for slot in ("DIMM_A1", "DIMM_A2", "DIMM_B1"))
    after = (dimm("DIMM_A1", "NEW"), *twins[1:])
    found = prove(Repair(parts=(A1,)), replace(BEFORE, dimms=twins), replace(BEFORE, dimms=after), before_run=41)
    assert (found.parts[0].proof, critical(found)) == (Proof.UNPROVABLE, [])


def test_a_dimm_in_no_slot_of_that_name_is_our_trouble() -> None:
    found = proved(Part(kind=PartKind.DIMM, slot="Z9", new="NOBODY"))
    assert found.parts[0].proof is Proof.UNREAD
    assert verdict_of(differences(found)) is Verdict.ERROR


def test_a_disk_that_was_replaced_needs_no_slot() -> None:
    part = Part(kind=PartKind.DISK, slot="bay 3", old="D-OLD", new="D-NEW")
    found = proved(part, disks=(disk("D-NEW"), disk("D-KEEP", "sdb")))
    assert (found.parts[0].proof, found.beside) == (Proof.PROVED, ())
    assert found.parts[0].text == "disk in bay 3 was replaced: D-OLD (PM883) → D-NEW (PM883)"


def test_a_disk_whose_serials_nobody_noted_is_the_one_that_went() -> None:
    found = proved(Part(kind=PartKind.DISK, slot="bay 3"), disks=(disk("D-NEW"), disk("D-KEEP", "sdb")))
    assert (found.parts[0].proof, found.beside) == (Proof.PROVED, ())


@pytest.mark.parametrize(
    ("part", "disks", "says"),
    [
        (Part(kind=PartKind.DISK, old="D-OLD"), BEFORE.disks, "still has D-OLD"),
        (Part(kind=PartKind.DISK, slot="bay 3"), BEFORE.disks, "no new one is in this machine"),
        (Part(kind=PartKind.DISK, new="D-NEW"), (disk("D-ELSE"), disk("D-KEEP", "sdb")), "the new one, D-NEW, is not in this"),
        (Part(kind=PartKind.DISK, new="D-KEEP"), BEFORE.disks, "was there before, in run 41"),
    ],
)  # fmt: skip
def test_a_disk_that_was_not_replaced_is_named(part: Part, disks: tuple[FoundDisk, ...], says: str) -> None:
    found = proved(part, disks=disks)
    assert any(says in text for text in critical(found))


def test_disks_that_could_not_all_be_read_accuse_nobody() -> None:
    found = proved(
        Part(kind=PartKind.DISK, old="D-OLD", new="D-NEW"), disks=(), unreadable={"disks": "lsblk was killed"}
    )
    assert found.parts[0].proof is Proof.UNREAD
    assert verdict_of(differences(found)) is Verdict.ERROR
    assert {one.severity for one in found.beside} == {Severity.WARNING}


def test_a_stick_that_somebody_pulled_and_a_disk_of_the_network_are_no_part_of_the_machine() -> None:
    lun = (disk("LUN", "sdx", transport="iscsi"), disk("FAR", "nvme9n1", transport="nvme-tcp"))
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "NEW")), disks=(*BEFORE.disks[:2], *lun))
    assert found.beside == ()


def test_a_disk_behind_a_raid_controller_is_one_like_others() -> None:
    old, new = disk("M-OLD", "megaraid,4", transport="megaraid"), disk("M-NEW", "megaraid,4", transport="megaraid")
    part = Part(kind=PartKind.DISK, slot="bay 4", old="M-OLD", new="M-NEW")
    before, after = replace(BEFORE, disks=(*BEFORE.disks, old)), replace(BEFORE, disks=(*BEFORE.disks, new))
    found = prove(Repair(parts=(part,)), before, after, before_run=41)
    assert (found.parts[0].proof, found.beside) == (Proof.PROVED, ())


def test_a_network_card_takes_all_its_ports_with_it() -> None:
    new = (nic("eno1", "02:00:00:00:00:11", "0000:3b:00.0"), nic("eno2", "02:00:00:00:00:12", "0000:3b:00.1"))
    found = proved(Part(kind=PartKind.NIC, slot="eno1"), nics=(*new, BEFORE.nics[2]))
    assert (found.parts[0].proof, found.beside) == (Proof.PROVED, ())
    assert found.gone == set(MACS[:2])
    stayed = proved(Part(kind=PartKind.NIC, slot="eno1"), nics=(*new[:1], *BEFORE.nics[1:]))
    assert any(f"still has {MACS[1]}" in text for text in critical(stayed))


def test_a_gpu_is_found_by_its_place() -> None:
    found = proved(
        Part(kind=PartKind.GPU, slot="0000:af:00.0"),
        gpus=(FoundGpu(name="A100", uuid="GPU-9", pci="0000:af:00.0"), BEFORE.gpus[1]),
    )
    assert (found.parts[0].proof, found.beside) == (Proof.PROVED, ())


def test_a_new_board_explains_its_serial_its_uuid_and_its_network_ports() -> None:
    there = replace(BEFORE.identity, smbios_uuid="11111111-2222-4333-8444-555555555555", board_serial="BRD2")
    board = Part(kind=PartKind.BOARD, old="BRD1", new="BRD2")
    found = proved(board, identity=there, nics=(nic("eno1", "02:00:00:00:00:21"), BEFORE.nics[2]))
    assert (found.parts[0].proof, critical(found)) == (Proof.PROVED, [])
    assert {one.severity for one in found.beside} == {Severity.INFO}
    assert not any("changed too" in one.text for one in found.beside)


def test_a_board_that_changed_and_that_nobody_named_is_critical() -> None:
    there = replace(BEFORE.identity, board_serial="BRD2")
    found = proved(A1, dimms=with_dimms(dimm("DIMM_A1", "NEW")), identity=there)
    assert any("the serial of the system board was BRD1 and is BRD2" in text for text in critical(found))


def test_a_board_that_was_not_replaced_is_named() -> None:
    assert any("still has serial BRD1" in text for text in critical(proved(Part(kind=PartKind.BOARD))))


@pytest.mark.parametrize("kind", [PartKind.CABLE, PartKind.PSU, PartKind.CPU, PartKind.OTHER])
def test_what_tells_no_serial_cannot_be_proved(kind: PartKind) -> None:
    found = proved(Part(kind=kind, slot="1", new="SN"))
    assert found.parts[0].proof is Proof.UNPROVABLE
    assert "cannot be proved" in found.parts[0].text
    assert verdict_of(differences(found)) is Verdict.PASS


def test_a_power_supply_that_is_not_seen_any_more_is_critical() -> None:
    found = proved(Part(kind=PartKind.PSU, slot="2"), psu_count=1)
    assert critical(found) == ["2 power supplies were there, and 1 are"]


def test_another_processor_than_before_has_to_be_named() -> None:
    other = FoundCpu(model="Xeon 6154", sockets=2, cores=36, threads=72)
    assert any(
        "Xeon 6154: it changed too" in text for text in critical(proved(Part(kind=PartKind.CABLE, slot="x"), cpu=other))
    )
    assert critical(proved(Part(kind=PartKind.CPU, slot="CPU1"), cpu=other)) == []


def test_without_a_run_before_nothing_is_proved_and_a_part_that_is_not_there_is_missed() -> None:
    after = replace(BEFORE, disks=(disk("D-NEW"),))
    there = prove(Repair(parts=(Part(kind=PartKind.DISK, new="D-NEW"),)), None, after)
    missing = prove(Repair(parts=(Part(kind=PartKind.DISK, new="D-GONE"),)), None, after)
    assert there.parts[0].proof is Proof.UNPROVABLE
    assert "nothing to compare with" in there.parts[0].text
    assert missing.parts[0].proof is Proof.REFUTED


def test_a_host_in_which_nothing_changed_has_nothing_beside_its_repair() -> None:
    found = proved(Part(kind=PartKind.CABLE, slot="eno1"))
    assert (found.beside, critical(found)) == ((), [])


@pytest.mark.parametrize(
    ("typed", "labels", "label"),
    [
        ("A1", ("DIMM_A1", "DIMM_A11", "DIMM_B1"), "DIMM_A1"),
        ("dimm a1", ("DIMM_A1", "DIMM_A2"), "DIMM_A1"),
        ("A1", ("P1-DIMMA1", "P2-DIMMA1"), ""),
        ("P2-DIMMA1", ("P1-DIMMA1", "P2-DIMMA1"), "P2-DIMMA1"),
        ("1", ("DIMM11", "DIMM1"), "DIMM1"),
        ("A1", ("A1", "A10"), "A1"),
        ("", ("A1",), ""),
        ("C7", ("A1",), ""),
    ],
)
def test_a_slot_is_found_by_what_a_person_calls_it(typed: str, labels: tuple[str, ...], label: str) -> None:
    assert slot_called(typed, labels) == label


def test_neighbours_share_the_letter_of_the_slot() -> None:
    assert neighbours("A1", BEFORE.dimms) == ("DIMM_A2",)
