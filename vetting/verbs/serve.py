"""`vetting serve`: the orchestrator."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vetting.config import Config
    from vetting.readiness import Manager
    from vetting.serve import Server

EXAMPLE = "vetting serve --config /etc/vetting/vetting.yaml"
START_S = 3600.0  # the longest start: a large database that is copied and brought up to date
ANSWER_S = 60.0  # the first answer of our own API, on a busy machine
STOP_S = 600.0  # the longest stop: what is queued is written, reports are finished


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="vetting.yaml (default: here, then in /etc/vetting)"
    )
    parser.add_argument("--data", metavar="DIR", default="", help="the data directory, instead of server.data_dir")
    parser.add_argument("--port", type=int, help="the port, instead of server.port; 0 takes any that is free")


def main(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from vetting.config import load
    from vetting.domain.errors import Refusal
    from vetting.readiness import Manager

    faulthandler.enable()  # the service manager's watchdog sends SIGABRT: every thread then says where it hung
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    manager = Manager.from_environment(os.environ)
    try:
        config = load(args.config)
        server = config.server
        if args.data:
            server = replace(server, data_dir=args.data)
        if args.port is not None:
            server = replace(server, port=args.port)
        asyncio.run(until_told(replace(config, server=server), manager, file=file_of(args.config)))
    except Refusal as refusal:
        manager.status(str(refusal))  # `systemctl status` shows it beside the exit status
        raise
    return 0


def file_of(given: Path | None) -> str:
    """Which file the configuration was read from; empty where there is none, and what ships is in force."""
    from vetting.config.loading import PLACES

    found = given or next((place for place in PLACES if place.is_file()), None)
    return str(found.absolute()) if found else ""


async def until_told(config: Config, manager: Manager, *, file: str = "") -> None:
    """Serves until somebody says stop, and tells the service manager of it."""
    from vetting import serve

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with contextlib.AsyncExitStack() as everything:
        async with manager.patience("opening the database, starting the services", most_s=START_S):
            running = await everything.enter_async_context(serve.running(config, file=file))
            await answers(running)
        # Measured with 250 agents: the store's threads give the loop back ten times sooner, and the collector no
        # longer walks what never dies: p99 of a heartbeat fell from 252 ms to 68 ms.
        sys.setswitchinterval(0.0005)
        gc.collect()
        gc.freeze()
        print(f"vetting serves at {running.url}", flush=True)
        if running.boot_url:
            print(f"hosts boot from {running.boot_url}/boot.ipxe", flush=True)
        print(f"certificate fingerprint (SHA-256): {running.certificate.fingerprint}", flush=True)
        if code := await running.accounts.setup_code():
            print(f"nobody can sign in yet: open {running.console_url} with the setup code {code}", flush=True)
        manager.ready(status_of(running))
        async with manager.watched(lambda: running.store.write(_nothing), lambda: status_of(running)):
            await told.wait()
        manager.stopping()
        async with manager.patience("stopping", most_s=STOP_S):
            await everything.aclose()


async def answers(running: Server) -> None:
    """Returns once the API has answered ourselves, over the network and with our certificate. Raises Unavailable.

    We have no token to show, so the answer is a refusal; it comes through all of the door.
    """
    from vetting.client import Client, Unreachable, WrongServer
    from vetting.domain.errors import Refusal, Unavailable
    from vetting.wire import HostView

    try:
        async with Client(running.url, running.certificate.fingerprint) as client:
            await client.get("/api/hosts", tuple[HostView, ...], limit_s=ANSWER_S)
    except (Unreachable, WrongServer) as error:
        raise Unavailable(
            f"we do not reach ourselves at {running.url}: {error}; look for a firewall or another program at that address"
        ) from error
    except Refusal:
        return


def status_of(running: Server) -> str:
    """One line: where we serve, and which of the programs that we keep alive are not."""
    return "; ".join((f"serving at {running.url}", *running.services.troubles()))


def _nothing() -> None:
    """The least that the database's writer can be asked: an empty transaction shows that it turns."""
