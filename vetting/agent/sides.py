"""What goes on beside the stages from claim to end, and goes on again after it broke."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vetting.agent.logs import FLUSH_S, Logs
from vetting.agent.orders import How, Orders
from vetting.agent.sensors import Mux
from vetting.client import Client
from vetting.clock import Clock
from vetting.domain.errors import NotAllowed, ProtocolMismatch

Side = Callable[[], Awaitable[None]]
RESTART_S = 5.0


@dataclass(frozen=True, slots=True)
class SideTasks:
    orders: Orders
    logs: Logs
    clock: Clock

    async def going(self, name: str, side: Side) -> None:
        """Runs a side task for ever; a stale token or another protocol ends the agent, anything else is said."""
        while True:
            try:
                await side()
            except NotAllowed as why:
                return self.orders.finish(How.STALE, str(why))
            except ProtocolMismatch as why:
                return self.orders.finish(How.MISMATCH, str(why))
            except Exception as error:  # noqa: BLE001 - said, and begun again
                self.logs.say(f"the {name} broke: {''.join(traceback.format_exception(error))[-4000:]}", "error")
            await self.clock.sleep(RESTART_S)


async def forward(client: Client, clock: Clock, logs: Logs, mux: Mux) -> None:
    """Sends logs and samples every two seconds. Raises NotAllowed."""
    while True:
        await logs.flush(client)
        await mux.flush(client)
        await clock.sleep(FLUSH_S)
