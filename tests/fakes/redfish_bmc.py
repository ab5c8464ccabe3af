"""A Redfish service that nobody here wrote: sushy-tools' emulator with its fake machine, over TLS on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from tests.fakes.orchestrator import certificate
from tests.fakes.rig import free_ports, until
from vetting.domain.bmc import Bmc, BmcKind

USER, PASSWORD = "vetting", "right-one"
EMULATOR = (
    "from sushy_tools.emulator.main import main; main()"  # its script may have been written for another environment
)
UUID = "6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e5f"
# The emulator delays every deed by up to eleven seconds; here by none, so that nobody waits for time's sake.
SETTINGS = """
import random
random.randint = lambda low, high: 0
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_SYSTEMS = {systems!r}
SUSHY_EMULATOR_STATE_DIR = {state!r}
SUSHY_EMULATOR_AUTH_FILE = {auth!r}
SUSHY_EMULATOR_FEATURE_SET = 'full'
"""


@dataclass(frozen=True, slots=True)
class RedfishBmc:
    port: int
    fingerprint: str
    log: Path

    @property
    def bmc(self) -> Bmc:
        address = f"127.0.0.1:{self.port}"
        return Bmc(kind=BmcKind.REDFISH, address=address, user=USER, fingerprint=self.fingerprint)


def system(uuid: str = UUID, *, on: bool = False) -> dict[str, object]:
    return {"uuid": uuid, "name": f"host-{uuid[:4]}", "power_state": "On" if on else "Off", "external_notifier": False,
            "nics": [{"mac": "52:54:00:00:00:01", "ip": "127.0.0.1"}]}  # fmt: skip


@contextlib.asynccontextmanager
async def redfish_bmc(folder: Path, *systems: dict[str, object]) -> AsyncIterator[RedfishBmc]:
    """A started service for these machines; gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    cert, key, fingerprint = certificate(folder)
    auth = folder / "auth"
    auth.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4, prefix=b'2b')).decode()}\n")
    settings = folder / "settings.py"
    shown = list(systems) or [system()]
    settings.write_text(SETTINGS.format(systems=shown, state=str(folder / "state"), auth=str(auth)))
    one = RedfishBmc(free_ports(1)[0], fingerprint, folder / "emulator.log")
    with one.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", EMULATOR, "--debug", "--config", str(settings), "-i", "127.0.0.1",
            "-p", str(one.port), "--ssl-certificate", str(cert), "--ssl-key", str(key),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    async def listens() -> bool:
        assert process.returncode is None, one.log.read_text()[-2000:]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", one.port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(listens, 60, said="the Redfish emulator")
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
