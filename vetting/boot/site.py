"""Puts the boot service together and opens its port."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web

from vetting.boot.answers import Answers
from vetting.boot.service import SCRIPT_EVERY_S, SCRIPTS, Service
from vetting.boot.shelf import Shelf
from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.errors import Unavailable
from vetting.orchestrator import dnsmasq
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.bootfiles import BootFiles
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.dhcplog import DhcpLog
from vetting.orchestrator.interfaces import Own, own_on
from vetting.orchestrator.neighbours import mac_behind
from vetting.orchestrator.netboot import Netboot
from vetting.orchestrator.pace import Pace
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.supervise import Status
from vetting.store.db import Store

log = logging.getLogger(__name__)
Loop = Callable[[], Awaitable[None]]
LOOK_S = 30.0
FOLLOW_S = 5.0


def listens_on(config: Config) -> str:
    """Where hosts reach us: our address on the boot interface, else where the API listens. An interface that is not there
    yet may come: then every address is listened on, and what dnsmasq waits for is told by it."""
    boot = config.boot
    if not boot.interface:
        return boot.address or config.server.listen
    own = own_on(boot.interface, boot.address)
    return own.address if isinstance(own, Own) else "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Booting:
    url: str  # empty where no host boots from us
    loops: tuple[Loop, ...]  # what has to run for it


@contextlib.asynccontextmanager
async def booting(
    *,
    config: Config,
    data: Path,
    fingerprint: str,
    shelf: Shelf,
    progress: Progress,
    store: Store,
    bus: Bus,
    clock: Clock,
    told: Callable[[Status], None],
) -> AsyncIterator[Booting]:
    """Boot scripts and image by HTTP, and dnsmasq where an interface is named. Raises Unavailable where the port is taken."""
    if not config.boot.http_port:
        yield Booting("", ())
        return
    arrivals = Arrivals(store=store, bus=bus, clock=clock)
    own_mac_behind = partial(mac_behind, interface=config.boot.interface)
    answers = Answers(
        config=config, fingerprint=fingerprint, shelf=shelf, progress=progress, arrivals=arrivals,
        mac_behind=own_mac_behind,
    )  # fmt: skip
    service = Service(
        answers=answers, shelf=shelf, arrivals=arrivals, names=config.server.allowed_hosts,
        pace=Pace(clock, at_once=SCRIPTS, every_s=SCRIPT_EVERY_S),
    )  # fmt: skip
    if why := (await shelf.look()).objection:
        log.warning("no host can boot: %s", why)
    async with listening(config, service) as site:
        loops: tuple[Loop, ...] = (partial(keep_looking, shelf, clock), partial(site.follow, clock))
        if config.boot.interface:
            heard = DhcpLog(arrivals=arrivals, mac_behind=own_mac_behind)
            netboot = Netboot(
                config=config, store=store, clock=clock, http_port=site.port, told=told, heard=heard.heard,
                files=BootFiles(data, user=dnsmasq.user(), loader=shelf.place),
            )  # fmt: skip
            loops = (*loops, netboot.run, netboot.watch, heard.run)
        yield Booting(site.url, loops)


async def keep_looking(shelf: Shelf, clock: Clock) -> None:
    """An image that is built, or breaks, while we serve is noticed before a host asks for it."""
    said = ""
    while True:
        why = (await shelf.look()).objection
        if why != said:
            log.warning("%s", f"no host can boot: {why}" if why else "the live image is whole: hosts can boot")
        said = why
        await clock.sleep(LOOK_S)


class Site:
    """Our port, on the address that hosts reach us at now: one that changes is followed."""

    def __init__(self, config: Config, runner: web.AppRunner) -> None:
        self._config = config
        self._runner = runner
        self._site: web.TCPSite | None = None
        self.address = ""
        self.port = config.boot.http_port if config.server.port else 0  # where the API takes any free port, so do we

    @property
    def url(self) -> str:
        return f"http://{f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"

    async def listen(self) -> None:
        """Raises Unavailable where the port cannot be had."""
        wanted = listens_on(self._config)
        if wanted == self.address:
            return
        if self._site is not None:
            await self._site.stop()
        self._site, self.address = web.TCPSite(self._runner, wanted, self.port), ""
        try:
            await self._site.start()
        except OSError as error:
            self._site = None
            raise Unavailable(
                f"cannot listen on {wanted} port {self.port} for booting hosts: {os.strerror(error.errno or 0)}; "
                "stop what uses it or set boot.http_port in vetting.yaml"
            ) from error
        self.address, self.port = wanted, self._runner.addresses[-1][1]

    async def follow(self, clock: Clock) -> None:
        """For ever."""
        said = ""
        while True:
            await clock.sleep(FOLLOW_S)
            try:
                await self.listen()
                said = ""
            except Unavailable as refusal:
                if said != str(refusal):
                    log.error("%s", refusal)
                said = str(refusal)


@contextlib.asynccontextmanager
async def listening(config: Config, service: Service) -> AsyncIterator[Site]:
    """Raises Unavailable where the port cannot be had."""
    runner = web.AppRunner(service.app(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = Site(config, runner)
        await site.listen()
        yield site
    finally:
        await runner.cleanup()
