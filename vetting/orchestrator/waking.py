"""What we do ourselves to start a host: wake it over the network, or switch it on by its management controller.

The run is in its waiting state before anything is done, and what is done stands in the audit log before it is done: an
orchestrator that starts again wakes and switches on once more, which harms nobody, and never cuts a host's power twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.bmc import Bmc
from vetting.domain.errors import Conflict, Refusal
from vetting.domain.states import WAITING, RunState
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.ways import BY_US, in_production
from vetting.power import wol
from vetting.power.choosing import controller_of
from vetting.power.controller import Controller, Deed, Done, start_from_network
from vetting.store import audit, hosts, runs
from vetting.store.db import Store
from vetting.store.rows import HostRow, RunRow

log = logging.getLogger(__name__)
AT_ONCE = 16  # hosts whose controllers are spoken to
LIMIT_S = 300.0
WHO = "dispatcher"
WOKEN, CUTTING, STARTED = "host.woken", "host.power_cut", "host.started"

Controllers = Callable[[Bmc, str, str], Controller]  # record, password, SMBIOS UUID as far as known


def by_record(bmc: Bmc, password: str, smbios_uuid: str) -> Controller:
    return controller_of(bmc, password, smbios_uuid=smbios_uuid)


class Waking:
    def __init__(
        self,
        *,
        store: Store,
        progress: Progress,
        clock: Clock,
        config: Config,
        arrivals: Arrivals,
        controllers: Controllers = by_record,
        wol_ways: Callable[[str], Sequence[wol.Way]] = wol.ways,
    ) -> None:
        self._store, self._progress, self._clock, self._arrivals = store, progress, clock, arrivals
        self._interface = config.boot.interface
        self._controllers, self._wol_ways = controllers, wol_ways
        self._room = asyncio.Semaphore(AT_ONCE)
        self._acting: dict[int, asyncio.Task[None]] = {}
        self._over: set[int] = set()  # runs whose hosts were started, or cannot be

    def begin(self, run: RunRow) -> None:
        """Does what a waiting run's host needs, unless that is being done; nobody waits for it here."""
        if run.start_by not in BY_US or run.state not in (RunState.WAITING_WOL, RunState.WAITING_POWER):
            return
        if run.id not in self._acting and run.id not in self._over:
            task = asyncio.create_task(self._act(run), name=f"starting the host of run {run.id}")
            self._acting[run.id] = task
            task.add_done_callback(lambda _: self._acting.pop(run.id, None))

    async def idle(self) -> None:
        """Returns when nothing is being done."""
        while self._acting:
            await asyncio.wait(list(self._acting.values()))

    async def close(self) -> None:
        """Stops in the middle; what was written down says how far it came."""
        acting = list(self._acting.values())
        for task in acting:
            task.cancel()
        await asyncio.gather(*acting, return_exceptions=True)

    async def _act(self, run: RunRow) -> None:
        try:
            async with self._room, asyncio.timeout(LIMIT_S):
                host, did = await self._store.read(lambda: (hosts.get(run.host_id), _did(run.id)))
                if run.start_by == "wol" and WOKEN not in did:
                    await self._wake(run, host)
                elif run.start_by == "power" and STARTED not in did:
                    await self._switch(run, host, cut_before=CUTTING in did)
                self._over.add(run.id)
        except TimeoutError:
            await self._failed(run, f"its host was not started within {LIMIT_S:.0f} s")
        except (Refusal, OSError) as why:
            await self._failed(run, str(why))
        except Exception:
            log.exception("starting the host of run %d failed", run.id)
            await self._failed(run, "something went wrong while its host was started; the server's log has it")

    async def _wake(self, run: RunRow, host: HostRow) -> None:
        troubles = await wol.wake(host.macs, self._wol_ways(self._interface), sleep=self._clock.sleep)
        await self._note(run, WOKEN, {"macs": list(host.macs), "troubles": list(troubles)})
        await self._say(run, f"a magic packet was sent to {', '.join(host.macs)}", troubles)

    async def _switch(self, run: RunRow, host: HostRow, *, cut_before: bool) -> None:
        if host.bmc is None:
            raise Conflict(f"{host.name} has no management controller on record any more")
        uuid = host.identity.smbios_uuid if host.identity else ""
        controller = self._controllers(host.bmc, host.bmc_password, uuid)
        try:
            if cut_before and await controller.is_on():  # cut before we were stopped; once is enough
                done = Done(deed=Deed.CUT, notes=("we were stopped while its power was cut; it is not cut again",))
            else:
                done = await start_from_network(
                    controller,
                    may_cut=run.cut_power and not cut_before,
                    before=lambda deed: self._still_wanted(run.id, deed),
                    sleep=self._clock.sleep,
                )
        finally:
            await controller.close()
        if done.deed is None:
            return
        await self._note(run, STARTED, {"deed": str(done.deed), "notes": list(done.notes)})
        await self._say(
            run, f"told to boot from the network once; {done.deed} by its management controller", done.notes
        )

    async def _still_wanted(self, run_id: int, deed: Deed) -> bool:
        """Right before the power is touched. A cut is written down here, in the transaction that finds it still wanted."""
        now = self._clock.now()

        def look() -> bool:
            run = runs.get(run_id)
            if run.state is not RunState.WAITING_POWER:
                return False
            if why := in_production(hosts.get(run.host_id), run.start_by, cut_power=run.cut_power, now=now):
                raise Conflict(why)
            if deed is Deed.CUT:
                audit.add(
                    at=now, who=WHO, what=CUTTING, target=run.host_name, run_id=run_id,
                    why=f"{run.requested_by} started the run with cut_power",
                )  # fmt: skip
            return True

        return await self._store.write(look)

    async def _note(self, run: RunRow, what: str, detail: dict[str, object]) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda: audit.add(at=now, who=WHO, what=what, target=run.host_name, run_id=run.id, detail=detail)
        )

    async def _failed(self, run: RunRow, why: str) -> None:
        self._over.add(run.id)
        await self._progress.dispatch_failed(run.id, why, states=WAITING)  # one that asks for its boot script has come

    async def _say(self, run: RunRow, text: str, notes: Sequence[str]) -> None:
        await self._arrivals.say(run.id, "; ".join((text, *notes)), source="power")


def _did(run_id: int) -> set[str]:
    return {entry.what for entry in audit.entries(run_id=run_id)}
