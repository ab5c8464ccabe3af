"""Runs and their moves. Every function is called inside `Store.write` or `Store.read`.

Nothing here knows the lifecycle: a move is a compare-and-set, and `vetting.orchestrator.progress` alone decides on one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypedDict, Unpack

from vetting import wire
from vetting.domain.errors import NotFound
from vetting.domain.image import LiveImage
from vetting.domain.states import ACTIVE, IN_STAGE, RunState
from vetting.store.models import Run, Transition
from vetting.store.rows import NewRun, PeerRow, RunRow, TransitionRow, row


class RunChanges(TypedDict, total=False):
    """What may be changed beside the state. What was seeded (profile, spec, disks) is not among it."""

    stage: str
    failed_stage: str
    held_from: RunState | None
    reason: str
    verdict: str
    verdict_detail: dict[str, Any]
    started_at: float | None
    ended_at: float | None
    boot_id: str
    token_hash: str
    token_incarnation: int
    ticket_hash: str
    ticket_expires_at: float | None
    ticket_used_at: float | None
    iperf_port: int
    heartbeat_at: float | None
    heartbeat: wire.Heartbeat | None
    command: wire.Command | None
    hold_addresses: tuple[str, ...]
    hold_public_key: str
    hold_private_key: str
    hold_host_keys: tuple[str, ...]
    peer: str
    image: LiveImage | None
    sel_record_id: int | None


def create(new: NewRun, *, now: float, state: RunState = RunState.QUEUED) -> RunRow:
    """A new run, with its first transition (from nothing, event "created") written beside it."""
    made = Run.create(
        host=new.host_id,
        host_name=new.host_name,
        profile_name=new.profile.name,
        profile=new.profile,
        non_destructive=new.non_destructive,
        start_by=new.start_by,
        requested_by=new.requested_by,
        state=state,
        verdict_detail={},
        created_at=now,
        ticket_hash=new.ticket_hash,
        ticket_expires_at=new.ticket_expires_at,
        hold_addresses=(),
        spec=new.spec,
        expected_disks=new.expected_disks,
        shortfalls=new.shortfalls,
        scaled=new.scaled,
        cut_power=new.cut_power,
    )
    add_transition(made.id, at=now, from_state=None, event="created", to_state=state, who=new.requested_by)
    return get(made.id)


def find(run_id: int) -> RunRow | None:
    """The run with this number."""
    return _one(Run.id == run_id)


def get(run_id: int) -> RunRow:
    """As `find`. Raises NotFound."""
    if (run := find(run_id)) is None:
        raise NotFound(f"there is no run {run_id}; `vetting run list` shows those that there are", run=run_id)
    return run


def by_token(token_hash: str) -> RunRow | None:
    """The run whose token has this hash; compare it again with `tokens.matches`."""
    return _one(Run.token_hash == token_hash) if token_hash else None


def by_ticket(ticket_hash: str) -> RunRow | None:
    """The run whose boot ticket has this hash, used and expired ones too; compare it again with `tokens.matches`."""
    return _one(Run.ticket_hash == ticket_hash) if ticket_hash else None


def listing(
    *,
    host_id: int | None = None,
    states: Collection[RunState] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[RunRow]:
    """Runs, newest first; `before_id` pages on."""
    query = Run.select().order_by(Run.id.desc()).limit(limit)
    if host_id is not None:
        query = query.where(Run.host == host_id)
    if states is not None:
        query = query.where(Run.state.in_([str(state) for state in states]))
    if before_id is not None:
        query = query.where(Run.id < before_id)
    return [row(RunRow, record) for record in query]


def any_in(states: Collection[RunState]) -> bool:
    """Whether there is a run in one of these states; looks no further than the first."""
    return bool(Run.select(Run.id).where(Run.state.in_([str(state) for state in states])).exists())


def in_states(states: Collection[RunState]) -> list[RunRow]:
    """All runs in these states, oldest first: the order in which they are served."""
    query = Run.select().where(Run.state.in_([str(state) for state in states])).order_by(Run.id)
    return [row(RunRow, record) for record in query]


def peers(*, limit: int = 2000) -> list[PeerRow]:
    """Claimed runs that are not over, with the address that their host claimed from; newest first."""
    columns = (Run.id, Run.peer, Run.state, Run.stage, Run.boot_id)
    wanted = [str(state) for state in (*IN_STAGE, RunState.FAILED, RunState.FAILED_HOLDING)]
    query = Run.select(*columns).where(Run.state.in_(wanted) & (Run.peer != "")).order_by(Run.id.desc()).limit(limit)
    return [PeerRow(one.id, one.peer, one.state, one.stage, one.boot_id) for one in query]


def count_erasing(states: Collection[RunState]) -> int:
    """How many runs in these states may write to disks."""
    wanted = [str(state) for state in states]
    return int(Run.select().where(Run.state.in_(wanted) & (Run.non_destructive == False)).count())  # noqa: E712 - SQL


def active_run_of_host(host_id: int, states: Collection[RunState] = ACTIVE) -> RunRow | None:
    """The newest run of a host that is in one of `states`."""
    return next(iter(listing(host_id=host_id, states=states, limit=1)), None)


def newest_run_of_host(host_id: int) -> RunRow | None:
    """The newest run of a host, in any state."""
    return next(iter(listing(host_id=host_id, limit=1)), None)


def move(run_id: int, from_state: RunState, to_state: RunState, **changes: Unpack[RunChanges]) -> bool:
    """Compare-and-set: True when this call moved the run, False when it was not in `from_state` (somebody else won).

    The changes are written with the move or not at all. Write the transition in the same function.
    """
    values: dict[str, Any] = {"state": to_state, **changes}
    return _changed(values, (Run.id == run_id) & (Run.state == from_state))


def change(run_id: int, **changes: Unpack[RunChanges]) -> bool:
    """Changes beside the state; False where there is no such run."""
    return _changed(dict(changes), Run.id == run_id)


def change_in(run_id: int, state: RunState, **changes: Unpack[RunChanges]) -> bool:
    """As `change`, only while the run is in `state`."""
    return _changed(dict(changes), (Run.id == run_id) & (Run.state == state))


def use_ticket(run_id: int, ticket_hash: str, *, now: float) -> bool:
    """Compare-and-set: True for the first use of an unexpired ticket, False for every other."""
    unused = Run.ticket_used_at.is_null() & (Run.ticket_expires_at > now)
    return _changed({"ticket_used_at": now}, (Run.id == run_id) & (Run.ticket_hash == ticket_hash) & unused)


def add_transition(
    run_id: int, *, at: float, from_state: RunState | None, event: str, to_state: RunState, who: str = "", why: str = ""
) -> None:
    """What happened to a run, when, by whom and why; kept for ever."""
    Transition.insert(
        run=run_id, at=at, from_state=from_state, event=event, to_state=to_state, who=who, why=why
    ).execute()


def moves(run_id: int) -> int:
    """How many transitions a run has behind it."""
    return int(Transition.select().where(Transition.run == run_id).count())


def transitions_of(run_id: int) -> list[TransitionRow]:
    """All that happened to a run, oldest first."""
    query = Transition.select().where(Transition.run == run_id).order_by(Transition.id)
    return [row(TransitionRow, record) for record in query]


def _one(condition: Any) -> RunRow | None:
    record = Run.get_or_none(condition)
    return None if record is None else row(RunRow, record)


def _changed(values: dict[str, Any], condition: Any) -> bool:
    return bool(values) and Run.update(values).where(condition).execute() == 1
