"""Who comes over the network to boot: notes in the log of the run that waits for it, or among the unknown hosts."""

from __future__ import annotations

from vetting.clock import Clock
from vetting.domain.errors import Unavailable
from vetting.domain.states import RunState
from vetting.orchestrator.admission import open_run_of_host
from vetting.orchestrator.bus import Bus
from vetting.store import hosts, logs, unknown
from vetting.store.db import Store
from vetting.store.rows import HostRow, RunRow

LONGEST = 1000
AGAIN_S = 10.0  # a machine that asks in a loop is counted that often
REMEMBERED = 1000  # machines, for that


class Arrivals:
    def __init__(self, *, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._noted: dict[str, float] = {}  # MAC address of an unknown machine -> when it was written down

    async def who(self, mac: str) -> tuple[HostRow | None, RunRow | None]:
        """The host that owns the address, and its run where one waits for the host or is on."""
        return await self._store.read(lambda: _who(mac))

    async def say(self, run_id: int, text: str, *, level: str = "info", source: str = "boot") -> None:
        """A line in the run's log."""
        at = self._clock.now()
        line = ("", int(at * 1000), level, source, text[:LONGEST])
        ids = await self._store.write(lambda: logs.append(run_id, [line]))
        self._bus.publish("run.log", at=at, run_id=run_id, lines=[line], ids=ids)

    async def stranger(self, mac: str, *, address: str, source: str, what: str) -> None:
        """A machine that is in no record. Never in its way: a store that is busy forgets it."""
        now = self._clock.now()
        if now - self._noted.get(mac, float("-inf")) < AGAIN_S:
            return
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted[mac] = now
        try:
            await self._store.write(lambda: unknown.note(mac, address=address, source=source, what=what, now=now))
        except Unavailable:
            return
        self._bus.publish("host.unknown", at=now, mac=mac, address=address, source=source)


def _who(mac: str) -> tuple[HostRow | None, RunRow | None]:
    host = hosts.by_mac(mac)
    run = open_run_of_host(host.id) if host else None
    return host, (None if run is None or run.state is RunState.QUEUED else run)
