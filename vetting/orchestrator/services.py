"""What became of the programs that we keep alive: told on the bus, and kept for whoever asks later."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.clock import Clock
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.supervise import Health, Status


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one program is doing, and since when (seconds since the epoch)."""

    name: str
    health: Health
    why: str  # it is not up
    restarts: int  # in a row
    since: float

    @property
    def down(self) -> bool:
        return self.health in (Health.GIVEN_UP, Health.WAITING)


class Services:
    """The latest word on each supervised program that has not been stopped."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._known: dict[str, ServiceStatus] = {}

    def told(self, status: Status) -> None:
        """A change of health, from its supervisor."""
        now = self._clock.now()
        if status.health is Health.STOPPED:
            self._known.pop(status.name, None)
        else:
            self._known[status.name] = ServiceStatus(status.name, status.health, status.why, status.restarts, now)
        self._bus.publish("service", at=now, name=status.name, health=str(status.health), why=status.why)

    def troubles(self) -> tuple[str, ...]:
        """What is not up, in words: those that were given up first."""
        return tuple(
            f"{one.name} {one.health}{f' ({one.why})' if one.why else ''}" for one in self.statuses() if one.down
        )

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """All of them: those that were given up first, then those that wait to be started again."""
        return tuple(
            sorted(self._known.values(), key=lambda one: (one.health is not Health.GIVEN_UP, not one.down, one.name))
        )
