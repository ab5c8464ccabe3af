"""Has the live image's kernel send its messages to the orchestrator by UDP, for a kernel that dies can do nothing else.

A target of netconsole's, made through configfs (Documentation/networking/netconsole.rst). The kernel sends past its own
routing and address resolution, so that card, addresses and the next hop's MAC are looked up here. Which messages go out is
the console's loglevel, which stays as it is. Whatever fails is a warning: a run goes without last words, not without tests.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

from vetting import proc
from vetting.agent.eventlog import Ask
from vetting.agent.logs import Logs
from vetting.domain.errors import BadInput, ToolMissing
from vetting.domain.outcome import ToolRun
from vetting.parsers import ip
from vetting.parsers.errors import ParseError

TARGETS = "sys/kernel/config/netconsole"
NAME = "vetting"
LIMIT_S = 15.0
LOOKS = 15  # for the next hop's MAC
LOOK_S = 0.2
LOCAL_PORT = 6665  # netconsole's own


async def ask_plainly(argv: Sequence[str]) -> ToolRun:
    return await proc.run(argv, limit_s=LIMIT_S)


async def set_up(told: str, root: Path, logs: Logs, ask: Ask = ask_plainly) -> bool:
    """`told` is vetting.netconsole= of the kernel command line. True where the kernel now sends."""
    try:
        address, port = target_of(told)
        folder = await _targets(root, ask)
        route = ip.parse_route(await _said(ask, "ip", "-j", "route", "get", address))
        mac = await _next_hop(route, address, port, ask)
        await asyncio.to_thread(_make, folder / NAME, route, address, port, mac)
    except (OSError, ToolMissing, ParseError, BadInput) as why:
        logs.say(f"the kernel's last words will be lost, it does not send them by netconsole: {why}", "warning")
        return False
    logs.say(f"the kernel sends its messages to {told} through {route.device}")
    return True


def target_of(told: str) -> tuple[str, int]:
    """Address and port of "10.0.0.1:6666" or "[fd00::1]:6666". Raises BadInput."""
    address, _, port = told.rpartition(":")
    try:
        known = ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError
    except ValueError:
        raise BadInput(f"vetting.netconsole= must be ADDRESS:PORT, it is {told[:80]!r}") from None
    return str(known), int(port)


async def _targets(root: Path, ask: Ask) -> Path:
    """The folder of targets; module and file system are brought in where they are not there yet."""
    folder = root / TARGETS
    if not folder.is_dir() and root == Path("/"):  # a picture of another machine is left as it is
        await _said(ask, "modprobe", "configfs", fine=True)  # often built in
        if not (root / "sys/kernel/config").is_mount():
            await _said(ask, "mount", "-t", "configfs", "configfs", "/sys/kernel/config", fine=True)
        await _said(ask, "modprobe", "netconsole")
    if not folder.is_dir():
        raise BadInput(f"this kernel has no /{TARGETS}, it was built without dynamic netconsole targets")
    return folder


async def _next_hop(route: ip.Route, address: str, port: int, ask: Ask) -> str:
    """The MAC of whoever is next on the way. An empty datagram makes the kernel ask for it."""
    hop = route.gateway or address
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as knock:
        for _ in range(LOOKS):
            knock.sendto(b"", (address, port))
            found = ip.parse_neighbours(await _said(ask, "ip", "-j", "neigh", "show", "to", hop, "dev", route.device))
            if mac := next((one.mac for one in found if one.mac and "FAILED" not in one.states), None):
                return mac
            await asyncio.sleep(LOOK_S)
    raise BadInput(f"{hop} does not tell its MAC address on {route.device}")


def _make(target: Path, route: ip.Route, address: str, port: int, mac: str) -> None:
    """Raises OSError, which says which attribute the kernel did not take."""
    target.mkdir(exist_ok=True)
    if _read(target / "enabled") == "1":  # an agent before this one made it; it may lead elsewhere
        _write(target / "enabled", "0")
    optional = {"extended": "1", "release": "0"}
    for name, value in {
        "dev_name": route.device,
        "local_ip": route.source,
        "local_port": str(LOCAL_PORT),
        "remote_ip": address,
        "remote_port": str(port),
        "remote_mac": mac,
        **{name: value for name, value in optional.items() if (target / name).exists()},
    }.items():
        _write(target / name, value)
    _write(target / "enabled", "1")
    if _read(target / "enabled") != "1":
        raise OSError(f"the kernel did not enable {target}")


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise OSError(f"{path.name}={value}: {error.strerror}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


async def _said(ask: Ask, *argv: str, fine: bool = False) -> str:
    """What the program says. Raises BadInput where it fails, unless that is `fine` too."""
    try:
        ended = await ask(argv)
    except ToolMissing:
        if fine:
            return ""
        raise
    if ended.exit_code != 0 and not fine:
        raise BadInput(f"`{' '.join(argv)}` {ended.how_it_ended}: {ended.stderr.strip()[:200]}")
    return ended.stdout
