"""Who may sign in, and as what. Every change is one transaction with its line in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vetting.clock import Clock
from vetting.config import Config, Console
from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.roles import NAME, NAME_RULE, Role
from vetting.orchestrator import passwords
from vetting.orchestrator.setupcode import SetupCode
from vetting.store import audit, sessions, users
from vetting.store.db import Store
from vetting.store.rows import SessionRow, UserRow
from vetting.wire import PersonView

T = TypeVar("T")


class Roster:
    def __init__(self, *, store: Store, clock: Clock, config: Config, data: Path) -> None:
        self._store = store
        self._clock = clock
        self._console = config.console
        self._hashing = passwords.Hashing()
        self._setup = SetupCode(data)

    async def people(self) -> tuple[PersonView, ...]:
        """Everybody, by name, with the number of browsers that are signed in."""
        now = self._clock.now()

        def look() -> tuple[PersonView, ...]:
            return tuple(self._view(user, now) for user in users.listing())

        return await self._store.read(look)

    async def person(self, name: str) -> PersonView:
        """Raises NotFound."""
        now = self._clock.now()
        return await self._store.read(lambda: self._view(named(name), now))

    async def add(self, *, name: str, role: str, password: str, who: str) -> None:
        """Raises BadInput for a name, role or password that will not do, Conflict for a taken name."""
        check_name(name)
        chosen = role_of(role)
        passwords.check(password, name)
        kept = await self._hashing.hashed(password)

        def act(now: float) -> None:
            users.create(name, chosen, kept, now=now, by=who)
            audit.add(at=now, who=who, what="user.add", target=name, detail={"role": chosen.value})

        await self._write(act)
        self._setup.remove()

    async def change_role(self, name: str, role: str, *, who: str) -> None:
        """Signs the person out everywhere. Raises NotFound, BadInput, and Conflict for the last operator."""
        chosen = role_of(role)

        def act(now: float) -> None:
            user = named(name)
            if chosen is not Role.OPERATOR:
                refuse_last_operator(user)
            users.change(user.id, role=chosen.value)
            sessions.end_all_of(user.id)
            detail = {"was": user.role, "role": chosen.value}
            audit.add(at=now, who=who, what="user.role", target=user.name, detail=detail)

        await self._write(act)

    async def set_password(self, name: str, password: str, *, who: str) -> None:
        """A new password for somebody, who is signed out everywhere. Raises NotFound, BadInput."""
        passwords.check(password, name)
        kept = await self._hashing.hashed(password)

        def act(now: float) -> None:
            user = named(name)
            users.change(user.id, password=kept)
            ended = sessions.end_all_of(user.id)
            audit.add(at=now, who=who, what="user.password", target=user.name, detail={"sessions_ended": ended})

        await self._write(act)

    async def set_disabled(self, name: str, disabled: bool, *, who: str) -> None:
        """Nobody signs in by this name meanwhile. Raises NotFound, and Conflict for the last operator."""

        def act(now: float) -> None:
            user = named(name)
            if disabled:
                refuse_last_operator(user)
                sessions.end_all_of(user.id)
            users.change(user.id, disabled=disabled)
            audit.add(at=now, who=who, what="user.disable" if disabled else "user.enable", target=user.name)

        await self._write(act)

    async def remove(self, name: str, *, who: str, why: str = "") -> None:
        """Signs the person out everywhere. Tokens that they issued stay. Raises NotFound, and Conflict for the last operator."""

        def act(now: float) -> None:
            user = named(name)
            refuse_last_operator(user)
            users.remove(user.id)
            audit.add(at=now, who=who, what="user.remove", target=user.name, why=why)

        await self._write(act)

    async def end_sessions(self, name: str, *, who: str) -> int:
        """Signs a person out everywhere; says how many browsers that were. Raises NotFound."""

        def act(now: float) -> int:
            user = named(name)
            ended = sessions.end_all_of(user.id)
            audit.add(at=now, who=who, what="user.end_sessions", target=user.name, detail={"sessions_ended": ended})
            return ended

        return await self._write(act)

    def _view(self, user: UserRow, now: float) -> PersonView:
        going = [one for one in sessions.of_user(user.id) if now < ends_at(one, self._console)]
        return PersonView(
            name=user.name,
            role=user.role,
            disabled=user.disabled,
            created_at=user.created_at,
            last_seen_at=user.last_seen_at,
            sessions=len(going),
        )

    async def _write(self, act: Callable[[float], T]) -> T:
        now = self._clock.now()
        return await self._store.write(lambda: act(now))


def ends_at(session: SessionRow, console: Console) -> float:
    """When a session ends if nothing more is asked: by today's configuration, so that a stricter one counts at once."""
    return min(session.seen_at + console.session_idle_s, session.created_at + console.session_limit_s)


def named(name: str) -> UserRow:
    user = users.find(name)
    if user is None:
        raise NotFound(f"there is no user named {name[:80]!r}; `vetting user list` shows those that there are")
    return user


def refuse_last_operator(user: UserRow) -> None:
    if user.role == Role.OPERATOR and not user.disabled and not users.operators_beside(user.id):
        raise Conflict(f"{user.name} is the last operator who can sign in; make another one first")


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadInput(f"the name {name[:80]!r} is not usable: {NAME_RULE}")


def role_of(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise BadInput(f"there is no role {word[:40]!r}; choose one of {', '.join(Role)}") from None
