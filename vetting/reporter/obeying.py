"""What becomes of an order: it is checked, then the host is looked at, and only then something is done, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting.domain import order as orders
from vetting.domain.errors import Refusal, ToolMissing
from vetting.domain.order import Order
from vetting.parsers.errors import bounded
from vetting.reporter.machine import Machine
from vetting.reporter.memory import Acted, Memory
from vetting.reporter.netboot import CannotBoot, Way
from vetting.reporter.readiness import readiness
from vetting.reporter.settings import Settings, why_not_allowed

REBOOT = ("systemctl", "reboot")


@dataclass(frozen=True, slots=True)
class Refused:
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The host is going down, by this order or by an earlier one of the same run in this boot."""


@dataclass(slots=True, kw_only=True)
class Obeying:
    settings: Settings
    machine: Machine
    boot_id: str
    wall: Callable[[], float] = time.time  # the clock that orders are dated by; NTP may step it
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Memory(self.machine.root)

    async def obey(self, text: str, run_id: int) -> Refused | UnderWay:
        """Carries an order out, or says everything that speaks against it."""
        try:
            order = orders.verified(text, self.settings.order_key)
            against = self._against(order, run_id)
        except Refusal as why:
            return Refused((str(why),))
        if against is not None:
            return against
        if why_not := why_not_allowed(self.machine.root):
            return Refused((why_not,))
        now = await readiness(self.machine, order.macs, network_first=self.settings.network_first)
        if now.obstacles or now.way is None:
            return Refused(now.obstacles)
        if self.wall() >= order.expires_s:
            return Refused((f"the look took so long that the order ran out at {order.expires_s}",))
        return await self._reboot(order, now.way)

    def _against(self, order: Order, run_id: int) -> Refused | UnderWay | None:
        """What the order itself, or the memory, says against it. Raises BadInput where the memory cannot be read."""
        problems = list(orders.order_problems(order, now_s=self.wall(), host=self.settings.host, boot_id=self.boot_id))
        if order.run_id != run_id:
            problems.append(f"it is for run {order.run_id}, and was sent for run {run_id}")
        if problems:
            return Refused(tuple(f"the order does not hold: {problem}" for problem in problems))
        for deed in self.memory.acted():
            if deed.run_id == order.run_id and deed.boot_id == self.boot_id:
                return UnderWay()
            if deed.run_id == order.run_id or deed.nonce == order.nonce:
                why = (
                    f"this host was rebooted for run {deed.run_id} already and came back from its own disk: "
                    "see that it boots from the network, then start a new run"
                )
                return Refused((why,))
        return None

    async def _reboot(self, order: Order, way: Way) -> Refused | UnderWay:
        if self.machine.dry_run:
            return await self._show(way)
        deed = Acted(run_id=order.run_id, nonce=order.nonce, boot_id=self.boot_id, at=self.wall())
        try:
            self.memory.remember(deed)
            await way.arm(self.machine)
            ended = await self.machine.act(*REBOOT)
            if ended is None or (ended.exit_code == 0 and not ended.timed_out):
                return UnderWay()
            raise CannotBoot(f"`{' '.join(REBOOT)}` {ended.how_it_ended}: {bounded(ended.text)}")
        except (CannotBoot, ToolMissing, Refusal) as why:
            return Refused((str(why), *await self._taken_back(way)))

    async def _taken_back(self, way: Way) -> tuple[str, ...]:
        """A boot from the network that stays set would surprise whoever reboots this host for another reason."""
        try:
            await way.disarm(self.machine)
        except (CannotBoot, ToolMissing, Refusal) as why:
            return (f"and the one boot from the network could not be taken back: {why}",)
        return ()

    async def _show(self, way: Way) -> Refused:
        """A dry run: every command, and no deed."""
        self.machine.shown.clear()
        await way.arm(self.machine)
        await self.machine.act(*REBOOT)
        return Refused((f"the reporter runs with --dry-run; it would have run: {'; '.join(self.machine.shown)}",))
