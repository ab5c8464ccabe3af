"""A run through which everything happens in any order: the real orchestrator, and a book of what really was tested.

Agents crash and come back, hosts reboot and fall silent, results come twice, late, from elsewhere and out of nowhere, people decide, the
orchestrator starts again. The book is kept by who sends the results, and knows which of them were honest: the work done, in its time, in the
attempt that was open, by the boot that had claimed it. Whatever the orchestrator writes down as a pass must stand in it.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World, world_in
from vetting import wire
from vetting.domain.errors import Refusal
from vetting.domain.hostspec import Identity
from vetting.domain.outcome import ArtifactRef, Cell, Finding, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import BurnKnobs, Profile, PsuKnobs
from vetting.domain.states import CLOSED, IN_STAGE, ORCHESTRATOR_STAGES, STAGE_ORDER, RunState
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.watchdog import Watchdog
from vetting.orchestrator.witness import Witnesses
from vetting.store import attempts
from vetting.store.rows import AttemptRow

LONG_S = 20.0
# As the sprint, but that Burn and PSU take a time which somebody could leave out.
STROLL: Profile = replace(
    honest.SPRINT, name="stroll", burn=BurnKnobs(seconds=int(LONG_S), mem_pct=10), psu=PsuKnobs(seconds=int(LONG_S))
)
SLOW = frozenset({"Burn", "PSU"})
OURS = tuple(name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES)
BECAUSE = wire.Because(reason="because")


def takes_s(stage: str) -> float:
    return LONG_S if stage in SLOW else 1.5


def tested(stage: str) -> Outcome:
    """What a host says that did all of the work."""
    outcome = honest.outcome(stage)
    if stage not in SLOW:
        return outcome
    cells = outcome.cells
    if stage == "PSU":
        cells = (replace(cells[0], work=(Work(what="burst", done=LONG_S, of=LONG_S, unit="s"),)),)
    tools = tuple(replace(one, ended_s=one.started_s + LONG_S) for one in outcome.tools)
    return outcome.but(cells=cells, tools=tools, ended_s=outcome.started_s + LONG_S)


def _first(outcome: Outcome, **changes: Any) -> Outcome:
    return outcome.but(cells=(replace(outcome.cells[0], **changes), *outcome.cells[1:]))


def lies(stage: str) -> dict[str, Outcome]:
    """Passes that leave something out, by what they leave out; each at the right time, in the right attempt."""
    good = tested(stage)
    promised = ArtifactRef(name="all.txt", media_type="text/plain", sha256="00" * 32, size_bytes=7)
    seen = Finding(severity=Severity.CRITICAL, component="host", text="a machine check", source="kernel log")
    found = {
        "a file that never comes": good.but(artifacts=(promised,)),
        "a machine check": good.but(findings=(seen,)),
        "more time than there was": good.but(ended_s=good.started_s + 1e6),
        "a part that nobody promised failed": good.but(cells=(*good.cells, Cell(component="x", verdict=Verdict.FAIL))),
    }
    if stage != "GPU":
        found["nothing at all, as a skip"] = good.but(verdict=Verdict.SKIP, cells=(), reason="no time")
    if good.cells:
        found |= {
            "a part": good.but(cells=good.cells[1:]),
            "a part that is MISSING": _first(good, verdict=Verdict.MISSING),
            "a part that failed": _first(good, verdict=Verdict.FAIL),
            "a part that was interrupted": _first(good, verdict=Verdict.INTERRUPTED),
        }
    if stage not in ("Firmware", "GPU", "PSU"):
        found["every program"] = good.but(tools=())
    if stage in ("CPUStress", "Storage", "Network", "Burn"):
        found["the work"] = _first(good, work=())
        work = tuple(replace(one, done=float("nan")) for one in good.cells[0].work)
        found["the work, for it is no number"] = _first(good, work=work)
    return found


def in_memory() -> Path:
    ram = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="any-order-", dir=ram if ram.is_dir() else None))


@cache
def empty_orchestrator() -> Path:
    """The folder of one that has just been set up, to begin with a copy of it each time."""
    folder = in_memory()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world_in(folder, STROLL).store.close()
    return folder


MOST_LIES = max(len(lies(stage)) for stage in OURS)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = in_memory()
        shutil.copytree(empty_orchestrator(), self.folder, dirs_exist_ok=True)
        self.loop = asyncio.Runner()
        self.world: World = world_in(self.folder, STROLL)
        self.run_id = 0
        self.boots = 1
        self.posted: list[wire.Result] = []
        self.book: set[tuple[str, int]] = set()  # attempts whose pass was honest
        self.ended: dict[tuple[str, int], Verdict] = {}
        self.beaten_at = self.world.clock.now()

    def teardown(self) -> None:
        self.loop.close()
        self.world.store.close()
        shutil.rmtree(self.folder)

    # --- what happens ---------------------------------------------------------------------------------------------

    def do(self, what: Awaitable[Any]) -> Any:
        """Its answer; None where the orchestrator refused, which it may always do."""

        async def done() -> Any:
            try:
                return await what
            except Refusal:
                return None

        return self.loop.run(done())

    @initialize(stage=st.sampled_from(OURS))
    def begins(self, stage: str) -> None:
        """Somewhere on the way, so that late stages are met as often as early ones."""
        self.run_id = self.do(self.world.begun(profile="stroll"))
        assert self.run_id
        while (current := self.current()) is not None and current.stage != stage:
            self.tests_honestly()

    def current(self) -> AttemptRow | None:
        """The attempt that an agent works on. A run that is held is tried again first: that keeps things going."""
        run = self.loop.run(self.world.run(self.run_id))
        if run.state is RunState.FAILED_HOLDING:
            self.do(self.world.progress.retry(self.run_id, who="ann", because=wire.Because()))
        found: AttemptRow | None = self.loop.run(self.world.open_attempt(self.run_id))
        return found if found is not None and found.stage not in ORCHESTRATOR_STAGES else None

    def post(self, stage: str, number: int, outcome: Outcome, boot_id: str = "") -> wire.ResultReply | None:
        message = wire.Result(boot_id=boot_id or self.world.boot_id, stage=stage, attempt=number, outcome=outcome)
        self.posted.append(message)
        answer: wire.ResultReply | None = self.do(self.world.progress.result(self.run_id, message))
        return answer

    def spends(self, seconds: float) -> None:
        """Time goes by, with the heartbeats that an agent sends in it."""
        while seconds > 0:
            self.world.clock.pass_s(min(seconds, 10.0))
            seconds -= 10.0
            self.speaks()

    @rule()
    def speaks(self) -> None:
        if self.do(self.world.beat(self.run_id)) is not None:
            self.beaten_at = self.world.clock.now()

    @rule()
    def tests_honestly(self) -> None:
        if (open_attempt := self.current()) is None:
            return
        self.spends(takes_s(open_attempt.stage))
        now_open = self.current()
        if now_open is not None and now_open.id == open_attempt.id and self.in_time(open_attempt):
            self.book.add((open_attempt.stage, open_attempt.attempt))
        self.post(open_attempt.stage, open_attempt.attempt, tested(open_attempt.stage))

    def in_time(self, attempt: AttemptRow) -> bool:
        run = self.loop.run(self.world.run(self.run_id))
        lasted = self.world.clock.now() - attempt.started_at >= takes_s(attempt.stage) - 2
        return lasted and run.boot_id == self.world.boot_id == attempt.boot_id

    @rule()
    def returns_at_once(self) -> None:
        """The whole of the words, and none of the time."""
        if (open_attempt := self.current()) is not None:
            if self.in_time(open_attempt):
                self.book.add((open_attempt.stage, open_attempt.attempt))
            self.post(open_attempt.stage, open_attempt.attempt, tested(open_attempt.stage))

    @rule(which=st.permutations(range(MOST_LIES)), many=st.integers(1, 5))
    def tells_lies(self, which: list[int], many: int) -> None:
        """Some, each in an attempt of its own."""
        for number in which[:many]:
            if (open_attempt := self.current()) is not None:
                told = sorted(lies(open_attempt.stage).items())
                self.spends(takes_s(open_attempt.stage))
                self.post(open_attempt.stage, open_attempt.attempt, told[number % len(told)][1])

    @rule(verdict=st.sampled_from((Verdict.FAIL, Verdict.ERROR)))
    def does_not_pass(self, verdict: Verdict) -> None:
        if (open_attempt := self.current()) is not None:
            self.spends(takes_s(open_attempt.stage))
            self.post(open_attempt.stage, open_attempt.attempt, Outcome(verdict=verdict, reason="so it was"))

    @precondition(lambda self: self.posted)
    @rule(which=st.randoms(use_true_random=False))
    def repeats(self, which: Any) -> None:
        """An answer was lost on its way, or somebody recorded it."""
        again = which.choice(self.posted[-6:])
        self.do(self.world.progress.result(self.run_id, again))

    @rule(stage=st.sampled_from(OURS), number=st.integers(1, 4), other_boot=st.booleans())
    def result_out_of_nowhere(self, stage: str, number: int, other_boot: bool) -> None:
        current = self.current()
        honest_too = current is not None and (current.stage, current.attempt) == (stage, number) and not other_boot
        if not honest_too:
            self.post(stage, number, tested(stage), "boot-of-another" if other_boot else "")

    @rule()
    def result_of_the_open_attempt_from_another_boot(self) -> None:
        if (open_attempt := self.current()) is not None:
            self.spends(takes_s(open_attempt.stage))
            self.post(open_attempt.stage, open_attempt.attempt, tested(open_attempt.stage), "boot-of-another")

    @rule()
    def agent_crashes_and_comes_back(self) -> None:
        self.do(self.world.claim(self.world.token))

    @rule(asks=st.booleans())
    def host_reboots(self, asks: bool) -> None:
        self.boots += 1
        self.world.boot_id = f"boot-{self.boots}"
        run = self.loop.run(self.world.run(self.run_id))
        ticket = self.do(self.world.progress.boot_requested(run.host_id)) if asks else ""
        self.do(self.world.claim(ticket or self.world.token))

    @rule()
    def stranger_claims(self) -> None:
        boot, token = self.world.boot_id, self.world.token
        self.world.boot_id = "boot-of-a-stranger"
        stranger = Identity(smbios_uuid="11111111-2222-4333-8444-555555555555", macs=("52:54:00:00:00:99",))
        self.do(self.world.claim(token, identity=stranger))
        self.world.boot_id, self.world.token = boot, token

    @rule()
    def host_falls_silent(self) -> None:
        watchdog = self.watchdog()
        self.world.clock.pass_s(600)
        self.do(watchdog.once())

    @rule()
    def stage_does_not_end(self) -> None:
        if (open_attempt := self.current()) is not None:
            watchdog = self.watchdog()
            self.spends(40)
            self.world.clock.pass_s(max(open_attempt.deadline_s - 40, 0) + 5)
            self.speaks()
            self.do(watchdog.once())

    def watchdog(self) -> Watchdog:
        world = self.world
        return Watchdog(
            store=world.store,
            progress=world.progress,
            clock=world.clock,
            config=world.config,
            witnesses=world.means.witnesses,
        )

    @rule(verb=st.sampled_from(("retry", "retry", "override", "cancel", "release")), rarely=st.integers(0, 9))
    def person_decides(self, verb: str, rarely: int) -> None:
        if verb in ("cancel", "release") and rarely:
            return  # the end of it, mostly
        because = wire.Because() if verb == "retry" else BECAUSE
        self.do(getattr(self.world.progress, verb)(self.run_id, who="ann", because=because))

    @rule()
    def orchestrator_starts_again(self) -> None:
        """All that it remembered is gone but for what was committed."""
        world = self.world
        world.means = replace(world.means, witnesses=Witnesses(world.clock))
        world.progress = Progress(
            store=world.store, means=world.means, bus=world.bus, clock=world.clock, iperf=world.progress._iperf,
            iperf_host="127.0.0.1", reporting=world.reporting,
        )  # fmt: skip
        self.do(world.progress.resume())

    # --- what must hold -------------------------------------------------------------------------------------------

    def rows(self) -> list[AttemptRow]:
        found: list[AttemptRow] = self.loop.run(self.world.store.read(lambda: attempts.attempts_of(self.run_id)))
        return found

    @invariant()
    def every_pass_is_of_work_that_was_done(self) -> None:
        if not self.run_id:
            return
        for row in self.rows():
            if row.verdict is not None and row.verdict.passed and row.stage not in ORCHESTRATOR_STAGES:
                assert (row.stage, row.attempt) in self.book, (
                    f"{row.stage}, attempt {row.attempt}, passed and was not tested"
                )

    @invariant()
    def what_was_concluded_stays(self) -> None:
        if not self.run_id:
            return
        for row in self.rows():
            before = self.ended.get((row.stage, row.attempt))
            assert before is None or before is row.verdict, (
                f"{row.stage}, attempt {row.attempt}: {before} became {row.verdict}"
            )
            if row.verdict is not None:
                self.ended[row.stage, row.attempt] = row.verdict

    @invariant()
    def nothing_advances_past_a_stage_that_did_not_pass(self) -> None:
        if not self.run_id:
            return
        run = self.loop.run(self.world.run(self.run_id))
        last = {row.stage: row for row in self.rows()}  # in the order of the attempts
        if run.state in IN_STAGE:
            before: tuple[str, ...] = STAGE_ORDER[: STAGE_ORDER.index(run.stage)]
        else:
            before = STAGE_ORDER if run.state is RunState.COMPLETED else ()
        for stage in before:
            row = last.get(stage)
            assert row is not None and row.verdict is not None and row.verdict.passed, (
                f"{run.state}, and {stage} is {row}"
            )
        if run.state in CLOSED or run.state is RunState.FAILED_HOLDING:
            said = run.verdict.lower()
            green = said.startswith(("vetted", "passed"))
            assert green is (run.state is RunState.COMPLETED) or not said, f"{run.state}: {run.verdict}"

    @invariant()
    def at_most_one_attempt_is_open_and_only_in_a_stage(self) -> None:
        if not self.run_id:
            return
        run = self.loop.run(self.world.run(self.run_id))
        still_open = [row for row in self.rows() if row.verdict is None]
        assert len(still_open) <= 1
        assert not still_open or run.state in IN_STAGE, f"{run.state} with {still_open[0].stage} open"
