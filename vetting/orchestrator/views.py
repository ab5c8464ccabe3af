"""What people read of hosts and runs, as the command line and the console show it."""

from __future__ import annotations

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import NotFound
from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator import repairtold
from vetting.orchestrator.holding import why_not_enterable
from vetting.orchestrator.reporters import reporter_age_s
from vetting.orchestrator.reporting import Reporting
from vetting.store import attempts, fleet, hosts, repairs, runs, unknown
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, HostRow, RepairRow, RunRow, UnknownHostRow


class Views:
    def __init__(self, *, store: Store, clock: Clock, reporting: Reporting) -> None:
        self._store = store
        self._clock = clock
        self._reporting = reporting

    async def hosts(self) -> tuple[wire.HostView, ...]:
        now = self._clock.now()
        return await self._store.read(lambda: tuple(_host(host, now) for host in hosts.listing()))

    async def host(self, name: str) -> wire.HostView:
        now = self._clock.now()

        def look() -> wire.HostView:
            host = hosts.by_name(name)
            if host is None:
                raise NotFound(f"there is no host named {name[:80]!r}; `vetting host list` shows those that there are")
            return _host(host, now)

        return await self._store.read(look)

    async def unknown_hosts(self) -> tuple[wire.UnknownHostView, ...]:
        """Machines that asked to boot and are in no record by now, whoever asked last first."""

        def look() -> tuple[wire.UnknownHostView, ...]:
            asked = unknown.listing()
            ours = fleet.addresses() if asked else frozenset()
            return tuple(_unknown(row) for row in asked if row.mac not in ours)

        return await self._store.read(look)

    async def runs(self, *, host: str = "") -> tuple[wire.RunView, ...]:
        """The newest hundred runs, without their attempts."""
        now = self._clock.now()

        def look() -> tuple[wire.RunView, ...]:
            known = hosts.by_name(host) if host else None
            if host and known is None:
                raise NotFound(f"there is no host named {host[:80]!r}; `vetting host list` shows those that there are")
            found = runs.listing(host_id=known.id if known else None, limit=100)
            return tuple(_run(run, now, ()) for run in found)

        return await self._store.read(look)

    async def run(self, run_id: int) -> wire.RunView:
        now = self._clock.now()
        return await self._store.read(
            lambda: _run(runs.get(run_id), now, tuple(attempts.attempts_of(run_id)), repairs.find(run_id))
        )

    async def report(self, run_id: int, kind: str) -> bytes:
        """The run's report, written afresh from the records."""
        return await self._reporting.render(run_id, kind)


def _host(host: HostRow, now: float) -> wire.HostView:
    last = runs.newest_run_of_host(host.id)
    return wire.HostView(
        id=host.id,
        name=host.name,
        macs=host.macs,
        note=host.note,
        spec=host.spec,
        reporter_age_s=reporter_age_s(host, now),
        reporter_allowed=host.reporter_allowed,
        reporter_obstacles=host.reporter_obstacles,
        reporter_ways=host.reporter_ways,
        bmc=host.bmc,
        state=str(last.state) if last else "",
        last_run_id=last.id if last else None,
        last_verdict=last.verdict if last else "",
    )


def _unknown(row: UnknownHostRow) -> wire.UnknownHostView:
    return wire.UnknownHostView(
        mac=row.mac, address=row.address, source=row.source, what=row.what,
        first_seen_at=row.first_seen_at, last_seen_at=row.last_seen_at, times=row.times,
    )  # fmt: skip


def _run(run: RunRow, now: float, of_run: tuple[AttemptRow, ...], repair: RepairRow | None = None) -> wire.RunView:
    beat = run.heartbeat if run.state in IN_STAGE else None
    return wire.RunView(
        id=run.id,
        host=run.host_name,
        profile=run.profile_name,
        non_destructive=run.non_destructive,
        state=str(run.state),
        failed_stage=run.failed_stage,
        verdict=run.verdict or run.reason,
        qualifiers=tuple(run.verdict_detail.get("qualifiers", ())),
        created_at=run.created_at,
        ended_at=run.ended_at,
        heartbeat_age_s=None if run.heartbeat_at is None else now - run.heartbeat_at,
        attempts=tuple(_attempt(attempt, beat) for attempt in of_run),
        report=str(run.verdict_detail.get("report", "")),
        start_by=run.start_by,
        reason=run.reason,
        held_at=run.hold_addresses if run.state is RunState.FAILED_HOLDING else (),
        enterable=not why_not_enterable(run),
        image=run.image.version[:200] if run.image else "",
        repair=repairtold.lines(repair, run, of_run) if repair is not None else (),
    )


def _attempt(attempt: AttemptRow, beat: wire.Heartbeat | None) -> wire.AttemptView:
    mine = beat is not None and (beat.stage, beat.attempt) == (attempt.stage, attempt.attempt)
    return wire.AttemptView(
        stage=attempt.stage,
        attempt=attempt.attempt,
        verdict=str(attempt.verdict or ""),
        reason=attempt.reason,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        planned_s=attempt.planned_s,
        progress=beat.progress if mine and beat is not None else wire.Progress(),
    )
