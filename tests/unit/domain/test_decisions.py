"""Which decisions are open: the lifecycle table says it, and nothing else does."""

from __future__ import annotations

import pytest

from vetting.domain.decisions import (
    ACCEPT,
    CANCEL,
    CANCEL_REBOOT,
    DECISIONS,
    OVERRIDE,
    OVERRIDE_WIPE,
    RELEASE,
    RETRY,
    decisions_open,
    occasion,
)
from vetting.domain.states import BEFORE_CLAIM, CLOSED, IN_STAGE, MOVES, RunState

HELD = RunState.FAILED_HOLDING


@pytest.mark.parametrize("state", [*BEFORE_CLAIM, *IN_STAGE, RunState.FAILED])
def test_what_has_not_ended_and_is_not_held_can_be_cancelled_and_nothing_else(state: RunState) -> None:
    assert decisions_open(state, failed_stage="Burn" if state is RunState.FAILED else "") == (CANCEL,)


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_what_is_over_is_not_decided_about(state: RunState) -> None:
    assert decisions_open(state, held_from=RunState.BURN, failed_stage="Burn") == ()


@pytest.mark.parametrize("held_from", IN_STAGE)
def test_a_hold_can_be_left_in_every_way(held_from: RunState) -> None:
    found = decisions_open(HELD, held_from=held_from, failed_stage="x")
    extra = (ACCEPT,) if held_from is RunState.SPEC_VALIDATE else ()
    assert found == (RETRY, OVERRIDE, *extra, RELEASE, CANCEL_REBOOT)


def test_a_host_held_before_any_stage_has_none_to_enter_again() -> None:
    assert decisions_open(HELD, held_from=None, failed_stage="claim") == (RELEASE, CANCEL_REBOOT)


def test_the_wipe_probe_is_overridden_only_where_it_found_something() -> None:
    reason = "Storage ERROR: UnexpectedData: disk:D1 holds LVM"
    assert OVERRIDE_WIPE in decisions_open(HELD, held_from=RunState.STORAGE, failed_stage="Storage", reason=reason)
    other = decisions_open(HELD, held_from=RunState.STORAGE, failed_stage="Storage", reason="Storage FAIL: bad blocks")
    assert OVERRIDE_WIPE not in other
    assert OVERRIDE_WIPE not in decisions_open(HELD, held_from=RunState.BURN, failed_stage="Burn", reason=reason)


def test_every_button_is_a_move_of_the_table() -> None:
    for state in RunState:
        for one in decisions_open(state, held_from=RunState.STORAGE, failed_stage="Storage", reason="UnexpectedData"):
            assert (state, one.event) in MOVES


def test_only_an_override_needs_a_reason() -> None:
    assert {one.name for one in DECISIONS if one.needs_reason} == {
        "override", "override-wipe-probe", "accept-differences",
    }  # fmt: skip


def test_stages_turn_over_by_themselves_and_every_hold_is_another_occasion() -> None:
    assert occasion(RunState.SMART, 7) == occasion(RunState.BURN, 11)
    assert occasion(HELD, 9) != occasion(HELD, 12)
    assert occasion(HELD, 9) != occasion(RunState.FAILED, 9)
