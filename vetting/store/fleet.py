"""Every host at a glance: the newest run, the last one that ended, the attempt that runs. Called inside `Store.read`.

Two queries however many hosts there are, and no large column among what they fetch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
import peewee as pw

from vetting import wire
from vetting.domain.states import CLOSED, IN_STAGE, RunState
from vetting.store.models import Attempt, Host, Run

OVER = tuple(str(state) for state in (*sorted(CLOSED), RunState.FAILED))  # nothing more comes of these by itself


class Said(msgspec.Struct, frozen=True):
    """The part of a run's verdict that stands beside its host. Unknown fields are passed over."""

    word: str = ""
    qualifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """A host's newest run, over or not."""

    run_id: int
    state: RunState
    stage: str
    failed_stage: str
    reason: str
    profile: str
    non_destructive: bool
    created_at: float
    ended_at: float | None
    heartbeat_at: float | None
    progress: wire.Progress  # of the stage that runs, as its agent last said
    attempt: int = 0  # 0: no attempt runs
    attempt_at: float | None = None  # since when


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The last run that is over."""

    run_id: int
    state: RunState
    word: str  # empty where the run came to no verdict: its host never booted
    qualifiers: tuple[str, ...]
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    host_id: int
    name: str
    macs: tuple[str, ...]
    note: str
    registered_at: float | None
    reporter_seen_at: float | None
    newest: Newest | None
    last: Last | None


_newer, _older, _ended, _of = (pw.Table("runs").alias(name) for name in ("newer", "older", "ended", "of"))
_COLUMNS = (
    Host.id, Host.name, Host.macs, Host.note, Host.registered_at, Host.reporter_seen_at,
    Run.id, Run.state, Run.stage, Run.failed_stage, Run.reason, Run.profile_name, Run.non_destructive, Run.created_at,
    Run.ended_at, Run.heartbeat_at, Run.heartbeat,
    _older.c.id, _older.c.state, _older.c.verdict_detail, _older.c.ended_at,
)  # fmt: skip
_TEXTS = msgspec.json.Decoder(tuple[str, ...])
_SAID = msgspec.json.Decoder(Said)
_BEAT = msgspec.json.Decoder(wire.Heartbeat)


def look(*, hosts: Collection[int] | None = None, runs: Collection[int] = ()) -> list[FleetRow]:
    """All hosts that are not removed, by name; with `hosts` or `runs` only those, and those that the runs are of."""
    newest = _newer.select(pw.fn.MAX(_newer.c.id)).where(_newer.c.host_id == Host.id)
    over = (_ended.c.host_id == Host.id) & _ended.c.state.in_(OVER)
    last = _ended.select(_ended.c.id).where(over).order_by(_ended.c.id.desc()).limit(1)
    query = (
        Host.select(*_COLUMNS)
        .join(Run, pw.JOIN.LEFT_OUTER, on=(Run.id == newest))
        .join(_older, pw.JOIN.LEFT_OUTER, on=(_older.c.id == last))
        .where(Host.removed_at == 0.0)
        .order_by(Host.name)
    )
    if hosts is not None or runs:
        wanted = _of.select(_of.c.host_id).where(_of.c.id.in_(list(runs)))
        query = query.where(Host.id.in_(list(hosts or ())) | Host.id.in_(wanted))
    going = _going()
    return [_row(record, going) for record in _raw(query)]


def addresses() -> frozenset[str]:
    """Every MAC address that belongs to a host."""
    found = _raw(Host.select(Host.macs).where(Host.removed_at == 0.0))
    return frozenset(mac for (macs,) in found for mac in _TEXTS.decode(macs))


def serials() -> dict[int, tuple[str, ...]]:
    """By host, every serial number that it is known by: its own, and those of its disks. For searching."""
    found = _raw(Host.select(Host.id, Host.spec, Host.identity).where(Host.removed_at == 0.0))
    return {host_id: _serials_in(spec) + _serials_in(identity) for host_id, spec, identity in found}


class _Disk(msgspec.Struct, frozen=True):
    serial: str = ""


class _Serials(msgspec.Struct, frozen=True):
    """What the expected spec and the identity of a host have of them."""

    system_serial: str = ""
    board_serial: str = ""
    disks: tuple[_Disk, ...] = ()
    disk_serials: tuple[str, ...] = ()


_SERIALS = msgspec.json.Decoder(_Serials)


def _serials_in(text: str | None) -> tuple[str, ...]:
    if not text:
        return ()
    known = _SERIALS.decode(text)
    return (known.system_serial, known.board_serial, *(disk.serial for disk in known.disks), *known.disk_serials)


def _going() -> dict[int, tuple[int, float]]:
    """The attempts that have not ended, by run: their numbers and since when."""
    query = Attempt.select(Attempt.run, Attempt.attempt, Attempt.started_at).where(Attempt.ended_at.is_null())
    return {run_id: (number, at) for run_id, number, at in _raw(query)}


def _raw(query: Any) -> list[tuple[Any, ...]]:
    """Rows as SQLite has them: no column's text is decoded before somebody wants it."""
    database = Host._meta.database
    return list(database.execute(query))


def _row(record: tuple[Any, ...], going: dict[int, tuple[int, float]]) -> FleetRow:
    host_id, name, macs, note, registered_at, seen_at = record[:6]
    return FleetRow(
        host_id=host_id, name=name, macs=_TEXTS.decode(macs), note=note, registered_at=registered_at,
        reporter_seen_at=seen_at, newest=_newest(record[6:17], going), last=_last(record[17:]),
    )  # fmt: skip


def _newest(part: tuple[Any, ...], going: dict[int, tuple[int, float]]) -> Newest | None:
    run_id, state, stage, failed_stage, reason, profile, harmless, created_at, ended_at, beat_at, beat = part
    if run_id is None:
        return None
    state = RunState(state)
    number, since = going.get(run_id, (0, None))
    progress = wire.Progress()
    if beat and number and state in IN_STAGE:
        said = _BEAT.decode(beat)
        progress = said.progress if (said.stage, said.attempt) == (stage, number) else progress
    return Newest(
        run_id=run_id, state=state, stage=stage, failed_stage=failed_stage, reason=reason, profile=profile,
        non_destructive=bool(harmless), created_at=created_at, ended_at=ended_at, heartbeat_at=beat_at,
        progress=progress, attempt=number, attempt_at=since,
    )  # fmt: skip


def _last(part: tuple[Any, ...]) -> Last | None:
    run_id, state, detail, ended_at = part
    if run_id is None:
        return None
    said = _SAID.decode(detail)
    return Last(run_id=run_id, state=RunState(state), word=said.word, qualifiers=said.qualifiers, ended_at=ended_at)
