"""Who may be written: every line by itself is enough to refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vetting.domain.disks import (
    Backing,
    DiskIdentity,
    Hit,
    Line,
    Surroundings,
    device_objections,
    guard_objections,
    identity_objections,
    normal_wwn,
    plan_targets,
    probe_objections,
    scratch_objections,
    use_objections,
)
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk
from vetting.domain.permit import Permit, PermittedDisk

TB = 10**12
DISK = DiskIdentity(
    name="sda",
    device="8:0",
    kind="disk",
    serials=("WD-1",),
    wwn="naa.5000c500a1b2c3d4",
    size_bytes=TB,
    transport="sata",
)
ALLOWED = PermittedDisk(serial="WD-1", size_bytes=TB, wwn="0x5000C500A1B2C3D4")
FILE = "/var/tmp/x/scratch-0b7f5a54-6f3c-4c0e-9a55-1f6a3c1d2e3f.img"
BACKING = Backing(path=FILE, directory="/var/tmp/x", regular=True, ours=True, same_file=True)
LOOP = replace(DISK, name="loop3", kind="loop", transport="loop", serials=("loop:0b7f",), wwn="", backing=BACKING)
PERMIT = Permit(
    run_id=1, host_id="h", host_uuid="u", disks=(ALLOWED,), issued_s=1, expires_s=2, nonce="0123456789abcdef"
)
SCRATCH = replace(PERMIT, kind="scratch", scratch_dir="/var/tmp/x/")


def test_the_disk_that_was_named_by_serial_size_and_wwn_may_be_written() -> None:
    assert identity_objections(DISK, [ALLOWED]) == ()


@pytest.mark.parametrize(
    ("disk", "allowed", "said"),
    [
        (DISK, [], "not among"),
        (DISK, [replace(ALLOWED, serial="WD-2")], "not among"),
        (DISK, [replace(ALLOWED, serial="wd-1")], "not among"),
        (DISK, [replace(ALLOWED, serial="WD-")], "not among"),
        (DISK, [replace(ALLOWED, serial="")], "not among"),
        (DISK, [ALLOWED, ALLOWED], "more than once"),
        (DISK, [replace(ALLOWED, size_bytes=TB - 512)], "bytes"),
        (DISK, [replace(ALLOWED, size_bytes=0)], "bytes"),
        (replace(DISK, size_bytes=0), [replace(ALLOWED, size_bytes=0)], "bytes"),
        (DISK, [replace(ALLOWED, wwn="0x5000c500ffffffff")], "WWN"),
        (replace(DISK, wwn=""), [ALLOWED], "WWN"),
        (replace(DISK, serials=()), [ALLOWED], "no serial"),
        (replace(DISK, serials=("  ",)), [replace(ALLOWED, serial=" ")], "no serial"),
        (replace(DISK, serial_shared=True), [replace(ALLOWED, wwn="")], "more than one device"),
    ],
)
def test_any_other_disk_is_refused(disk: DiskIdentity, allowed: list[PermittedDisk], said: str) -> None:
    (objection,) = identity_objections(disk, allowed)
    assert objection.line is Line.ALLOWLIST and said in objection.reason


def test_blanks_around_a_serial_and_the_spelling_of_a_wwn_do_not_matter() -> None:
    assert identity_objections(replace(DISK, serials=("  WD-1 ",)), [replace(ALLOWED, serial="WD-1\n")]) == ()
    assert normal_wwn("0x5000C500A1B2C3D4") == normal_wwn("naa.5000c500a1b2c3d4") == normal_wwn(" 5000c500a1b2c3d4 ")
    assert normal_wwn("eui.0025385b71b0a1c3") == normal_wwn("0x0025385B71B0A1C3")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "partition"}, Line.KIND),
        ({"kind": "other"}, Line.KIND),
        ({"read_only": True}, Line.KIND),
        ({"removable": True}, Line.KIND),
        ({"zoned": "host-managed"}, Line.KIND),
        *(
            ({"transport": way}, Line.TRANSPORT)
            for way in ("usb", "iscsi", "fc", "nvme-tcp", "nvme-fc", "virtual", "", "loop")
        ),
    ],
)
def test_some_devices_are_never_written_whatever_was_signed(change: dict[str, Any], line: Line) -> None:
    assert [each.line for each in device_objections(replace(DISK, **change))] == [line]


@pytest.mark.parametrize("transport", ["sata", "ata", "sas", "nvme", "virtio", "scsi"])
def test_local_disks_are_fine(transport: str) -> None:
    assert device_objections(replace(DISK, transport=transport)) == ()


@pytest.mark.parametrize("field", ["system", "mounted", "held", "swap", "multipath", "unreadable"])
def test_anything_that_uses_a_disk_forbids_it(field: str) -> None:
    around = Surroundings(**{field: ("seen",)})
    (objection,) = use_objections(DISK, around)

    assert objection.line is (Line.SYSTEM if field == "system" else Line.IN_USE) and "seen" in objection.reason
    assert use_objections(DISK, Surroundings()) == ()


def test_every_hit_is_listed_and_only_the_right_override_lets_them_pass() -> None:
    hits = [Hit("ext4", 1080), Hit("gpt", 512, "IBM GPFS")]

    assert len(probe_objections(DISK, hits, [])) == 2
    assert "gpt at byte 512 (IBM GPFS)" in str(probe_objections(DISK, hits, ["accept_differences"])[1])
    assert probe_objections(DISK, hits, ["wipe_probe"]) == ()


def test_the_wipe_override_lifts_no_other_line() -> None:
    permit = replace(PERMIT, overrides=("wipe_probe",), non_destructive=True)

    assert guard_objections(DISK, permit, non_destructive=False, under_test=False)[0].line is Line.NON_DESTRUCTIVE
    assert scratch_objections(LOOP, permit)
    assert device_objections(replace(DISK, transport="usb"))
    assert use_objections(DISK, Surroundings(mounted=("sda1 on /",)))


def test_either_flag_makes_a_run_non_destructive() -> None:
    def lines(permit: Permit, flag: bool) -> list[Line]:
        return [each.line for each in guard_objections(DISK, permit, non_destructive=flag, under_test=False)]

    assert lines(PERMIT, False) == []
    assert lines(PERMIT, True) == lines(replace(PERMIT, non_destructive=True), False) == [Line.NON_DESTRUCTIVE]


def test_under_test_only_scratch_is_ever_opened_for_writing() -> None:
    def allowed(disk: DiskIdentity, permit: Permit) -> bool:
        return not guard_objections(disk, permit, non_destructive=False, under_test=True)

    assert allowed(LOOP, SCRATCH)
    assert not allowed(DISK, SCRATCH)
    assert not allowed(LOOP, PERMIT)
    assert not allowed(DISK, PERMIT)


def test_scratch_permits_and_real_disks_never_meet() -> None:
    assert scratch_objections(LOOP, SCRATCH) == ()
    assert scratch_objections(replace(LOOP, kind="file"), SCRATCH) == ()
    assert scratch_objections(DISK, PERMIT) == ()
    assert scratch_objections(LOOP, PERMIT)
    assert scratch_objections(DISK, SCRATCH)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/var/tmp/x/disk.img"},
        {"path": "/var/tmp/x/scratch-1.img.bak"},
        {"directory": "/var/tmp/y"},
        {"directory": "/var/tmp/x/deeper"},
        {"regular": False},
        {"ours": False},
        {"same_file": False},
        {"shared": True},
    ],
)
def test_a_loop_device_on_any_other_file_is_no_scratch(change: dict[str, Any]) -> None:
    (objection,) = scratch_objections(replace(LOOP, backing=replace(BACKING, **change)), SCRATCH)
    assert objection.line is Line.SCRATCH


def test_a_scratch_permit_without_a_directory_opens_nothing() -> None:
    loop = replace(LOOP, backing=replace(BACKING, directory=""))
    assert scratch_objections(loop, replace(SCRATCH, scratch_dir=""))


FOUND = FoundDisk(name="sda", serial="WD-1", wwn="0x5000c500a1b2c3d4", size_bytes=TB, transport="sata")
EXPECTED = ExpectedDisk(serial="WD-1", wwn="naa.5000c500a1b2c3d4", size_bytes=TB)


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (EXPECTED, [FOUND], ""),
        (replace(EXPECTED, wwn="", size_bytes=0), [FOUND], ""),
        (EXPECTED, [replace(FOUND, transport="")], ""),
        (replace(EXPECTED, kind="scratch", path="/x"), [], ""),
        (EXPECTED, [], "no disk with this serial"),
        (EXPECTED, [FOUND, replace(FOUND, name="sdb")], "more than one way"),
        (EXPECTED, [replace(FOUND, size_bytes=TB + 1)], "bytes"),
        (EXPECTED, [replace(FOUND, wwn="")], "WWN"),
        (EXPECTED, [replace(FOUND, transport="usb")], "usb"),
        (EXPECTED, [replace(FOUND, transport="iscsi")], "iscsi"),
        (replace(EXPECTED, write=False), [FOUND], "never written"),
        (replace(EXPECTED, serial=""), [replace(FOUND, serial="")], "no serial"),
        (replace(EXPECTED, kind="cloud"), [FOUND], "kind"),
    ],
)
def test_the_plan_names_a_disk_only_when_nothing_speaks_against_it(
    expected: ExpectedDisk, found: list[FoundDisk], said: str
) -> None:
    (target,) = plan_targets([expected], found, non_destructive=False)
    assert (said in target.why_not) if said else target.why_not == ""


def test_a_non_destructive_run_plans_nothing_and_a_serial_named_twice_is_nobody() -> None:
    assert plan_targets([EXPECTED], [FOUND], non_destructive=True)[0].why_not == "the run is non-destructive"
    assert all("more than once" in t.why_not for t in plan_targets([EXPECTED] * 2, [FOUND], non_destructive=False))
