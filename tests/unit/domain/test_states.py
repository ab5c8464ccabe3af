"""The lifecycle table, walked through completely."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain.errors import IllegalMove
from vetting.domain.states import (
    ACTIVE,
    CLOSED,
    IN_STAGE,
    MOVES,
    ORCHESTRATOR_STAGES,
    REENTER,
    STAGE_OF,
    STAGE_ORDER,
    STATE_OF,
    Event,
    Reenter,
    RunState,
    next_agent_stage,
    next_state,
)

ELEVEN = "InventoryCheck Firmware SpecValidate SMART CPUStress Storage Network Burn GPU PSU Reporting"


@pytest.mark.parametrize(("state", "event"), list(product(RunState, Event)))
def test_every_pair_either_moves_as_the_table_says_or_is_refused(state: RunState, event: Event) -> None:
    if (state, event) not in MOVES:
        with pytest.raises(IllegalMove, match=str(state)):
            next_state(state, event, held_from=RunState.BURN)
        return
    target = next_state(state, event, held_from=RunState.BURN)
    assert target is (RunState.BURN if isinstance(MOVES[state, event], Reenter) else MOVES[state, event])


def test_the_stages_are_the_eleven_in_their_order() -> None:
    assert " ".join(IN_STAGE) == ELEVEN
    assert len(STAGE_ORDER) == 11
    assert {STAGE_OF[STATE_OF[name]] for name in STAGE_ORDER} == set(STAGE_ORDER)


def test_a_passed_stage_leads_to_the_next_and_the_last_to_completed() -> None:
    after = [*IN_STAGE[1:], RunState.COMPLETED]
    assert [next_state(state, Event.STAGE_PASSED) for state in IN_STAGE] == after


def test_completed_is_reached_from_reporting_alone() -> None:
    assert [pair for pair, to in MOVES.items() if to is RunState.COMPLETED] == [
        (RunState.REPORTING, Event.STAGE_PASSED)
    ]


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_a_closed_state_has_no_exits(state: RunState) -> None:
    assert not [event for event in Event if (state, event) in MOVES]


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_active_state_can_be_cancelled(state: RunState) -> None:
    assert next_state(state, Event.OPERATOR_CANCELLED) is RunState.CANCELLED


def test_a_failed_run_can_be_cancelled_too() -> None:
    assert next_state(RunState.FAILED, Event.OPERATOR_CANCELLED) is RunState.CANCELLED


@pytest.mark.parametrize("state", sorted(IN_STAGE))
def test_each_stage_can_fail_mismatch_run_late_reboot_and_be_lost(state: RunState) -> None:
    assert next_state(state, Event.STAGE_FAILED) is RunState.FAILED
    assert next_state(state, Event.DEADLINE_PASSED) is RunState.FAILED
    assert next_state(state, Event.HOST_LOST) is RunState.FAILED
    assert next_state(state, Event.STAGE_MISMATCH) is RunState.FAILED_HOLDING
    assert next_state(state, Event.REBOOTED_UNEXPECTEDLY) is RunState.FAILED_HOLDING


@pytest.mark.parametrize("event", [Event.OPERATOR_OVERRODE, Event.OPERATOR_RETRIED])
def test_a_hold_is_left_into_the_stage_it_came_from(event: Event) -> None:
    assert MOVES[RunState.FAILED_HOLDING, event] is REENTER
    assert next_state(RunState.FAILED_HOLDING, event, held_from=RunState.STORAGE) is RunState.STORAGE


@pytest.mark.parametrize("held_from", [None, RunState.BOOTING, RunState.FAILED, RunState.COMPLETED])
def test_a_run_held_before_any_stage_cannot_be_entered_again(held_from: RunState | None) -> None:
    with pytest.raises(IllegalMove, match="start a new run"):
        next_state(RunState.FAILED_HOLDING, Event.OPERATOR_OVERRODE, held_from=held_from)


def test_every_state_can_be_reached_and_every_event_happens() -> None:
    targets = {to for to in MOVES.values() if isinstance(to, RunState)}
    assert targets | {RunState.QUEUED} == set(RunState)
    assert {event for _, event in MOVES} == set(Event)


def test_a_failed_run_does_not_go_back_into_a_stage_by_itself() -> None:
    """A host that was lost and speaks again is held, not resumed as if nothing had been."""
    assert {to for (state, _), to in MOVES.items() if state is RunState.FAILED} == {
        RunState.FAILED_HOLDING,
        RunState.CANCELLED,
    }


def walk(events: list[Event]) -> tuple[RunState, list[RunState]]:
    """Takes a run through events as the orchestrator does; what the table refuses changes nothing."""
    state, held_from, passed = RunState.QUEUED, None, []
    for event in events:
        try:
            target = next_state(state, event, held_from=held_from)
        except IllegalMove:
            continue
        if event is Event.STAGE_PASSED:
            passed.append(state)
        if state in IN_STAGE and target in (RunState.FAILED, RunState.FAILED_HOLDING):
            held_from = state
        state = target
    return state, passed


LIKELY = st.sampled_from([Event.STAGE_PASSED] * 12 + list(Event))
START = [Event.REBOOT_COMMANDED, Event.BOOT_REQUESTED, Event.AGENT_CLAIMED]


@given(st.lists(LIKELY, max_size=60))
def test_no_path_reaches_completed_without_each_of_the_eleven_passed_in_order(events: list[Event]) -> None:
    state, passed = walk(START + events)
    assert passed == list(IN_STAGE[: len(passed)])
    assert (state is RunState.COMPLETED) is (len(passed) == 11)


@given(st.lists(st.sampled_from(list(Event)), max_size=40))
def test_from_the_queue_no_path_skips_the_claim(events: list[Event]) -> None:
    state, passed = walk(events)
    if state in IN_STAGE or passed:
        assert Event.AGENT_CLAIMED in events and Event.BOOT_REQUESTED in events


def test_the_straight_path_completes() -> None:
    assert walk(START + [Event.STAGE_PASSED] * 11) == (RunState.COMPLETED, list(IN_STAGE))


def test_the_agent_is_led_past_the_orchestrators_own_stages() -> None:
    order, stage = ["Inventory"], "Inventory"
    while (following := next_agent_stage(stage)) is not None:
        order.append(following)
        stage = following
    assert order == [name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES]
