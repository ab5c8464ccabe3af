"""What every management controller can do for us, and the one order in which it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vetting.domain.errors import Conflict

SETTLE_S = 60.0  # from the command until the controller says that the host is on
LOOK_S = 2.0

Sleep = Callable[[float], Awaitable[None]]


class BmcTrouble(Conflict):
    """The controller cannot be asked, refuses us, or did not do what it was told; the sentence says which."""


class HostIsOn(BmcTrouble):
    """The host is on, and nobody allowed to cut its power."""


class Deed(StrEnum):
    ON = "switched on"
    CUT = "power cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a host was sent into a network boot."""

    deed: Deed | None  # None: nobody wanted it any more, and nothing was switched
    notes: tuple[str, ...] = ()  # what the controller did otherwise than asked, and is no obstacle


class Controller(Protocol):
    """All methods raise BmcTrouble."""

    async def is_on(self) -> bool: ...
    async def boot_from_network(self) -> tuple[str, ...]:
        """Once, at the next start; read back. Returns what is not as asked for, and no obstacle."""

    async def switch_on(self) -> None: ...
    async def cut_power(self) -> None:
        """Off and on again, at once, whatever runs there."""

    async def close(self) -> None: ...


async def start_from_network(
    controller: Controller,
    *,
    may_cut: bool,
    before: Callable[[Deed], Awaitable[bool]],
    sleep: Sleep = asyncio.sleep,
) -> Done:
    """Has the host start from the network once. Raises BmcTrouble; HostIsOn, with nothing changed, where it is on and
    `may_cut` is False.

    `before` is called right before the power is touched: it writes down what will be done, or says False where nobody
    wants it any more.
    """
    deed = Deed.CUT if await controller.is_on() else Deed.ON
    if deed is Deed.CUT and not may_cut:
        raise HostIsOn("the host is on, and this run may not cut its power")
    notes = await controller.boot_from_network()
    if not await before(deed):
        return Done(deed=None, notes=notes)
    if deed is Deed.CUT:
        await controller.cut_power()
        await sleep(LOOK_S)
    else:
        await controller.switch_on()
    await _until_on(controller, sleep)
    return Done(deed=deed, notes=notes)


async def _until_on(controller: Controller, sleep: Sleep) -> None:
    for _ in range(int(SETTLE_S / LOOK_S)):
        if await controller.is_on():
            return
        await sleep(LOOK_S)
    raise BmcTrouble(f"the management controller was told to switch the host on, and {SETTLE_S:.0f} s later it is off")
