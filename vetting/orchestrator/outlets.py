"""What a host's management controller says when a person asks: it proves address, user and password."""

from __future__ import annotations

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import Conflict, NotFound
from vetting.orchestrator.waking import Controllers, by_record
from vetting.store import audit, hosts
from vetting.store.db import Store
from vetting.store.rows import HostRow


class Outlets:
    def __init__(self, *, store: Store, clock: Clock, controllers: Controllers = by_record) -> None:
        self._store, self._clock, self._controllers = store, clock, controllers

    async def power(self, name: str, *, who: str) -> wire.PowerView:
        """Raises NotFound; Conflict with the controller's trouble in words, and where there is none on record."""
        now = self._clock.now()

        def look() -> HostRow:
            host = hosts.by_name(name)
            if host is None:
                raise NotFound(f"there is no host named {name[:80]!r}; `vetting host list` shows those that there are")
            audit.add(at=now, who=who, what="host.power_asked", target=name)
            return host

        host = await self._store.write(look)
        if host.bmc is None:
            raise Conflict(f"{name} has no management controller on record; note it with vetting host bmc {name}")
        controller = self._controllers(host.bmc, host.bmc_password, host.identity.smbios_uuid if host.identity else "")
        try:
            return wire.PowerView(host=name, kind=host.bmc.kind, address=host.bmc.address, on=await controller.is_on())
        finally:
            await controller.close()
