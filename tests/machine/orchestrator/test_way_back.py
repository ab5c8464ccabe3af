"""The way back of an erased disk, through the whole pipeline: saved, handed over, fetched, put back; and what stops a scan."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.rig import agent_of, attempts_at, serving, until
from tests.fakes.scratch_disk import HOST, RUN_ID, ScratchDisk, scratch_disk
from tests.machine.orchestrator.conftest import STEP_S, Bench
from vetting import wire
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.profiles import MIB, TASTE, StorageKnobs, SurfaceMode
from vetting.store import attempts
from vetting.store.db import reading

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]
ERASING = replace(
    TASTE,
    name="erasing",
    storage=StorageKnobs(surface=SurfaceMode.FULL, fio_s=1, fio_size_bytes=16 * MIB, countdown_s=0),
    drop=("SMART", "CPUStress", "Network", "Burn", "GPU", "PSU"),
    lost_after_s=60,
)


@pytest.fixture(autouse=True)
def _only_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    monkeypatch.setenv("VETTING_TEST", "1")


@dataclass(frozen=True, slots=True)
class Shop:
    """A bench whose host has one scratch disk with a file system on it, and Storage is held because of that."""

    bench: Bench
    disk: ScratchDisk
    before: str  # what blkid said

    def blkid(self) -> str:
        return blkid(self.disk.device)

    async def override(self) -> None:
        because = wire.Because(reason="the test made this data itself", flags=("wipe_probe",))
        await self.bench.operator.call(f"/api/runs/{self.bench.run_id}/override", because, wire.RunView)

    async def ends(self) -> list[wire.ArtifactView]:
        listed = await self.bench.operator.get(
            f"/api/runs/{self.bench.run_id}/artifacts", tuple[wire.ArtifactView, ...]
        )
        return [one for one in listed if one.name.startswith("heads-") and one.name.endswith(".bin")]

    def standing(self) -> dict[str, Any]:
        """What the scan's checkpoint says now; empty where there is none."""
        for path in (self.bench.agent.state_dir / "lasting").glob("*-Storage/*.checkpoint"):
            try:
                standing: dict[str, Any] = json.loads(path.read_text().partition("\n")[2])["standing"]
            except (OSError, ValueError):
                continue
            return standing
        return {}


def blkid(device: str) -> str:
    return subprocess.run(["blkid", "-p", "-o", "export", device], capture_output=True, text=True).stdout


@asynccontextmanager
async def a_shop(folder: Path, size_bytes: int) -> AsyncIterator[Shop]:
    with scratch_disk(folder, size_bytes) as disk:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "precious", disk.device], check=True)
        before = blkid(disk.device)
        async with serving(folder / "serve", profiles=(ERASING,)) as server, server.operator() as operator:
            host = wire.HostEdit(name="bench", spec=ExpectedSpec(disks=(disk.expected,)))
            await operator.call("/api/hosts", host, wire.HostView)
            request = wire.StartRun(
                host="bench", profile="erasing", start_by="manual", confirm_serials=(disk.expected.serial,)
            )
            started = await operator.call("/api/runs", request, wire.RunStarted)
            async with agent_of(server, folder / "agent", started.ticket) as agent:
                shop = Shop(Bench(server, operator, agent, started.run_id), disk, before)
                view = await shop.bench.until(lambda view: view.state == "FailedHolding", "the hold")
                assert view.failed_stage == "Storage", view
                assert "UnexpectedData" in view.verdict
                assert not await shop.ends()
                assert shop.blkid() == before
                yield shop


async def typed(*words: str, **env: str) -> str:
    """What a command of ours prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vetting", *words, cwd=REPOSITORY, env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    return out.decode()


async def test_an_erased_disk_is_itself_again_with_what_the_orchestrator_kept(tmp_path: Path) -> None:
    async with a_shop(tmp_path.resolve(), 64 * MIB) as shop:
        await shop.override()
        done = await shop.bench.until(lambda view: view.state in ("Completed", "FailedHolding"), "the end", 120)
        assert done.state == "Completed", done
        assert "precious" in shop.before
        assert "precious" not in shop.blkid()
        await shop.bench.agent.ended()

        server = shop.bench.server
        there = ("--url", server.url, "--fingerprint", server.fingerprint)
        token = (server.data / "operator.token").read_text().strip()
        listed = await typed("run", "artifacts", str(done.id), *there, VETTING_TOKEN=token)
        (ends,) = await shop.ends()
        assert (ends.stage, ends.attempt) == ("Storage", 2)
        assert ends.name in listed and ends.size_bytes > 8 * MIB
        kept = tmp_path / "sdx.heads"
        await typed("run", "artifact", str(done.id), str(ends.id), "-o", str(kept), *there, VETTING_TOKEN=token)
        assert kept.stat().st_mode & 0o077 == 0

        permit = tmp_path / "permit.json"
        permit.write_text(shop.disk.permit)
        await typed(
            "surface", "restore-heads", "--disk", shop.disk.device, "--heads", str(kept), "--permit", str(permit),
            "--permit-key", shop.disk.permit_key, "--run-id", str(RUN_ID), "--host-id", HOST,
        )  # fmt: skip
        assert shop.blkid() == shop.before


async def test_a_scan_goes_on_after_its_agent_was_killed_with_the_ends_as_they_first_were(tmp_path: Path) -> None:
    """The re-claim brings a new permit; what was written and verified before counts once."""
    size = 512 * MIB
    async with a_shop(tmp_path.resolve(), size) as shop:
        await shop.override()

        async def written() -> bool:
            return bool(shop.standing().get("phase_index", 0) >= 1)

        await until(written, STEP_S, every_s=0.005, said="the end of the write pass")
        await shop.bench.agent.kill()
        await shop.bench.agent.start()
        done = await shop.bench.until(lambda view: view.state in ("Completed", "FailedHolding"), "the end", 120)
        assert done.state == "Completed", done
        assert attempts_at(done, "Storage") == ["ERROR", "INTERRUPTED", "PASS"]
        first, again = await shop.ends()
        assert (first.attempt, again.attempt) == (2, 3)
        assert first.sha256 == again.sha256
        with reading(shop.bench.server.data / "vetting.db"):
            outcome = attempts.outcome_of(done.id, "Storage", 3)
    assert outcome is not None
    report = outcome.data["surface"][shop.disk.expected.serial]
    print(f"resumed after {report['sessions']} sessions")
    assert report["resumed"] and report["sessions"] >= 2
    assert report["bytes_written"] == report["bytes_verified"] == report["bytes_promised"] == size
    assert not (tmp_path / "agent/state/lasting").exists()


async def test_stop_ends_a_scan_that_runs_and_holds_the_run_until_it_is_lifted(tmp_path: Path) -> None:
    async with a_shop(tmp_path.resolve(), 1024 * MIB) as shop:
        stop = shop.bench.server.data / "STOP"
        await shop.override()

        async def begun() -> bool:
            return bool(shop.standing() and shop.bench.agent.load("python"))

        await until(begun, STEP_S, every_s=0.005, said="the first byte")
        stop.touch()
        view = await shop.bench.until(lambda view: view.state == "FailedHolding", "the hold")
        assert attempts_at(view, "Storage") == ["ERROR", "CANCELLED"]
        assert "STOP is set" in view.verdict
        assert not shop.bench.agent.load("python")
        await shop.bench.decide("retry")
        view = await shop.bench.until(
            lambda view: view.state == "FailedHolding" and len(attempts_at(view, "Storage")) == 3, "the refusal"
        )
        assert attempts_at(view, "Storage")[2] in ("ERROR", "CANCELLED")  # no permit, or the heartbeat was quicker
        assert "STOP is set" in view.verdict
        assert not shop.standing()
