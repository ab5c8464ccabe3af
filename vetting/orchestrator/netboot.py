"""Keeps dnsmasq going: waits for its interface, writes its files, starts it, follows our records and the image.

While something is in its way (no program, no interface, another DHCP server) the service is down, loudly, and looked at
again every few seconds: a console whose network card is unplugged still shows its runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vetting import proc
from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.errors import Refusal, ToolMissing
from vetting.orchestrator import dnsmasq
from vetting.orchestrator.interfaces import Own, own_on
from vetting.orchestrator.supervise import Health, Status, Supervised
from vetting.store import hosts
from vetting.store.db import Store

log = logging.getLogger(__name__)
TURN_S = 2.0
NAME = "dnsmasq"


class Netboot:
    """`heard` gets every line that dnsmasq says; `loader` tells where a loader lies."""

    def __init__(
        self,
        *,
        config: Config,
        data: Path,
        store: Store,
        clock: Clock,
        http_port: int,
        loader: Callable[[str], Path],
        told: Callable[[Status], None],
        heard: Callable[[str], None],
    ) -> None:
        self._config = config
        self._data = data
        self._store = store
        self._clock = clock
        self._http_port = http_port
        self._loader = loader
        self._told = told
        self._heard = heard
        self._places = dnsmasq.Places(runtime_folder(data))
        self._user = dnsmasq.user()
        self._child: Supervised | None = None
        self._hosts = ""
        self._in_the_way = ""

    @property
    def status(self) -> Status:
        if self._child is not None:
            return self._child.status
        return Status(NAME, Health.WAITING, why=self._in_the_way)

    async def run(self) -> None:
        """For ever; leaving it stops dnsmasq."""
        try:
            while True:
                await self.once()
                await self._clock.sleep(TURN_S)
        finally:
            await self._stop()

    async def once(self) -> None:
        if self._child is None:
            await self._begin()
        else:
            await self._follow()

    async def _begin(self) -> None:
        own = own_on(self._config.boot.interface, self._config.boot.address)
        if isinstance(own, str):
            self._waits(own)
            return
        try:
            program = proc.which(dnsmasq.PROGRAM, path=PROGRAMS)
            await self._write_files(own)
        except ToolMissing:
            self._waits("the program dnsmasq is not installed here; install the package dnsmasq-base")
            return
        except (Refusal, OSError) as error:
            self._waits(f"dnsmasq cannot be started: {error}")
            return
        self._in_the_way = ""
        self._child = Supervised(
            NAME,
            dnsmasq.argv(program, self._places),
            clock=self._clock,
            told=self._told,
            on_line=lambda stream, line: self._heard(line),
            setpriv=dnsmasq.without_root(self._user),
        )
        await self._child.start()

    def _waits(self, why: str) -> None:
        if why != self._in_the_way:
            log.error("hosts cannot boot from here: %s", why)
            self._in_the_way = why
            self._told(self.status)

    async def _write_files(self, own: Own) -> None:
        places = self._places
        text = dnsmasq.configuration(self._config, own, places, http_port=self._http_port)
        self._hosts = await self._known()
        places.tftp.mkdir(parents=True, exist_ok=True)
        kept = self._data / "dnsmasq.leases"
        if kept.exists() and not places.leases.exists():
            shutil.copyfile(kept, places.leases)
        places.configuration.write_text(text)
        replace_text(places.hosts, self._hosts)
        self._lay_out_loaders()
        if self._user is not None:
            for path in (places.folder, places.tftp, *places.folder.iterdir(), *places.tftp.iterdir()):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    async def _follow(self) -> None:
        """What changed in our records or in the image reaches it within a turn."""
        known = await self._known()
        if known != self._hosts:
            self._hosts = known
            replace_text(self._places.hosts, known)
            if self._child is not None:
                self._child.hang_up()
        self._lay_out_loaders()
        self._keep_leases()

    async def _known(self) -> str:
        return await self._store.read(lambda: dnsmasq.hosts_file(mac for host in hosts.listing() for mac in host.macs))

    def _lay_out_loaders(self) -> None:
        """The TFTP folder holds the two loaders and nothing else."""
        for name in dnsmasq.LOADERS:
            source, place = self._loader(name), self._places.tftp / name
            with contextlib.suppress(FileNotFoundError):
                if not place.exists() or place.stat().st_mtime_ns != source.stat().st_mtime_ns:
                    beside = place.with_name(f".{name}.new")
                    shutil.copy2(source, beside)
                    beside.chmod(0o444)
                    beside.replace(place)

    def _keep_leases(self) -> None:
        """A restart of this machine must not make a host under test lose its address."""
        now, kept = self._places.leases, self._data / "dnsmasq.leases"
        with contextlib.suppress(FileNotFoundError):
            if not kept.exists() or kept.stat().st_mtime_ns < now.stat().st_mtime_ns:
                replace_text(kept, now.read_text())

    async def _stop(self) -> None:
        if self._child is not None:
            await asyncio.shield(self._child.stop())
            self._keep_leases()
            self._child = None
        shutil.rmtree(self._places.folder, ignore_errors=True)


PROGRAMS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def runtime_folder(data: Path) -> Path:
    """Where dnsmasq, which is not root, can read: the data directory is closed to all but us."""
    mark = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:12]
    if os.geteuid() != 0:
        return data / "dnsmasq"
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run/vetting").split(":")[0]) / f"dnsmasq-{mark}"


def replace_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.chmod(0o644)
    beside.replace(path)
