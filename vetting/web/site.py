"""Puts the console together and into the server's application."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from vetting.clock import Clock
from vetting.config import Config
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.desk import Desk
from vetting.orchestrator.fleet import Fleet
from vetting.orchestrator.services import Services
from vetting.store.db import Store
from vetting.web.appliance import Appliance
from vetting.web.assets import Assets
from vetting.web.chartreader import ChartReader
from vetting.web.console import Console
from vetting.web.door import Door
from vetting.web.live import Hub
from vetting.web.looks import Looks
from vetting.web.notices import Notices
from vetting.web.pages.trends import TrendReader
from vetting.web.routes import PAGES


def console_of(
    *,
    desk: Desk,
    store: Store,
    services: Services,
    bus: Bus,
    clock: Clock,
    config: Config,
    data: Path,
    fingerprint: str,
    image_dir: Path,
    appliance: Appliance,
) -> Console:
    """Everything that the pages work with. Raises Unavailable where the assets are not there."""
    assets = Assets()
    return Console(
        desk=desk, accounts=desk.accounts, store=store, services=services, bus=bus, clock=clock, config=config,
        data=data, fingerprint=fingerprint, image_dir=image_dir, hub=Hub(bus=bus, clock=clock),
        looks=Looks(assets.url), assets=assets, charts=ChartReader(store), notices=Notices(), appliance=appliance, trends=TrendReader(),
        fleet=Fleet(store=store, clock=clock, latest=desk.intake.latest),
    )  # fmt: skip


def open_console(app: web.Application, console: Console) -> None:
    """Adds every page. Its `hub.run` has to run beside the server."""
    Door(console).open(app, PAGES)

    async def let_go(_: web.Application) -> None:
        await console.hub.close()

    app.on_shutdown.append(let_go)
