"""Nothing that can happen in any order makes a pass of work that was not done; and where one rule is taken away, that is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.orchestrator.any_order import AnyOrder
from vetting import wire
from vetting.orchestrator import running
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.witness import Witness
from vetting.store import attempts
from vetting.store.rows import RunRow

CALM = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
HUNT = settings(CALM, max_examples=60, stateful_step_count=15, phases=(Phase.generate,), report_multiple_bugs=False)
Taken = tuple[wire.ResultReply | None, str]


def test_no_order_of_events_makes_a_pass_of_what_was_not_tested() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(CALM, max_examples=4, stateful_step_count=8))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_long_and_no_rare_order_of_events_does_either() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(CALM, max_examples=40, stateful_step_count=25))


take = running.result


def whatever_the_boot(turn: Turn, run: RunRow, posted: wire.Result, witness: Witness) -> Taken:
    return take(
        turn,
        run,
        wire.Result(boot_id=run.boot_id, stage=posted.stage, attempt=posted.attempt, outcome=posted.outcome),
        witness,
    )


def however_late(turn: Turn, run: RunRow, posted: wire.Result, witness: Witness) -> Taken:
    before = attempts.find(run.id, posted.stage, posted.attempt)
    if before is None or before.verdict is None or posted.stage != run.stage:
        return take(turn, run, posted, witness)
    return running._judged(turn, run, before, posted.outcome, witness, ""), ""


def nothing(*anything: Any, **more: Any) -> list[Any]:
    return []


RULES: dict[str, tuple[str, Callable[..., Any]]] = {
    "the boot that a result comes from": ("vetting.orchestrator.running.result", whatever_the_boot),
    "that an attempt is over": ("vetting.orchestrator.running.result", however_late),
    "parts without a result": ("vetting.domain.evidence.missing", nothing),
    "the time that it took": ("vetting.domain.evidence._time", nothing),
    "the work that was done": ("vetting.domain.evidence.covered", nothing),
    "whether it may be skipped": ("vetting.domain.evidence.skip_refused", lambda plan: ""),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_nobody_keeps_any_more_is_missed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*RULES[rule])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=HUNT)
