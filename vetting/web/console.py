"""What the pages work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vetting.clock import Clock
from vetting.config import Config
from vetting.orchestrator.accounts import Accounts
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.desk import Desk
from vetting.orchestrator.fleet import Fleet
from vetting.orchestrator.services import Services
from vetting.store.db import Store
from vetting.web.appliance import Appliance
from vetting.web.assets import Assets
from vetting.web.chartreader import ChartReader
from vetting.web.live import Hub
from vetting.web.looks import Looks
from vetting.web.notices import Notices
from vetting.web.pages.trends import TrendReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    desk: Desk  # changes things, and gives views of them
    accounts: Accounts  # who may come in
    store: Store  # pages may read it
    services: Services  # how the programs that we keep alive are doing
    bus: Bus
    clock: Clock
    config: Config
    data: Path
    fingerprint: str  # of our certificate
    image_dir: Path  # where the live image lies, if it does
    hub: Hub  # pushes what has changed to the browsers
    looks: Looks  # templates
    assets: Assets  # style and scripts
    charts: ChartReader  # what the charts of a run show
    fleet: Fleet  # every host at a glance
    trends: TrendReader  # what becomes of a host from run to run
    appliance: Appliance  # what it is, for the settings
    notices: Notices  # what was just done, told on the next page
