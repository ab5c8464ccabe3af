"""Storage on a scratch loop device with the real surface program and the real fio, healthy, lying, and with stand-ins."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scratch_disk import HOST, RUN_ID, ScratchDisk, scratch_disk
from tests.fakes.scripted_deps import job
from tests.fakes.stage_world import recorded
from tests.fakes.stand_ins import KINDS, stand_in
from vetting.domain.outcome import Verdict
from vetting.domain.permit import WIPE_PROBE
from vetting.domain.profiles import MIB, TASTE, StorageKnobs, SurfaceMode
from vetting.stages.disk_paths import Device
from vetting.stages.fio_load import rounds
from vetting.stages.storage import Storage
from vetting.surface.pattern import BLOCK_BYTES, Pattern

pytestmark = pytest.mark.machine

KNOBS = StorageKnobs(surface=SurfaceMode.FULL, fio_s=2, fio_size_bytes=32 * MIB)


@pytest.fixture(autouse=True)
def _only_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The surface program's own guard: under test it opens nothing but scratch disks for writing."""
    monkeypatch.setenv("VETTING_TEST", "1")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ScratchDisk]:
    with scratch_disk(tmp_path) as made:
        yield made


def deps_for(
    disk: ScratchDisk, *, knobs: StorageKnobs = KNOBS, path: str = "", limit_s: float | None = None, **changes: Any
) -> PlainDeps:
    scratch = disk.file.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    asked = job(
        profile=replace(TASTE, storage=knobs),
        run_id=RUN_ID,
        host=HOST,
        expected_disks=(disk.expected,),
        permit=disk.permit,
        permit_key=disk.permit_key,
    )
    return PlainDeps(replace(asked, **changes), scratch, path=path, limit_s=limit_s)


def checksum(disk: ScratchDisk) -> str:
    return hashlib.sha256(disk.file.read_bytes()).hexdigest()


async def test_a_healthy_disk_passes_with_every_byte_counted(disk: ScratchDisk) -> None:
    deps = deps_for(disk)
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    work = {each.what: each for each in outcome.cells[0].work}
    assert work["surface verified"].done == work["surface verified"].of == 64 * MIB
    assert work["fio verified"].done == work["fio verified"].of > 4 * MIB
    assert sum(ran.elapsed_s for ran in deps.ran if ran.argv[0] == "fio") >= 1.5
    assert {each.series.rpartition(".")[2] for each in outcome.measurements} >= {"iops", "p99", "mean"}


async def test_a_sample_covers_what_it_promises(disk: ScratchDisk) -> None:
    sample = replace(KNOBS, surface=SurfaceMode.SAMPLE, sample_bytes=16 * MIB, fio_s=1)
    outcome = await Storage().run(deps_for(disk, knobs=sample))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    covered = next(each for each in outcome.cells[0].work if each.what == "surface covered")
    assert (covered.done, covered.of) == (16 * MIB, 64 * MIB)


async def test_data_on_a_disk_halts_the_stage_and_stays_untouched(disk: ScratchDisk) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    before = checksum(disk)
    outcome = await Storage().run(deps_for(disk))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.reason.startswith("UnexpectedData: ") and "ext4" in outcome.reason
    assert checksum(disk) == before


async def test_an_override_without_a_permit_for_it_still_writes_nothing(disk: ScratchDisk) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    before = checksum(disk)
    outcome = await Storage().run(deps_for(disk, override_flags=(WIPE_PROBE,)))
    assert outcome.verdict is Verdict.ERROR
    assert "UnexpectedData" in outcome.reason
    assert checksum(disk) == before


async def test_an_overridden_wipe_probe_goes_on(tmp_path: Path) -> None:
    with scratch_disk(tmp_path, overrides=(WIPE_PROBE,)) as disk:
        subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
        outcome = await Storage().run(deps_for(disk, override_flags=(WIPE_PROBE,), knobs=replace(KNOBS, fio_s=1)))
        assert outcome.verdict is Verdict.PASS, outcome.reason


@pytest.mark.parametrize("how", ["non-destructive", "never written", "no permit", "another run", "another host"])
async def test_a_disk_that_may_not_be_written_is_not(disk: ScratchDisk, how: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "non-destructive": {"non_destructive": True},
        "never written": {"expected_disks": (replace(disk.expected, write=False),)},
        "no permit": {"permit": ""},
        "another run": {"run_id": RUN_ID + 1},
        "another host": {"host": "other"},
    }
    before = checksum(disk)
    outcome = await Storage().run(deps_for(disk, **ways[how]))
    assert outcome.verdict is (Verdict.SKIP if how in ("non-destructive", "never written") else Verdict.ERROR)
    assert outcome.reason
    assert checksum(disk) == before


async def test_a_scratch_file_without_its_loop_device_is_our_error(disk: ScratchDisk) -> None:
    gone = replace(disk.expected, path=str(disk.file.with_name("scratch-gone.img")))
    outcome = await Storage().run(deps_for(disk, expected_disks=(gone,)))
    assert outcome.verdict is Verdict.ERROR
    assert "0 loop devices" in outcome.reason


async def test_bits_that_change_under_fio_fail_the_disk(disk: ScratchDisk) -> None:
    """The proof that fio's rounds verify: junk is written behind its back into the file below the loop device."""
    deps = deps_for(disk)
    device = Device(disk=disk.expected, path=disk.device, kname=disk.device.removeprefix("/dev/"), size_bytes=64 * MIB)
    testing = asyncio.create_task(rounds(deps, device, area_bytes=32 * MIB, seconds=20))
    dice = random.Random(1)
    with disk.file.open("r+b", buffering=0) as file:
        while not testing.done():
            for _ in range(20):
                os.pwrite(file.fileno(), b"\xa5" * 64, dice.randrange(64 * MIB // 4096) * 4096 + 512)
            await asyncio.sleep(0.001)
    done = await testing
    assert done.verdict is Verdict.FAIL
    assert "did not verify" in done.reason
    assert done.ended_s - done.started_s < 20


@pytest.mark.parametrize("kind", KINDS)
async def test_no_stand_in_for_fio_comes_out_green(tmp_path: Path, disk: ScratchDisk, kind: str) -> None:
    path = stand_in(tmp_path, "fio", kind, good=recorded("debian12", "fio-round")[1], takes_s=1)
    outcome = await Storage().run(deps_for(disk, path=path, limit_s=4, knobs=replace(KNOBS, fio_s=1)))
    assert outcome.verdict is Verdict.ERROR, outcome.reason


@pytest.mark.parametrize("tool", ["wipefs", "blkid", "lsblk"])
@pytest.mark.parametrize("kind", ["true", "false", "garbage", "suicide"])
async def test_no_stand_in_for_a_probe_lets_anything_be_written(
    tmp_path: Path, disk: ScratchDisk, tool: str, kind: str
) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    before = checksum(disk)
    outcome = await Storage().run(deps_for(disk, path=stand_in(tmp_path, tool, kind), limit_s=10))
    assert outcome.verdict is Verdict.ERROR
    assert checksum(disk) == before


async def test_a_power_cut_in_the_middle_goes_on_where_the_disk_had_flushed(disk: ScratchDisk, tmp_path: Path) -> None:
    """The whole stage, twice: what the first boot carried away is all that the second one has."""
    first = deps_for(disk)
    outcome = await Storage().run(first)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    component = f"disk:{disk.expected.serial}"
    kept = first.checkpoints[component]
    digest, _, text = kept.text.partition("\n")
    body = json.loads(text)
    assert digest == hashlib.sha256(text.removesuffix("\n").encode()).hexdigest()
    assert body["standing"]["phase_index"] == 2 and kept.heads_sha256 in {
        hashlib.sha256(data).hexdigest() for data in first.uploads.values()
    }
    # As it stood at 75 % of the verifying, whose last quarter was never compared.
    standing = body["standing"]
    standing["phase_index"] = 1
    standing["tallies"][1] |= {"mark": 48, "ok_bytes": 48 * MIB, "bucket_bytes": [MIB] * 48 + [0] * 16}
    text = json.dumps(body, sort_keys=True)
    left = replace(kept, text=f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}\n")
    folder = tmp_path / "second boot"
    folder.mkdir()
    second = PlainDeps(replace(first.job, permit=disk.permit), folder)
    second.checkpoints[component] = left
    with disk.file.open("r+b") as file:  # fio has written since: as it was after the surface test
        pattern = Pattern(bytes.fromhex(body["salt"]))
        for at in range(0, 64 * MIB, MIB):
            file.write(pattern.expected(at // BLOCK_BYTES, MIB))
        file.seek(60 * MIB + 5)
        byte = file.read(1)
        file.seek(60 * MIB + 5)
        file.write(bytes([byte[0] ^ 4]))
    outcome = await Storage().run(second)
    assert outcome.verdict is Verdict.FAIL and "1 bits differ" in outcome.reason, outcome.reason
    (told,) = [one.text for one in outcome.findings if "resumed" in one.text]
    assert "resumed once: at 88 % (verify, cycle 1, byte 50331648) after the host had booted again" in told
    assert second.uploads == {}
