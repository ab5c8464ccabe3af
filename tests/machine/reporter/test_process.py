"""The real reporter against a real orchestrator: registered, ordered, obedient, refusing. The host's programs are stand-ins.

The reporter's PATH lies below a scratch root, where only the stand-ins are: nothing of this machine can be rebooted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.conftest import REPOSITORY
from tests.fakes import boot_image, honest
from tests.fakes.installed_host import MAC, InstalledHost
from tests.fakes.rig import ServeProcess, free_ports, run_view, serving, until
from vetting import wire
from vetting.client import Client
from vetting.domain.errors import Conflict
from vetting.reporter.settings import CONFIG, load
from vetting.store import audit
from vetting.store.db import reading

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]
STEP_S = 60.0
GONE = ["efibootmgr --bootnext 0001", "systemctl reboot"]
START = wire.StartRun(host="pve-07", profile="sprint", start_by="reporter", confirm_serials=("D1",))


@dataclass(slots=True)
class Bench:
    server: ServeProcess
    operator: Client
    host: InstalledHost
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def vetting(self, *words: str, **environment: str) -> tuple[int, str]:
        """A verb of ours on the installed host, to its end: (exit status, what it said)."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vetting", *words, "--root", str(self.host.root), cwd=REPOSITORY,
            env={**os.environ, **environment}, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self.started.append(process)
        said, _ = await asyncio.wait_for(process.communicate(), STEP_S)
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def register(self) -> None:
        path = "/api/hosts/pve-07/registration-code"
        code = await self.operator.call(path, wire.Because(), wire.RegistrationCode)
        to = ("--url", self.server.url, "--fingerprint", self.server.fingerprint)
        status, said = await self.vetting("reporter", "register", *to, VETTING_CODE=code.code)
        assert status == 0, said

    async def beat(self, *words: str) -> str:
        status, said = await self.vetting("reporter", "once", *words)
        assert status == 0, said
        return said

    async def ordered(self) -> int:
        """A run whose host is to reboot at its next heartbeat."""
        started = await self.operator.call("/api/runs", START, wire.RunStarted)
        await self.until(started.run_id, "WaitingReboot")
        return started.run_id

    async def until(self, run_id: int, state: str) -> wire.RunView:
        async def there() -> wire.RunView | None:
            found = await run_view(self.operator, run_id)
            return found if found is not None and found.state == state else None

        found = await until(there, STEP_S, said=f"the run to be {state}")
        assert found is not None
        return found

    def audited(self) -> list[str]:
        with reading(self.server.data / "vetting.db"):
            return [entry.what for entry in audit.entries()]


@asynccontextmanager
async def a_bench(folder: Path) -> AsyncIterator[Bench]:
    """A registered host that allows us to reboot it, with nothing against it."""
    image = boot_image.lay_out(folder / "image")
    more = {"boot": {"image_dir": str(image), "address": "127.0.0.1", "http_port": free_ports(1)[0]}}
    async with serving(folder / "serve", more=more) as server, server.operator() as operator:
        await operator.call("/api/hosts", wire.HostEdit(name="pve-07", macs=(MAC,), spec=honest.SPEC), wire.HostView)
        host = InstalledHost.made(folder / "host")
        host.proxmox(qemu="qemu-stopped.json", votes="pvecm-three")
        host.with_programs()
        bench = Bench(server, operator, host)
        try:
            await bench.register()
            host.allow()
            yield bench
        finally:
            for process in bench.started:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()


async def test_an_order_is_carried_out_once_and_shown(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        shown = await bench.operator.get("/api/hosts/pve-07", wire.HostView)
        assert (shown.reporter_allowed, shown.reporter_obstacles, shown.reporter_ways) == (True, (), ("efi",))
        run_id = await bench.ordered()
        assert "on its way down" in await bench.beat()
        assert bench.host.deeds == GONE
        assert bench.host.boot_next == "0001"
        assert "on its way down" in await bench.beat()  # it takes a while to go down, and speaks again
        assert bench.host.deeds == GONE
        assert {"run.reboot_ordered", "host.register"} <= set(bench.audited())
        # It comes back from its own disk: the run fails, and nobody goes round in circles.
        bench.host.write("proc/sys/kernel/random/boot_id", "66666666-7777-8888-9999-000000000000\n")
        assert "came back from its own disk" in await bench.beat()
        failed = await bench.until(run_id, "Failed")
        assert (failed.failed_stage, bench.host.deeds) == ("dispatch", GONE)
        assert "came back from its own disk" in failed.reason
        assert "refused" not in await bench.beat()


async def test_guests_that_run_are_a_refusal_in_words(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        run_id = await bench.ordered()
        bench.host.proxmox(qemu="qemu.json", lxc="lxc.json", votes="pvecm-two-of-three")
        said = await bench.beat()
        assert "refused: 2 guests run here: VM 101 (db) running, container 200 (dns) running" in said
        failed = await bench.until(run_id, "Failed")
        assert "VM 101 (db)" in failed.reason
        assert "without this node the cluster would have 1 of the 2 votes" in failed.reason
        assert bench.host.deeds == []
        assert "run.reboot_refused" in bench.audited()
        await bench.beat()
        with pytest.raises(Conflict, match=r"VM 101 \(db\)"):
            await bench.operator.call("/api/runs", START, wire.RunStarted)


async def test_a_host_that_takes_its_permission_back_stays_up(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        run_id = await bench.ordered()
        (bench.host.root / "etc/vetting/allow-reboot").unlink()
        await bench.beat()
        assert "touch /etc/vetting/allow-reboot" in (await bench.until(run_id, "Failed")).reason
        assert bench.host.deeds == []
        await bench.beat()
        with pytest.raises(Conflict, match="touch /etc/vetting/allow-reboot"):
            await bench.operator.call("/api/runs", START, wire.RunStarted)


async def test_a_tool_that_hangs_is_killed_and_counts_as_an_obstacle(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        run_id = await bench.ordered()
        bench.host.answers("pvecm status", "", after_s=3600)
        said = await bench.beat()
        assert "the cluster's quorum could not be looked at: `pvecm status` was killed at its deadline" in said
        assert "could not be looked at" in (await bench.until(run_id, "Failed")).reason
        assert bench.host.deeds == []


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        run_id = await bench.ordered()
        said = await bench.beat("--dry-run")
        assert "would run: efibootmgr --bootnext 0001" in said
        assert "would run: systemctl reboot" in said
        assert "--dry-run" in (await bench.until(run_id, "Failed")).reason
        assert bench.host.deeds == []


async def test_an_order_for_another_host_moves_nobody(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        await bench.beat()
        run_id = await bench.ordered()
        path = bench.host.root / CONFIG
        ours = json.loads(path.read_text())
        for wrong, words in (
            ({"host": "pve-08"}, "for the host 'pve-07', this one is registered as 'pve-08'"),
            ({"order_key": "ab" * 32}, "another key signed it"),
        ):
            path.write_text(json.dumps({**ours, **wrong}))
            said = await bench.beat()
            assert words in said, said
            assert bench.host.deeds == []
            await bench.until(run_id, "Failed")
            path.write_text(json.dumps(ours))
            await bench.beat()
            run_id = await bench.ordered()


async def test_another_server_gets_no_token(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        settings = load(bench.host.root)
        path = bench.host.root / CONFIG
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, fingerprint="ab" * 32)))
        status, said = await bench.vetting("reporter", "once")
        assert (status, "not the pinned one" in said) == (1, True)
        path.chmod(0o644)
        status, said = await bench.vetting("reporter", "once")
        assert (status, "chmod 600" in said) == (2, True)


async def test_the_service_runs_on_and_ends_when_it_is_told(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vetting", "reporter", "run", "--root", str(bench.host.root), cwd=REPOSITORY,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        bench.started.append(process)

        async def heard() -> bool:
            return (await bench.operator.get("/api/hosts/pve-07", wire.HostView)).reporter_age_s is not None

        await until(heard, STEP_S, said="a heartbeat")
        process.terminate()
        said, _ = await asyncio.wait_for(process.communicate(), STEP_S)
        assert process.returncode == 0, said
        assert f"reporting for pve-07 to {bench.server.url}" in said.decode()
        assert load(bench.host.root).token not in said.decode()


async def test_a_status_tells_what_an_order_would_meet(tmp_path: Path) -> None:
    async with a_bench(tmp_path) as bench:
        status, said = await bench.vetting("reporter", "status", "--json")
        assert (status, json.loads(said)["would_reboot"]) == (0, True)
        bench.host.process(2345, "/usr/bin/kvm", "-id", "101")
        status, said = await bench.vetting("reporter", "status")
        assert (status, "VM 101 running" in said) == (1, True)
        assert bench.host.deeds == []
