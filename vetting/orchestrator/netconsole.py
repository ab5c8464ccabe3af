"""Hears what the kernels of hosts under test say by UDP, and keeps it for the moment when one of them dies.

Anybody can forge a datagram, and its sender's address. So whatever comes is told and never judged: it accuses nobody, moves
no run, and is bounded in memory, on disk and in work. Of each run the newest datagrams are kept in memory, as they came;
errors and crashes are written to its log as they come. When its host is found rebooted, or is lost, the whole of it goes to
the attempt that ran (`lastwords`). An orchestrator that is restarted has lost what was in memory, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vetting.clock import Clock
from vetting.domain.errors import Refusal
from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator import lastwords
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.lastwords import SOURCE, Heard
from vetting.orchestrator.reporting import Reporting
from vetting.orchestrator.supervise import Health, Status
from vetting.parsers import crash, netconsole
from vetting.store import runs
from vetting.store.artifacts import Room
from vetting.store.db import Store
from vetting.store.rows import PeerRow

log = logging.getLogger(__name__)
TURN_S = 0.5
KEPT = 256  # datagrams of one run
BURST = 1000  # datagrams that are looked into as they come; those beyond are kept all the same
LOOKS_A_SECOND = 200.0
URGENT = 100  # lines for one turn
TOLD_OF_A_RUN = 2000  # lines in its log
ERROR = 3  # levels up to this are told at once
LATE_S = 2.0  # between two times that what came late is written down
TIMES = 20  # that one boot's words are written down
SAY_DROPPED_S = 60.0


@dataclass(slots=True)
class Ring:
    """What one boot of a run's host said last."""

    boot_id: str
    budget: float = BURST
    budget_at: float = 0.0
    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=KEPT))
    urgent: deque[tuple[float, netconsole.Line]] = field(default_factory=lambda: deque(maxlen=URGENT))
    told: int = 0  # lines in the run's log
    fresh: bool = False  # something came since it was written down
    looked: bool = False  # since the run failed
    held: bool = False  # the run was held when this boot spoke first: it has not died of the run
    file: str = ""  # of the artifact, once there is one
    kept_at: float = 0.0
    kept_times: int = 0


class Netconsole(asyncio.DatagramProtocol):
    def __init__(self, *, store: Store, bus: Bus, clock: Clock, room: Room, reporting: Reporting) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._room = room
        self._reporting = reporting
        self._peers: dict[str, PeerRow] = {}  # by address
        self._rings: dict[int, Ring] = {}  # by run
        self.dropped: Counter[str] = Counter()  # datagrams, by reason
        self._said_at = 0.0
        self._said = 0

    # --- hearing --------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        row = self._peers.get(plain(str(addr[0])))
        if row is None:
            self.dropped["no run has this address"] += 1
            return
        ring = self._rings.setdefault(row.run_id, ring_of(row))
        heard = Heard(self._clock.now(), data[: netconsole.DATAGRAM_BYTES])
        ring.heard.append(heard)
        ring.fresh = True
        if not self._may_look(ring):
            self.dropped["too many to look into"] += 1
            return
        for line in netconsole.parse(heard.data):
            if (line.level is not None and line.level <= ERROR) or crash.headlines((line.text,)):
                ring.urgent.append((heard.at, line))
                heard.told = True

    def error_received(self, exc: Exception) -> None:
        log.debug("netconsole: %s", exc)

    def _may_look(self, ring: Ring) -> bool:
        now = self._clock.monotonic()
        ring.budget = min(BURST, ring.budget + (now - ring.budget_at) * LOOKS_A_SECOND)
        ring.budget_at = now
        if ring.budget < 1:
            return False
        ring.budget -= 1
        return True

    # --- writing down ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            await self.once()
            await self._clock.sleep(TURN_S)

    async def once(self) -> None:
        """Learns who is who, and writes down what has to be."""
        rows = await self._store.read(runs.peers)
        self._peers = dict(addresses(rows))
        known = {row.run_id: row for row in rows}
        for run_id in [run_id for run_id in self._rings if run_id not in known]:
            del self._rings[run_id]  # it is over
        for run_id, ring in list(self._rings.items()):
            await self._settle(known[run_id], ring)
        self._say_dropped()

    async def _settle(self, row: PeerRow, ring: Ring) -> None:
        if ring.urgent:
            await self._tell(row, ring)
        if row.state in IN_STAGE:
            ring.looked = ring.held = False
        elif row.state in (RunState.FAILED, RunState.FAILED_HOLDING) and self._due(row, ring):
            await self._keep(row, ring)
        if ring.boot_id != row.boot_id:  # what comes from here on are the words of another boot
            self._rings[row.run_id] = ring_of(row, told=ring.told)

    def _due(self, row: PeerRow, ring: Ring) -> bool:
        if not ring.looked:
            return True
        late = ring.boot_id != row.boot_id or self._clock.monotonic() - ring.kept_at >= LATE_S
        return ring.fresh and late and ring.kept_times < TIMES

    async def _tell(self, row: PeerRow, ring: Ring) -> None:
        """Errors and crashes into the run's log, in one write."""
        lines = [ring.urgent.popleft() for _ in range(len(ring.urgent))]
        room = TOLD_OF_A_RUN - ring.told
        if room <= 0:
            return
        rows = lastwords.log_rows(row.stage, lines[:room])
        if len(lines) >= room:
            text = f"{TOLD_OF_A_RUN} lines of this kernel are kept here; further ones are not"
            rows.append((row.stage, int(self._clock.now() * 1000), "warning", SOURCE, text))
        ring.told += len(lines)
        ids = await self._store.write(lambda: lastwords.tell(row.run_id, rows))
        self._bus.publish("run.log", at=self._clock.now(), run_id=row.run_id, lines=rows, ids=ids)

    async def _keep(self, row: PeerRow, ring: Ring) -> None:
        """The last words of a host that rebooted or fell silent; nothing where the run failed for another reason."""
        first, ring.looked, ring.fresh, ring.kept_at = not ring.looked, True, False, self._clock.monotonic()
        heard = tuple(ring.heard)
        words = lastwords.words_of(heard)
        died = not ring.held and await self._store.read(lambda: lastwords.died(row.run_id))
        if not died and not words.panic:
            return
        ring.kept_times += 1
        used = await self._store.read(lambda: lastwords.used_bytes(row.run_id))
        try:
            stored = await asyncio.to_thread(self._room.keep, row.run_id, words.file, used_bytes=used)
        except Refusal as why:
            log.error("the last words of run %d have no room beside its evidence: %s", row.run_id, why)
            stored = None
        rows = lastwords.log_rows(row.stage, words.untold)
        now = self._clock.now()
        ring.file, finding, ids = await self._store.write(
            lambda: lastwords.put(row.run_id, words, rows, stored, now=now, plain_too=first, name=ring.file)
        )
        for one in heard:
            one.told = True
        self._bus.publish("run.log", at=now, run_id=row.run_id, lines=rows, ids=ids)
        if finding is not None:
            self._bus.publish(
                "run.finding", at=now, run_id=row.run_id, severity=str(finding.severity), component=finding.component,
                text=finding.text,
            )  # fmt: skip
        try:
            await self._reporting.write(row.run_id)
        except Refusal as why:
            log.error("the report of run %d was not written again: %s", row.run_id, why)

    def _say_dropped(self) -> None:
        """Now and then, for whoever wonders where a host's words are, or who floods us."""
        now, total = self._clock.monotonic(), sum(self.dropped.values())
        if total > self._said and now - self._said_at >= SAY_DROPPED_S:
            said = ", ".join(f"{count} ({why})" for why, count in self.dropped.items())
            log.info("netconsole: datagrams passed over since the start: %s", said)
            self._said_at, self._said = now, total


def ring_of(row: PeerRow, *, told: int = 0) -> Ring:
    return Ring(row.boot_id, told=told, held=row.state is RunState.FAILED_HOLDING)


def addresses(rows: Iterable[PeerRow]) -> Iterator[tuple[str, PeerRow]]:
    """Address and run. Of several runs with one address a run in a stage goes before a held one, and that before a lost
    one; two of the same rank cannot be told apart, and neither hears anything."""
    claimed: dict[str, list[PeerRow]] = {}
    for row in rows:
        claimed.setdefault(plain(row.peer), []).append(row)
    for address, those in claimed.items():
        best = min(map(_rank, those))
        if len(first := [row for row in those if _rank(row) == best]) == 1:
            yield address, first[0]


def _rank(row: PeerRow) -> int:
    return 0 if row.state in IN_STAGE else 1 if row.state is RunState.FAILED_HOLDING else 2


def plain(address: str) -> str:
    """One spelling of an address: an IPv4 one that came through an IPv6 socket, a scope behind it."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


@contextlib.asynccontextmanager
async def listening(ear: Netconsole, address: str, port: int, told: Callable[[Status], None]) -> AsyncIterator[int]:
    """The socket; yields its port. A port that cannot be had is said loudly and costs the last words alone."""
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: ear, local_addr=(address, port)
        )
    except OSError as error:
        why = (
            f"cannot listen on {address} UDP port {port} ({error.strerror or error}): last words of kernels are lost; stop "
            "what uses it or set netconsole.port in vetting.yaml"
        )
        log.error("netconsole: %s", why)
        told(Status("netconsole", Health.GIVEN_UP, why=why))
        yield 0
        return
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
