"""`vetting run restore-heads`, as a person types it: real orchestrator, agent, sshd, surface program and loop device; blkid has the last word."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.rig import free_ports
from tests.fakes.scratch_disk import ScratchDisk, scratch_disk
from tests.machine.agent.holding import Hold, clear, config_in
from vetting import serve, wire
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.states import RunState
from vetting.store import artifacts, audit, checkpoints, runs
from vetting.store.rows import CheckpointRow
from vetting.surface import heads
from vetting.surface.device import closed_after
from vetting.surface.identity import read_identity
from vetting.surface.sysfs import World

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]
MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ScratchDisk]:
    with scratch_disk(tmp_path) as made:
        yield made


@pytest.fixture
async def hold(tmp_path: Path, disk: ScratchDisk) -> AsyncIterator[Hold]:
    os.makedirs("/run/sshd", exist_ok=True)
    async with serve.running(config_in(tmp_path), strict=True) as server:
        token = (tmp_path / "data" / serve.LOCAL_TOKEN).read_text()
        one = Hold(server, tmp_path, token, port=free_ports(1)[0])
        await server.desk.people.add_host(
            wire.HostEdit(name="bench", spec=ExpectedSpec(disks=(disk.expected,))), who="t"
        )
        request = wire.StartRun(
            host="bench", profile="sprint", start_by="manual", confirm_serials=(disk.expected.serial,)
        )
        started = await server.desk.progress.start(request, who="tester")
        one.run_id, one.ticket = started.run_id, started.ticket
        one.boots("boot-one")
        programs = tmp_path / "programs"
        programs.mkdir()
        own = programs / "vetting"
        own.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m vetting "$@"\n')
        own.chmod(0o755)
        try:
            await one.start_agent(programs=str(programs))
            await one.fails()
            yield one
        finally:
            await clear(one)


def blkid(disk: ScratchDisk) -> str:
    return subprocess.run(("blkid", "-p", "-o", "export", disk.device), capture_output=True, text=True).stdout


def digest(disk: ScratchDisk) -> str:
    os.sync()
    return hashlib.sha256(disk.file.read_bytes()).hexdigest()


async def saved(hold: Hold, disk: ScratchDisk) -> None:
    """Somebody's GPT; its ends go to the orchestrator as the agent sends them, and the disk is then overwritten."""
    table = f"label: gpt\nstart=2048, size=20480, type={'4fbd7e29-9d25-41b8-afd0-062c0ceff05d'}\n"
    subprocess.run(("sfdisk", "--quiet", "--no-reread", disk.device), input=table, text=True, check=True)
    fd = os.open(disk.device, os.O_RDONLY | os.O_DIRECT)
    with closed_after(fd):
        heads.save(hold.folder / "heads", heads.taken(fd, read_identity(fd, World()), hold.run_id))
    raw = (hold.folder / "heads").read_bytes()
    room = artifacts.Room(hold.folder / "data", quota_bytes=10**9)
    stored = await asyncio.to_thread(room.keep, hold.run_id, raw)
    name, kind = "heads-loop.bin", "application/octet-stream"
    await hold.server.store.write(lambda: artifacts.add(hold.run_id, "Inventory", 1, name, kind, stored, now=1.0))
    # What a later attempt saved is already of our own data: it must not be what goes back.
    (hold.folder / "heads").unlink()
    with open(disk.device, "r+b") as device:
        for at in range(0, 64 * MIB, MIB):
            device.write(bytes([at // MIB % 251]) * MIB)


async def typed(hold: Hold, *words: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vetting", "run", "restore-heads", str(hold.run_id), *words, "--url", hold.server.url,
        "--fingerprint", hold.server.certificate.fingerprint, "--port", str(hold.port), cwd=hold.folder,
        env={**os.environ, "VETTING_TOKEN": hold.token, "XDG_RUNTIME_DIR": str(hold.keys), "PYTHONPATH": str(REPOSITORY)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_blkid_says_what_it_said_before_and_nothing_but_the_ends_was_written(
    hold: Hold, disk: ScratchDisk
) -> None:
    serial = disk.expected.serial
    await saved(hold, disk)
    assert "gpt" not in blkid(disk)
    middle = disk.file.read_bytes()[4 * MIB : -4 * MIB]
    left = CheckpointRow(
        run_id=hold.run_id, stage="Storage", component=f"disk:{serial}", attempt=1, seq=1, boot_id="b", heads_sha256="",
        text="x", at=1.0,
    )  # fmt: skip
    await hold.server.store.write(lambda: checkpoints.keep(left))
    before = digest(disk)

    status, out, err = await typed(hold, serial)
    assert (status, "not confirmed, nothing was done" in err) == (2, True), (status, out, err)
    status, out, err = await typed(hold, serial, "--confirm", "another")
    assert status == 2 and digest(disk) == before
    assert f"would be written: bytes 0 to {4 * MIB}, and bytes {60 * MIB} to {64 * MIB}" in out
    assert "Ceph OSD" in out

    status, out, err = await typed(hold, serial, "--confirm", serial, "--reason", "it was the wrong host")
    assert status == 0, (out, err)
    assert f"put back: {8 * MIB} bytes of {disk.device}" in out
    said = blkid(disk)
    assert "PTTYPE=gpt" in said and all(line in out for line in said.splitlines() if not line.startswith("DEVNAME"))
    assert disk.file.read_bytes()[4 * MIB : -4 * MIB] == middle
    entries = await hold.server.store.read(lambda: audit.entries(run_id=hold.run_id))
    (entry,) = [one for one in entries if one.what == "run.restore_heads"]
    assert (entry.why, entry.detail["serial"]) == ("it was the wrong host", serial)
    assert list(hold.keys.iterdir()) == []
    assert not list(Path("/run").glob("vetting-restore-*"))
    kept = await hold.server.store.read(lambda: checkpoints.find(hold.run_id, "Storage", f"disk:{serial}"))
    assert kept is None, "a test that was gone on from here would call the restored ends wrong data"

    before = digest(disk)  # by now it holds data, and the gate on the host says so
    status, out, err = await typed(hold, serial, "--confirm", serial)
    assert status == 1 and "not put back" in out and "gpt" in out and digest(disk) == before, (out, err)
    status, out, err = await typed(hold, serial, "--confirm", serial, "--over-data")
    assert status == 0, (out, err)


async def test_where_nobody_gets_in_the_two_commands_are_printed_and_they_do_it(hold: Hold, disk: ScratchDisk) -> None:
    await saved(hold, disk)
    await hold.server.store.write(lambda: runs.change(hold.run_id, hold_host_keys=()))
    status, out, err = await typed(hold, disk.expected.serial, "--confirm", disk.expected.serial)
    assert status == 1 and "these two commands do it" in out, (out, err)
    files = json.loads(out.splitlines()[-1])
    scp, command = (line.strip() for line in out.splitlines()[-3:-1])
    assert scp.startswith(f"scp {files['heads']} {files['permit']} root@HOST:")
    words = command.replace("/run/heads", files["heads"]).replace("/run/permit.json", files["permit"]).split()
    done = subprocess.run(
        (sys.executable, "-m", *words), cwd=hold.folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PTTYPE=gpt" in blkid(disk)


async def test_what_must_not_be_written_is_not(hold: Hold, disk: ScratchDisk) -> None:
    await saved(hold, disk)
    before, serial, stop = digest(disk), disk.expected.serial, hold.folder / "data" / "STOP"
    other = serial[:-1] + ("0" if serial[-1] != "0" else "1")
    status, out, err = await typed(hold, other, "--confirm", other)
    assert status == 2 and "saved no ends of a disk" in err, (out, err)
    stop.touch()
    status, out, err = await typed(hold, serial, "--confirm", serial)
    assert status == 2 and "STOP is set" in err, (out, err)
    stop.unlink()
    await hold.server.desk.progress.retry(hold.run_id, who="tester", because=wire.Because())
    await hold.until(RunState.INVENTORY)
    status, out, err = await typed(hold, serial, "--confirm", serial)
    assert status == 2 and "while its host is held" in err, (out, err)
    assert digest(disk) == before
