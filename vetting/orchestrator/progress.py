"""One method for each thing that can happen to a run. The only writer of run state.

Each opens a turn on the store's writer thread, and tells the news once it is committed. What a refusal must leave
behind (a parked run, an alarm) is committed before the refusal is raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import Conflict, NotAllowed, Refusal, StageMismatch
from vetting.domain.states import ACTIVE, BEFORE_CLAIM, CLOSED, IN_STAGE, RunState
from vetting.orchestrator import admission, deciding, holding, repairs, reporters, running, starting
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.iperf import IperfPool
from vetting.orchestrator.keys import hold_key_pair, public_hex
from vetting.orchestrator.moves import Means, Turn
from vetting.orchestrator.reporting import Reporting
from vetting.store import runs
from vetting.store.db import Store
from vetting.store.rows import AttemptRow, RunRow

log = logging.getLogger(__name__)
T = TypeVar("T")
Decision = Callable[..., RunRow]


class Progress:
    def __init__(
        self,
        *,
        store: Store,
        means: Means,
        bus: Bus,
        clock: Clock,
        iperf: IperfPool,
        iperf_host: str,
        reporting: Reporting,
    ) -> None:
        self._store = store
        self._means = means
        self._bus = bus
        self._clock = clock
        self._iperf = iperf
        self._iperf_host = iperf_host
        self._reporting = reporting
        self._finishing: set[asyncio.Task[None]] = set()

    async def start(self, request: wire.StartRun, *, who: str, scaled: dict[str, Any] | None = None) -> wire.RunStarted:
        """A new run, queued; dispatched at once where its host boots by hand, to show the ticket once."""
        run = await self._turn(lambda turn: starting.start(turn, request, who=who, scaled=scaled or {}))
        notes = await self._store.read(lambda: repairs.notes_of(run))
        if request.start_by != "manual":
            return wire.RunStarted(run_id=run.id, state=str(run.state), notes=notes)
        run = await self._turn(lambda turn: starting.dispatch(turn, runs.get(run.id)))
        ticket = await self.boot_requested(run.host_id)
        return wire.RunStarted(run_id=run.id, state=str(RunState.BOOTING), ticket=ticket, notes=notes)

    async def why_not_start(self, requests: Sequence[wire.StartRun]) -> tuple[str, ...]:
        """For each of them, what `start` would refuse it with now; empty where it would begin. Changes nothing."""
        turn = Turn(at=self._clock.now(), means=self._means)
        return await self._store.read(lambda: tuple(admission.why_not(turn, one) for one in requests))

    async def dispatch(self, run_id: int) -> None:
        await self._turn(lambda turn: starting.dispatch(turn, runs.get(run_id)))

    async def dispatch_failed(self, run_id: int, why: str, *, states: tuple[RunState, ...] = BEFORE_CLAIM) -> None:
        await self._turn(lambda turn: starting.dispatch_failed(turn, runs.get(run_id), why, states=states))

    async def boot_requested(self, host_id: int) -> str:
        """The host asks what to boot: a one-time ticket into the image, empty for its local disk."""

        def turned(turn: Turn) -> str:
            run = admission.open_run_of_host(host_id)
            if run is None or run.state is RunState.QUEUED:
                return ""
            return starting.boot_requested(turn, run)

        return await self._turn(turned)

    async def boot_refused(self, host_id: int, why: str) -> bool:
        """Somebody asked in the host's name and got nothing: an alarm beside the run, told once, that stops nothing."""

        def turned(turn: Turn) -> bool:
            run = admission.open_run_of_host(host_id)
            return run is not None and starting.boot_refused(turn, run, why)

        return await self._turn(turned)

    async def reporter_beat(self, host_id: int, beat: wire.ReporterBeat) -> wire.ReporterReply:
        """The installed system lives; it is ordered to reboot when a run waits for that."""

        def turned(turn: Turn) -> wire.ReporterReply:
            waiting = runs.active_run_of_host(host_id, (RunState.WAITING_REBOOT,))
            return reporters.heard(turn, host_id, beat, waiting)

        reply = await self._turn(turned)
        self._bus.publish("host.seen", at=self._clock.now(), host_id=host_id)
        return reply

    async def reporter_refused(self, host_id: int, refusal: wire.ReporterRefusal) -> None:
        """The host does not carry the order out: its run fails there, once, with the host's reasons."""

        def turned(turn: Turn) -> None:
            run, why = reporters.refused(turn, host_id, refusal)
            starting.dispatch_failed(turn, run, why)

        await self._turn(turned)

    async def claim(self, secret: str, message: wire.Claim, *, peer: str = "") -> wire.ClaimReply:
        """Takes up a run. Raises NotAllowed: the same words for unknown, used, expired and foreign secrets.

        `peer`: the address that it came from.
        """
        run, token = await self._turn(lambda turn: starting.claim(turn, secret, message, peer=peer))
        self._means.witnesses.stirred(run.id)  # its token may be another now
        if not token:
            raise NotAllowed(starting.CLAIM_ANSWER)
        port = await self._lease(run)
        target = wire.IperfTarget(host=self._iperf_host, port=port) if port else None
        key = public_hex(self._means.signer)
        return await self._turn(
            lambda turn: starting.claim_reply(turn, runs.get(run.id), token, iperf=target, permit_key=key)
        )

    async def _lease(self, run: RunRow) -> int:
        """The run's iperf3 server, kept through every hold: a held run may yet measure its network, and its agent hears of
        the port only once."""
        if run.state not in ACTIVE:
            return 0
        port = await self._iperf.lease(run.id, port=run.iperf_port)
        if port != run.iperf_port:
            await self._turn(lambda turn: runs.change(run.id, iperf_port=port))
        return port

    async def heartbeat(self, run_id: int, beat: wire.Heartbeat) -> wire.HeartbeatReply:
        if beat.doing == "running":
            self._means.witnesses.beat(run_id, beat.stage, beat.attempt)
        return await self._turn(lambda turn: running.heartbeat(turn, runs.get(run_id), beat))

    async def result(self, run_id: int, posted: wire.Result) -> wire.ResultReply:
        """Raises StageMismatch for a result that nobody waits for; by then the run is parked where it has to be."""
        witness = self._means.witnesses.of(run_id, posted.stage, posted.attempt)
        answer, why = await self._turn(lambda turn: running.result(turn, runs.get(run_id), posted, witness))
        if answer is None:
            raise StageMismatch(why, run=run_id, stage=posted.stage[:40], attempt=posted.attempt)
        if answer.state == RunState.REPORTING:
            await asyncio.shield(self._finish(run_id))
        return answer

    async def hold(self, run_id: int, message: wire.Hold) -> wire.HoldReply:
        pair = hold_key_pair(run_id)
        reply = await self._turn(lambda turn: holding.hold(turn, runs.get(run_id), message, pair))
        await self._write_report(run_id)
        return reply

    async def cancel(self, run_id: int, *, who: str, because: wire.Because, seen: str = "") -> None:
        await self._decide(deciding.cancel, run_id, who, because, seen)

    async def override(self, run_id: int, *, who: str, because: wire.Because, seen: str = "") -> None:
        await self._decide(deciding.override, run_id, who, because, seen)

    async def retry(self, run_id: int, *, who: str, because: wire.Because, seen: str = "") -> None:
        await self._decide(deciding.retry, run_id, who, because, seen)

    async def release(self, run_id: int, *, who: str, because: wire.Because, seen: str = "") -> None:
        await self._decide(deciding.release, run_id, who, because, seen)

    async def past_deadline(self, run_id: int, attempt: AttemptRow) -> None:
        def turned(turn: Turn) -> None:
            run = runs.get(run_id)
            if run.state in IN_STAGE and run.stage == attempt.stage:
                running.past_deadline(turn, run, attempt)

        await self._turn(turned)

    async def lost(self, run_id: int, silence_s: float) -> None:
        def turned(turn: Turn) -> None:
            run = runs.get(run_id)
            if run.state in IN_STAGE:
                running.lost(turn, run, silence_s)

        await self._turn(turned)
        await self._write_report(run_id)

    async def resume(self) -> None:
        """After a start of the orchestrator: finishes what only the orchestrator can finish, and serves again those whose
        agents count on us. Nothing else advances."""
        for run in await self._store.read(lambda: runs.in_states((*IN_STAGE, RunState.FAILED_HOLDING))):
            if run.iperf_port:
                await self._iperf.lease(run.id, port=run.iperf_port)
        for run in await self._store.read(lambda: runs.in_states((RunState.REPORTING,))):
            await self._finish(run.id)

    async def _decide(self, decision: Decision, run_id: int, who: str, because: wire.Because, seen: str) -> None:
        """`seen`: what the person looked at, where they looked (`decisions.occasion`). Raises Conflict where it is past."""

        def turned(turn: Turn) -> RunRow:
            run = runs.get(run_id)
            deciding.demand_seen(run, seen)
            return decision(turn, run, who=who, because=because)

        run = await self._turn(turned)
        if run.state is RunState.REPORTING:
            await asyncio.shield(self._finish(run_id))
        elif run.state in CLOSED:
            await self._write_report(run_id)
        elif run.state in IN_STAGE:
            await self._lease(run)  # a server that was given up is tried again, as the stage is

    async def _write_report(self, run_id: int) -> None:
        """For people to find; the records are what counts, so a full disk must not cost an agent its answer."""
        try:
            await self._reporting.write(run_id)
        except Refusal as refusal:
            log.error("the report of run %d was not written: %s", run_id, refusal)

    def _finish(self, run_id: int) -> asyncio.Task[None]:
        """Writes the report and completes the run; goes on when the caller goes away."""
        task = asyncio.create_task(self._reporting.complete(run_id, self._turn), name=f"report of run {run_id}")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    async def _turn(self, act: Callable[[Turn], T]) -> T:
        turn = Turn(at=self._clock.now(), means=self._means)
        answer = await self._store.write(lambda: act(turn))
        for done in turn.after:
            done()
        now_in: dict[int, str] = {}
        for kind, run_id, data in turn.news:
            self._bus.publish(kind, at=turn.at, run_id=run_id, **data)
            if kind == "run.moved":
                now_in[run_id] = data["state"]
        for run_id, state in now_in.items():  # a failed stage is Failed for a moment and held in the same turn
            if state not in ACTIVE:
                self._means.witnesses.closed(run_id)
                await self._iperf.release(run_id)
        return answer


def refuse_closed(run: RunRow) -> None:
    """For calls that make no sense once a run is over. Raises Conflict."""
    if run.state in CLOSED:
        raise Conflict(f"run {run.id} is over ({run.state})", state=str(run.state))
