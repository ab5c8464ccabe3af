"""The reporter's life: a heartbeat every half minute, and whatever the answer to it asks for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting import __version__, wire
from vetting.client import Client, Unreachable, WrongServer, waits
from vetting.clock import Clock
from vetting.domain.errors import Refusal
from vetting.reporter.machine import Machine
from vetting.reporter.obeying import Obeying, Refused
from vetting.reporter.readiness import Readiness, readiness
from vetting.reporter.settings import Settings, why_not_allowed

BEAT_S = 30.0
LOOK_S = 120.0  # a look costs some seconds of a processor where Proxmox VE is asked; an order gets a fresh one anyway
REJECTED_S = 300.0  # a token that is no good: somebody registers the host again, or removed it
REBOOT = "reboot_for_vetting"
MOST_OBSTACLES = 20
LONGEST_WORDS = 300


@dataclass(slots=True, kw_only=True)
class Reporter:
    settings: Settings
    client: Client
    machine: Machine
    clock: Clock
    boot_id: str
    say: Callable[[str], None]
    obeying: Obeying = field(init=False)
    _looked: Readiness | None = None
    _looked_at: float = 0.0
    _said: str = ""  # trouble is told when it begins and when it is another one

    def __post_init__(self) -> None:
        self.obeying = Obeying(settings=self.settings, machine=self.machine, boot_id=self.boot_id)

    async def run(self) -> None:
        """For ever. Nothing that the server, the network or a tool does ends it."""
        pause = waits(random.SystemRandom())
        while True:
            try:
                await self.once()
                wait_s, trouble = BEAT_S, ""
                pause = waits(random.SystemRandom())
            except Unreachable as why:
                wait_s, trouble = pause.next_s(), str(why)
            except (WrongServer, Refusal) as why:
                wait_s, trouble = REJECTED_S, str(why)
            if trouble != self._said:
                self.say(trouble or "the orchestrator answers again")
                self._said = trouble
            await self.clock.sleep(wait_s)

    async def once(self) -> None:
        """One heartbeat, and what it asks for. Raises Unreachable, WrongServer and the server's refusals."""
        reply = await self.client.call("/api/reporter/heartbeat", await self._beat(), wire.ReporterReply)
        if reply.cmd == REBOOT:
            await self._obey(reply)

    async def _beat(self) -> wire.ReporterBeat:
        now = self.clock.monotonic()
        if self._looked is None or now - self._looked_at >= LOOK_S:
            self._looked = await readiness(self.machine, network_first=self.settings.network_first)
            self._looked_at = now
        return wire.ReporterBeat(
            boot_id=self.boot_id,
            version=__version__,
            uptime_s=now,
            allowed=not why_not_allowed(self.machine.root),
            obstacles=in_bounds(self._looked.obstacles),
            ways=self._looked.ways,
        )

    async def _obey(self, reply: wire.ReporterReply) -> None:
        self.say(f"ordered to reboot into vetting, run {reply.run_id}")
        ended = await self.obeying.obey(reply.order, reply.run_id)
        self._looked = None  # the next heartbeat tells what is so by then
        if not isinstance(ended, Refused):
            self.say(f"run {reply.run_id}: this host is on its way down")
            return
        for reason in ended.reasons:
            self.say(f"run {reply.run_id} refused: {reason}")
        refusal = wire.ReporterRefusal(run_id=reply.run_id, reasons=in_bounds(ended.reasons))
        await self.client.call("/api/reporter/refuse", refusal, wire.ReporterReply)


def in_bounds(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """As many and as long as a message takes."""
    return tuple(reason[:LONGEST_WORDS] for reason in reasons[:MOST_OBSTACLES])
