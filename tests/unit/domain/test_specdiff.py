"""Expected spec against found inventory, the identity at the claim, and one inventory against the last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.healthy import IDENTITY, INVENTORY, MAC, MAC2, SPEC
from vetting.domain.changes import changes
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, Identity
from vetting.domain.identity import identity_conflicts
from vetting.domain.inventory import FoundDisk, FoundGpu, FoundNic, Inventory
from vetting.domain.naming import known, mac_of, same_wwn
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.profiles import GIB
from vetting.domain.specdiff import SEVERITIES, Difference, compare, verdict_of

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def only(spec: ExpectedSpec, inventory: Inventory) -> Difference:
    """The one difference that there is."""
    (row,) = compare(spec, inventory)
    assert row.text
    return row


def test_a_host_that_is_as_pinned_has_no_differences() -> None:
    assert compare(SPEC, INVENTORY) == ()


def test_nothing_pinned_is_nothing_compared() -> None:
    assert compare(ExpectedSpec(), INVENTORY) == ()


def found(**changes: object) -> Inventory:
    return replace(INVENTORY, **changes)  # type: ignore[arg-type]


def test_white_space_and_case_make_no_difference() -> None:
    assert compare(replace(SPEC, product="poweredge  r650 "), INVENTORY) == ()
    padded = replace(INVENTORY.disks[0], serial="  wd-1")
    assert compare(SPEC, found(disks=(padded, INVENTORY.disks[1]))) == ()


@pytest.mark.parametrize(
    ("inventory", "field", "severity"),
    [
        (found(product="PowerEdge R640"), "product", CRITICAL),
        (found(manufacturer="HP"), "manufacturer", WARNING),
        (found(identity=replace(IDENTITY, system_serial="OTHER")), "system_serial", CRITICAL),
        (found(cpu=replace(INVENTORY.cpu, model="Xeon Silver")), "cpu_model", CRITICAL),
        (found(cpu=replace(INVENTORY.cpu, sockets=1)), "cpu_sockets", CRITICAL),
        (found(cpu=replace(INVENTORY.cpu, threads=111)), "cpu_threads", CRITICAL),
        (found(cpu=replace(INVENTORY.cpu, threads=224)), "cpu_threads.more", WARNING),
        (found(disks=INVENTORY.disks[:1]), "disk.missing", CRITICAL),
        (found(disks=(*INVENTORY.disks, FoundDisk(name="sdc", serial="NEW", size_bytes=1))), "disk.extra", WARNING),
        (found(disks=(*INVENTORY.disks, replace(INVENTORY.disks[0], name="sdc"))), "disk.twice", WARNING),
        (found(disks=(replace(INVENTORY.disks[0], size_bytes=240 * 10**9), INVENTORY.disks[1])), "disk.size", CRITICAL),
        (found(nics=INVENTORY.nics[1:]), "nic.missing", CRITICAL),
        (found(nics=(replace(INVENTORY.nics[0], speed_mb_s=100), INVENTORY.nics[1])), "nic.speed", CRITICAL),
        (
            found(nics=(replace(INVENTORY.nics[0], link=False, speed_mb_s=None), INVENTORY.nics[1])),
            "nic.speed",
            CRITICAL,
        ),
        (found(psu_count=1), "psu_count", CRITICAL),
        (found(psu_count=3), "psu_count.more", WARNING),
    ],
)
def test_each_way_of_being_another_machine_is_told_with_its_weight(
    inventory: Inventory, field: str, severity: Severity
) -> None:
    rows = compare(SPEC, inventory)
    assert [(row.field, row.severity, row.unknown) for row in rows] == [(field, severity, False)]
    assert verdict_of(rows) is (Verdict.FAIL if severity is CRITICAL else Verdict.PASS)


def test_a_missing_dimm_is_seen_in_count_serial_and_size() -> None:
    rows = compare(SPEC, found(dimms=(INVENTORY.dimms or ())[1:], memory_bytes=221 * GIB))
    assert {row.field for row in rows} == {"dimm_count", "dimm.missing", "memory_bytes"}
    assert {row.severity for row in rows} == {CRITICAL}


def test_one_dimm_of_twenty_four_is_missed_by_memtotal_too() -> None:
    """32 of 768 GiB are 4.2 %: what firmware and kernel keep must not hide them."""
    spec = ExpectedSpec(memory_bytes=768 * GIB)
    assert compare(spec, found(dimms=None, memory_bytes=755 * GIB)) == ()
    assert only(spec, found(dimms=None, memory_bytes=724 * GIB)).field == "memory_bytes"


def test_a_virtual_machine_of_two_gib_is_not_short_of_memory() -> None:
    assert compare(ExpectedSpec(memory_bytes=2 * GIB), found(dimms=None, memory_bytes=int(1.92 * GIB))) == ()


def test_more_memory_than_pinned_is_a_warning() -> None:
    assert only(ExpectedSpec(memory_bytes=128 * GIB), INVENTORY).severity is WARNING


def test_memory_that_the_dimms_have_and_the_kernel_cannot_use_is_critical() -> None:
    """A DIMM that firmware mapped out is still listed by DMI."""
    row = only(ExpectedSpec(memory_bytes=256 * GIB), found(memory_bytes=190 * GIB))
    assert (row.field, row.severity) == ("memory_usable", CRITICAL)


NOTHING = replace(
    INVENTORY,
    manufacturer="",
    product="To Be Filled By O.E.M.",
    identity=replace(IDENTITY, system_serial="Not Specified"),
    cpu=replace(INVENTORY.cpu, model="", sockets=0, threads=0),
    memory_bytes=0,
    dimms=None,
    psu_count=None,
    unreadable={"nvidia-smi": "it hung", "lsblk": "no answer", "ip": "no answer"},
    disks=(),
    nics=(),
    gpus=(),
)


def test_what_could_not_be_read_is_unknown_for_every_pinned_field_and_never_agreement() -> None:
    rows = compare(SPEC, NOTHING)
    assert all(row.unknown and row.severity is CRITICAL and row.found == "" for row in rows), rows
    expected = "manufacturer product system_serial cpu_model cpu_sockets cpu_threads memory_bytes dimm_count"
    expected += " dimm.missing disk.missing nic.missing gpu_count gpu_models psu_count"
    assert {row.field for row in rows} == set(expected.split())
    assert verdict_of(rows) is Verdict.ERROR


def test_one_measured_critical_difference_makes_it_a_fail_whatever_else_is_unknown() -> None:
    assert verdict_of(compare(SPEC, replace(NOTHING, product="Another"))) is Verdict.FAIL


def test_a_speed_that_could_not_be_read_is_unknown() -> None:
    row = only(SPEC, found(nics=(replace(INVENTORY.nics[0], speed_mb_s=None), INVENTORY.nics[1])))
    assert (row.field, row.unknown, row.severity) == ("nic.speed", True, CRITICAL)


def test_a_disk_is_not_called_missing_for_certain_where_another_tells_no_serial() -> None:
    mute = FoundDisk(name="sdb", serial="", size_bytes=480 * 10**9)
    rows = {row.field: row for row in compare(SPEC, found(disks=(INVENTORY.disks[0], mute)))}
    assert rows["disk.missing"].unknown
    assert "sdb" in rows["disk.missing"].text


def test_a_disk_without_a_serial_is_known_by_its_wwn() -> None:
    spec = ExpectedSpec(disks=(ExpectedDisk(serial="WD-1", wwn="0x5000c500a1b2c3d4"),))
    mute = FoundDisk(name="sda", serial="", wwn="naa.5000C500A1B2C3D4", size_bytes=1)
    assert compare(spec, found(disks=(mute,))) == ()


def test_model_and_wwn_are_compared_where_they_are_pinned() -> None:
    spec = ExpectedSpec(disks=(ExpectedDisk(serial="WD-1", wwn="0x5000c500a1b2c3d4", model="ST4000"),))
    disk = replace(INVENTORY.disks[0], wwn="0x5000c500ffffffff")
    assert {(row.field, row.severity, row.unknown) for row in compare(spec, found(disks=(disk,)))} == {
        ("disk.wwn", CRITICAL, False),
        ("disk.model", WARNING, False),
    }
    bare = replace(disk, wwn="", model="")
    assert {(row.field, row.unknown) for row in compare(spec, found(disks=(bare,)))} == {
        ("disk.wwn", True),
        ("disk.model", True),
    }


def test_a_scratch_disk_is_no_part_of_the_host() -> None:
    scratch = ExpectedDisk(serial="loop:1", kind="scratch", path="/tmp/x")
    assert compare(ExpectedSpec(disks=(scratch,)), INVENTORY) == ()


def test_a_card_cabled_to_another_port_is_critical_and_an_unheard_neighbour_unknown() -> None:
    spec = ExpectedSpec(nics=(ExpectedNic(mac=MAC, neighbour="switch1 ge-0/0/1"),))
    row = only(spec, found(nics=(replace(INVENTORY.nics[0], neighbour="switch2 ge-0/0/1"),)))
    assert row.severity is CRITICAL
    assert "cabled to the wrong port: switch2 ge-0/0/1, expected switch1 ge-0/0/1" in row.text
    assert only(spec, found(nics=INVENTORY.nics[:1])).unknown
    mild = replace(spec, severities={"nic.neighbour": "warning"})
    assert only(mild, found(nics=(replace(INVENTORY.nics[0], neighbour="switch2 ge-0/0/1"),))).severity is WARNING


def test_a_gpu_of_another_model_is_told() -> None:
    row = only(replace(SPEC, gpu_count=None), found(gpus=(FoundGpu(name="NVIDIA T4", uuid="GPU-2"),)))
    assert (row.field, row.expected) == ("gpu_models", "NVIDIA A2")


def test_no_gpu_pinned_and_one_found_is_a_surplus() -> None:
    assert only(ExpectedSpec(gpu_count=0), INVENTORY).field == "gpu_count.more"


def test_the_spec_decides_what_a_field_weighs() -> None:
    spec = replace(SPEC, severities={"disk.missing": "info", "disk.extra": "critical"})
    other = FoundDisk(name="sdb", serial="NEW", size_bytes=1)
    rows = compare(spec, found(disks=(INVENTORY.disks[0], other)))
    assert {row.field: row.severity for row in rows} == {"disk.missing": INFO, "disk.extra": CRITICAL}


@pytest.mark.parametrize("severities", [{"disc.missing": "info"}, {"disk.missing": "harmless"}])
def test_a_severity_that_makes_no_sense_changes_nothing_and_is_told(severities: dict[str, str]) -> None:
    rows = compare(replace(SPEC, severities=severities), found(disks=INVENTORY.disks[:1]))
    assert {row.field: row.severity for row in rows} == {"disk.missing": CRITICAL, "severities": WARNING}


def test_a_card_that_is_not_in_the_spec_is_only_told() -> None:
    assert only(replace(SPEC, nics=SPEC.nics[:1]), INVENTORY).field == "nic.extra"


@given(st.sampled_from(sorted(SEVERITIES)), st.sampled_from(list(Severity)))
def test_a_host_as_pinned_has_no_differences_under_any_severities(field: str, severity: Severity) -> None:
    assert compare(replace(SPEC, severities={field: str(severity)}), INVENTORY) == ()


# --- names --------------------------------------------------------------------------------------------------------


SAYS_NOTHING = (
    "",
    " ",
    "To Be Filled By O.E.M.",
    "to be filled by o.e.m",
    "Not Specified",
    "Default string",
    "None",
    "N/A",
    "0",
    "00000000-0000-0000-0000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "0x0000000000000000",
    "........",
    "System Serial Number",
    "03000200-0400-0500-0006-000700080009",
)


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_placeholders_say_nothing(text: str) -> None:
    assert known(text) == ""
    assert not same_wwn(text, text)


@pytest.mark.parametrize("text", ["WD-1", "S4XYZ", "00001", "F00F", "0x5000c500a1b2c3d4", "f1"])
def test_real_names_are_kept(text: str) -> None:
    assert known(text)


def test_spellings_of_one_name_are_one() -> None:
    assert known("  WD WCAV_1234 ") == known("wdwcav1234")
    assert same_wwn("0x5000C500A1B2C3D4", "naa.5000c500a1b2c3d4")
    assert mac_of("52-54-00-AA-BB-01") == mac_of("525400aabb01") == MAC
    assert mac_of("00:00:00:00:00:00") == mac_of("ff:ff:ff:ff:ff:ff") == mac_of("eth0") == ""


# --- identity -----------------------------------------------------------------------------------------------------


def test_the_machine_on_record_is_taken() -> None:
    assert identity_conflicts(IDENTITY, IDENTITY) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smbios_uuid": "4c4c4544-0036-3110-8052-ffffffffffff"}, "SMBIOS UUID"),
        ({"system_serial": "OTHER"}, "system serial"),
        ({"board_serial": "OTHER"}, "board serial"),
        ({"macs": (MAC,)}, MAC2),
        ({"disk_serials": ("WD-1", "NEW")}, "WD-2"),
    ],
)
def test_each_part_that_is_another_is_reason_enough_to_hold(changes: dict[str, object], words: str) -> None:
    (conflict,) = identity_conflicts(IDENTITY, replace(IDENTITY, **changes))  # type: ignore[arg-type]
    assert words in conflict


def test_what_either_side_does_not_know_is_not_compared() -> None:
    for unknown in ("", "To Be Filled By O.E.M.", "00000000-0000-0000-0000-000000000000"):
        blank = replace(IDENTITY, smbios_uuid=unknown, system_serial=unknown, board_serial=unknown)
        assert identity_conflicts(IDENTITY, blank) == ()
        assert identity_conflicts(blank, IDENTITY) == ()


def test_something_that_seldom_moves_must_agree() -> None:
    """Disks do move: two machines with nothing else in common are two machines."""
    disks = Identity(disk_serials=("WD-1", "WD-2"))
    for record, there in ((disks, disks), (Identity(), IDENTITY), (IDENTITY, Identity()), (Identity(), Identity())):
        (conflict,) = identity_conflicts(record, there)
        assert "nothing that identifies" in conflict


def test_more_cards_and_disks_than_on_record_are_no_conflict() -> None:
    record = replace(IDENTITY, macs=(MAC,), disk_serials=("WD-1",))
    assert identity_conflicts(record, IDENTITY) == ()


def test_a_run_that_writes_nothing_leaves_a_missing_disk_to_the_spec() -> None:
    swapped = replace(IDENTITY, disk_serials=("WD-1", "NEW"))
    assert identity_conflicts(IDENTITY, swapped, writes=False) == ()
    assert identity_conflicts(IDENTITY, replace(IDENTITY, disk_serials=("A", "B")), writes=False)


TEXTS = st.sampled_from(["", "A", "B", "Not Specified"])
IDENTITIES = st.builds(
    Identity,
    smbios_uuid=TEXTS,
    system_serial=TEXTS,
    board_serial=TEXTS,
    macs=st.lists(st.sampled_from([MAC, MAC2]), unique=True).map(tuple),
    disk_serials=st.lists(st.sampled_from(["D1", "D2"]), unique=True).map(tuple),
)


@given(IDENTITIES, IDENTITIES)
def test_a_machine_is_taken_only_where_something_strong_agrees_and_nothing_contradicts(
    record: Identity, there: Identity
) -> None:
    if identity_conflicts(record, there):
        return
    pairs = [(getattr(record, name), getattr(there, name)) for name in ("smbios_uuid", "system_serial", "board_serial")]
    real = [(old, new) for old, new in pairs if known(old) and known(new)]
    assert all(old == new for old, new in real)
    assert real or set(record.macs) & set(there.macs)
    assert not there.macs or set(record.macs) <= set(there.macs)


# --- since the last good run --------------------------------------------------------------------------------------


def test_the_same_inventory_has_no_changes() -> None:
    assert changes(INVENTORY, INVENTORY) == ()


def test_replaced_parts_are_told_by_serial_as_gone_and_new() -> None:
    after = found(
        disks=(INVENTORY.disks[0], replace(INVENTORY.disks[1], serial="NEW")),
        dimms=(replace((INVENTORY.dimms or ())[0], serial="DIMM9"), *(INVENTORY.dimms or ())[1:]),
        nics=(FoundNic(name="eno1", mac="52:54:00:aa:bb:03", link=True), *INVENTORY.nics[1:]),
    )
    rows = {row.field: row for row in changes(INVENTORY, after)}
    assert set(rows) == {"disk.gone", "disk.new", "dimm.gone", "dimm.new", "nic.gone", "nic.new"}
    assert {rows["disk.gone"].severity, rows["disk.new"].severity} == {WARNING, INFO}
    assert "wd-2" in rows["disk.gone"].text


def test_a_replaced_board_and_less_memory_are_told() -> None:
    after = found(
        identity=replace(IDENTITY, board_serial="NEWBOARD"), dimms=(INVENTORY.dimms or ())[:4], memory_bytes=126 * GIB
    )
    fields = {row.field for row in changes(INVENTORY, after)}
    assert {"board_serial", "memory_bytes", "dimm.gone"} <= fields


def test_changes_never_gate() -> None:
    assert all(row.severity is not CRITICAL for row in changes(INVENTORY, NOTHING))
