"""The control loop: greet, claim, then one step after the other as the orchestrator tells, until told how to end.

The agent decides nothing about the run. It does what it is told, says what it saw, and stays: a server that is away is
waited for, a result that was not taken is posted again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.aftermath import Aftermath
from vetting.agent.arrival import claim_run, greet
from vetting.agent.assignment import ahead_s, inventory_of, job_of
from vetting.agent.delivery import deliver
from vetting.agent.heartbeat import Heartbeat
from vetting.agent.hold import addresses
from vetting.agent.kept import Kept, Shelf
from vetting.agent.kmsg import KernelLog
from vetting.agent.logs import Logs
from vetting.agent.orders import EXIT_STATUS, End, Hold, How, Orders, Step, Wait, Work
from vetting.agent.power import Hands
from vetting.agent.runner import Attempted, Runner
from vetting.agent.sensors import Mux, follow
from vetting.agent.settings import Settings
from vetting.agent.sides import Side, SideTasks, forward
from vetting.client import Client
from vetting.clock import Clock
from vetting.domain.errors import NotAllowed, ProtocolMismatch, Refusal
from vetting.parsers.errors import ParseError

T = TypeVar("T")
HELD_STATES = ("Failed", "FailedHolding")
LAST_WORDS_S = 5.0


@dataclass(slots=True, kw_only=True)
class Agent:
    """`run` is the whole life. Build one in `vetting.agent.main`."""

    settings: Settings
    client: Client
    shelf: Shelf
    kept: Kept
    clock: Clock
    activity: Activity
    logs: Logs
    mux: Mux
    kernel: KernelLog
    runner: Runner
    hands: Hands
    orders: Orders = field(default_factory=Orders)
    _claim: wire.ClaimReply | None = None
    _ahead_s: float = 0.0  # the orchestrator's clock before this machine's
    _sides: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> int:
        """Returns the exit status. Raises a Refusal or WrongServer where no run could be claimed."""
        self.kernel.open(after=self.kept.log_seq)
        try:
            first = await self._until_ended(self._arrive())
            end = first if isinstance(first, End) else await self._walk(first)
            await self._leave(end)
        finally:
            for task in self._sides:
                task.cancel()
            await asyncio.gather(*self._sides, return_exceptions=True)
            self.kernel.close()
        return EXIT_STATUS[end.how]

    def stop(self) -> None:
        """Asked from outside (SIGTERM): programs are stopped, nothing is posted, a successor may go on."""
        self.orders.finish(How.STOPPED, "the agent was told to stop")

    # --- arriving -------------------------------------------------------------------------------------------------

    async def _arrive(self) -> Step:
        await greet(self.client, self.activity.boot_id)
        if self.kept.token and (late := self.shelf.undelivered(self.activity.boot_id)):
            await self._deliver_late(late)
        claim = await claim_run(self.client, self.settings, self.kept, self.logs)
        self._take(claim)
        if claim.holding:
            self.activity.become("holding")
        elif claim.current_stage:
            self.activity.become("running", claim.current_stage, claim.attempt)
        self._begin_sides(claim)
        await Aftermath(settings=self.settings, client=self.client, logs=self.logs).settle_in(claim)
        if not claim.holding:  # a predecessor may have died in a hold that is over by now
            await self.hands.close_door()
        if claim.holding:
            return Hold(f"the run is {claim.current_state}")
        if not claim.current_stage:  # the orchestrator has the last stages to itself, or the run is over
            return Wait(claim.current_state)
        return Work(
            stage=claim.current_stage,
            attempt=claim.attempt,
            override_flags=claim.override_flags,
            permit=claim.permit,
            permit_refused=claim.permit_refused,
        )

    async def _deliver_late(self, late: wire.Result) -> None:
        """A predecessor finished this attempt and died before it was taken."""
        self.logs.say(f"delivering the result of {late.stage}, attempt {late.attempt}, from before the restart")
        self.client.token = self.kept.token
        try:
            await deliver(self.client, self.shelf, self.logs, self.mux, late, self.shelf.folder / "attempt/evidence")
        except Refusal as why:
            self.logs.say(f"it was not taken: {why}", "warning")
            self.shelf.delivered()

    def _take(self, claim: wire.ClaimReply) -> None:
        if claim.run_id != self.kept.run_id:
            self.shelf.forget_run()
        if claim.inventory is not None and self.shelf.inventory() is None:
            self.shelf.save_inventory(claim.inventory)
        self._claim = claim
        self._ahead_s = ahead_s(claim.now_s, time.time())
        self.client.token = claim.token
        self.client.outwait_strangers = True
        self.kept = Kept(
            boot_id=self.activity.boot_id,
            run_id=claim.run_id,
            token=claim.token,
            ticket_mark=self.settings.ticket_mark or self.kept.ticket_mark,
            mark=self.kept.mark,
            log_seq=self.kernel.sequence,
        )
        self.shelf.save(self.kept)
        self.runner.kept = self.kept
        self.logs.say(f"run {claim.run_id} of {claim.host or 'this host'}: profile {claim.profile.name}")

    def _begin_sides(self, claim: wire.ClaimReply) -> None:
        beat = Heartbeat(
            self.client,
            self.activity,
            self.clock,
            every_s=claim.heartbeat_s,
            dropped_samples=lambda: self.mux.dropped,
            on_reply=self._heard,
            say=self.logs.say,
        )
        sides: dict[str, Side] = {
            "heartbeat": beat.follow,
            "forwarder": lambda: forward(self.client, self.clock, self.logs, self.mux),
            "thermal sidecar": lambda: follow(self.mux, self.settings.root, self.clock),
            "kernel log": lambda: self.kernel.follow(self.clock),
        }
        keep = SideTasks(self.orders, self.logs, self.clock)
        self._sides = [asyncio.create_task(keep.going(name, side), name=name) for name, side in sides.items()]

    def _heard(self, reply: wire.HeartbeatReply) -> None:
        self._ahead_s = ahead_s(reply.now_s, time.time())
        self.orders.heard(reply.command)

    # --- walking --------------------------------------------------------------------------------------------------

    async def _walk(self, step: Step) -> End:
        while True:
            if self.orders.end is not None and not isinstance(step, End):
                return self.orders.end
            match step:
                case Work():
                    step = await self._work(step)
                case Hold():
                    step = await self._hold(step)
                case Wait():
                    step = await self._wait(step)
                case End():
                    return step

    async def _work(self, work: Work) -> Step:
        self.orders.begin(work)
        self.activity.become("running", work.stage, work.attempt)
        self.logs.say(f"{work.stage}, attempt {work.attempt}, begins")
        assert self._claim is not None  # no work before the claim
        job = job_of(
            self._claim,
            work,
            live_image=self.settings.live_image,
            inventory=self.shelf.inventory(),
            clock_ahead_s=self._ahead_s,
        )
        running = asyncio.create_task(self.runner.run(work.stage, work.attempt, job))
        try:
            await self._mind(running, work)
            attempted = await running
        finally:  # a cancelled agent takes its stage with it
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if self.orders.end is not None and self.orders.end.how not in (How.SHUTDOWN, How.REBOOT):
            return self.orders.end
        if work.stage == "Inventory" and attempted.outcome.passed:
            try:
                self.shelf.save_inventory(inventory_of(attempted.outcome))
            except ParseError as error:
                self.logs.say(f"later stages go without the inventory: {error}", "error")
        return await self._conclude(work, attempted)

    async def _mind(self, running: asyncio.Task[Attempted], work: Work) -> None:
        """Waits for the attempt and stops it where an order says so."""
        while not running.done():
            end, retry = self.orders.end, self.orders.retry()
            why = self.orders.cancels(work)
            if end is not None:
                why = end.why or f"the orchestrator ordered: {end.how}"
            elif retry is not None:
                why = f"{retry.stage}, attempt {retry.attempt}, was ordered instead"
            if why and self.activity.doing != "stopping":
                self.activity.become("stopping", work.stage, work.attempt)
                self.logs.say(f"stopping {work.stage}: {why}", "warning")
            if why:
                self.runner.stop(why)
            await self._news_or(running)

    async def _conclude(self, work: Work, attempted: Attempted) -> Step:
        """Posts the outcome until it is taken; the answer says what comes next."""
        result = wire.Result(
            boot_id=self.activity.boot_id, stage=work.stage, attempt=work.attempt, outcome=attempted.outcome
        )
        posting = deliver(self.client, self.shelf, self.logs, self.mux, result, attempted.evidence)
        if self.orders.end is not None:  # it is over: one try, and not for long
            return await self._say_and_end(posting, self.orders.end)
        try:
            reply = await self._until_ended(posting)
        except NotAllowed as why:
            return End(How.STALE, str(why))
        except ProtocolMismatch as why:
            return End(How.MISMATCH, str(why))
        except Refusal as why:
            return self.orders.retry() or Hold(str(why))
        if isinstance(reply, End):
            return reply
        if reply.objections:
            self.logs.say(f"the orchestrator recorded {reply.verdict}: {'; '.join(reply.objections)}", "warning")
        if reply.next_stage:
            return Work(
                stage=reply.next_stage,
                attempt=reply.next_attempt,
                permit=reply.permit,
                permit_refused=reply.permit_refused,
            )
        if reply.state in HELD_STATES:
            return self.orders.retry() or Hold(f"{work.stage}: {attempted.outcome.reason or reply.verdict}")
        return Wait(reply.state)

    async def _say_and_end(self, posting: Coroutine[Any, Any, wire.ResultReply], end: End) -> End:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await posting
        except (TimeoutError, Refusal) as why:
            self.logs.say(f"the last outcome was not taken: {str(why) or 'no answer'}", "warning")
        return end

    async def _hold(self, hold: Hold) -> Step:
        self.activity.become("holding")
        self.logs.say(f"held: {hold.reason}", "warning")
        try:
            told = await self._until_ended(self._open_door(hold))
        except NotAllowed as why:
            return End(How.STALE, str(why))
        except Refusal as why:
            self.logs.say(f"the hold was refused: {why}", "error")
            told = None
        step = told if isinstance(told, End) else await self._next_order()
        if not (isinstance(step, End) and step.how is How.STOPPED):  # a successor of ours goes on with the hold
            await self.hands.close_door()
        return step

    async def _open_door(self, hold: Hold) -> None:
        """Tells where we wait and opens the door to the key that comes back; a door that stays shut is told too."""
        keys, trouble = await self.hands.host_keys()
        message = wire.Hold(
            boot_id=self.activity.boot_id, addresses=addresses(), reason=hold.reason, host_keys=keys, trouble=trouble
        )
        reply = await self.client.insist("/api/agent/hold", message, wire.HoldReply)
        if not keys:
            return
        if not (trouble := await self.hands.open_door(reply.authorized_key)):
            self.logs.say(f"held at {' or '.join(message.addresses)} for the run's key. {reply.message}".strip())
            return
        self.logs.say(f"nobody can sign in over SSH, use the console: {trouble}", "error")
        shut = msgspec.structs.replace(message, host_keys=(), trouble=trouble)
        await self.client.insist("/api/agent/hold", shut, wire.HoldReply)

    async def _wait(self, wait: Wait) -> Step:
        self.activity.become("idle")
        self.logs.say(f"the run is {wait.state}; waiting to be told how to end")
        step = await self._next_order()
        # The token of a finished run dies with it: then the end that we waited for is plain.
        return End(How.SHUTDOWN, step.why) if isinstance(step, End) and step.how is How.STALE else step

    async def _next_order(self) -> Work | End:
        while True:
            if self.orders.end is not None:
                return self.orders.end
            if work := self.orders.retry():
                return work
            await self.orders.news()

    async def _until_ended(self, doing: Coroutine[Any, Any, T]) -> T | End:
        """The result of `doing`, or the order to end that came first."""
        task = asyncio.create_task(doing)
        try:
            while not task.done() and self.orders.end is None:
                await self._news_or(task)
            if not task.done() and self.orders.end is not None:
                return self.orders.end
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _news_or(self, task: asyncio.Task[Any]) -> None:
        news = asyncio.create_task(self.orders.news())
        try:
            await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    # --- leaving --------------------------------------------------------------------------------------------------

    async def _leave(self, end: End) -> None:
        self.activity.become("stopping")
        said = {
            How.STALE: "the orchestrator does not know this run's token any more; nothing more is done here",
            How.MISMATCH: "the orchestrator speaks another protocol now; boot the host into the current live image",
            How.ABORT: "aborted by the orchestrator",
        }.get(end.how, f"ending: {end.how}")
        self.logs.say(f"{said} ({end.why})" if end.why else said, "info" if end.how in ORDERLY else "error")
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.logs.flush(self.client)
                await self.mux.flush(self.client)
        except (TimeoutError, Refusal):
            pass  # the words stand on the console
        if end.how is not How.STOPPED:
            await self.hands.close_door()
        if end.how is How.SHUTDOWN:
            await self.hands.power_off()
        elif end.how is How.REBOOT:
            await self.hands.reboot()


ORDERLY = (How.SHUTDOWN, How.REBOOT, How.STOPPED)
