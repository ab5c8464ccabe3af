"""What a person may decide about a run, derived from the lifecycle table: the buttons that fit its state and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vetting.domain.permit import WIPE_PROBE
from vetting.domain.states import IN_STAGE, MOVES, STAGE_OF, Event, Reenter, RunState

ACCEPT_DIFFERENCES = "accept_differences"
FLAGS_OF = {"Storage": (WIPE_PROBE,), "SpecValidate": (ACCEPT_DIFFERENCES,)}
UNEXPECTED = "UnexpectedData"  # how the reason begins where the wipe probe found something


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`name` tells it from the others; `verb` is what the orchestrator is asked for: cancel, override, retry, release."""

    name: str
    verb: str
    event: Event
    flags: tuple[str, ...] = ()

    @property
    def needs_reason(self) -> bool:
        """An override is printed with its reason on every later report."""
        return self.verb == "override"


CANCEL = Decision(name="cancel", verb="cancel", event=Event.OPERATOR_CANCELLED)
CANCEL_REBOOT = Decision(name="cancel-reboot", verb="cancel", event=Event.OPERATOR_CANCELLED)
OVERRIDE = Decision(name="override", verb="override", event=Event.OPERATOR_OVERRODE)
OVERRIDE_WIPE = Decision(
    name="override-wipe-probe", verb="override", event=Event.OPERATOR_OVERRODE, flags=(WIPE_PROBE,)
)
ACCEPT = Decision(
    name="accept-differences", verb="override", event=Event.OPERATOR_OVERRODE, flags=(ACCEPT_DIFFERENCES,)
)
RETRY = Decision(name="retry", verb="retry", event=Event.OPERATOR_RETRIED)
RELEASE = Decision(name="release", verb="release", event=Event.OPERATOR_RELEASED)
DECISIONS = (RETRY, OVERRIDE, OVERRIDE_WIPE, ACCEPT, RELEASE, CANCEL, CANCEL_REBOOT)


def decisions_open(
    state: RunState, *, held_from: RunState | None = None, failed_stage: str = "", reason: str = ""
) -> tuple[Decision, ...]:
    """What the table allows now, in the order in which the buttons stand."""
    return tuple(_open(state, held_from, failed_stage, reason))


def _open(state: RunState, held_from: RunState | None, failed_stage: str, reason: str) -> Iterator[Decision]:
    from_hold = state is RunState.FAILED_HOLDING and bool(failed_stage)
    for one in DECISIONS:
        target = MOVES.get((state, one.event))
        if target is None or (isinstance(target, Reenter) and held_from not in IN_STAGE):
            continue
        if one.verb == "cancel" and one is not (CANCEL_REBOOT if from_hold else CANCEL):
            continue
        if one.flags and not fits(one.flags[0], STAGE_OF[held_from] if held_from else "", reason):
            continue
        yield one


def fits(flag: str, stage: str, reason: str) -> bool:
    """Whether a flag speaks to what stopped the stage: nobody allows to erase what nobody was shown."""
    return flag in FLAGS_OF.get(stage, ()) and (flag != WIPE_PROBE or UNEXPECTED in reason)


def occasion(state: RunState, moves: int) -> str:
    """What a person looked at when deciding. While stages run they turn over by themselves, and what is decided about them
    means the same in each; every hold is one of its own. `moves`: how many the run has made."""
    return "in a stage" if state in IN_STAGE else f"{state}, move {moves}"
