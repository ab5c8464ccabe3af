"""What dnsmasq tells of a host stands in the log of its run; who is in no record is noted as an unknown host.

Lines come as fast as a network full of strangers makes them: they are read off a bounded queue, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting.domain.errors import Refusal
from vetting.orchestrator.arrivals import Arrivals
from vetting.parsers import dnsmasq
from vetting.parsers.dnsmasq import Asked, Hint, Sent

log = logging.getLogger(__name__)
SOURCE = "dnsmasq"
QUEUE = 500
PACKETS = 200  # whose hints are remembered
LONGEST = 120  # of a stranger's text
BOOTS = ("PXEClient", "HTTPClient")  # vendor classes of a machine that boots; others want no more than an address
ALIVE = "vetting-alive"  # the file that our own look for life asks for; there is none


@dataclass(slots=True)
class _Packet:
    hints: dict[str, str] = field(default_factory=dict)

    @property
    def boots(self) -> bool:
        return self.hints.get("vendor class", "").startswith(BOOTS)

    @property
    def words(self) -> str:
        """What the machine said of itself, on one line."""
        return ", ".join(self.hints[name] for name in ("vendor class", "user class") if self.hints.get(name))


class DhcpLog:
    """`mac_behind` tells the MAC address that an address of our network really has."""

    def __init__(self, *, arrivals: Arrivals, mac_behind: Callable[[str], str]) -> None:
        self._arrivals = arrivals
        self._mac_behind = mac_behind
        self._queue: asyncio.Queue[Asked | Sent] = asyncio.Queue(QUEUE)
        self._packets: dict[str, _Packet] = {}
        self.dropped = 0

    def heard(self, line: str) -> None:
        """A line of dnsmasq."""
        told = dnsmasq.parse(line)
        if isinstance(told, Hint):
            self._packet(told.xid).hints[told.name] = _plain(told.value)
        elif told is not None:
            try:
                self._queue.put_nowait(told)
            except asyncio.QueueFull:
                self.dropped += 1

    async def run(self) -> None:
        while True:
            told = await self._queue.get()
            try:
                await (self._asked(told) if isinstance(told, Asked) else self._sent(told))
            except Refusal as refusal:  # the store is busy or full: the boot itself goes on
                log.warning("a boot event was not written down: %s", refusal)
            finally:
                self._queue.task_done()

    async def settled(self) -> None:
        """Returns once everything that was heard is written down."""
        await self._queue.join()

    async def _asked(self, told: Asked) -> None:
        packet = self._packets.get(told.xid, _Packet())
        host, run = await self._arrivals.who(told.mac)
        if host is None:
            if told.ignored and packet.boots:
                await self._arrivals.stranger(told.mac, address=told.address, source="dhcp", what=packet.words)
        elif run is not None:
            parts = (told.kind, told.address, told.mac, told.rest, f"({packet.words})" if packet.words else "")
            await self._arrivals.say(run.id, _plain(" ".join(filter(None, parts)), 400), source=SOURCE)

    async def _sent(self, told: Sent) -> None:
        if told.name == ALIVE:
            return
        mac = self._mac_behind(told.address)
        _, run = await self._arrivals.who(mac) if mac else (None, None)
        if run is not None:
            level, what = (
                ("warning", f"did not send {told.name}: {told.why}") if told.why else ("info", f"sent {told.name}")
            )
            await self._arrivals.say(run.id, _plain(f"TFTP {what} to {told.address}", 400), level=level, source=SOURCE)

    def _packet(self, xid: str) -> _Packet:
        if xid not in self._packets and len(self._packets) >= PACKETS:
            self._packets.pop(next(iter(self._packets)))
        return self._packets.setdefault(xid, _Packet())


def _plain(text: str, longest: int = LONGEST) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:longest]
