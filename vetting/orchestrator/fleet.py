"""The whole fleet as a person takes it in: who needs attention, who works and how far, who is silent, how warm it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vetting.clock import Clock
from vetting.domain.states import BEFORE_CLAIM, IN_STAGE, STAGE_ORDER, RunState
from vetting.orchestrator.latest import Hottest, Latest
from vetting.orchestrator.reporters import REPORTER_FRESH_S
from vetting.orchestrator.timeleft import Left, TimeLeft
from vetting.store import fleet
from vetting.store.db import Store
from vetting.store.fleet import FleetRow, Newest

STEPS = len(STAGE_ORDER)
ATTENTION = (RunState.FAILED_HOLDING, RunState.FAILED)


class Group(StrEnum):
    ALL = "all"
    ATTENTION = "attention"
    RUNNING = "running"
    IDLE = "idle"
    NEVER = "never"
    OFFLINE = "offline"


class Sort(StrEnum):
    ATTENTION = "attention"
    NAME = "name"
    STATE = "state"
    VERDICT = "verdict"
    TEMPERATURE = "temperature"


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest sign of life. `who`: agent while a run has the host, otherwise the reporter on its installed system."""

    who: str
    at: float | None
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNow:
    row: FleetRow
    step: int  # of the stage that runs or failed, from 1; 0: no stage
    left: Left | None  # None: not known
    hottest: Hottest | None
    beat: Beat
    groups: frozenset[Group]

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def run(self) -> Newest | None:
        """The newest run, where it still has the host, or failed and nobody has decided."""
        newest = self.row.newest
        return newest if newest is not None and newest.state in _OPEN else None


_OPEN = frozenset({*BEFORE_CLAIM, *IN_STAGE, *ATTENTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of the fleet somebody wants to see, and in which order."""

    show: Group = Group.ALL
    sort: Sort = Sort.ATTENTION
    words: tuple[str, ...] = ()  # each must be found in name, note, an address or a serial


class Fleet:
    def __init__(self, *, store: Store, clock: Clock, latest: Latest) -> None:
        self._store = store
        self._clock = clock
        self._latest = latest
        self._time_left = TimeLeft()

    async def hosts(self) -> list[HostNow]:
        """All of them, by name."""
        return await self._store.read(self._look)

    async def some(self, *, hosts: Collection[int], runs: Collection[int]) -> list[HostNow]:
        """These, and those that the runs are of."""
        return await self._store.read(lambda: self._look(hosts, runs))

    async def matching(self, words: Sequence[str]) -> set[int]:
        """The hosts, by number, in whose serials each of the words is found, or its name, note and addresses have it."""

        def search() -> set[int]:
            serials = fleet.serials()
            return {row.host_id for row in fleet.look() if _matches(row, serials.get(row.host_id, ()), words)}

        return await self._store.read(search)

    def _look(self, hosts: Collection[int] | None = None, runs: Collection[int] = ()) -> list[HostNow]:
        now = self._clock.now()
        rows = fleet.look(hosts=hosts, runs=runs)
        self._time_left.learn([row.newest for row in rows if row.newest is not None])
        return [self._host(row, now) for row in rows]

    def _host(self, row: FleetRow, now: float) -> HostNow:
        newest = row.newest
        working = newest is not None and newest.state in _OPEN
        beat = _beat(row, now)
        return HostNow(
            row=row,
            step=_step(newest) if newest is not None and working else 0,
            left=self._time_left.of(newest, now) if newest is not None else None,
            hottest=self._latest.hottest(newest.run_id) if newest is not None and working else None,
            beat=beat,
            groups=_groups(row, beat),
        )


def _step(newest: Newest) -> int:
    """Counted in the order of all stages; a run that failed before its claim has none."""
    stage = newest.failed_stage.partition(" (")[0] if newest.state in ATTENTION else newest.stage
    for name in (stage, newest.stage):
        if name in STAGE_ORDER:
            return STAGE_ORDER.index(name) + 1
    return 0


def _beat(row: FleetRow, now: float) -> Beat:
    newest, at, who = row.newest, row.reporter_seen_at, "reporter"
    if newest is not None and newest.state in (*IN_STAGE, *ATTENTION) and newest.heartbeat_at is not None:
        at, who = newest.heartbeat_at, "agent"
    return Beat(who, at, silent=at is None or now - at >= REPORTER_FRESH_S)


def _groups(row: FleetRow, beat: Beat) -> frozenset[Group]:
    newest = row.newest
    groups = {Group.ALL}
    if newest is not None and newest.state in ATTENTION:
        groups.add(Group.ATTENTION)
    elif newest is not None and newest.state in _OPEN:
        groups.add(Group.RUNNING)
        if beat.silent and newest.state in IN_STAGE:
            groups.add(Group.ATTENTION)
    else:
        groups.add(Group.IDLE)
    if row.last is None:
        groups.add(Group.NEVER)
    on_its_way = newest is not None and newest.state in BEFORE_CLAIM
    if beat.silent and not on_its_way:
        groups.add(Group.OFFLINE)
    return frozenset(groups)


def counts(hosts: Iterable[HostNow]) -> dict[Group, int]:
    """How many hosts are in each group."""
    found = dict.fromkeys(Group, 0)
    for host in hosts:
        for group in host.groups:
            found[group] += 1
    return found


def ordered(hosts: Iterable[HostNow], sort: Sort) -> list[HostNow]:
    """Equal ones by name, in which 2 comes before 10."""
    by_name = sorted(hosts, key=lambda host: natural(host.name))
    match sort:
        case Sort.ATTENTION:
            return sorted(by_name, key=_urgency)
        case Sort.STATE:
            return sorted(by_name, key=lambda host: (_urgency(host), -host.step))
        case Sort.VERDICT:
            return sorted(by_name, key=lambda host: (host.row.last.ended_at or 0.0) if host.row.last else 0.0)
        case Sort.TEMPERATURE:
            return sorted(by_name, key=lambda host: -(host.hottest.celsius if host.hottest else float("-inf")))
        case _:
            return by_name


def _urgency(host: HostNow) -> int:
    """A held host waits for a person; then what failed, is silent, works, is idle."""
    if host.run is not None and host.run.state is RunState.FAILED_HOLDING:
        return 0
    if Group.ATTENTION in host.groups:
        return 1
    return 2 if Group.RUNNING in host.groups else 3


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """For sorting names that carry numbers."""
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in _NUMBERS.split(name) if part)


_NUMBERS = re.compile(r"([0-9]{1,18})")
_HEX = re.compile(r"[0-9a-f]{4,12}")


def _matches(row: FleetRow, serials: Sequence[str], words: Sequence[str]) -> bool:
    text = "\n".join((row.name, row.note, *row.macs, *serials)).lower()
    digits = "\n".join(row.macs).replace(":", "")
    return all(word in text or (_bare(word) != "" and _bare(word) in digits) for word in words)


def _bare(word: str) -> str:
    """The digits of an address in whatever notation; empty for what is none."""
    digits = re.sub(r"[:.\-]", "", word)
    return digits if _HEX.fullmatch(digits) else ""
