"""The whole lifecycle of a run as one table: state × event → state. A move that is not here is illegal.

The diagram in docs/architecture.md is generated from MOVES. Nothing else decides where a run goes.
"""

from __future__ import annotations

from enum import StrEnum

from vetting.domain.errors import IllegalMove


class RunState(StrEnum):
    QUEUED = "Queued"
    WAITING_REBOOT = "WaitingReboot"  # the reporter was told to reboot
    WAITING_WOL = "WaitingWoL"  # a magic packet was sent
    WAITING_POWER = "WaitingPower"  # the BMC, or a person, powers it on
    BOOTING = "Booting"  # the host asked for its boot script
    INVENTORY = "InventoryCheck"
    FIRMWARE = "Firmware"
    SPEC_VALIDATE = "SpecValidate"
    SMART = "SMART"
    CPU_STRESS = "CPUStress"
    STORAGE = "Storage"
    NETWORK = "Network"
    BURN = "Burn"
    GPU = "GPU"
    PSU = "PSU"
    REPORTING = "Reporting"
    COMPLETED = "Completed"
    FAILED = "Failed"
    FAILED_HOLDING = "FailedHolding"
    CANCELLED = "Cancelled"
    RELEASED = "Released"


class Event(StrEnum):
    REBOOT_COMMANDED = "reboot commanded"
    WOL_SENT = "wake-on-LAN sent"
    POWER_COMMANDED = "power-on commanded"
    BOOT_REQUESTED = "boot script requested"
    DISPATCH_FAILED = "dispatch failed"
    AGENT_CLAIMED = "agent claimed"
    CLAIM_REFUSED = "claim refused"  # not the host on record, or a second agent
    STAGE_PASSED = "stage passed"
    STAGE_FAILED = "stage failed"
    STAGE_MISMATCH = "stage mismatch"
    DEADLINE_PASSED = "deadline passed"
    REBOOTED_UNEXPECTEDLY = "rebooted unexpectedly"
    HOST_LOST = "host lost"
    HELD = "held"  # the agent of a failed host is there and waits
    OPERATOR_OVERRODE = "operator overrode"
    OPERATOR_RETRIED = "operator retried"
    OPERATOR_CANCELLED = "operator cancelled"
    OPERATOR_RELEASED = "operator released"


class Reenter:
    """Target of a move back into the stage that the run was held from."""

    def __repr__(self) -> str:
        return "the failed stage"


REENTER = Reenter()

# A stage's name is its state's name, except Inventory.
STAGE_ORDER: tuple[str, ...] = (
    "Inventory",
    "Firmware",
    "SpecValidate",
    "SMART",
    "CPUStress",
    "Storage",
    "Network",
    "Burn",
    "GPU",
    "PSU",
    "Reporting",
)
ORCHESTRATOR_STAGES = frozenset({"SpecValidate", "Reporting"})
STATE_OF: dict[str, RunState] = {
    name: RunState.INVENTORY if name == "Inventory" else RunState(name) for name in STAGE_ORDER
}
STAGE_OF: dict[RunState, str] = {state: name for name, state in STATE_OF.items()}

WAITING = (RunState.WAITING_REBOOT, RunState.WAITING_WOL, RunState.WAITING_POWER)
BEFORE_CLAIM = (RunState.QUEUED, *WAITING, RunState.BOOTING)
IN_STAGE = tuple(STATE_OF[name] for name in STAGE_ORDER)
ACTIVE = frozenset({*BEFORE_CLAIM, *IN_STAGE, RunState.FAILED_HOLDING})
CLOSED = frozenset({RunState.COMPLETED, RunState.CANCELLED, RunState.RELEASED})

Target = RunState | Reenter


def _table() -> dict[tuple[RunState, Event], Target]:
    moves: dict[tuple[RunState, Event], Target] = {
        (RunState.QUEUED, Event.REBOOT_COMMANDED): RunState.WAITING_REBOOT,
        (RunState.QUEUED, Event.WOL_SENT): RunState.WAITING_WOL,
        (RunState.QUEUED, Event.POWER_COMMANDED): RunState.WAITING_POWER,
        (RunState.BOOTING, Event.BOOT_REQUESTED): RunState.BOOTING,  # a second try at the same boot
        (RunState.BOOTING, Event.AGENT_CLAIMED): RunState.INVENTORY,
        (RunState.BOOTING, Event.CLAIM_REFUSED): RunState.FAILED_HOLDING,
        (RunState.FAILED, Event.HELD): RunState.FAILED_HOLDING,
        (RunState.FAILED, Event.OPERATOR_CANCELLED): RunState.CANCELLED,
        (RunState.FAILED_HOLDING, Event.OPERATOR_OVERRODE): REENTER,
        (RunState.FAILED_HOLDING, Event.OPERATOR_RETRIED): REENTER,
        (RunState.FAILED_HOLDING, Event.OPERATOR_CANCELLED): RunState.CANCELLED,
        (RunState.FAILED_HOLDING, Event.OPERATOR_RELEASED): RunState.RELEASED,
        (RunState.FAILED_HOLDING, Event.STAGE_MISMATCH): RunState.FAILED_HOLDING,  # a late result changes nothing
        (RunState.FAILED_HOLDING, Event.REBOOTED_UNEXPECTEDLY): RunState.FAILED_HOLDING,
    }
    for waiting in WAITING:
        moves[waiting, Event.BOOT_REQUESTED] = RunState.BOOTING
    for state in BEFORE_CLAIM:
        moves[state, Event.DISPATCH_FAILED] = RunState.FAILED
        moves[state, Event.OPERATOR_CANCELLED] = RunState.CANCELLED
    after = [*IN_STAGE[1:], RunState.COMPLETED]
    for state, following in zip(IN_STAGE, after, strict=True):
        moves[state, Event.STAGE_PASSED] = following
        moves[state, Event.STAGE_FAILED] = RunState.FAILED
        moves[state, Event.STAGE_MISMATCH] = RunState.FAILED_HOLDING
        moves[state, Event.DEADLINE_PASSED] = RunState.FAILED
        moves[state, Event.REBOOTED_UNEXPECTEDLY] = RunState.FAILED_HOLDING
        moves[state, Event.CLAIM_REFUSED] = RunState.FAILED_HOLDING  # a second agent came with the used ticket
        moves[state, Event.HOST_LOST] = RunState.FAILED
        moves[state, Event.OPERATOR_CANCELLED] = RunState.CANCELLED
    return moves


MOVES: dict[tuple[RunState, Event], Target] = _table()


def next_state(state: RunState, event: Event, *, held_from: RunState | None = None) -> RunState:
    """Where an event takes a run. `held_from` is the stage's state that a held run re-enters.

    Raises IllegalMove for every pair that is not in the table, and for re-entry with nothing to re-enter.
    """
    target = MOVES.get((state, event))
    if target is None:
        raise IllegalMove(f"a run that is {state} cannot take the event '{event}'", state=str(state), event=str(event))
    if not isinstance(target, Reenter):
        return target
    if held_from is None or held_from not in IN_STAGE:
        raise IllegalMove(
            "this run was held before any stage began; there is no stage to enter again: cancel it and start a new run",
            state=str(state),
            event=str(event),
        )
    return held_from


def next_agent_stage(stage: str) -> str | None:
    """The agent's next stage after `stage`, passing over those that the orchestrator does itself."""
    for name in STAGE_ORDER[STAGE_ORDER.index(stage) + 1 :]:
        if name not in ORCHESTRATOR_STAGES:
            return name
    return None
