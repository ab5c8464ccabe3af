"""The rack itself: everything that is built is taken down at the end, in whatever way the end came."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.lab import accelerator, qemu
from tests.lab.chassis import chassis
from tests.lab.dhcp import ForeignDhcp
from tests.lab.figures import Figures
from tests.lab.hardware import Bmc, Hardware, mac_number
from tests.lab.host import Host
from tests.lab.network import PREFIX, Network, clear_stale
from tests.lab.orchestrator import Orchestrator
from tests.lab.settings import IMAGE, Boot
from tests.lab.waking import WAKE_ADDRESS, waking

KEPT = REPOSITORY / "build" / "lab"


@dataclass(slots=True)
class Rack:
    name: str
    folder: Path  # consoles, logs and reports stay here
    network: Network
    sockets: Path
    figures: Figures
    accelerator: Sequence[str] = qemu.SOFTWARE
    hosts: list[Host] = field(default_factory=list)
    orchestrators: list[Orchestrator] = field(default_factory=list)
    exit: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    @asynccontextmanager
    async def built(cls, name: str) -> AsyncIterator[Rack]:
        """An empty rack with a network of its own; what a rack of this name left behind last time is gone."""
        await clear_stale()
        folder = KEPT / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        async with AsyncExitStack() as stack:
            sockets = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-"))
            stack.callback(shutil.rmtree, sockets, ignore_errors=True)
            network = await Network.built()
            stack.push_async_callback(network.remove)
            words = await accelerator.chosen(IMAGE / "vmlinuz", KEPT)
            rack = cls(name, folder, network, sockets, Figures(name), words)
            await stack.enter_async_context(rack.exit)
            yield rack

    def inside(self, *argv: str) -> tuple[str, ...]:
        """A command line in the rack's network."""
        return self.network.inside(*argv)

    async def host(self, hardware: Hardware) -> Host:
        """Screws a host in; it is off."""
        number = len(self.hosts) + 1
        macs, taps = [], []
        for index, nic in enumerate(hardware.nics):
            taps.append(f"h{number}n{index}")
            macs.append(nic.mac or mac_number(self.network.number, number, index))
            await self.network.tap(taps[-1])
        host = Host(
            hardware, self.folder / hardware.name, self.inside(), tuple(taps), tuple(macs), self.sockets,
            accelerator=self.accelerator,
        )  # fmt: skip
        self.hosts.append(host)
        self.exit.callback(host.drop_disks)
        self.exit.push_async_callback(host.power_off)
        if hardware.bmc is Bmc.LAN:
            host.bmc = await self.exit.enter_async_context(chassis(host, number))
        return host

    async def wakes_on_lan(self, *hosts: Host) -> None:
        """From now on a magic packet on the wire powers these hosts on, as their network cards would."""
        site = await self.network.site(WAKE_ADDRESS)
        await self.exit.enter_async_context(waking(hosts, self.network.inside(site=site), self.folder))

    async def orchestrator(
        self, *, boot: Boot | None = None, changes: dict[str, Any] | None = None, zipapp: Path | None = None
    ) -> Orchestrator:
        """A started `vetting serve` with a data directory of its own."""
        folder = self.folder / "serve"
        serve = await Orchestrator.prepared(folder, self.inside(), self.figures, zipapp=zipapp)
        self.orchestrators.append(serve)
        self.exit.callback(shutil.rmtree, serve.data, ignore_errors=True)
        self.exit.push_async_callback(serve.keep_reports, self.folder)
        self.exit.push_async_callback(serve.close)
        # A copy: whoever builds an image meanwhile does not change the one that hosts are fetching.
        image = self.folder / "image"
        if IMAGE.is_dir() and not image.exists():
            self.exit.callback(shutil.rmtree, image, ignore_errors=True)
            await asyncio.to_thread(shutil.copytree, IMAGE, image)
        serve.configure(boot=boot or Boot(), image=image, changes=changes)
        await serve.start()
        return serve

    async def foreign_dhcp(self) -> ForeignDhcp:
        """The site's own DHCP server, as a neighbour on the bridge."""
        site = await self.network.site()
        server = await ForeignDhcp.started(self.folder / "site-dhcp", self.network.inside(site=site))
        self.exit.push_async_callback(server.program.stop)
        return server

    def words(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(host.words() for host in self.hosts)
        return ""
