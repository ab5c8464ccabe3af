"""Puts the orchestrator together, in order: the one file that knows everyone.

`Server.running` yields once the API answers; leaving it stops everything in the reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from aiohttp import web

from vetting.api.door import Door, one_error_shape
from vetting.api.routes import ROUTES
from vetting.boot.shelf import Shelf
from vetting.boot.site import booting
from vetting.clock import Clock, SystemClock
from vetting.config import Config
from vetting.domain.errors import Unavailable
from vetting.orchestrator import keys
from vetting.orchestrator.accounts import Accounts
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.carrying import Carrying
from vetting.orchestrator.desk import Desk
from vetting.orchestrator.dispatcher import Dispatcher
from vetting.orchestrator.files import Files
from vetting.orchestrator.holding import Doors
from vetting.orchestrator.intake import Intake
from vetting.orchestrator.iperf import IperfPool
from vetting.orchestrator.moves import Means
from vetting.orchestrator.netconsole import Netconsole, listening
from vetting.orchestrator.outlets import Outlets
from vetting.orchestrator.people import LOCAL_NAME, People
from vetting.orchestrator.pinning import Pinning
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.registering import Registering
from vetting.orchestrator.reporting import Reporting
from vetting.orchestrator.restoring import Restoring
from vetting.orchestrator.services import Services
from vetting.orchestrator.stopping import why_stopped
from vetting.orchestrator.telling import Telling
from vetting.orchestrator.views import Views
from vetting.orchestrator.waking import Waking
from vetting.orchestrator.watchdog import Watchdog
from vetting.orchestrator.witness import Witnesses
from vetting.stages import STAGES
from vetting.store.artifacts import Room
from vetting.store.db import Store
from vetting.web.appliance import Appliance
from vetting.web.console import Console
from vetting.web.site import console_of, open_console

log = logging.getLogger(__name__)
Loop = Callable[[], Awaitable[None]]
AGAIN_S = 2.0
ARTIFACT_QUOTA_BYTES = 2 * 1024**3  # of one run
LOCK = ".lock"
BLOCK_BYTES = 4096
LOCAL_TOKEN = "operator.token"  # in the data directory, for the command line on this machine


@dataclass(frozen=True, slots=True)
class Server:
    """A running orchestrator, for those who live in the same process."""

    url: str
    certificate: keys.Certificate
    desk: Desk
    accounts: Accounts
    bus: Bus
    store: Store
    reporting: Reporting
    services: Services
    boot_url: str  # where hosts boot from us; empty where they do not
    console_url: str  # what people type into their browsers
    console: Console  # what its pages work with


@contextlib.asynccontextmanager
async def running(
    config: Config, *, clock: Clock | None = None, strict: bool = False, file: str = ""
) -> AsyncIterator[Server]:
    """The orchestrator with all its services; `file`: where its configuration stands, for those who ask.

    Raises Refusal with one sentence for whatever is in its way."""
    clock = clock or SystemClock()
    config = at_home(config)
    data = Path(config.server.data_dir)
    make_data_dir(data)
    with alone(data):
        async with put_together(config, data, clock, strict=strict, file=file) as server:
            yield server


@contextlib.asynccontextmanager
async def put_together(
    config: Config, data: Path, clock: Clock, *, strict: bool, file: str = ""
) -> AsyncIterator[Server]:
    """Everybody in order, over a data directory that is ours alone."""
    certificate = keys.ensure_certificate(data / "keys", config.server.allowed_hosts)
    store = await asyncio.to_thread(Store.open, data / "vetting.db")
    bus = Bus()
    room = Room(data, quota_bytes=ARTIFACT_QUOTA_BYTES)
    shelf = Shelf.of(config)
    means = Means(
        config=config, stages=STAGES, signer=keys.ensure_signing_key(data / "keys"), witnesses=Witnesses(clock),
        no_image=shelf.why_not,
    )  # fmt: skip

    services = Services(bus, clock)
    iperf = IperfPool(ports=config.iperf.ports, bind=config.iperf.bind, clock=clock, told=services.told)
    reporting = Reporting(store=store, room=room, data_dir=data, clock=clock)
    progress = Progress(
        store=store, means=means, bus=bus, clock=clock, iperf=iperf, iperf_host=config.iperf.host, reporting=reporting
    )
    people = People(store=store, clock=clock, witnesses=means.witnesses, bus=bus)
    accounts = Accounts(store=store, clock=clock, config=config, data=data)
    desk = Desk(
        progress=progress,
        intake=Intake(store=store, bus=bus, clock=clock, witnesses=means.witnesses, room=room),
        carrying=Carrying(store=store, clock=clock, room=room),
        people=people,
        pinning=Pinning(store=store, clock=clock, bus=bus, config=config),
        accounts=accounts,
        views=Views(store=store, clock=clock, reporting=reporting),
        files=Files(store=store, room=room, clock=clock),
        registering=Registering(
            store=store, clock=clock, url=config.server.public_url, certificate=certificate, signer=means.signer
        ),
        restoring=Restoring(store=store, clock=clock, signer=means.signer, why_stopped=partial(why_stopped, config)),
        doors=Doors(store=store, clock=clock),
        outlets=Outlets(store=store, clock=clock),
        telling=Telling(store=store, clock=clock, config=config),
    )
    await leave_local_token(people, data)
    waking = Waking(
        store=store, progress=progress, clock=clock, config=config, arrivals=Arrivals(store=store, bus=bus, clock=clock)
    )
    dispatcher = Dispatcher(store=store, progress=progress, clock=clock, config=config, waking=waking)
    watchdog = Watchdog(store=store, progress=progress, clock=clock, config=config, witnesses=means.witnesses)
    ear = Netconsole(store=store, bus=bus, clock=clock, room=room, reporting=reporting)
    console = console_of(
        desk=desk, store=store, services=services, bus=bus, clock=clock, config=config, data=data,
        fingerprint=certificate.fingerprint, image_dir=shelf.folder, appliance=Appliance(config_file=file, started_at=clock.now(), look_at_image=shelf.now),
    )  # fmt: skip
    try:
        async with answering(desk, people, config, certificate, console, strict=strict) as url:
            await progress.resume()
            async with (
                hearing(ear, config, services) as hear,
                booting(
                    config=config,
                    data=data,
                    fingerprint=certificate.fingerprint,
                    shelf=shelf,
                    progress=progress,
                    store=store,
                    bus=bus,
                    clock=clock,
                    told=services.told,
                ) as boot,
                in_background(dispatcher.run, watchdog.run, console.hub.run, *hear, *boot.loops),
            ):
                people_at = config.server.public_url if config.server.port else url
                yield Server(
                    url, certificate, desk, accounts, bus, store, reporting, services, boot.url, people_at, console
                )
    finally:
        await waking.close()
        await iperf.close()
        await asyncio.to_thread(store.close)


def at_home(config: Config) -> Config:
    """The configuration with what follows from this machine filled in: our URL, our names, where iperf3 answers."""
    server = config.server
    everywhere = server.listen in ("0.0.0.0", "::", "")
    host = (urlsplit(server.public_url).hostname if server.public_url else None) or (
        socket.gethostname() if everywhere else server.listen
    )
    shown = f"[{host}]" if ":" in host else host
    own = {host, shown, socket.gethostname(), "localhost", "127.0.0.1", "[::1]", server.listen}
    if everywhere:
        own |= {address.address for found in psutil.net_if_addrs().values() for address in found}
    return replace(
        config,
        server=replace(
            server,
            public_url=server.public_url or f"https://{shown}:{server.port}",
            allowed_hosts=tuple(sorted({*server.allowed_hosts, *own})),
        ),
        iperf=replace(config.iperf, host=config.iperf.host or host),
    )


def make_data_dir(data: Path) -> None:
    """Raises Unavailable where we could not keep anything."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data / ".writable"
        probe.write_bytes(b"x" * BLOCK_BYTES)  # an empty file is taken by a full disk too
        probe.unlink()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        do = "free some space there" if full else "make it writable for this user"
        raise Unavailable(
            f"the data directory {data} cannot be written ({error.strerror}); {do} or set server.data_dir in vetting.yaml"
        ) from error


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """One orchestrator a data directory: two would both move its runs. The kernel lets go of it when we are killed.

    Raises Unavailable.
    """
    handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(
                f"another orchestrator serves the data directory {data}; stop it or set server.data_dir in vetting.yaml"
            ) from error
        yield
    finally:
        os.close(handle)


async def leave_local_token(people: People, data: Path) -> None:
    """The command line on this machine is the operator: its token lies beside the database, for its owner's eyes.

    Where the file is not there, it was taken away, or we were killed before it was written: a new token takes its place.
    """
    path = data / LOCAL_TOKEN
    if not path.exists():
        token = await people.issue_operator_token(LOCAL_NAME, "operator", who="start", renew=True)
        keys.write_secret(path, token.encode())


@contextlib.asynccontextmanager
async def answering(
    desk: Desk, people: People, config: Config, certificate: keys.Certificate, console: Console, *, strict: bool
) -> AsyncIterator[str]:
    """API and console over TLS; yields their URL. Raises Unavailable where the port cannot be had."""
    app = web.Application(middlewares=[one_error_shape], client_max_size=16 * 1024 * 1024)
    Door(desk, people, allowed_hosts=config.server.allowed_hosts, strict=strict).open(app, ROUTES)
    open_console(app, console)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate.cert_path, certificate.key_path)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.server.listen, config.server.port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {config.server.listen} port {config.server.port}: {os.strerror(error.errno or 0)}; "
                "stop what uses it or set server.port in vetting.yaml"
            ) from error
        host, port = runner.addresses[0][:2]
        yield f"https://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def hearing(ear: Netconsole, config: Config, services: Services) -> AsyncIterator[tuple[Loop, ...]]:
    """The last words of kernels, where they are wanted; yields what has to run for them."""
    if not config.netconsole.port:
        yield ()
        return
    address = config.boot.address or config.server.listen
    async with listening(ear, address, config.netconsole.port, services.told):
        yield (ear.run,)


@contextlib.asynccontextmanager
async def in_background(*loops: Loop) -> AsyncIterator[None]:
    """Runs the services' loops; one that fails is logged and started again, for a run must not wait for it for ever."""
    tasks = [asyncio.create_task(keep_going(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def keep_going(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:
            log.exception("a service stopped; it starts again in %.0f s", AGAIN_S)
            await asyncio.sleep(AGAIN_S)
