"""`vetting reporter`: the service on an installed host."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path

EXAMPLE = (
    "vetting reporter status\n"
    "  (`vetting host code NAME` on the orchestrator's machine shows the line that installs and registers it)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("run", "say that this host is up, and reboot it into vetting when ordered, allowed and safe"),
        ("once", "one heartbeat, and what it asks for"),
        ("status", "what speaks against a reboot of this host now, and how it would boot from the network"),
        ("register", "trade a one-time code for this host's token"),
    ):
        one = verbs.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".", allow_abbrev=False)
        one.add_argument(
            "--root", type=Path, default=Path("/"), metavar="DIR", help="of the host; its programs lie there too"
        )
        if name in ("run", "once"):
            one.add_argument(
                "--dry-run", action="store_true", help="show every command that changes something, run none"
            )
        if name == "status":
            one.add_argument("--json", action="store_true", help="print JSON")
        if name == "register":
            one.add_argument("--url", required=True, help="the orchestrator, https://host:port")
            one.add_argument("--fingerprint", required=True, help="SHA-256 of its certificate, in hex")
            one.add_argument(
                "--code-file",
                type=Path,
                metavar="FILE",
                help="holds the one-time code (or $VETTING_CODE); never an argument",
            )
            one.add_argument(
                "--network-first", action="store_true", help="this host always boots from the network before its disk"
            )


def main(args: argparse.Namespace) -> int:
    from vetting.client import Unreachable, WrongServer
    from vetting.domain.errors import Unavailable

    try:
        if args.what == "register":
            return asyncio.run(_register(args))
        if args.what == "status":
            return asyncio.run(_status(args))
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_run(args))
    except (Unreachable, WrongServer) as error:
        raise Unavailable(str(error)) from error
    return 0


async def _run(args: argparse.Namespace) -> None:
    import signal

    from vetting.reporter import main as program

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await program.run(args.root, dry_run=args.dry_run, once=args.what == "once", say=_say)


def _say(text: str) -> None:
    from vetting.asking import visible

    print(visible(text, 1000), flush=True)


async def _register(args: argparse.Namespace) -> int:
    from vetting.client import Client
    from vetting.reporter import registering
    from vetting.reporter.settings import CONFIG, OPT_IN

    async with Client(args.url, args.fingerprint, token=_code(args.code_file)) as client:
        settings = await registering.register(
            client, url=args.url.rstrip("/"), fingerprint=args.fingerprint, root=args.root,
            hostname=socket.gethostname(), network_first=args.network_first,
        )  # fmt: skip
    unit = registering.install_unit(args.root)
    print(f"registered as {settings.host}; its token is in {args.root / CONFIG}, the service in {unit}")
    print(f"this host reboots for nobody until root makes /{OPT_IN} on it")
    return 0


def _code(path: Path | None) -> str:
    from vetting.domain.errors import BadInput

    try:
        code = path.read_text(encoding="ascii").strip() if path else os.environ.get("VETTING_CODE", "")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the code cannot be read from {path}: {error}") from None
    if not code or not code.isascii() or not code.isprintable():
        raise BadInput("there is no code: give --code-file or $VETTING_CODE; `vetting host code NAME` makes one")
    return code


async def _status(args: argparse.Namespace) -> int:
    """Exit status 0: an order would be carried out now; 1: it would be refused."""
    from vetting.asking import print_json
    from vetting.domain.errors import Refusal
    from vetting.reporter.machine import Machine
    from vetting.reporter.readiness import readiness
    from vetting.reporter.settings import load, why_not_allowed

    try:
        settings = load(args.root)
        registered, network_first = f"{settings.host} at {settings.url}", settings.network_first
    except Refusal as why:
        registered, network_first = f"no: {why}", False
        settings = None
    machine = Machine(root=args.root, say=lambda text: print(text, file=sys.stderr))
    why_not = why_not_allowed(args.root)
    found = await readiness(machine, network_first=network_first)
    would = settings is not None and not why_not and not found.obstacles
    if args.json:
        print_json(
            {
                "registered": settings.host if settings else "", "allowed": not why_not, "obstacles": found.obstacles,
                "ways": found.ways, "would_reboot": would,
            }
        )  # fmt: skip
        return 0 if would else 1
    _say(f"registered: {registered}")
    _say(f"allowed:    {'yes' if not why_not else f'no: {why_not}'}")
    _say(f"boots by:   {', '.join(found.ways) or 'nothing that works once'}")
    for obstacle in found.obstacles or ("nothing",):
        _say(f"against it: {obstacle}")
    return 0 if would else 1
