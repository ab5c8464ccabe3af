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
LOOK_S = 30.0


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
    loops: tuple[Callable[[], Awaitable[None]], ...]  # what has to run for it


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
    address = listens_on(config)
    own_mac_behind = partial(mac_behind, interface=config.boot.interface)
    answers = Answers(
        config=config, fingerprint=fingerprint, shelf=shelf, progress=progress, arrivals=arrivals,
        mac_behind=own_mac_behind,
    )  # fmt: skip
    service = Service(
        answers=answers, shelf=shelf, arrivals=arrivals, names=(*config.server.allowed_hosts, address),
        pace=Pace(clock, at_once=SCRIPTS, every_s=SCRIPT_EVERY_S),
    )  # fmt: skip
    if why := (await shelf.look()).objection:
        log.warning("no host can boot: %s", why)
    async with listening(service, address, _port(config)) as (host, port):
        loops: tuple[Callable[[], Awaitable[None]], ...] = (partial(keep_looking, shelf, clock),)
        if config.boot.interface:
            heard = DhcpLog(arrivals=arrivals, mac_behind=own_mac_behind)
            netboot = Netboot(
                config=config, store=store, clock=clock, http_port=port, told=told, heard=heard.heard,
                files=BootFiles(data, user=dnsmasq.user(), loader=shelf.place),
            )  # fmt: skip
            loops = (*loops, netboot.run, netboot.watch, heard.run)
        yield Booting(f"http://{f'[{host}]' if ':' in host else host}:{port}", loops)


def _port(config: Config) -> int:
    """Where the API takes any port that is free, so do we."""
    return config.boot.http_port if config.server.port else 0


async def keep_looking(shelf: Shelf, clock: Clock) -> None:
    """An image that is built, or breaks, while we serve is noticed before a host asks for it."""
    said = ""
    while True:
        why = (await shelf.look()).objection
        if why != said:
            log.warning("%s", f"no host can boot: {why}" if why else "the live image is whole: hosts can boot")
        said = why
        await clock.sleep(LOOK_S)


@contextlib.asynccontextmanager
async def listening(service: Service, address: str, port: int) -> AsyncIterator[tuple[str, int]]:
    runner = web.AppRunner(service.app(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port)
        try:
            await site.start()
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {address} port {port} for booting hosts: {os.strerror(error.errno or 0)}; "
                "stop what uses it or set boot.http_port in vetting.yaml"
            ) from error
        host, taken = runner.addresses[0][:2]
        yield host, taken
    finally:
        await runner.cleanup()
