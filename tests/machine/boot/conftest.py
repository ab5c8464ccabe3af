"""The real `vetting serve` with the real dnsmasq in a network namespace, and network cards in others on the same bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.boot_image import lay_out
from tests.fakes.network_card import NetworkCard
from tests.fakes.rig import until
from tests.lab.dhcp import ForeignDhcp
from tests.lab.figures import Figures
from tests.lab.network import ADDRESS, BRIDGE, Network, ip
from tests.lab.orchestrator import Orchestrator
from tests.lab.settings import Boot
from vetting import wire

HOST, STRANGER = "52:54:00:77:00:01", "52:54:00:77:00:99"
HOST_ADDRESS = "10.77.0.7"


@dataclass
class Yard:
    """`card` belongs to the host "pve-07", which is on record, with HOST_ADDRESS on it; `stranger` to nobody."""

    net: Network
    orchestrator: Orchestrator
    card: NetworkCard
    stranger: NetworkCard
    folder: Path
    foreign: list[ForeignDhcp] = field(default_factory=list)

    @property
    def image(self) -> Path:
        return self.folder / "image"

    async def serve(self, *, proxy: bool, **boot: Any) -> None:
        changes = {"boot": boot, "netconsole": {"port": 0}}
        self.orchestrator.configure(boot=Boot(proxy=proxy), image=self.image, changes=changes)
        await self.orchestrator.start()
        edit = wire.HostEdit(name="pve-07", macs=(HOST,))
        await self.orchestrator.api.call("/api/hosts", edit, wire.HostView)

    async def dnsmasq(self) -> int:
        """Its process id, once it is up."""
        return await until(self._dnsmasq, 30, said=f"dnsmasq to run:\n{self.orchestrator.said()[-2000:]}")

    async def knows(self, mac: str, *, known: bool = True) -> int:
        """The process id of dnsmasq, once it has read that the card is known, or no longer."""
        pid = await self.dnsmasq()

        async def look() -> bool:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            hosts = Path(words.partition("--conf-file=")[2].rstrip("\0")).with_name("hosts")
            return (mac in hosts.read_text()) is known

        await until(look, 30, said=f"dnsmasq to know {mac}")
        await asyncio.sleep(1)  # it answers a signal when it comes to it
        return pid

    async def _dnsmasq(self) -> int:
        for pid in (await ip("netns", "pids", self.net.name)).split():
            words = Path(f"/proc/{pid}/cmdline")
            if words.exists() and b"dnsmasq\0--keep-in-foreground" in words.read_bytes():
                return int(pid)
        return 0

    async def says(self, words: str, limit_s: float = 30) -> None:
        """Waits until the orchestrator's log holds the words."""

        async def look() -> bool:
            return words in self.orchestrator.said()

        await until(look, limit_s, said=f"{words!r} in the log:\n{self.orchestrator.said()[-2000:]}")

    async def another_dhcp_server(self) -> ForeignDhcp:
        site = await self.net.site()
        self.foreign.append(await ForeignDhcp.started(self.folder / "site", self.net.inside(site=site)))
        return self.foreign[-1]

    async def start_run(self) -> int:
        request = wire.StartRun(host="pve-07", profile="lab", start_by="manual", non_destructive=True)
        return (await self.orchestrator.api.call("/api/runs", request, wire.RunStarted)).run_id

    async def fetch(self, url: str, *words: str) -> tuple[int, str]:
        """As the host: (exit status of curl, what it printed)."""
        from vetting import proc

        argv = self.net.inside(
            "curl", "--silent", "--show-error", "--max-time", "30", *words, url, site=self.card.namespace
        )
        told = await proc.run(argv, limit_s=40)
        return told.exit_code or 0, told.stdout


async def _card(net: Network, mac: str, address: str) -> NetworkCard:
    namespace = await net.site(address)
    await ip("-n", namespace, "link", "set", "eth0", "address", mac)
    return NetworkCard(namespace, "eth0", mac)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    net = await Network.built()
    try:
        lay_out(tmp_path / "image")
        orchestrator = await Orchestrator.prepared(tmp_path / "orchestrator", net.inside(), Figures("boot"))
        made = Yard(
            net, orchestrator, await _card(net, HOST, HOST_ADDRESS), await _card(net, STRANGER, "10.77.0.9"), tmp_path
        )
        try:
            yield made
        finally:
            await orchestrator.close()
            for server in made.foreign:
                await server.program.stop()
    finally:
        await net.remove()


BOOT_URL = f"http://{ADDRESS}:8480"
__all__ = ["ADDRESS", "BOOT_URL", "BRIDGE", "HOST", "HOST_ADDRESS", "STRANGER", "Yard", "yard"]
