"""Which script a machine gets: into the image where a run waits for exactly this machine, else on to its local disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from vetting.boot import scripts
from vetting.boot.asked import Asked
from vetting.boot.shelf import Shelf
from vetting.config import Config
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.progress import Progress
from vetting.store.rows import HostRow, RunRow

log = logging.getLogger(__name__)
NOTHING = (
    "nothing waits here for the machine with the network card"  # the same for a host and for who pretends to be it
)
FETCHERS = 1000  # machines whose downloads are told in a run's log


@dataclass(slots=True)
class Peer:
    """Who asks, and where it reached us."""

    address: str
    ours: str


class Answers:
    """`mac_behind` tells the MAC address that an address of our network really has."""

    def __init__(
        self,
        *,
        config: Config,
        fingerprint: str,
        shelf: Shelf,
        progress: Progress,
        arrivals: Arrivals,
        mac_behind: Callable[[str], str],
    ) -> None:
        self._config = config
        self._fingerprint = fingerprint
        self._shelf = shelf
        self._progress = progress
        self._arrivals = arrivals
        self._mac_behind = mac_behind
        self._fetching: dict[str, int] = {}  # address -> run, of those who were told to fetch

    def first(self) -> str:
        return scripts.first(self._config.boot.local_boot)

    async def script(self, asked: Asked, peer: Peer) -> str:
        host, run = await self._arrivals.who(asked.mac)
        if host is None:
            await self._arrivals.stranger(asked.mac, address=peer.address, source="script", what=asked.what)
            return self._local(f"the network card {asked.mac} is in no host's record; add it with: vetting host add")
        if run is None or not await self._is_it(host, run, asked, peer):
            return self._local(f"{NOTHING} {asked.mac}")
        image = await self._shelf.look()
        if image.objection:
            await self._arrivals.say(run.id, f"the host asked for its boot script: {image.objection}", level="error")
            return self._local(f"run {run.id} waits, but {image.objection}")
        ticket = await self._progress.boot_requested(host.id)
        if not ticket:
            return self._local(f"{NOTHING} {asked.mac}")
        self._remember(peer.address, run.id)
        told = f"; {asked.what}" if asked.what else ""
        await self._arrivals.say(
            run.id, f"boot script for {asked.mac} at {peer.address}: live image {image.version}{told}"
        )
        words = scripts.Ticket(
            url=self._config.server.public_url,
            fingerprint=self._fingerprint,
            ticket=ticket,
            run_id=run.id,
            mac=asked.mac,
            netconsole=f"{peer.ours}:{self._config.netconsole.port}" if self._config.netconsole.port else "",
            more=self._config.boot.kernel_args,
        )
        return scripts.image(words, host=host.name, version=image.version, build=image.build)

    def run_of(self, address: str) -> int:
        """The run for which a machine fetches its image; 0 where we told it nothing."""
        return self._fetching.get(address, 0)

    async def _is_it(self, host: HostRow, run: RunRow, asked: Asked, peer: Peer) -> bool:
        """Whether the one who asks has the address that it names. Else an alarm stands beside the run."""
        if self._config.boot.routed:
            return True
        found = self._mac_behind(peer.address)
        if found == asked.mac:
            return True
        has = (
            f"has the MAC address {found}"
            if found
            else "has no MAC address that we can see (behind a router: boot.routed)"
        )
        why = f"somebody else asked for the boot script of {host.name}: {peer.address} {has}, not {asked.mac}"
        if await self._progress.boot_refused(host.id, why):
            log.warning("run %d: %s", run.id, why)
            await self._arrivals.say(run.id, why, level="warning")
        return False

    def _local(self, why: str) -> str:
        return scripts.local(why, self._config.boot.local_boot)

    def _remember(self, address: str, run_id: int) -> None:
        if len(self._fetching) >= FETCHERS:
            self._fetching.pop(next(iter(self._fetching)))
        self._fetching[address] = run_id
