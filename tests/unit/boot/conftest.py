"""The boot service over real HTTP, on the orchestrator of the unit tests; the test says which MAC address is behind whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.fakes import honest
from tests.fakes.boot_image import lay_out
from tests.unit.orchestrator.conftest import World, world  # noqa: F401 - the fixture
from vetting import wire
from vetting.boot.answers import Answers
from vetting.boot.service import SCRIPT_EVERY_S, SCRIPTS, Service
from vetting.boot.shelf import Shelf
from vetting.config import Config
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.pace import Pace
from vetting.store import findings, logs, runs

SCRIPT = "/boot/script"


@dataclass
class BootService:
    world: World
    client: TestClient
    image: Path
    behind: dict[str, str] = field(default_factory=dict)  # address -> MAC address that it really has

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        response = await self.client.get(path, **more)
        return response.status, await response.text()

    async def asks(self, mac: str = honest.MAC, **hints: str) -> str:
        """The script for a machine."""
        status, text = await self.get(SCRIPT, params={"mac": mac, **hints})
        assert status == 200
        assert text.startswith("#!ipxe\n")
        return text

    async def starts(self, start_by: str = "manual") -> int:
        """A run of the honest host that waits for it to boot. Returns its number."""
        return (await self.world.started(start_by=start_by)).run_id

    async def log(self, run_id: int) -> list[str]:
        return [line.text for line in await self.world.store.read(lambda: logs.lines(run_id))]

    async def alarms(self, run_id: int) -> list[str]:
        return [one.text for one in await self.world.store.read(lambda: findings.findings_of(run_id))]

    async def unknown(self) -> tuple[wire.UnknownHostView, ...]:
        return await self.world.views.unknown_hosts()

    async def ticket_of(self, run_id: int) -> str:
        return (await self.world.store.read(lambda: runs.get(run_id))).ticket_hash


Make = Callable[..., Awaitable[BootService]]


@pytest.fixture
def make(world: World, tmp_path: Path, aiohttp_client: Callable[..., Awaitable[TestClient]]) -> Make:  # noqa: F811
    """A boot service; keyword arguments change its configuration's section `boot`."""

    async def made(**boot: Any) -> BootService:
        image = lay_out(tmp_path / "image")
        plain = Config()
        config = replace(
            plain,
            server=replace(plain.server, public_url="https://10.0.0.1:8443"),
            boot=replace(plain.boot, image_dir=str(image), **boot),
        )
        behind = {"127.0.0.1": honest.MAC}
        shelf, arrivals = Shelf.of(config), Arrivals(store=world.store, bus=world.bus, clock=world.clock)
        answers = Answers(
            config=config, fingerprint="ab" * 32, shelf=shelf, progress=world.progress, arrivals=arrivals,
            mac_behind=lambda address: behind.get(address, ""),
        )  # fmt: skip
        pace = Pace(world.clock, at_once=SCRIPTS, every_s=SCRIPT_EVERY_S)
        service = Service(
            answers=answers, shelf=shelf, arrivals=arrivals, names=("127.0.0.1", "boot.example"), pace=pace
        )
        return BootService(world, await aiohttp_client(service.app()), image, behind)

    return made


@pytest.fixture
async def boot(make: Make) -> BootService:
    return await make()
