"""Who may sign in: what is refused, what is written down, and that somebody can always change things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.office import ANOTHER, PASSWORD, Office
from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.orchestrator.accounts import Accounts

Deed = Callable[[Accounts], Awaitable[object]]


async def test_people_are_listed_by_name_without_what_opens_anything(office: Office) -> None:
    await office.set_up("zoe")
    await office.add("Bob", "viewer")
    bob, zoe = await office.accounts.people()
    assert (bob.name, bob.role, bob.disabled, bob.last_seen_at, bob.sessions) == ("Bob", "viewer", False, None, 0)
    assert (zoe.name, zoe.role, zoe.last_seen_at, zoe.sessions) == ("zoe", "operator", office.clock.now(), 1)
    assert await office.accounts.person("BOB") == bob


async def test_every_change_is_written_down_with_who_and_without_the_password(office: Office) -> None:
    await office.set_up()
    await office.add("bob")
    accounts = office.accounts
    await accounts.change_role("bob", "operator", who="ann")
    await accounts.set_password("bob", ANOTHER, who="ann")
    await accounts.set_disabled("bob", True, who="ann")
    await accounts.set_disabled("bob", False, who="ann")
    await accounts.end_sessions("bob", who="ann")
    await accounts.remove("bob", who="ann", why="left the company")
    deeds = (await office.audit())[1:]
    assert [one.what for one in deeds] == [
        "user.add", "user.role", "user.password", "user.disable", "user.enable", "user.end_sessions", "user.remove",
    ]  # fmt: skip
    assert {(one.who, one.target) for one in deeds} == {("ann", "bob")}
    assert deeds[1].detail == {"was": "viewer", "role": "operator"}
    assert deeds[-1].why == "left the company"
    assert ANOTHER not in repr(deeds)
    assert PASSWORD not in repr(deeds)


LAST: list[Deed] = [
    lambda accounts: accounts.remove("ann", who="ann"),
    lambda accounts: accounts.change_role("ann", "viewer", who="ann"),
    lambda accounts: accounts.set_disabled("ann", True, who="ann"),
]


@pytest.mark.parametrize("deed", LAST)
async def test_the_last_operator_stays_one(office: Office, deed: Deed) -> None:
    signed = await office.set_up()
    await office.add("bob", "viewer")
    await office.add("off", "operator")
    await office.accounts.set_disabled("off", True, who="ann")
    before = await office.audit()
    with pytest.raises(Conflict, match="ann is the last operator who can sign in; make another one first"):
        await deed(office.accounts)
    assert await office.audit() == before
    assert await office.accounts.session(signed.secret) is not None
    await office.accounts.set_disabled("off", False, who="ann")
    await deed(office.accounts)


UNKNOWN: list[Deed] = [
    lambda accounts: accounts.person("x"),
    lambda accounts: accounts.remove("x", who="ann"),
    lambda accounts: accounts.change_role("x", "viewer", who="ann"),
    lambda accounts: accounts.set_disabled("x", True, who="ann"),
    lambda accounts: accounts.set_password("x", PASSWORD, who="ann"),
    lambda accounts: accounts.end_sessions("x", who="ann"),
]


@pytest.mark.parametrize("deed", UNKNOWN)
async def test_nobody_is_not_changed(office: Office, deed: Deed) -> None:
    await office.set_up()
    with pytest.raises(NotFound, match=r"no user named 'x'; `vetting user list`"):
        await deed(office.accounts)
    assert len(await office.audit()) == 1


async def test_a_role_name_or_password_that_will_not_do_is_refused(office: Office) -> None:
    await office.set_up()
    accounts = office.accounts
    with pytest.raises(BadInput, match="there is no role 'admin'"):
        await accounts.add(name="bob", role="admin", password=PASSWORD, who="ann")
    with pytest.raises(BadInput, match="there is no role"):
        await accounts.change_role("ann", "", who="ann")
    with pytest.raises(BadInput, match="not usable"):
        await accounts.add(name="a/b", role="viewer", password=PASSWORD, who="ann")
    with pytest.raises(BadInput, match="too short"):
        await accounts.add(name="bob", role="viewer", password="short", who="ann")
    with pytest.raises(BadInput, match="too short"):
        await accounts.set_password("ann", "short", who="ann")
    with pytest.raises(Conflict, match="already a user named 'ann'"):
        await accounts.add(name="ANN", role="viewer", password=PASSWORD, who="ann")
    assert len(await accounts.people()) == 1


async def test_the_same_name_comes_back_as_somebody_new(office: Office) -> None:
    await office.set_up()
    await office.add("bob")
    old = (await office.sign_in("bob")).secret
    await office.accounts.remove("bob", who="ann")
    await office.add("bob")
    assert await office.accounts.session(old) is None
