"""The verdict of a run in words: what may say "vetted", and that nothing else ever does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain.errors import IllegalMove
from vetting.domain.ledger import LedgerCell
from vetting.domain.outcome import Cell, Finding, Severity, Verdict
from vetting.domain.profiles import QUICK, SOAK, TASTE, Profile
from vetting.domain.states import IN_STAGE, STAGE_OF, STAGE_ORDER, Event, RunState, next_state
from vetting.domain.verdict import AttemptRecord, Override, RunVerdict, Word, judge_run


def passes(**verdicts: Verdict) -> list[AttemptRecord]:
    """One attempt of each stage, all PASS but for those named."""
    return [AttemptRecord(stage=name, attempt=1, verdict=verdicts.get(name, Verdict.PASS)) for name in STAGE_ORDER]


def judge(
    attempts: list[AttemptRecord],
    *,
    state: RunState = RunState.COMPLETED,
    profile: Profile = QUICK,
    non_destructive: bool = False,
    **more: object,
) -> RunVerdict:
    return judge_run(attempts, state=state, profile=profile, non_destructive=non_destructive, **more)  # type: ignore[arg-type]


OVERRIDE = Override(stage="Storage", by="mara", reason="old data is known", flags=("wipe_probe",))
CRITICAL = Finding(severity=Severity.CRITICAL, component="cpu:1", text="machine check", source="kernel log")
GAP = LedgerCell(stage="Storage", component="disk:WD-1")


def test_all_eleven_passed_is_vetted_and_nothing_needs_to_be_said_beside_it() -> None:
    assert judge(passes()) == RunVerdict(word=Word.VETTED, sentence="Vetted: every stage passed.")


def test_the_report_that_is_being_written_counts_as_its_own_stage() -> None:
    ten = passes()[:-1]
    assert judge(ten, state=RunState.REPORTING, writing_report=True).word is Word.VETTED
    assert judge(ten, state=RunState.REPORTING).word is Word.INCOMPLETE
    assert judge(passes()[:-2], state=RunState.REPORTING, writing_report=True).word is Word.INCOMPLETE


def test_a_host_without_a_gpu_is_vetted_and_says_so() -> None:
    attempts = passes(GPU=Verdict.SKIP)
    attempts[STAGE_ORDER.index("GPU")] = replace(attempts[STAGE_ORDER.index("GPU")], reason="no GPU in this host")
    verdict = judge(attempts)
    assert verdict.word is Word.VETTED
    assert verdict.qualifiers == ("GPU skipped: no GPU in this host",)
    assert "no GPU in this host" in verdict.sentence


@pytest.mark.parametrize("stage", [name for name in STAGE_ORDER if name != "GPU"])
def test_any_other_stage_skipped_is_not_vetted(stage: str) -> None:
    verdict = judge(passes(**{stage: Verdict.SKIP}))
    assert verdict.word is Word.PASSED
    assert verdict.qualifiers == (f"{stage} skipped: no reason given",)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"non_destructive": True}, "non-destructive"),
        ({"profile": TASTE}, "shortened: profile taste"),
        ({"overrides": (OVERRIDE,)}, "Storage overridden with wipe_probe by mara because: old data is known"),
        ({"missing": (GAP,)}, "disk:WD-1 in Storage: MISSING"),
        ({"findings": (CRITICAL,)}, "machine check"),
        ({"remarks": ("written to a scratch device only",)}, "scratch device"),
    ],
)
def test_each_reason_by_itself_forbids_vetted_and_is_said_in_words(more: dict[str, object], words: str) -> None:
    verdict = judge(passes(), **more)  # type: ignore[arg-type]
    assert verdict.word is Word.PASSED
    assert any(words in text for text in verdict.qualifiers)
    assert words in verdict.sentence


def test_a_fail_retried_into_a_pass_is_told_and_is_not_vetted() -> None:
    again = AttemptRecord(stage="CPUStress", attempt=2, verdict=Verdict.PASS)
    attempts = [
        replace(one, reason="wrong result") if one.stage == "CPUStress" else one
        for one in passes(CPUStress=Verdict.FAIL)
    ]
    verdict = judge([*attempts, again])
    assert verdict.word is Word.PASSED
    assert verdict.qualifiers == ("CPUStress passed at attempt 2 after FAIL: wrong result",)


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INTERRUPTED])
def test_a_trouble_of_ours_that_a_retry_cured_is_told_and_may_be_vetted(verdict: Verdict) -> None:
    judged = judge([*passes(Network=verdict), AttemptRecord(stage="Network", attempt=2, verdict=Verdict.PASS)])
    assert judged.word is Word.VETTED
    assert judged.qualifiers == (f"Network passed at attempt 2 after {verdict}",)


def test_the_newest_attempt_speaks_whatever_order_they_come_in() -> None:
    first, second = (
        AttemptRecord(stage="Burn", attempt=1, verdict=Verdict.PASS),
        AttemptRecord(stage="Burn", attempt=2, verdict=Verdict.FAIL),
    )
    rest = [one for one in passes() if one.stage != "Burn"]
    for order in ([first, second], [second, first]):
        assert judge([*rest, *order]).word is Word.FAILED


def test_a_result_that_came_late_is_worth_nothing() -> None:
    attempts = [replace(one, counted=one.stage != "Burn") for one in passes()]
    assert judge(attempts).word is Word.INCOMPLETE


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict.FAIL, Word.FAILED),
        (Verdict.ERROR, Word.ERROR),
        (Verdict.INTERRUPTED, Word.INCOMPLETE),
        (Verdict.CANCELLED, Word.INCOMPLETE),
        (Verdict.MISSING, Word.INCOMPLETE),
        (None, Word.INCOMPLETE),
    ],
)
def test_a_run_that_calls_itself_completed_is_not_believed_without_its_passes(
    verdict: Verdict | None, word: Word
) -> None:
    attempts = [replace(one, verdict=verdict) if one.stage == "SMART" else one for one in passes()]
    judged = judge(attempts)
    assert judged.word is word
    assert "SMART" in judged.sentence


def test_a_skipped_component_within_a_passed_stage_is_told() -> None:
    def with_cell(stage: str, component: str) -> RunVerdict:
        cell = Cell(component=component, verdict=Verdict.SKIP, reason="because")
        return judge([replace(one, cells=(cell,)) if one.stage == stage else one for one in passes()])

    assert with_cell("Burn", "disk").word is Word.PASSED
    assert with_cell("Network", "nic:x").word is Word.PASSED
    for stage, component in (("SMART", "disk:X"), ("PSU", "psu")):
        assert with_cell(stage, component).word is Word.VETTED
        assert with_cell(stage, component).qualifiers == (f"{component} skipped in {stage}: because",)


def test_a_bad_component_within_a_stage_that_says_pass_forbids_vetted() -> None:
    cell = Cell(component="disk:WD-1", verdict=Verdict.FAIL, reason="bad")
    judged = judge([replace(one, cells=(cell,)) if one.stage == "SMART" else one for one in passes()])
    assert (judged.word, judged.qualifiers) == (Word.PASSED, ("disk:WD-1 in SMART: FAIL",))


@pytest.mark.parametrize("state", [RunState.BURN, RunState.QUEUED])
def test_a_report_on_the_way_is_of_an_unfinished_run(state: RunState) -> None:
    assert judge(passes(), state=state, writing_report=True).word is Word.INCOMPLETE


@pytest.mark.parametrize(
    ("state", "failed_stage", "last", "lost", "word"),
    [
        (RunState.CANCELLED, "", None, False, Word.CANCELLED),
        (RunState.CANCELLED, "Burn", Verdict.FAIL, False, Word.CANCELLED),
        (RunState.FAILED_HOLDING, "Burn", Verdict.FAIL, False, Word.FAILED),
        (RunState.RELEASED, "Burn", Verdict.FAIL, False, Word.FAILED),
        (RunState.FAILED, "Burn", Verdict.ERROR, False, Word.ERROR),
        (RunState.FAILED, "Burn", Verdict.INTERRUPTED, True, Word.LOST),
        (RunState.FAILED, "dispatch", None, False, Word.ERROR),
        (RunState.FAILED_HOLDING, "Inventory (expected Burn)", Verdict.INTERRUPTED, False, Word.ERROR),
        (RunState.QUEUED, "", None, False, Word.INCOMPLETE),
        (RunState.BURN, "", None, False, Word.INCOMPLETE),
    ],
)
def test_how_a_run_ended_gives_its_word(
    state: RunState, failed_stage: str, last: Verdict | None, lost: bool, word: Word
) -> None:
    attempts = passes()[: STAGE_ORDER.index("Burn")]
    if last is not None:
        attempts.append(AttemptRecord(stage="Burn", attempt=1, verdict=last, reason="what was seen"))
    verdict = judge(attempts, state=state, failed_stage=failed_stage, lost=lost)
    assert verdict.word is word
    assert verdict.sentence.endswith(".")


VERDICTS = st.sampled_from([*Verdict, None])
NOT_PASSED = st.sampled_from(
    [Verdict.FAIL, Verdict.ERROR, Verdict.CANCELLED, Verdict.INTERRUPTED, Verdict.MISSING, None]
)


@given(st.lists(VERDICTS, min_size=11, max_size=11), st.sampled_from(list(RunState)))
def test_only_eleven_passes_of_a_completed_run_are_vetted(verdicts: list[Verdict | None], state: RunState) -> None:
    attempts = [
        AttemptRecord(stage=name, attempt=1, verdict=got) for name, got in zip(STAGE_ORDER, verdicts, strict=True)
    ]
    if judge(attempts, state=state).word is Word.VETTED:
        assert state is RunState.COMPLETED
        for record in attempts:
            assert record.verdict is Verdict.PASS or (record.stage == "GPU" and record.verdict is Verdict.SKIP)


@given(st.sampled_from(STAGE_ORDER), NOT_PASSED)
def test_one_stage_without_a_pass_is_never_vetted_nor_passed(stage: str, verdict: Verdict | None) -> None:
    attempts = [replace(one, verdict=verdict) if one.stage == stage else one for one in passes()]
    assert judge(attempts).word not in (Word.VETTED, Word.PASSED)


@given(
    st.sampled_from(STAGE_ORDER), st.sampled_from(["override", "drop", "absent", "non-destructive", "taste", "finding"])
)
def test_whatever_takes_something_away_never_yields_vetted(stage: str, how: str) -> None:
    attempts, profile = passes(), SOAK
    more: dict[str, object] = {}
    match how:
        case "override":
            more["overrides"] = (Override(stage=stage, by="x", reason="y"),)
        case "drop":
            profile = replace(SOAK, drop=(stage,))
            attempts = [replace(one, verdict=Verdict.SKIP) if one.stage == stage else one for one in attempts]
        case "absent":
            attempts = [one for one in attempts if one.stage != stage]
        case "non-destructive":
            more["non_destructive"] = True
        case "taste":
            profile = TASTE
        case _:
            more["findings"] = (CRITICAL,)
    assert judge(attempts, profile=profile, **more).word is not Word.VETTED  # type: ignore[arg-type]


# --- interleavings ------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """An orchestrator reduced to its rules: the lifecycle table, and (stage, attempt) as the key of a result.

    It records what really happened as well, so that a property can compare: `tested` are the stages in which a load
    that was begun while the stage was current ran to its end in the same boot.
    """

    state: RunState = RunState.INVENTORY
    held_from: RunState | None = None
    boot: int = 1
    attempts: dict[tuple[str, int], AttemptRecord] = field(default_factory=dict)
    late: list[AttemptRecord] = field(default_factory=list)
    posted: list[tuple[str, int, int, Verdict]] = field(default_factory=list)  # results on their way or come before
    tested: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._open()

    @property
    def current(self) -> tuple[str, int] | None:
        running = [key for key, record in self.attempts.items() if record.verdict is None]
        return running[-1] if running else None

    def _open(self) -> None:
        stage = STAGE_OF[self.state]
        number = 1 + sum(1 for name, _ in self.attempts if name == stage)
        self.attempts[stage, number] = AttemptRecord(stage=stage, attempt=number, verdict=None)

    def _close(self, verdict: Verdict) -> None:
        if (key := self.current) is not None:
            self.attempts[key] = replace(self.attempts[key], verdict=verdict)

    def _move(self, event: Event) -> None:
        try:
            target = next_state(self.state, event, held_from=self.held_from)
        except IllegalMove:
            return
        if self.state in IN_STAGE and target not in IN_STAGE:
            self.held_from = self.state
        self.state = target
        if self.state in IN_STAGE:
            self._open()

    def finish(self, verdict: Verdict) -> None:
        """The agent ends the current stage's work and posts."""
        if (key := self.current) is not None:
            self.posted.append((*key, self.boot, verdict))
            if verdict is Verdict.PASS:
                self.tested.add(key[0])
            elif verdict is Verdict.FAIL:
                self.failed.add(key[0])

    def deliver(self, which: int) -> None:
        """Any posted result arrives: again, late, or in another order than it was sent."""
        if not self.posted:
            return
        stage, attempt, boot, verdict = self.posted[which % len(self.posted)]
        record = self.attempts.get((stage, attempt))
        if record is None or record.verdict is not None or self.state not in IN_STAGE:
            self.late.append(AttemptRecord(stage=stage, attempt=attempt, verdict=verdict, counted=False))
            return
        if boot != self.boot or (stage, attempt) != self.current:
            self._close(Verdict.INTERRUPTED)
            self._move(Event.STAGE_MISMATCH)
            return
        self._close(verdict)
        self._move(Event.STAGE_PASSED if verdict.passed else Event.STAGE_FAILED)

    def forge(self, stage: str, attempt: int) -> None:
        """Somebody posts a PASS for a stage of his choice."""
        if self.current == (stage, attempt):
            return  # that would be the real one
        self.posted.append((stage, attempt, self.boot, Verdict.PASS))
        self.deliver(len(self.posted) - 1)
        self.posted.pop()

    def crash(self) -> None:
        """The agent goes and comes back within the boot: a new attempt of the same stage."""
        if self.current is not None and self.state in IN_STAGE:
            self._close(Verdict.INTERRUPTED)
            self._open()

    def reboot(self) -> None:
        self.boot += 1
        if self.state in IN_STAGE:
            self._close(Verdict.FAIL)
            self._move(Event.REBOOTED_UNEXPECTEDLY)

    def time_out(self, event: Event) -> None:
        if self.state in IN_STAGE:
            self._close(Verdict.ERROR if event is Event.DEADLINE_PASSED else Verdict.INTERRUPTED)
            self._move(event)

    def decide(self, event: Event) -> None:
        self._move(event)

    def verdict(self) -> RunVerdict:
        return judge([*self.attempts.values(), *self.late], state=self.state)


STEPS = st.one_of(
    *[st.tuples(st.just("finish"), st.just(Verdict.PASS))] * 4,
    *[st.tuples(st.just("deliver"), st.integers(-3, 3))] * 5,
    st.tuples(st.just("finish"), st.sampled_from([Verdict.FAIL, Verdict.ERROR])),
    st.tuples(st.just("forge"), st.tuples(st.sampled_from(STAGE_ORDER), st.integers(1, 3))),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("reboot"), st.none()),
    st.tuples(st.just("time_out"), st.sampled_from([Event.DEADLINE_PASSED, Event.HOST_LOST])),
    st.tuples(st.just("decide"), st.sampled_from([Event.HELD, Event.OPERATOR_RETRIED, Event.OPERATOR_CANCELLED])),
)


def step(rig: Rig, name: str, argument: object) -> None:
    match name, argument:
        case "finish", Verdict() as verdict:
            rig.finish(verdict)
        case "deliver", int() as which:
            rig.deliver(which)
        case "forge", (str() as stage, int() as attempt):
            rig.forge(stage, attempt)
        case "crash", _:
            rig.crash()
        case "reboot", _:
            rig.reboot()
        case "time_out" | "decide", Event() as event:
            (rig.time_out if name == "time_out" else rig.decide)(event)


@given(st.lists(STEPS, max_size=80))
def test_whatever_order_things_happen_in_vetted_means_that_everything_was_tested(
    steps: list[tuple[str, object]],
) -> None:
    rig = Rig()
    for name, argument in steps:
        step(rig, name, argument)
    verdict = rig.verdict()
    if verdict.word in (Word.VETTED, Word.PASSED):
        assert rig.tested == set(STAGE_ORDER)
    if verdict.word is Word.VETTED:
        assert not any(record.verdict is Verdict.FAIL for record in rig.attempts.values())


@given(st.lists(st.tuples(st.sampled_from(STAGE_ORDER), st.integers(0, 3)), max_size=6))
def test_a_run_with_mishaps_of_ours_on_its_way_still_comes_to_its_end(mishaps: list[tuple[str, int]]) -> None:
    """So that the property above is about runs that do complete."""
    rig = Rig()
    for state in IN_STAGE:
        for stage, kind in mishaps:
            if stage == STAGE_OF[state]:
                (rig.crash, lambda: rig.deliver(0), rig.crash, lambda: rig.deliver(-1))[kind]()
        if rig.state is not state:
            return  # a repeated result parked the run: right, and no end to look at
        rig.finish(Verdict.PASS)
        rig.deliver(-1)
    assert rig.state is RunState.COMPLETED
    assert rig.verdict().word is Word.VETTED
