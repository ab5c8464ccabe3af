"""Disks through the whole pipeline: data that nobody expected halts the run, and nothing is written where nobody said so."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.scratch_disk import ScratchDisk
from tests.machine.silent_green.rack import only, rack
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import MIB

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(300),
    pytest.mark.allow_blocking("checksums of whole disks are taken on purpose"),
]

SIGNATURES = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "LVM2_member": ("pvcreate", "-q", "-y"),
}


def digest(file: Path) -> str:
    os.sync()
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", SIGNATURES)
async def test_data_that_nobody_expected_halts_the_run_until_a_person_says_that_it_may_go(
    folder: Path, kind: str
) -> None:
    before: list[str] = []

    def written_by_somebody(disk: ScratchDisk) -> None:
        limited = ["--devices", disk.device] if kind == "LVM2_member" else []  # lvm looks at no other device
        argv = [*SIGNATURES[kind], *limited, disk.device]
        subprocess.run(argv, check=True, capture_output=True)
        before.append(digest(disk.file))

    async with rack(folder, drop=only("Storage"), prepare=written_by_somebody) as here:
        halted = await here.held()
        assert (halted.stage, halted.verdict) == ("Storage", Verdict.ERROR)
        assert halted.reason.startswith("UnexpectedData")
        assert digest(here.disk.file) == before[0]

        await here.retry()  # trying again is no permission
        again = await here.held()
        assert again.reason.startswith("UnexpectedData")
        assert digest(here.disk.file) == before[0]

        await here.override("wipe_probe")
        view = await here.completed()
        assert (await here.verdicts())["Storage"] == ["ERROR", "ERROR", "PASS"]
        assert digest(here.disk.file) != before[0]
    assert "Storage overridden with wipe_probe by tester because: the test made this data itself" in view.verdict
    assert "not vetted" in view.verdict


async def test_a_run_that_is_not_destructive_writes_nothing_and_says_so_beside_its_verdict(folder: Path) -> None:
    before: list[str] = []

    def noted(disk: ScratchDisk) -> None:
        disk.file.write_bytes(os.urandom(MIB) * 64)
        before.append(digest(disk.file))

    async with rack(folder, drop=only("Storage", "Burn"), prepare=noted, non_destructive=True) as here:
        view = await here.completed()
        assert digest(here.disk.file) == before[0]
        storage, burn = await here.outcome("Storage"), await here.outcome("Burn")
    assert (storage.verdict, storage.cells[0].verdict) == (Verdict.SKIP, Verdict.SKIP)
    assert "the run is non-destructive" in storage.reason
    disk = next(cell for cell in burn.cells if cell.component == "disk")
    assert (disk.verdict, "the run is non-destructive" in disk.reason) == (Verdict.SKIP, True)
    assert "non-destructive: nothing was written to the disks" in view.verdict
    assert "not vetted" in view.verdict


@contextlib.contextmanager
def bystander(folder: Path) -> Iterator[Path]:
    """A second disk of the test's own that nobody listed: without any signature, so that nothing but its name protects it."""
    file = folder / "bystander.img"
    file.write_bytes(random.Random(7).randbytes(32 * MIB))
    made = subprocess.run(["losetup", "--find", "--show", str(file)], check=True, capture_output=True, text=True)
    device = made.stdout.strip()
    try:
        yield file
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


async def test_a_disk_that_nobody_listed_is_the_same_to_the_last_byte_after_a_destructive_run(folder: Path) -> None:
    with bystander(folder) as file:
        before = digest(file)
        async with rack(folder, drop=only("Storage", "Burn")) as here:
            listed = digest(here.disk.file)
            await here.completed()
            assert digest(here.disk.file) != listed
            assert {cell.component for cell in (await here.outcome("Storage")).cells} == {
                f"disk:{here.disk.expected.serial}"
            }
        assert digest(file) == before
