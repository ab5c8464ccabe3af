"""Entering a held host: the hold's key for as long as the session lasts, in a folder of memory that only its owner reads."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vetting import wire

MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
PORT = 22
LOOK_LIMIT_S = 20.0
HOST_KEY = re.compile(r"[a-z0-9-]{5,40} [A-Za-z0-9+/=]{40,1400}")


def enter(args: argparse.Namespace) -> int:
    """Opens a shell on a held host, or runs a command there; ssh's exit status. Raises a Refusal."""
    from vetting import wire
    from vetting.asking import ask

    if args.print:
        return _print(args, ask(args, lambda client: client.get(f"/api/runs/{args.run}", wire.RunView)))
    key = ask(args, lambda client: client.get(f"/api/runs/{args.run}/hold-key", wire.HoldKey))
    with ended_in_order(), tempfile.TemporaryDirectory(prefix="vetting-", dir=memory_folder()) as folder:  # 0700
        return _enter(key, Path(folder), args.port, args.command)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Who is told to end clears away first: the key must not stay behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _enter(key: wire.HoldKey, folder: Path, port: int, command: Sequence[str]) -> int:
    from vetting import proc
    from vetting.domain.errors import Unavailable

    lay_out(key, folder)
    troubles = []
    for address in key.addresses:
        words = ssh(key.run_id, folder, f"{key.user}@{ipaddress.ip_address(address)}", port)
        if why := asyncio.run(why_not(words)):
            troubles.append(f"{address}: {why}")
            continue
        if sys.stdout.isatty() and not command:
            print(f"{key.host} of run {key.run_id} at {address}, held; who leaves does not end the hold")
        return proc.hand_over([*words, *command])
    raise Unavailable(f"{key.host} cannot be entered; {'; '.join(troubles)}")


def ssh(run_id: int, folder: Path | str, whom: str, port: int) -> list[str]:
    """The words of ssh up to the command. The host is known by the keys that its agent told us, and by nothing else."""
    settings = {
        "IdentitiesOnly": "yes", "IdentityAgent": "none", "PreferredAuthentications": "publickey",
        "StrictHostKeyChecking": "yes", "UserKnownHostsFile": f"{folder}/known_hosts", "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": alias(run_id), "CheckHostIP": "no", "UpdateHostKeys": "no", "ControlPath": "none",
        "ForwardAgent": "no", "ConnectTimeout": "8", "ServerAliveInterval": "15", "LogLevel": "ERROR",
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-i", f"{folder}/key", *options, "-p", str(port), whom]


def alias(run_id: int) -> str:
    return f"vetting-run-{run_id}"


def lay_out(key: wire.HoldKey, folder: Path) -> None:
    """Key and known_hosts in a folder that nobody else reads. Raises BadInput where the host's key is none."""
    wrong = [text for text in key.host_keys if not HOST_KEY.fullmatch(text)]
    if wrong:
        from vetting.domain.errors import BadInput

        raise BadInput(f"the host's key {wrong[0][:60]!r} is no key; it may be another program's answer")
    known = "".join(f"{alias(key.run_id)} {text}\n" for text in key.host_keys)
    for name, text in (("key", key.private_key), ("known_hosts", known)):
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)


async def why_not(words: list[str]) -> str:
    """Why an address does not let us in; empty where it does."""
    from vetting import proc
    from vetting.domain.errors import ToolMissing, Unavailable

    try:
        ended = await proc.run([*words[:-1], "-o", "BatchMode=yes", words[-1], "true"], limit_s=LOOK_LIMIT_S)
    except ToolMissing as error:
        raise Unavailable(f"{error}: install the package openssh-client on this machine") from None
    if ended.exit_code == 0 and not ended.timed_out:
        return ""
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    if any("Host key verification failed" in line for line in lines):
        return "another machine answers there: its key is not the one that the held host told us"
    return (lines or [f"ssh {ended.how_it_ended}"])[-1][:200]


def memory_folder() -> str | None:
    """A folder in memory, if there is one: the key shall not come to rest on a disk."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR", ""), MEMORY):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _print(args: argparse.Namespace, run: wire.RunView) -> int:
    """What would be done, without a secret and without asking for one."""
    from vetting.domain.errors import Conflict

    if not run.enterable:
        raise Conflict(
            f"run {run.id} is {run.state}, and nobody can sign in to its host; vetting run show {run.id} says more"
        )
    print(
        f"# the key and known_hosts of run {run.id} lie in FOLDER, below {memory_folder() or tempfile.gettempdir()}, while ssh runs"
    )
    for address in run.held_at:
        print(shlex.join([*ssh(run.id, "FOLDER", f"root@{address}", args.port), *args.command]))
    return 0
