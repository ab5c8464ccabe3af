"""People at their browsers: who they are, how they sign in, and when that is over.

A browser holds 256 random bits, the database their hash. The token that every form carries is made from the same bits, so
that nothing in the database is good for a request.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
from dataclasses import dataclass, field
from pathlib import Path

from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.errors import Conflict, NotAllowed, TooMany, Unavailable
from vetting.domain.roles import NAME, NAME_RULE, Role
from vetting.orchestrator import passwords
from vetting.orchestrator.attempts import Attempts
from vetting.orchestrator.keys import ensure_secret
from vetting.orchestrator.proxied import role_by_proxy, told_by_proxy
from vetting.orchestrator.roster import Roster, check_name, ends_at, named
from vetting.store import audit, sessions, tokens, users
from vetting.store.db import Store
from vetting.store.rows import SessionRow, UserRow
from vetting.wire import PersonView

__all__ = ["Accounts", "Person", "PersonView", "Role", "SignedIn", "told_by_proxy"]

log = logging.getLogger(__name__)
REFUSED = "name or password is wrong"
WRONG_CODE = "this is not the setup code; `vetting serve` prints it at its start, and it lies in setup.code in the data directory"
SET_UP = "somebody has set this up already; sign in, or have an operator add you"
SEEN_EVERY_S = 60.0
SESSIONS_OF_ONE = 20  # browsers of a person; the one that was used longest ago goes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is at the browser."""

    name: str
    role: Role
    csrf: str = field(repr=False)  # what every form of this session carries
    expires_at: float  # seconds since the Unix epoch: when it ends if nothing more is asked
    by_proxy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    secret: str = field(repr=False)  # for the cookie, and kept nowhere
    person: Person


class Accounts(Roster):
    def __init__(self, *, store: Store, clock: Clock, config: Config, data: Path) -> None:
        super().__init__(store=store, clock=clock, config=config, data=data)
        self._attempts = Attempts(clock)
        self._key = ensure_secret(data / "keys" / "console.key")

    async def needs_setup(self) -> bool:
        """Whether there is no user yet."""
        return not await self._store.read(users.any_there)

    async def setup_code(self) -> str:
        """The code for the first start; empty where there are users. Raises Unavailable."""
        if await self.needs_setup():
            return self._setup.ensure()
        self._setup.remove()  # we were killed between using it and removing it
        return ""

    async def set_up(self, *, code: str, name: str, password: str, peer: str) -> SignedIn:
        """Makes the first operator and signs them in. Raises TooMany, Conflict, NotAllowed, BadInput."""
        self._attempts.begin(peer)
        if not await self.needs_setup():
            self._attempts.withdrawn(peer)
            raise Conflict(SET_UP)
        if not self._setup.matches(code):
            log.warning("a wrong setup code was tried from %s", peer[:80])
            raise NotAllowed(WRONG_CODE)
        self._attempts.withdrawn(peer)
        check_name(name)
        passwords.check(password, name)
        kept = await self._hashing.hashed(password)
        secret, secret_hash = tokens.issue()

        def act(now: float) -> tuple[UserRow, SessionRow]:
            if users.any_there():
                raise Conflict(SET_UP)
            user = users.create(name, Role.OPERATOR, kept, now=now, by="setup code")
            audit.add(at=now, who=name, what="user.set_up", target=name, detail={"peer": peer[:80]})
            return user, self._begin(user, secret_hash, now, peer)

        user, session = await self._write(act)
        self._attempts.succeeded(peer, name)
        self._setup.remove()
        return SignedIn(secret=secret, person=self._person(user, session, secret))

    async def sign_in(self, *, name: str, password: str, peer: str) -> SignedIn:
        """Raises TooMany, and NotAllowed: in the same words and after the same work for whatever was wrong."""
        self._attempts.begin(peer, name)
        found = await self._store.read(lambda: users.find(name) if NAME.fullmatch(name) else None)
        try:
            stranger = not self._attempts.knows(peer, name)
            right = await self._hashing.matches(password, found.password if found else "", stranger=stranger)
        except TooMany:
            self._attempts.withdrawn(peer, name)
            raise
        if found is None or found.disabled or not right:
            log.warning(
                "a sign-in failed, %s from %s", f"as {found.name}" if found else "by no name of ours", peer[:80]
            )
            raise NotAllowed(REFUSED)
        self._attempts.succeeded(peer, name)
        again = await self._hashing.hashed(password) if passwords.is_outdated(found.password) else found.password
        secret, secret_hash = tokens.issue()

        def act(now: float) -> tuple[UserRow, SessionRow]:
            user = users.by_id(found.id)
            if user is None or user.disabled or user.password != found.password:  # changed while we compared
                raise NotAllowed(REFUSED)
            if again != user.password:
                users.change(user.id, password=again)
            audit.add(at=now, who=user.name, what="user.sign_in", target=user.name, detail={"peer": peer[:80]})
            return user, self._begin(user, secret_hash, now, peer)

        user, session = await self._write(act)
        return SignedIn(secret=secret, person=self._person(user, session, secret))

    async def session(self, secret: str) -> Person | None:
        """Who holds this secret; None where it is unknown or over, or the person gone. Moves the end on, at most once a minute."""
        now, secret_hash = self._clock.now(), tokens.hash_of(secret)

        def look() -> tuple[UserRow, SessionRow] | None:
            session = sessions.find(secret_hash)
            user = users.by_id(session.user_id) if session is not None else None
            return (user, session) if user is not None and session is not None else None

        found = await self._store.read(look)
        if found is None:
            return None
        user, session = found
        if user.disabled or not tokens.matches(secret, session.secret_hash) or now >= ends_at(session, self._console):
            return None
        if now - session.seen_at >= SEEN_EVERY_S:
            session = await self._seen(user, session, now)
        return self._person(user, session, secret)

    async def sign_out(self, secret: str) -> None:
        """The secret is good for nothing from now on; a second time changes nothing."""
        secret_hash = tokens.hash_of(secret)

        def act(now: float) -> None:
            session = sessions.find(secret_hash)
            user = users.by_id(session.user_id) if session is not None else None
            if session is not None and user is not None and sessions.end(session.id):
                audit.add(at=now, who=user.name, what="user.sign_out", target=user.name)

        await self._write(act)

    async def change_own_password(self, *, name: str, old: str, new: str, keep: str) -> None:
        """Ends all sessions of the person but the one with the secret `keep`. Raises TooMany, NotAllowed, BadInput."""
        place = f"session of {name}"  # who holds somebody's session guesses no faster than a stranger
        self._attempts.begin(place)
        user = await self._store.read(lambda: named(name))
        if not await self._hashing.matches(old, user.password):
            raise NotAllowed("the old password is wrong")
        self._attempts.withdrawn(place)
        passwords.check(new, name)
        kept = await self._hashing.hashed(new)

        def act(now: float) -> None:
            users.change(user.id, password=kept)
            ended = sessions.end_all_of(user.id, but=tokens.hash_of(keep))
            audit.add(
                at=now, who=user.name, what="user.own_password", target=user.name, detail={"sessions_ended": ended}
            )

        await self._write(act)

    async def by_proxy(self, name: str) -> Person:
        """Who the reverse proxy says is there: no account, no session of ours. Raises NotAllowed for an unusable name."""
        if not NAME.fullmatch(name):
            raise NotAllowed(f"the reverse proxy names somebody whom we cannot write down: {NAME_RULE}")
        return Person(
            name=name,
            role=role_by_proxy(self._console, name),
            csrf=hmac.digest(self._key, b"by proxy\0" + name.encode(), "sha256").hex(),
            expires_at=self._clock.now() + self._console.session_idle_s,
            by_proxy=True,
        )

    def _begin(self, user: UserRow, secret_hash: str, now: float, peer: str) -> SessionRow:
        """A session, inside the transaction of a sign-in, which also tidies up."""
        sessions.end_older(
            seen_before=now - self._console.session_idle_s, created_before=now - self._console.session_limit_s
        )
        for too_many in sessions.of_user(user.id)[SESSIONS_OF_ONE - 1 :]:
            sessions.end(too_many.id)
        users.change(user.id, last_seen_at=now)
        return sessions.create(user.id, secret_hash, now=now, peer=peer[:80])

    async def _seen(self, user: UserRow, session: SessionRow, now: float) -> SessionRow:
        """Where it cannot be written down the session goes on all the same, to its old end: people look when a disk is full."""

        def act() -> SessionRow | None:
            if sessions.seen(session.id, now=now):
                users.change(user.id, last_seen_at=now)
            return sessions.find(session.secret_hash)

        with contextlib.suppress(Unavailable):
            return await self._store.write(act) or session
        return session

    def _person(self, user: UserRow, session: SessionRow, secret: str) -> Person:
        return Person(
            name=user.name,
            role=Role(user.role),
            csrf=csrf_of(secret),
            expires_at=ends_at(session, self._console),
        )


def csrf_of(secret: str) -> str:
    """The token of this session's forms: whoever reads a page has it, and cannot tell the cookie from it."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()
