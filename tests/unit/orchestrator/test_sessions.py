"""Signing in, and everything that ends it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.office import ANOTHER, PASSWORD, PEER, Office
from vetting.domain.errors import BadInput, NotAllowed, NotFound, TooMany, Unavailable
from vetting.domain.roles import Role
from vetting.orchestrator import passwords
from vetting.orchestrator.accounts import REFUSED, SESSIONS_OF_ONE, Accounts, Person
from vetting.store import sessions, users
from vetting.store.db import Store

HOUR = 3600.0
Deed = Callable[[Accounts], Awaitable[object]]


async def refused(office: Office, name: str, password: str, peer: str = PEER) -> str:
    with pytest.raises(NotAllowed) as why:
        await office.sign_in(name, password, peer)
    return str(why.value)


async def test_a_person_signs_in_whatever_the_case_of_the_name_and_out_again(office: Office) -> None:
    await office.set_up("Ann")
    signed = await office.sign_in("aNN")
    assert signed.person.name == "Ann"
    assert await office.accounts.session(signed.secret) == signed.person
    await office.accounts.sign_out(signed.secret)
    await office.accounts.sign_out(signed.secret)
    assert await office.accounts.session(signed.secret) is None
    assert [one.what for one in await office.audit()] == ["user.set_up", "user.sign_in", "user.sign_out"]


async def test_unknown_wrong_and_disabled_are_refused_in_the_same_words(office: Office) -> None:
    await office.set_up()
    await office.add("bob")
    await office.accounts.set_disabled("bob", True, who="ann")
    said = {
        await refused(office, "ann", "wrong wrong wrong", "10.0.0.1"),
        await refused(office, "ann", "", "10.0.0.2"),
        await refused(office, "ann", "x" * 100_000, "10.0.0.3"),
        await refused(office, "nobody", PASSWORD, "10.0.0.4"),
        await refused(office, "bob", PASSWORD, "10.0.0.5"),
        await refused(office, "", PASSWORD, "10.0.0.6"),
        await refused(office, "a\0b' OR 1=1 --", PASSWORD, "10.0.0.7"),
        await refused(office, "\ud800", "\ud800", "10.0.0.8"),
    }
    assert said == {REFUSED}


async def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.set_up()
    await office.add("bob")
    await office.accounts.set_disabled("bob", True, who="ann")
    worked: list[passwords.Strength] = []
    real = passwords._scrypt

    def counted(raw: bytes, salt: bytes, strength: passwords.Strength) -> bytes:
        worked.append(strength)
        return real(raw, salt, strength)

    monkeypatch.setattr(passwords, "_scrypt", counted)
    for name in ("ann", "bob", "nobody"):
        await refused(office, name, "wrong wrong wrong")
    assert worked == [passwords.STRENGTH] * 3


async def test_neither_secret_nor_password_stands_in_database_audit_log_or_repr(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = await office.set_up()
    signed = await office.sign_in()
    await refused(office, PASSWORD, ANOTHER)  # typed into the wrong field
    await office.accounts.change_own_password(name="ann", old=PASSWORD, new=ANOTHER, keep=signed.secret)
    secrets = (PASSWORD, ANOTHER, first.secret, signed.secret, signed.person.csrf)
    office.store.close()
    kept = "".join(path.read_bytes().decode("latin-1") for path in office.data.glob("vetting.db*"))
    for secret in secrets:
        assert secret not in kept
        assert secret not in caplog.text
        assert secret not in repr(signed)


async def test_a_session_ends_when_nothing_is_asked_for_and_goes_on_when_something_is(office: Office) -> None:
    secret = (await office.set_up()).secret
    office.clock.pass_s(12 * HOUR - 1)
    person = await office.accounts.session(secret)
    assert person is not None
    assert person.expires_at == office.clock.now() + 12 * HOUR
    office.clock.pass_s(12 * HOUR)
    assert await office.accounts.session(secret) is None


async def test_a_session_ends_after_its_limit_however_busy(office: Office) -> None:
    secret = (await office.set_up()).secret
    for _ in range(7 * 24 - 1):
        office.clock.pass_s(HOUR)
        assert await office.accounts.session(secret) is not None
    office.clock.pass_s(HOUR)
    assert await office.accounts.session(secret) is None


async def test_a_stricter_limit_counts_for_sessions_that_are_on(office: Office) -> None:
    secret = (await office.set_up()).secret
    office.clock.pass_s(HOUR)
    assert await office.accounts.session(secret) is not None
    assert await office.again(session_limit_s=0.5 * HOUR).session(secret) is None


async def test_use_is_written_down_at_most_once_a_minute(office: Office) -> None:
    secret = (await office.set_up()).secret
    before = office.store.health().writes
    for _ in range(59):
        office.clock.pass_s(1)
        await office.accounts.session(secret)
    assert office.store.health().writes == before
    office.clock.pass_s(1)
    await office.accounts.session(secret)
    assert office.store.health().writes == before + 1
    (ann,) = await office.accounts.people()
    assert ann.last_seen_at == office.clock.now()


async def test_a_session_that_cannot_be_written_goes_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = (await office.set_up()).secret

    async def full(self: Store, work: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(Store, "write", full)
    office.clock.pass_s(HOUR)
    assert await office.accounts.session(secret) is not None
    office.clock.pass_s(11 * HOUR)
    assert await office.accounts.session(secret) is None


async def test_two_browsers_have_each_their_own_secret_and_form_token(office: Office) -> None:
    one, two = await office.set_up(), await office.sign_in()
    assert one.secret != two.secret
    assert one.person.csrf != two.person.csrf
    assert two.person.csrf not in two.secret
    await office.accounts.sign_out(one.secret)
    assert await office.accounts.session(one.secret) is None
    assert await office.accounts.session(two.secret) == two.person


async def test_an_unknown_secret_is_nobody(office: Office) -> None:
    signed = await office.set_up()
    stored = await office.store.read(lambda: sessions.of_user(1))
    for secret in ("", "x", signed.secret[:-1], signed.person.csrf, stored[0].secret_hash, "\ud800", "x" * 100_000):
        assert await office.accounts.session(secret) is None
        await office.accounts.sign_out(secret)
    assert await office.accounts.session(signed.secret) is not None


async def test_a_person_has_twenty_browsers_at_most_and_those_that_ended_are_swept(office: Office) -> None:
    first = newest = await office.set_up()
    for _ in range(SESSIONS_OF_ONE):
        office.clock.pass_s(61)
        newest = await office.sign_in()
    assert await office.accounts.session(first.secret) is None
    assert (await office.accounts.people())[0].sessions == SESSIONS_OF_ONE
    office.clock.pass_s(13 * HOUR)
    assert (await office.accounts.people())[0].sessions == 0
    assert await office.accounts.session(newest.secret) is None
    await office.sign_in()
    assert len(await office.store.read(lambda: sessions.of_user(1))) == 1


ENDING: list[Deed] = [
    lambda accounts: accounts.change_role("bob", "operator", who="ann"),
    lambda accounts: accounts.set_password("bob", PASSWORD, who="ann"),
    lambda accounts: accounts.end_sessions("bob", who="ann"),
    lambda accounts: accounts.set_disabled("bob", True, who="ann"),
    lambda accounts: accounts.remove("bob", who="ann", why="left"),
]


@pytest.mark.parametrize("deed", ENDING)
async def test_whatever_changes_a_person_ends_the_sessions(office: Office, deed: Deed) -> None:
    ann = await office.set_up()
    await office.add("bob")
    bob = await office.sign_in("bob")
    await deed(office.accounts)
    assert await office.accounts.session(bob.secret) is None
    assert await office.accounts.session(ann.secret) is not None


async def test_who_may_sign_in_again_has_to(office: Office) -> None:
    await office.set_up()
    await office.add("bob")
    bob = await office.sign_in("bob")
    await office.accounts.set_disabled("bob", True, who="ann")
    await office.accounts.set_disabled("bob", False, who="ann")
    assert await office.accounts.session(bob.secret) is None
    assert (await office.sign_in("bob")).person.name == "bob"


async def test_a_session_of_somebody_disabled_is_nobodys_however_it_came_about(office: Office) -> None:
    ann = await office.set_up()
    await office.store.write(lambda: users.change(1, disabled=True))
    assert await office.accounts.session(ann.secret) is None


MEANWHILE: list[Deed] = [
    lambda accounts: accounts.set_password("bob", ANOTHER, who="ann"),
    lambda accounts: accounts.set_disabled("bob", True, who="ann"),
    lambda accounts: accounts.remove("bob", who="ann"),
]


@pytest.mark.parametrize("deed", MEANWHILE)
async def test_who_is_shut_out_while_the_password_is_compared_stays_out(
    office: Office, monkeypatch: pytest.MonkeyPatch, deed: Deed
) -> None:
    await office.set_up()
    await office.add("bob")
    real = office.accounts._hashing.matches

    async def slow(password: str, kept: str, *, stranger: bool) -> bool:
        right = await real(password, kept)
        await deed(office.accounts)
        return right

    monkeypatch.setattr(office.accounts._hashing, "matches", slow)
    assert await refused(office, "bob", PASSWORD) == REFUSED


async def test_ones_own_password_is_changed_with_the_old_one_and_this_browser_stays(office: Office) -> None:
    here, elsewhere = await office.set_up(), await office.sign_in()
    with pytest.raises(NotAllowed, match="old password is wrong"):
        await office.accounts.change_own_password(name="ann", old=ANOTHER, new=ANOTHER, keep=here.secret)
    with pytest.raises(BadInput, match="too short"):
        await office.accounts.change_own_password(name="ann", old=PASSWORD, new="short", keep=here.secret)
    with pytest.raises(NotFound):
        await office.accounts.change_own_password(name="bob", old=PASSWORD, new=ANOTHER, keep=here.secret)
    await office.accounts.change_own_password(name="ann", old=PASSWORD, new=ANOTHER, keep=here.secret)
    assert await office.accounts.session(here.secret) is not None
    assert await office.accounts.session(elsewhere.secret) is None
    await refused(office, "ann", PASSWORD)
    await office.sign_in("ann", ANOTHER)


async def test_who_sits_at_somebodys_browser_cannot_guess_the_password_there(office: Office) -> None:
    here = await office.set_up()
    for number in range(6):
        with pytest.raises(NotAllowed if number < 5 else TooMany):
            await office.accounts.change_own_password(name="ann", old=f"guess {number}", new=ANOTHER, keep=here.secret)


async def test_a_password_kept_with_weaker_parameters_is_hashed_again_at_sign_in(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.set_up()
    stronger = passwords.Strength(n=2**5, r=1, p=1)
    monkeypatch.setattr(passwords, "STRENGTH", stronger)
    await office.sign_in()
    found = await office.store.read(lambda: users.find("ann"))
    assert found is not None
    assert f"${stronger}$" in found.password
    await office.sign_in()


async def test_guessing_is_slowed_and_the_person_gets_in_from_where_she_was_before(office: Office) -> None:
    await office.set_up()
    await office.sign_in()
    for _ in range(5):
        await refused(office, "ann", "guess guess guess", "192.0.2.66")
    with pytest.raises(TooMany) as why:
        await office.sign_in("ann", PASSWORD, "192.0.2.66")
    assert why.value.detail["retry_after_s"] == 1
    await office.sign_in()


async def test_two_hundred_guesses_at_once_from_one_address_are_five(office: Office) -> None:
    await office.set_up()
    guesses = [office.sign_in("ann", f"guess {number}", "192.0.2.66") for number in range(200)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(answer, NotAllowed) for answer in answers) == 5
    assert sum(isinstance(answer, TooMany) for answer in answers) == 195


async def test_a_flood_from_many_addresses_is_bounded_and_keeps_nobody_known_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.set_up()
    go_on, real = threading.Event(), passwords._scrypt

    def held(raw: bytes, salt: bytes, strength: passwords.Strength) -> bytes:
        assert go_on.wait(20)
        return real(raw, salt, strength)

    monkeypatch.setattr(passwords, "_scrypt", held)
    many = {asyncio.ensure_future(office.sign_in(f"n{one}", "guess guess", f"10.0.{one}.1")) for one in range(200)}
    waiting = many
    while len(waiting) > passwords.AT_ONCE + passwords.WAITING:
        refused_now, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert all(isinstance(one.exception(), TooMany) for one in refused_now)
    ann = asyncio.ensure_future(office.sign_in())
    for _ in range(10_000):  # until she has her place, or was refused one
        if office.accounts._hashing._waiting > len(waiting) or ann.done():
            break
        await asyncio.sleep(0.001)
    go_on.set()
    assert (await ann).person.name == "ann"
    await asyncio.wait(waiting)
    assert all(isinstance(one.exception(), NotAllowed) for one in waiting)
    assert len(office.accounts._attempts._failures) == 2 * len(waiting)  # who was not judged has not failed


async def test_whom_a_proxy_names_is_nobody_of_ours_and_has_a_form_token_that_lasts(office: Office) -> None:
    accounts = office.again(proxy_operators=("ann",))
    ann, bob = await accounts.by_proxy("ann"), await accounts.by_proxy("bob")
    assert (ann.role, bob.role, ann.by_proxy) == (Role.OPERATOR, Role.VIEWER, True)
    assert ann.csrf != bob.csrf
    assert (await office.again().by_proxy("ann")).csrf == ann.csrf
    assert ann.expires_at == office.clock.now() + 12 * HOUR
    assert await office.accounts.needs_setup()
    with pytest.raises(NotAllowed):
        await accounts.by_proxy("a b")


def test_a_person_shows_no_form_token() -> None:
    assert "s3cret" not in repr(Person(name="a", role=Role.VIEWER, csrf="s3cret", expires_at=1.0))
