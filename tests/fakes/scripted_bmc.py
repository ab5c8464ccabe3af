"""A management controller of a few lines: it remembers what it was told, and can be slow, refuse, or stop us in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting.domain.bmc import Bmc
from vetting.power.controller import BmcTrouble


@dataclass
class ScriptedBmc:
    on: bool = False
    did: list[str] = field(default_factory=list)
    refuses: str = ""
    before_power: Callable[[], object] = lambda: None
    slow: asyncio.Event | None = None
    opened: list[tuple[Bmc, str, str]] = field(default_factory=list)

    def open(self, bmc: Bmc, password: str, smbios_uuid: str) -> ScriptedBmc:
        self.opened.append((bmc, password, smbios_uuid))
        return self

    async def is_on(self) -> bool:
        if self.slow is not None:
            await self.slow.wait()
        if self.refuses:
            raise BmcTrouble(self.refuses)
        return self.on

    async def boot_from_network(self) -> tuple[str, ...]:
        self.did.append("network")
        return ("not once",)

    async def switch_on(self) -> None:
        self.before_power()
        self.did.append("on")
        self.on = True

    async def cut_power(self) -> None:
        self.before_power()
        self.did.append("cut")

    async def close(self) -> None:
        self.did.append("closed")
