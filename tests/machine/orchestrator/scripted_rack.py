"""A rack of scripted hosts that speak the real API and remember every word that the orchestrator acknowledged.

Each place in the rack lives one run after the other: some pass, some fail on purpose, some are cancelled, overridden,
retried, released, some agents start again in the middle. They insist as real agents do.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from tests.fakes import honest
from tests.fakes.rig import ServeProcess, Waits, attempts_at, claim_by_hand
from vetting import wire
from vetting.client import Client, Unreachable
from vetting.domain.errors import Conflict, StageMismatch
from vetting.domain.outcome import ArtifactRef, Outcome, Verdict
from vetting.domain.states import ORCHESTRATOR_STAGES, STAGE_ORDER

AGENT_STAGES = tuple(name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES)
SERIES = ("net.eno1.tx_mb_s", "disk.d1.write_mb_s")
WAITS: Waits = {"first_wait_s": 0.05, "longest_wait_s": 0.3}
SCRIPTS = (
    "pass",
    "retry",
    "override",
    "release",
    "cancel a hold",
    "cancel a stage",
    "mismatch",
    "agent restart",
    "pass",
)
PATIENCE_S = 60.0  # for one thing to become true, with the orchestrator killed all the time


@dataclass(slots=True)
class Said:
    """A result and the answer that was acknowledged."""

    run_id: int
    token: str
    result: wire.Result
    answer: wire.ResultReply


@dataclass(slots=True)
class Ledger:
    """What was acknowledged, by all hosts of the rack: none of it may ever be lost."""

    started: list[int] = field(default_factory=list)
    results: list[Said] = field(default_factory=list)
    values: dict[tuple[int, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    lines: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    artifacts: list[tuple[int, str, int, str, str]] = field(default_factory=list)  # run, stage, attempt, name, sha256
    decided: list[tuple[int, str]] = field(default_factory=list)  # run, the event of the lifecycle table
    ends: dict[int, str] = field(default_factory=dict)
    mismatches: list[int] = field(default_factory=list)
    batches: int = 0
    scripts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Place:
    """One host of the rack and the person who looks after it."""

    server: ServeProcess
    name: str
    ledger: Ledger
    dice: random.Random
    operator: Client
    agent: Client
    run_id: int = 0
    boot_id: str = ""
    beats: int = 0
    batch: int = 0
    number: count[int] = field(default_factory=lambda: count(1))  # of samples and lines: no two are alike

    async def live(self, over: Callable[[], bool]) -> None:
        """One run after the other until `over`, each to its end; every script at least once a few rounds."""
        scripts = list(SCRIPTS)
        self.dice.shuffle(scripts)
        while True:
            for script in scripts:
                await self.one_run(script)
                if over():
                    return

    async def one_run(self, script: str) -> None:
        ticket = await self.start()
        self.boot_id = f"{self.dice.getrandbits(64):016x}"
        self.beats = self.batch = 0
        claim = await self.claim(ticket)
        eventful = self.dice.choice(AGENT_STAGES[1:])
        stage, attempt, end = claim.current_stage, claim.attempt, ""
        while stage and not end:
            await self.chatter(stage, attempt)
            if script != "pass" and stage == eventful:
                script, (stage, attempt), end = "pass", *await self.event(script, stage, attempt)
                continue
            reply = await self.post(stage, attempt, honest.outcome(stage))
            assert reply.verdict in ("PASS", "SKIP"), (self.run_id, stage, reply)
            stage, attempt = reply.next_stage, reply.next_attempt
        command = await self.command_after("idle")
        self.ledger.ends[self.run_id] = end or "Completed"
        assert command.cmd == ("reboot" if end == "Cancelled from a hold" else "shutdown"), (self.run_id, end, command)

    async def event(self, script: str, stage: str, attempt: int) -> tuple[tuple[str, int], str]:
        """What goes differently in this run. Returns the stage and attempt to go on with, or how the run ended."""
        self.ledger.scripts[script] += 1
        if script == "agent restart":
            again = await self.claim(self.agent.token)
            assert (again.current_stage, again.attempt > attempt) == (stage, True)
            return (again.current_stage, again.attempt), ""
        if script == "cancel a stage":
            await self.decide("cancel", "operator cancelled", lambda view: view.state == "Cancelled")
            command = await self.command_after("running", stage, attempt)
            assert command.cmd == "cancel_stage", command
            return ("", 0), "Cancelled"
        if script == "mismatch":
            await self.post_for_another_stage(stage)
        else:
            why = "UnexpectedData: put there by the test" if stage == "Storage" else "failed on purpose"
            reply = await self.post(stage, attempt, Outcome.fail(why, started_s=100.0, ended_s=101.0))
            assert (reply.verdict, reply.state) == ("FAIL", "FailedHolding"), (self.run_id, reply)
        hold = wire.Hold(boot_id=self.boot_id, addresses=("192.0.2.7",), reason=script)
        assert (await self.agent.insist("/api/agent/hold", hold, wire.HoldReply)).authorized_key
        if script == "release":
            await self.decide("release", "operator released", lambda view: view.state == "Released")
            return ("", 0), "Released"
        if script == "cancel a hold":
            await self.decide("cancel", "operator cancelled", lambda view: view.state == "Cancelled")
            return ("", 0), "Cancelled from a hold"
        return await self.enter_again("override" if script == "override" else "retry", stage, attempt), ""

    async def enter_again(self, verb: str, stage: str, attempt: int) -> tuple[str, int]:
        flags = ("wipe_probe",) if (verb, stage) == ("override", "Storage") else ()
        event = {"override": "operator overrode", "retry": "operator retried"}[verb]
        await self.decide(verb, event, lambda view: len(attempts_at(view, stage)) > attempt, flags)
        command = await self.command_after("holding")
        assert (command.cmd, command.stage, command.override_flags) == ("retry_stage", stage, flags), command
        assert command.attempt > attempt
        return command.stage, command.attempt

    # --- the operator ---------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """The ticket of a new run. One that was begun without our hearing of it has lost its ticket, and is cancelled."""
        request = wire.StartRun(host=self.name, profile="sprint", start_by="manual", confirm_serials=("D1",))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    started = await self.operator.call("/api/runs", request, wire.RunStarted)
                except Unreachable:
                    await asyncio.sleep(0.05)
                    continue
                except Conflict as busy:
                    self.run_id = int(str(busy.detail["run"]))
                    assert self.run_id not in self.ledger.started
                    await self.decide("cancel", "operator cancelled", lambda view: view.state == "Cancelled")
                    continue
                self.run_id = started.run_id
                self.ledger.started.append(started.run_id)
                assert (started.state, bool(started.ticket)) == ("Booting", True)
                return started.ticket

    async def decide(
        self, verb: str, event: str, done: Callable[[wire.RunView], bool], flags: tuple[str, ...] = ()
    ) -> None:
        """Decides until it is so; an answer that never came is looked up."""
        because = wire.Because(reason=f"{verb} by the rack's operator", flags=flags)
        path = f"/api/runs/{self.run_id}"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    view = await self.operator.call(f"{path}/{verb}", because, wire.RunView)
                    self.ledger.decided.append((self.run_id, event))
                except Unreachable:
                    await asyncio.sleep(0.05)
                    continue
                except Conflict:
                    view = await self.look()
                assert done(view), (self.run_id, verb, view)
                return

    async def look(self) -> wire.RunView:
        while True:
            try:
                return await self.operator.get(f"/api/runs/{self.run_id}", wire.RunView)
            except Unreachable:
                await asyncio.sleep(0.05)

    # --- the agent ------------------------------------------------------------------------------------------------

    async def claim(self, secret: str) -> wire.ClaimReply:
        claim = await claim_by_hand(self.agent, secret, boot_id=self.boot_id)
        assert claim.run_id == self.run_id
        return claim

    async def command_after(self, doing: str, stage: str = "", attempt: int = 0) -> wire.Command:
        """Beats until there is something to do."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                command = await self.beat(doing, stage, attempt)
                if command is not None and command.cmd != "none":
                    return command
                await asyncio.sleep(0.05)

    async def beat(self, doing: str, stage: str = "", attempt: int = 0) -> wire.Command | None:
        self.beats += 1
        beat = wire.Heartbeat(boot_id=self.boot_id, seq=self.beats, doing=doing, stage=stage, attempt=attempt)
        try:
            return (await self.agent.call("/api/agent/heartbeat", beat, wire.HeartbeatReply)).command
        except Unreachable:
            return None

    async def chatter(self, stage: str, attempt: int) -> None:
        """What an agent says while a stage runs: a heartbeat, samples, lines; each of them is one of its kind."""
        command = await self.beat("running", stage, attempt)
        assert command is None or command.cmd == "none", (self.run_id, stage, attempt, command)
        for _ in range(self.dice.randint(1, 2)):
            self.batch += 1
            values = [float(next(self.number)) for _ in range(self.dice.randint(2, 20))]
            samples = tuple(wire.Sample(place % 2, 1000 + place, value) for place, value in enumerate(values))
            batch = wire.SensorBatch(
                boot_id=self.boot_id, seq=self.batch, stage=stage, now_ms=2000, names=SERIES, units=("MB/s", "MB/s"),
                samples=samples,
            )  # fmt: skip
            await self.agent.insist("/api/agent/sensor", batch, wire.SensorReply)
            self.ledger.batches += 1
            for sample in samples:
                self.ledger.values[self.run_id, SERIES[sample.series]].append(sample.value)
        self.batch += 1
        texts = [f"line {next(self.number)} of {self.name}" for _ in range(self.dice.randint(1, 4))]
        lines = tuple(wire.LogLine(at_ms=1500, stage=stage, level="info", source="agent", text=text) for text in texts)
        told = wire.LogBatch(boot_id=self.boot_id, seq=self.batch, now_ms=2000, lines=lines)
        await self.agent.insist("/api/agent/log", told, wire.LogReply)
        self.ledger.batches += 1
        self.ledger.lines[self.run_id] += texts

    async def post(self, stage: str, attempt: int, outcome: Outcome) -> wire.ResultReply:
        """The evidence, then the result, until it is taken."""
        evidence = f"output of {stage}, attempt {attempt}, of run {self.run_id}\n".encode()
        checksum = hashlib.sha256(evidence).hexdigest()
        ref = ArtifactRef(name="output.txt", media_type="text/plain", sha256=checksum, size_bytes=len(evidence))
        query = {"stage": stage, "attempt": str(attempt), "name": ref.name}
        stored = await self.agent.upload("/api/agent/artifact", evidence, media_type="text/plain", query=query)
        assert (stored.sha256, stored.size_bytes) == (checksum, len(evidence))
        self.ledger.artifacts.append((self.run_id, stage, attempt, stored.name, checksum))
        result = wire.Result(
            boot_id=self.boot_id, stage=stage, attempt=attempt, outcome=replace(outcome, artifacts=(ref,))
        )
        answer = await self.agent.insist("/api/agent/result", result, wire.ResultReply)
        self.ledger.results.append(Said(self.run_id, self.agent.token, result, answer))
        return answer

    async def post_for_another_stage(self, stage: str) -> None:
        """As the predecessor's agent did after the OOM killer took it: Inventory again, while another stage is current."""
        replayed = honest.outcome("Inventory", started_s=200.0, ended_s=201.0)
        result = wire.Result(boot_id=self.boot_id, stage="Inventory", attempt=1, outcome=replayed)
        try:
            answer = await self.agent.insist("/api/agent/result", result, wire.ResultReply)
        except StageMismatch:
            view = await self.look()
            assert (view.state, view.failed_stage) == ("FailedHolding", f"Inventory (expected {stage})")
            # One attempt may be INTERRUPTED: the claim's answer was lost with the orchestrator, and it was claimed again.
            assert attempts_at(view, "Inventory").count(str(Verdict.PASS)) == 1
            assert attempts_at(view, stage)[-1] == str(Verdict.INTERRUPTED)
            self.ledger.mismatches.append(self.run_id)
            return
        raise AssertionError(f"run {self.run_id} took Inventory while {stage} was current: {answer}")
