"""What people change beside runs: hosts, tokens; and whose token a call carries."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from vetting import wire
from vetting.clock import Clock
from vetting.domain import pins
from vetting.domain.errors import BadInput, Conflict, NotAllowed, NotFound, Unavailable
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.specchanges import changes
from vetting.domain.states import CLOSED
from vetting.orchestrator import bmcs
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.witness import Witnesses
from vetting.store import audit, hosts, runs, tokens
from vetting.store.db import Store
from vetting.store.rows import HostRow

NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
NOT_A_NAME = "new"  # stands in a host's place in the console's addresses
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
REFUSED = "the token is not valid here; it may be mistyped, replaced, or of a run that is over"
AFTERLIFE_S = 3600.0  # a run that is over still tells its agent to shut down
REMEMBERED_S = 10.0  # how long a token is believed without another look, for a database may have several writers
REMEMBERED = 4096
USED_EVERY_S = 60.0  # how exactly it is known when a token was last used
LOCAL_NAME = "local command line"  # whose token lies in the data directory
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was good for a run when the run's turn was this one."""

    run_id: int
    turn: int
    until: float


class People:
    def __init__(self, *, store: Store, clock: Clock, witnesses: Witnesses, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._witnesses = witnesses
        self._known: dict[str, _Known] = {}  # by the token's hash: finding one tells nothing about another

    async def add_host(self, edit: wire.HostEdit, *, who: str) -> None:
        check_host(edit)

        def act(now: float) -> int:
            made = hosts.create(edit.name, now=now, macs=edit.macs, note=edit.note, spec=edit.spec)
            hosts.edit(made.id, **bmcs.changes(edit, None))
            audit.add(at=now, who=who, what="host.add", target=edit.name)
            return made.id

        self._tell(await self._write(act))

    async def edit_host(self, name: str, edit: wire.HostEdit, *, who: str, keep_spec: bool = False) -> None:
        """`keep_spec`: the expected spec stays as it is at that moment, whatever `edit` says of it."""
        check_host(edit)

        def act(now: float) -> int:
            host = _named(name)
            spec = host.spec if keep_spec else edit.spec
            hosts.edit(host.id, name=edit.name, macs=edit.macs, note=edit.note, spec=spec)
            hosts.edit(host.id, **bmcs.changes(edit, host))
            detail = {"was": name, "bmc": edit.bmc.address if edit.bmc else ""}
            audit.add(at=now, who=who, what="host.edit", target=edit.name, detail=detail)
            return host.id

        self._tell(await self._write(act))

    async def change_spec(self, name: str, spec: ExpectedSpec, *, was: ExpectedSpec, who: str) -> None:
        """A new expected spec in place of the one that the person saw. Raises Conflict where it is another one by now."""

        def act(now: float) -> int:
            host = _named(name)
            if host.spec != was:
                raise Conflict(f"the expected spec of {name} was changed by somebody else meanwhile; look at it again")
            check_host(wire.HostEdit(name=host.name, spec=spec))
            hosts.edit(host.id, spec=spec)
            told = changes(was, spec)
            detail = {"was": name, "changes": [text[:300] for text in told[:50]], "in_all": len(told)}
            audit.add(at=now, who=who, what="host.spec", target=name, detail=detail)
            return host.id

        self._tell(await self._write(act))

    async def remove_host(self, name: str, *, who: str, why: str) -> None:
        """Raises Conflict while a run of the host is active. Its runs stay."""

        def act(now: float) -> int:
            host = _named(name)
            if (active := runs.active_run_of_host(host.id)) is not None:
                raise Conflict(
                    f"{name} has run {active.id} ({active.state}); cancel or release it first", run=active.id
                )
            hosts.remove(host.id, now=now)
            audit.add(at=now, who=who, what="host.remove", target=name, why=why)
            return host.id

        self._tell(await self._write(act))

    async def relearn_host(self, name: str, *, who: str, why: str) -> None:
        """Forgets what the machine told of itself: the next claim is believed as a first one, and learned from."""
        if not why.strip():
            raise BadInput("say why the machine's identity has changed (--reason): it is kept in the audit log")

        def act(now: float) -> int:
            host = _named(name)
            hosts.edit(host.id, identity=None, identity_source="")
            audit.add(at=now, who=who, what="host.relearn", target=name, why=why)
            return host.id

        self._tell(await self._write(act))

    async def issue_reporter_token(self, name: str, *, who: str) -> str:
        """A new token for the host's reporter; the old one ends."""
        token, token_hash = tokens.issue()

        def act(now: float) -> None:
            hosts.edit(_named(name).id, reporter_token_hash=token_hash, registered_at=now)
            audit.add(at=now, who=who, what="host.reporter_token", target=name)

        await self._write(act)
        return token

    async def issue_operator_token(self, name: str, role: str, *, who: str, renew: bool = False) -> str:
        """A token for a person or program, shown once. Raises BadInput for an unknown role, Conflict for a taken name.

        `renew`: one of this name, where there is one, ends.
        """

        def act(now: float) -> str:
            if renew and name in {known.name for known in tokens.operators()}:
                tokens.revoke(name)
            _, token = tokens.create_operator(name, role, now=now, by=who)
            audit.add(at=now, who=who, what="token.issue", target=name, detail={"role": role})
            return token

        return await self._write(act)

    async def operator_tokens(self) -> tuple[wire.TokenView, ...]:
        """All tokens of people and programs, by name."""
        found = await self._store.read(tokens.operators)
        return tuple(
            wire.TokenView(
                name=one.name, role=one.role, created_at=one.created_at, used_at=one.used_at, issued_by=one.issued_by
            )
            for one in found
        )

    async def revoke_operator_token(self, name: str, *, who: str, why: str = "") -> None:
        """The token is good for nothing from now on. Raises NotFound, and Conflict for this machine's own."""
        if name == LOCAL_NAME:
            raise Conflict(
                "this token is the command line's on the orchestrator's own machine; to have another one made, remove "
                "operator.token from the data directory and start `vetting serve` again"
            )

        def act(now: float) -> None:
            tokens.revoke(name)
            audit.add(at=now, who=who, what="token.revoke", target=name, why=why)

        await self._write(act)

    async def run_of(self, token: str) -> int:
        """The run that a token is good for; for an hour after its end too, to hear the last command.

        A run that is going on is remembered until its next turn: agents ask several times a second.
        """
        digest = tokens.hash_of(token)
        if (known := self._known.get(digest)) is not None:
            if self._witnesses.turn(known.run_id) == known.turn and self._clock.monotonic() < known.until:
                return known.run_id
            del self._known[digest]
        before = self._witnesses.last_turn
        run = await self._store.read(lambda: runs.by_token(digest))
        if run is None or not tokens.matches(token, run.token_hash):
            raise NotAllowed(REFUSED)
        if run.state not in CLOSED:
            self._remember(digest, run.id, before)
        elif self._clock.now() - (run.ended_at or 0.0) > AFTERLIFE_S:
            raise NotAllowed(REFUSED)
        return run.id

    def _remember(self, digest: str, run_id: int, looked_at_turn: int) -> None:
        turn = self._witnesses.turn(run_id)
        if turn > looked_at_turn:  # the run changed while we read: what we read may be older
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest] = _Known(run_id, turn, self._clock.monotonic() + REMEMBERED_S)

    async def host_of(self, token: str) -> int:
        digest = tokens.hash_of(token)
        host = await self._store.read(lambda: hosts.by_reporter_token(digest))
        if host is None or not tokens.matches(token, host.reporter_token_hash):
            raise NotAllowed(REFUSED)
        return host.id

    async def person_of(self, token: str) -> tuple[str, str]:
        """(name, role) of a person's token, and notes that it is in use; where that cannot be written, it is good all the same."""
        found = await self._store.read(lambda: tokens.authenticate(token))
        if found is None:
            raise NotAllowed(REFUSED)
        if found.used_at is None or self._clock.now() - found.used_at >= USED_EVERY_S:
            with contextlib.suppress(Unavailable):
                await self._write(lambda now: tokens.mark_used(found.id, now=now))
        return found.name, found.role

    def _tell(self, host_id: int) -> None:
        """A host's record is another one now, or gone."""
        self._bus.publish("host.changed", at=self._clock.now(), host_id=host_id)

    async def _write(self, act: Callable[[float], T]) -> T:
        now = self._clock.now()
        return await self._store.write(lambda: act(now))


def check_host(edit: wire.HostEdit) -> None:
    """Names and addresses reach dnsmasq, iPXE and file names: nothing but what they are made of. Raises BadInput."""
    if not NAME.fullmatch(edit.name):
        raise BadInput(
            f"the host name {edit.name[:80]!r} is not usable: up to 63 lower-case letters, digits, dots and hyphens, "
            "beginning and ending with a letter or digit"
        )
    if edit.name == NOT_A_NAME:
        raise BadInput(
            f"a host cannot be named {NOT_A_NAME!r}: the console's page that adds hosts lies there; choose another name"
        )
    for mac in edit.macs:
        if not MAC.fullmatch(mac.lower()):
            raise BadInput(f"{mac[:40]!r} is not a MAC address; write it as 52:54:00:12:34:56")
    serials = [disk.serial for disk in edit.spec.disks]
    if twins := {serial for serial in serials if serials.count(serial) > 1}:
        raise BadInput(f"the disk serial {sorted(twins)[0][:80]!r} is listed twice; every disk has its own")
    if "" in serials:
        raise BadInput("an expected disk has no serial; disks are known by serial alone")
    for limit in (*edit.spec.floors, *edit.spec.ceilings):
        if why := pins.mistake(limit):
            raise BadInput(f"a floor or ceiling of {limit.series[:80]!r}: {why}")


def _named(name: str) -> HostRow:
    host = hosts.by_name(name)
    if host is None:
        raise NotFound(f"there is no host named {name[:80]!r}; `vetting host list` shows those that there are")
    return host
