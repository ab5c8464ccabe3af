"""How the command line asks the orchestrator: where it is, with which token, and how answers are printed.

On the orchestrator's own machine nothing has to be said: address, fingerprint and token follow from vetting.yaml and
the data directory. Elsewhere --url, --fingerprint and VETTING_TOKEN say it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vetting.client import Client, Unreachable, WrongServer
from vetting.config import load
from vetting.domain.errors import NotAllowed, Unavailable

T = TypeVar("T")
LOCAL_TOKEN = "operator.token"
NARROW_SPACES = "\u00a0\u202f\u2009"  # our own, between a number and its unit


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that asks an orchestrator."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="vetting.yaml of the orchestrator on this machine")
    parser.add_argument(
        "--url", default="", help="an orchestrator elsewhere, https://host:port (then $VETTING_TOKEN too)"
    )
    parser.add_argument("--fingerprint", default="", help="SHA-256 of its certificate, in hex")
    parser.add_argument("--json", action="store_true", help="print JSON")


def ask(args: argparse.Namespace, talk: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Runs a conversation with the orchestrator. Raises Refusal: its own, or one sentence on why it cannot be had."""

    async def held() -> T:
        url, fingerprint, token = where(args)
        async with Client(url, fingerprint, token=token) as client:
            return await talk(client)

    try:
        return asyncio.run(held())
    except Unreachable as error:
        raise Unavailable(f"{error}; is `vetting serve` running there?") from error
    except WrongServer as error:
        raise Unavailable(str(error)) from error


def where(args: argparse.Namespace) -> tuple[str, str, str]:
    """(url, fingerprint, token)."""
    token = os.environ.get("VETTING_TOKEN", "")
    if args.url:
        return args.url, args.fingerprint, token
    from vetting.orchestrator.keys import fingerprint_of

    server = load(args.config).server
    data = Path(server.data_dir)
    try:
        token = token or (data / LOCAL_TOKEN).read_text().strip()
        return f"https://{here(server.listen)}:{server.port}", args.fingerprint or fingerprint_of(data / "keys"), token
    except OSError as error:
        raise NotAllowed(
            f"{error.filename} cannot be read ({error.strerror}): run this as the orchestrator's user on its machine, "
            "or give --url, --fingerprint and $VETTING_TOKEN"
        ) from error


def here(listen: str) -> str:
    """Where this machine reaches its own orchestrator: over loopback, unless it listens on one other address alone."""
    address = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(listen, listen)
    return f"[{address}]" if ":" in address else address


def print_json(answer: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Plain columns; what came from a host has its control characters made visible."""
    table = [[visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def visible(text: str, longest: int = 200) -> str:
    """One line of at most `longest` characters, with everything that could move a terminal's cursor or turn its text around shown as an escape."""
    shown = (" " if sign in NARROW_SPACES else sign for sign in text)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown)[:longest]


def ago(seconds: float | None) -> str:
    """An age as people say it."""
    if seconds is None:
        return "never"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
