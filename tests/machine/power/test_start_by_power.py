"""A run that switches its host on: `vetting` as a person types it, a real orchestrator, a real controller by IPMI."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.boot_image import lay_out
from tests.fakes.ipmi_bmc import PASSWORD, USER, IpmiBmc, ipmi_bmc
from tests.fakes.rig import ServeProcess, free_ports, run_view, serving, until
from vetting import wire
from vetting.client import Client

pytestmark = [pytest.mark.machine, pytest.mark.timeout(180)]
STEP_S = 60.0


@dataclass
class Bench:
    server: ServeProcess
    operator: Client
    bmc: IpmiBmc

    async def types(self, *words: str) -> tuple[int | None, str, str]:
        """`vetting WORDS`: exit status, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vetting", *words, "--url", self.server.url, "--fingerprint", self.server.fingerprint,
            cwd=REPOSITORY, env={**os.environ, "VETTING_TOKEN": self.operator.token},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def notes_bmc(self, password: str = PASSWORD) -> tuple[int | None, str, str]:
        secret = self.server.folder / "password"
        secret.write_text(f"{password}\n")
        return await self.types(
            "host", "bmc", "bench", "--kind", "ipmi", "--address", f"127.0.0.1:{self.bmc.port}", "--user", USER,
            "--password-file", str(secret),
        )  # fmt: skip

    async def until(self, run_id: int, state: str) -> wire.RunView:
        async def there() -> wire.RunView | None:
            view = await run_view(self.operator, run_id)
            return view if view is not None and view.state == state else None

        found = await until(there, STEP_S, said=state)
        assert found is not None
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    boot = {"image_dir": str(lay_out(tmp_path / "image")), "http_port": free_ports(1)[0], "address": "127.0.0.1"}
    async with (
        ipmi_bmc(tmp_path / "bmc") as bmc,
        serving(tmp_path, more={"boot": boot}) as server,
        server.operator() as operator,
    ):
        one = Bench(server, operator, bmc)
        status, _, err = await one.types("host", "add", "bench", "--mac", "52:54:00:00:00:01")
        assert status == 0, err + server.log.read_text()
        yield one


async def test_a_host_is_switched_on_by_its_controller_and_boots_from_the_network(bench: Bench) -> None:
    status, _, err = await bench.types("run", "start", "bench", "--start-by", "power", "--non-destructive")
    assert (status, "vetting host bmc bench" in err) == (2, True)
    status, out, err = await bench.notes_bmc()
    assert status == 0, err
    assert PASSWORD not in out + err
    assert (await bench.types("host", "power", "bench"))[1].startswith("bench is off, says its management controller")
    status, out, err = await bench.types("run", "start", "bench", "--start-by", "power", "--non-destructive")
    assert status == 0, err
    assert "boot ticket" not in out

    async def on() -> bool:
        return bench.bmc.on

    await until(on, STEP_S, said="the power")
    assert bench.bmc.boots_from == "pxe"
    await bench.until(1, "WaitingPower")
    assert (await bench.types("host", "power", "bench"))[1].startswith("bench is on")
    # Nothing of the password in anything that can be read or was written down.
    assert PASSWORD not in (await bench.types("host", "show", "bench", "--json"))[1]
    assert PASSWORD not in bench.server.log.read_text()


async def test_a_host_that_is_on_loses_its_power_only_on_a_persons_word(bench: Bench) -> None:
    bench.bmc.switch(on=True)
    await bench.notes_bmc()
    words = ("run", "start", "bench", "--start-by", "power", "--non-destructive")
    await bench.types(*words)
    failed = await bench.until(1, "Failed")
    assert (failed.failed_stage, bench.bmc.powered) == ("dispatch", [])
    assert "this run may not cut its power" in failed.verdict
    status, _, err = await bench.types(*words, "--cut-power")
    assert status == 0, err

    async def cut() -> bool:
        return bench.bmc.powered == ["0", "1"]

    await until(cut, STEP_S, said="the cut")
    await bench.server.kill()
    await bench.server.start()
    await bench.until(2, "WaitingPower")
    await asyncio.sleep(3)  # three turns of the dispatcher
    assert bench.bmc.powered == ["0", "1"]


async def test_a_wrong_password_fails_the_run_in_a_sentence(bench: Bench) -> None:
    await bench.notes_bmc("wrong-one")
    status, _, err = await bench.types("host", "power", "bench")
    assert (status, "it does not take this password" in err) == (2, True)
    await bench.types("run", "start", "bench", "--start-by", "power", "--non-destructive")
    failed = await bench.until(1, "Failed")
    assert "it does not take this password" in failed.verdict
    assert "wrong-one" not in failed.verdict
