"""The safety look: collects what could speak against a reboot. `domain.safelook` says what does.

Each fact stands for itself: where one tool hangs, fails or talks nonsense, that fact is unknown, and the others count.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vetting.domain.errors import ToolMissing
from vetting.domain.safelook import Facts, Guest, Ha, Osd, Unknown, Votes
from vetting.parsers import ceph, procfs, pvecm, pvesh, zpool
from vetting.parsers.errors import ParseError, bounded
from vetting.reporter import processes
from vetting.reporter.machine import Machine
from vetting.reporter.processes import Process

T = TypeVar("T")
PROXMOX_MARKS = ("usr/share/perl5/PVE/API2", "etc/pve/.version")
CEPH_S = "10"
LOCKS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "var/cache/apt/archives/lock")
# struct flock of Linux on 64-bit machines: type, whence, start, length, process id (fcntl(2)).
FLOCK = struct.Struct("hhqqi4x")


class CannotLook(Exception):
    """Why something could not be looked at."""


async def look(machine: Machine) -> Facts:
    """All facts, each as far as it could be had. Takes as long as the slowest tool, at most about a minute."""
    node = node_name(machine)
    try:
        running = await asyncio.to_thread(processes.listing, machine.root)
    except OSError as error:
        blind = Unknown(f"the list of processes cannot be read: {error.strerror or error}")
        return Facts(
            node=node, guests=blind, tasks=blind, osds=blind, monitors=blind, cluster=blind, ha=blind,
            packages=blind, arrays=blind, pools=blind,
        )  # fmt: skip
    proxmox = _Proxmox(machine, node, running)
    guests, cluster, ha, osds, monitors, pools = await asyncio.gather(
        _known(proxmox.guests),
        _known(proxmox.cluster),
        _known(proxmox.ha),
        _known(lambda: _osds(machine, node, running)),
        _known(lambda: _monitors(machine, running)),
        _known(lambda: _pools(machine)),
    )
    packages, arrays = await _known(lambda: _packages(machine)), await _known(lambda: _arrays(machine))
    return Facts(
        node=node, guests=guests, tasks=processes.tasks(running), osds=osds, monitors=monitors, cluster=cluster, ha=ha,
        packages=packages, arrays=arrays, pools=pools,
    )  # fmt: skip


def node_name(machine: Machine) -> str:
    """This host's short name, as Proxmox VE and Ceph call it."""
    try:
        return machine.read("proc/sys/kernel/hostname").strip().partition(".")[0]
    except OSError:
        return ""


async def _known(collect: Callable[[], Awaitable[T]]) -> T | Unknown:
    try:
        return await collect()
    except (CannotLook, ParseError, ToolMissing, OSError) as why:
        return Unknown(bounded(str(why)))


async def _asked(machine: Machine, *argv: str) -> str:
    """What a tool printed. Raises CannotLook where it did not end well: half an answer is none."""
    ended = await machine.ask(*argv)
    if ended.exit_code != 0 or ended.timed_out or ended.dropped_bytes:
        raise CannotLook(f"`{' '.join(argv)}` {ended.how_it_ended}: {bounded(ended.stderr or ended.stdout)}")
    return ended.stdout


class _Proxmox:
    """The parts that only a Proxmox VE node has. Elsewhere the processes alone are looked at."""

    def __init__(self, machine: Machine, node: str, running: list[Process]) -> None:
        self._machine = machine
        self._node = node
        self._running = running
        self._one_by_one = asyncio.Lock()  # each of them is a Perl of 130 MB

    async def guests(self) -> tuple[Guest, ...]:
        seen = processes.guests(self._running)
        if not self._here():
            return seen
        machines = pvesh.parse_guests(await self._get(f"/nodes/{self._node}/qemu"), "VM")
        containers = pvesh.parse_guests(await self._get(f"/nodes/{self._node}/lxc"), "container")
        return (*machines, *containers) or seen

    async def cluster(self) -> Votes | None:
        if not self._here():
            if others := processes.cluster_daemons(self._running):
                raise CannotLook(
                    f"{' and '.join(others)} runs here, and this is no Proxmox VE node that could be asked"
                )
            return None
        status = pvesh.parse_cluster(await self._get("/cluster/status"))
        if not status.name:
            return None
        return pvecm.parse_votes(await _asked(self._machine, "pvecm", "status"))

    async def ha(self) -> Ha | None:
        return pvesh.parse_ha(await self._get("/cluster/ha/status/current"), self._node) if self._here() else None

    def _here(self) -> bool:
        """Raises CannotLook for a Proxmox VE node without pvesh."""
        if self._machine.has("pvesh"):
            if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", self._node):
                raise CannotLook(f"the name of this node, {self._node[:80]!r}, is none that Proxmox VE would have")
            return True
        if any(self._machine.exists(mark) for mark in PROXMOX_MARKS):
            raise CannotLook("this is a Proxmox VE node, and pvesh is missing")
        return False

    async def _get(self, path: str) -> str:
        async with self._one_by_one:
            return await _asked(self._machine, "pvesh", "get", path, "--output-format", "json")


async def _osds(machine: Machine, node: str, running: list[Process]) -> tuple[Osd, ...]:
    """Those whose daemon runs or whose folder is here: who is only a client of Ceph has none of both."""
    folders = [path.name for path in (machine.root / "var/lib/ceph/osd").glob("*-*")]
    named = [*processes.numbers(running, "ceph-osd"), *(name.rpartition("-")[2] for name in folders)]
    if not named:
        return ()
    if strange := [name for name in named if not name.isascii() or not name.isdigit()]:
        raise CannotLook(f"an OSD runs here whose number is not known ({strange[0][:40]!r})")
    text = await _asked(machine, "ceph", "--connect-timeout", CEPH_S, "osd", "tree", "--format", "json")
    return ceph.parse_osds(text, node, also={int(name) for name in named})


async def _monitors(machine: Machine, running: list[Process]) -> Votes | None:
    own = processes.numbers(running, "ceph-mon")
    if not own:
        return None
    text = await _asked(machine, "ceph", "--connect-timeout", CEPH_S, "quorum_status", "--format", "json")
    return ceph.parse_monitors(text, own[0])


async def _packages(machine: Machine) -> tuple[str, ...]:
    return tuple(f"/{name}" for name in LOCKS if _held(machine.root / name))


def _held(path: os.PathLike[str]) -> bool:
    """Whether another program holds the lock that dpkg and apt take (fcntl, the whole file). Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        wanted = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind: int = FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, wanted))[0]
        return kind != fcntl.F_UNLCK
    finally:
        os.close(handle)


async def _arrays(machine: Machine) -> tuple[str, ...]:
    try:
        text = machine.read("proc/mdstat")
    except FileNotFoundError:
        return ()
    return tuple(f"{array.name} ({array.work})" for array in procfs.parse_mdstat(text) if array.work)


async def _pools(machine: Machine) -> tuple[str, ...]:
    if not machine.exists("sys/module/zfs"):
        return ()
    return zpool.parse_busy(await _asked(machine, "zpool", "status"))
