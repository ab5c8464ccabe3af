"""Keeps dnsmasq going: waits for its interface, starts it, follows our records and the image, looks whether it answers.

While something is in its way (no program, no interface, another DHCP server) the service is down, loudly, and looked at
again every few seconds: a console whose network card is unplugged still shows its runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from vetting import proc
from vetting.clock import Clock
from vetting.config import Config
from vetting.config.values import BootMode
from vetting.domain.errors import Refusal, ToolMissing
from vetting.orchestrator import dnsmasq, foreign_dhcp
from vetting.orchestrator.bootfiles import BootFiles
from vetting.orchestrator.dhcplog import ALIVE
from vetting.orchestrator.interfaces import Own, own_on
from vetting.orchestrator.supervise import Health, Status, Supervised
from vetting.orchestrator.tftp import answers
from vetting.store import hosts
from vetting.store.db import Store

log = logging.getLogger(__name__)
NAME = "dnsmasq"
PROGRAMS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
TURN_S = 2.0
LOOK_S = 30.0  # between two looks whether it answers, and whether another server does
DEAF = 2  # looks in a row without an answer before it is started again


class Netboot:
    """`heard` gets every line that dnsmasq says."""

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        clock: Clock,
        http_port: int,
        files: BootFiles,
        told: Callable[[Status], None],
        heard: Callable[[str], None],
        look_s: float = LOOK_S,
    ) -> None:
        self._config = config
        self._boot = config.boot
        self._store = store
        self._clock = clock
        self._http_port = http_port
        self._files = files
        self._told = told
        self._heard = heard
        self._look_s = look_s
        self._own: Own | None = None
        self._child: Supervised | None = None
        self._in_the_way = ""
        self._turn = asyncio.Lock()

    @property
    def status(self) -> Status:
        return self._child.status if self._child else Status(NAME, Health.WAITING, why=self._in_the_way)

    async def run(self) -> None:
        """For ever; leaving it stops dnsmasq."""
        try:
            while True:
                async with self._turn:
                    await (self._follow() if self._child else self._begin())
                await self._clock.sleep(TURN_S)
        finally:
            await asyncio.shield(self._end())
            self._files.clear()

    async def watch(self) -> None:
        """For ever: does ours answer, and nobody else?"""
        deaf = 0
        while True:
            await self._clock.sleep(self._look_s)
            if self._own is None or self.status.health is not Health.UP:
                deaf = 0
                continue
            deaf = 0 if await answers(self._own.address, ALIVE) else deaf + 1
            if deaf >= DEAF and self._child is not None:
                log.error("dnsmasq runs and answers nothing; it is started again")
                self._child.shoot()
                deaf = 0
            if why := await self._another_server(self._own):
                async with self._turn:
                    await self._end()
                    self._waits(why)

    async def _begin(self) -> None:
        own = own_on(self._boot.interface, self._boot.address)
        if isinstance(own, str):
            self._waits(own)
            return
        try:
            program = proc.which(dnsmasq.PROGRAM, path=PROGRAMS)
            text = dnsmasq.configuration(self._config, own, self._files.places, http_port=self._http_port)
            if why := await self._another_server(own):
                self._waits(why)
                return
            self._files.lay_out(text, await self._known())
        except ToolMissing:
            self._waits("the program dnsmasq is not installed here; install the package dnsmasq-base")
            return
        except (Refusal, OSError) as error:
            self._waits(f"dnsmasq cannot be started: {error}")
            return
        self._in_the_way, self._own = "", own
        self._child = Supervised(
            NAME,
            dnsmasq.argv(program, self._files.places),
            clock=self._clock,
            told=self._told,
            on_line=lambda stream, line: self._heard(line),
            setpriv=dnsmasq.without_root(dnsmasq.user()),
        )
        await self._child.start()

    async def _another_server(self, own: Own) -> str:
        """What speaks against giving out addresses here; nothing does where we give out none."""
        if self._boot.mode is not BootMode.DHCP:
            return ""
        try:
            found = await foreign_dhcp.other_servers(self._boot.interface, but=own.address)
        except OSError as error:
            return (
                f"whether another DHCP server answers on {self._boot.interface} cannot be found out ({error.strerror})"
            )
        return foreign_dhcp.in_words(self._boot.interface, found) if found else ""

    def _waits(self, why: str) -> None:
        if why != self._in_the_way:
            log.error("hosts cannot boot from here: %s", why)
            self._in_the_way = why
            self._told(self.status)

    async def _follow(self) -> None:
        """What changed in our records or in the image reaches it within a turn. Given up, it stays down until we are
        started again; an address that is gone or another one is waited for."""
        own = own_on(self._boot.interface, self._boot.address)
        if own != self._own:
            await self._end()
            self._waits(own if isinstance(own, str) else f"our address on {self._boot.interface} changed")
            return
        known = await self._known()
        if known != self._files.known:
            self._files.know(known)
            if self._child is not None:
                self._child.hang_up()
        self._files.follow_image()
        self._files.keep_leases()

    async def _known(self) -> str:
        return await self._store.read(lambda: dnsmasq.hosts_file(mac for host in hosts.listing() for mac in host.macs))

    async def _end(self) -> None:
        if self._child is not None:
            child, self._child, self._own = self._child, None, None
            await child.stop()
            with contextlib.suppress(OSError):
                self._files.keep_leases()
