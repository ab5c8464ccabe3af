"""Whether this host could be rebooted into vetting now, as a heartbeat says it and `vetting reporter status` prints it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vetting.domain.safelook import obstacles
from vetting.reporter import netboot
from vetting.reporter.look import look
from vetting.reporter.machine import Machine
from vetting.reporter.netboot import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    obstacles: tuple[str, ...]
    way: Way | None  # to boot from the network once

    @property
    def ways(self) -> tuple[str, ...]:
        return (self.way.name,) if self.way else ()


async def readiness(machine: Machine, macs: Collection[str] = (), *, network_first: bool) -> Readiness:
    """A fresh look. `macs`: of the cards by which the host may boot; empty: of any of its own."""
    found = list(obstacles(await look(machine)))
    way, why_none = await netboot.find(machine, macs, network_first=network_first)
    if why_none:
        found.append(why_none)
    return Readiness(obstacles=tuple(found), way=way)
