"""The rack's own network: a namespace that carries our process id, a bridge in it, a tap for each network card.

A second namespace can hang on the bridge: the site with its own DHCP server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from vetting import proc

PREFIX = "vetlab"
MOST = 8  # racks of one process
BRIDGE = "rack0"
ADDRESS = "10.77.0.1"
SITE_ADDRESS = "10.77.0.2"
NETS = Path("/run/netns")
LIMIT_S = 20.0


class NetworkError(AssertionError):
    """The kernel refused a part of the network; the message is ip's own."""


async def ip(*words: str) -> str:
    told = await proc.run(("ip", *words), limit_s=LIMIT_S)
    if told.exit_code != 0:
        raise NetworkError(f"ip {' '.join(words)}: {told.stderr.strip() or told.how_it_ended}; the lab needs root")
    return told.stdout


@dataclass(slots=True)
class Network:
    name: str
    taps: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)

    @classmethod
    async def built(cls) -> Network:
        """A new namespace with a bridge at 10.77.0.1/24. Raises NetworkError."""
        own = [name for name in names() if name.startswith(f"{PREFIX}-{os.getpid()}-")]
        numbers = [number for number in range(MOST) if f"{PREFIX}-{os.getpid()}-{number}" not in own]
        if not numbers:
            raise NetworkError(f"this process has {MOST} racks already; leave one before the next")
        net = cls(f"{PREFIX}-{os.getpid()}-{numbers[0]}")
        await ip("netns", "add", net.name)
        await ip("-n", net.name, "link", "set", "lo", "up")
        await ip("-n", net.name, "link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        await ip("-n", net.name, "addr", "add", f"{ADDRESS}/24", "dev", BRIDGE)
        await ip("-n", net.name, "link", "set", BRIDGE, "up")
        return net

    @property
    def number(self) -> int:
        return int(self.name.rpartition("-")[2])

    def inside(self, *argv: str, site: str = "") -> tuple[str, ...]:
        """A command line in the namespace."""
        return ("ip", "netns", "exec", site or self.name, *argv)

    async def tap(self, name: str) -> None:
        await ip("-n", self.name, "tuntap", "add", name, "mode", "tap")
        await ip("-n", self.name, "link", "set", name, "master", BRIDGE, "up")
        self.taps.append(name)

    async def site(self, address: str = SITE_ADDRESS) -> str:
        """A neighbour on the bridge with a namespace of its own; returns its name."""
        name = f"{self.name}-site{len(self.sites)}"
        await ip("netns", "add", name)
        self.sites.append(name)
        near = f"site{len(self.sites)}"
        await ip("-n", self.name, "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", name)
        await ip("-n", self.name, "link", "set", near, "master", BRIDGE, "up")
        await ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        await ip("-n", name, "link", "set", "lo", "up")
        await ip("-n", name, "link", "set", "eth0", "up")
        return name

    async def remove(self) -> None:
        """Ends what still runs inside and takes the namespaces away."""
        for name in (*self.sites, self.name):
            await remove(name)


def names() -> list[str]:
    """The lab's namespaces on this machine, whoever made them."""
    return sorted(path.name for path in NETS.glob(f"{PREFIX}-*")) if NETS.is_dir() else []


async def remove(name: str) -> None:
    """Everything in a namespace of the lab is the lab's own: it is killed, then the namespace goes."""
    with contextlib.suppress(NetworkError):
        for pid in (await ip("netns", "pids", name)).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(NetworkError):
        await ip("netns", "del", name)


def owner(name: str) -> int:
    """The process that made a namespace of the lab."""
    return int(name.split("-")[1])


def is_stale(name: str) -> bool:
    """Its maker is gone, or the id belongs to a program of another kind by now."""
    try:
        return b"python" not in Path(f"/proc/{owner(name)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return True


async def clear_stale() -> list[str]:
    """Removes the racks whose process was killed; returns their namespaces."""
    gone = [name for name in names() if is_stale(name)]
    for name in gone:
        await remove(name)
    for sockets in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        if is_stale(sockets.name):
            shutil.rmtree(sockets, ignore_errors=True)
    return gone
