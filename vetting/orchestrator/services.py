"""What became of the programs that we keep alive: told on the bus, and kept for whoever asks later."""

from __future__ import annotations

from vetting.clock import Clock
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.supervise import Health, Status


class Services:
    """The latest word on each supervised program that has not been stopped."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._known: dict[str, Status] = {}

    def told(self, status: Status) -> None:
        """A change of health, from its supervisor."""
        if status.health is Health.STOPPED:
            self._known.pop(status.name, None)
        else:
            self._known[status.name] = status
        self._bus.publish("service", at=self._clock.now(), name=status.name, health=str(status.health), why=status.why)

    def troubles(self) -> tuple[str, ...]:
        """What is not up, in words: those that were given up first."""
        down = [one for one in self._known.values() if one.health in (Health.GIVEN_UP, Health.WAITING)]
        return tuple(
            f"{one.name} {one.health}{f' ({one.why})' if one.why else ''}"
            for one in sorted(down, key=lambda one: (one.health is not Health.GIVEN_UP, one.name))
        )
