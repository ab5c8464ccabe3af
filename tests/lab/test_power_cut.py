"""The power fails at a random moment of the surface test: the next boot goes on where the disks had flushed, and no byte is left out.

What came back is compared from outside the guest with a pattern that is made here again, by other code.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.hardware import MIB, Disk, Hardware
from tests.lab.host import Host
from tests.lab.orchestrator import Orchestrator
from tests.lab.rack import Rack
from tests.lab.run import Run
from tests.lab.waiting import until
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Verdict

BLOCK = 4096
SLOW, NVME_4KN = "CUT-SATA", "CUT-NVME-4KN"
SIZES = {SLOW: 192 * MIB + 7 * 512, NVME_4KN: 96 * MIB + BLOCK}
RATES = {SLOW: 6_000_000, NVME_4KN: 8_000_000}  # bytes a second until the cut: long enough to be met in the middle
BRIEF = {
    "profiles": {
        "lab": {
            "drop": ["CPUStress", "Network", "Burn", "GPU", "PSU"],
            "storage": {"fio_s": 1, "fio_size_bytes": "4MiB"},
        }
    }
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What the orchestrator keeps of a disk's test."""

    phase: str
    written: int  # bytes that had been flushed
    done: int  # over both passes


def marks(serve: Orchestrator) -> dict[str, Mark]:
    found = {}
    with contextlib.closing(sqlite3.connect(f"file:{serve.data}/vetting.db?mode=ro", uri=True)) as database:
        for component, text in database.execute("SELECT component, text FROM checkpoints"):
            standing = json.loads(text.partition("\n")[2])["standing"]
            write, verify = standing["tallies"]
            phase = ("write", "verify", "finished")[standing["phase_index"]]
            found[component.removeprefix("disk:")] = Mark(
                phase, write["ok_bytes"], write["ok_bytes"] + verify["ok_bytes"]
            )
    return found


def pattern(salt: bytes) -> Iterator[bytes]:
    """The blocks of a disk, from the first on: random data in which a magic word, the block's number and the salt stand."""
    random_data = hashlib.shake_256(b"vetting surface base 1\0" + salt).digest(1031 * BLOCK)
    number = 0
    while True:
        start = number % 1031 * BLOCK
        yield b"vetting\x01" + number.to_bytes(8, "little") + salt + random_data[start + 32 : start + BLOCK]
        number += 1


def blocks_unlike(path: Path, salt: bytes, first_bytes: int) -> list[int]:
    """Numbers of the blocks that hold anything else, among the first bytes of a disk."""
    unlike: list[int] = []
    with path.open("rb") as file:
        for number, wanted in enumerate(pattern(salt)):
            found = file.read(max(0, min(BLOCK, first_bytes - number * BLOCK)))
            if not found:
                return unlike
            if found != wanted[: len(found)]:
                unlike.append(number)
    raise AssertionError


def salt_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)[16:]


def path_of(host: Host, serial: str) -> Path:
    return host.disk_path(serial) if serial == SLOW else host.folder / "nvme.img"


async def with_two_disks(rack: Rack) -> Host:
    """One with sectors of 512 bytes that ends within a block, and an NVMe drive with sectors of 4096 bytes."""
    drive = (
        "-blockdev", "driver=raw,node-name=nvme4k,file.driver=file,file.filename={folder}/nvme.img",
        "-device", f"nvme,ioeventfd=off,id={NVME_4KN},drive=nvme4k,serial={NVME_4KN},logical_block_size=4096,physical_block_size=4096",
    )  # fmt: skip
    host = await rack.host(Hardware(name="cut", disks=(Disk(serial=SLOW, size_bytes=SIZES[SLOW]),), more=drive))
    with path_of(host, NVME_4KN).open("xb") as file:
        file.truncate(SIZES[NVME_4KN])
    rack.exit.callback(path_of(host, NVME_4KN).unlink, missing_ok=True)
    return host


async def limited(host: Host, rates: dict[str, int]) -> None:
    assert host.qmp is not None
    nothing = dict.fromkeys(("bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    for serial, rate in rates.items():
        await host.qmp.do("block_set_io_throttle", id=serial, bps=rate, **nothing)


async def cut_at_random(run: Run, dice: random.Random) -> dict[str, Mark]:
    """Kills the machine somewhere between the first checkpoint of both disks and the end. Returns what was known then."""
    await until(
        lambda: _known(run.serve), limit_s=600, said="checkpoints of both disks", context=run.words, every_s=0.5
    )
    share = dice.uniform(0.25, 0.93)

    async def far_enough() -> bool:
        view = await run.view()
        progress = view.attempts[-1].progress
        assert view.state == "Storage", run.words()
        return progress.unit == "B" and progress.of > 0 and progress.done >= share * progress.of

    await until(far_enough, limit_s=300, said=f"{share:.0%} of the surface test", context=run.words, every_s=0.5)
    assert run.host.program is not None
    run.host.program.send(signal.SIGKILL)
    await run.host.power_off()
    known = marks(run.serve)
    print(f"the power was cut at {share:.0%}; kept were {known}")
    return known


async def _known(serve: Orchestrator) -> bool:
    found = await asyncio.to_thread(marks, serve)
    return set(found) == set(SIZES) and all(mark.done > 0 for mark in found.values())


def lost_what_was_not_flushed(host: Host, known: dict[str, Mark]) -> None:
    """What disks call written has reached the medium, and a cache without power forgets the rest."""
    for serial, mark in known.items():
        path = path_of(host, serial)
        assert blocks_unlike(path, salt_of(path), mark.written) == [], (
            f"{serial} had not flushed what was called written"
        )
        with path.open("r+b") as file:
            file.truncate(mark.written)
            file.truncate(SIZES[serial])


async def told(run: Run, serial: str) -> dict[str, Any]:
    """The last result that the surface program gave of this disk."""
    name = f"surface-{serial.lower()}.json"
    files = [one for one in await run.artifacts() if one.name == name]
    raw = await run.artifact(files[-1].id)
    result: dict[str, Any] = json.loads(raw.splitlines()[-1])
    return result


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_power_cut_costs_what_was_not_flushed_and_every_byte_is_verified_in_the_end(
    rack: Rack, image: None
) -> None:
    seed = int(os.environ.get("LAB_SEED") or int.from_bytes(os.urandom(3)))
    print(f"LAB_SEED={seed}")
    serve = await rack.orchestrator(changes=BRIEF)
    host = await with_two_disks(rack)
    drive = ExpectedDisk(serial=NVME_4KN, size_bytes=SIZES[NVME_4KN])
    spec = host.hardware.spec()
    await serve.know(host, spec=replace(spec, disks=(*spec.disks, drive)))
    run = await serve.start_run(host)
    await host.power_on()
    await limited(host, RATES)
    await run.reaches("Storage", limit_s=600)

    known = await cut_at_random(run, random.Random(seed))
    await asyncio.to_thread(lost_what_was_not_flushed, host, known)
    salts = {serial: salt_of(path_of(host, serial)) for serial in SIZES}

    await host.power_on()
    view = await run.held(limit_s=600)
    assert "rebooted unexpectedly during Storage" in view.reason, run.words()
    await run.entered("true", limit_s=400)  # held since it asked for its boot script; all of its start is still to come
    await run.decides("retry", reason="the power had failed")
    await run.passes(limit_s=600, retries=0)
    assert await host.powered_off(limit_s=120) == "guest-shutdown"

    for serial, size in SIZES.items():
        result, mark = await told(run, serial), known[serial]
        assert result["outcome"] == "clean" and result["resumed"] and result["sessions"] == 2, result
        assert result["bytes_written"] == result["bytes_verified"] == result["covered_bytes"] == size
        (resume,) = result["resumes"]
        assert (resume["after"], resume["done_bytes"]) == ("boot", mark.done), "it began where the orchestrator knew it"
        assert bytes.fromhex(result["salt"]) == salts[serial]
        unlike = await asyncio.to_thread(blocks_unlike, path_of(host, serial), salts[serial], size)
        covered = run.report()["coverage"]
        mine = next(one for one in covered if (one["stage"], one["component"]) == ("Storage", f"disk:{serial}"))
        work = {each["what"]: each for each in mine["work"]}
        assert work["surface verified"]["done"] == work["surface verified"]["of"] == size
        assert len(unlike) * BLOCK <= work["fio verified"]["of"], (
            "more than fio wrote afterwards is other than it was verified"
        )
    attempts = [one.verdict for one in (await run.view()).attempts if one.stage == "Storage"]
    assert attempts == [Verdict.FAIL, Verdict.PASS]
    findings = [one for one in run.report()["findings"] if one["source"] == "surface"]
    assert sum("the surface test was resumed once: at " in one["text"] for one in findings) == 2, findings
    assert {one["severity"] for one in findings} == {"info"}, "healthy disks were accused"
