"""People and their sessions, as the database keeps them."""

from __future__ import annotations

import pytest

from vetting.domain.errors import BadInput, Conflict
from vetting.domain.roles import Role
from vetting.store import sessions, tokens, users
from vetting.store.db import Store
from vetting.store.rows import UserRow


@pytest.fixture
def ann(store: Store) -> UserRow:
    return store.write_now(lambda: users.create("Ann", Role.OPERATOR, "kept", now=1.0, by="setup code"))


def test_a_name_is_found_whatever_its_case_and_taken_once(store: Store, ann: UserRow) -> None:
    assert store.read_now(lambda: users.find("aNN")) == ann
    assert ann.name == "Ann"
    with pytest.raises(Conflict, match="already a user named 'Ann'"):
        store.write_now(lambda: users.create("ANN", Role.VIEWER, "kept", now=2.0, by="x"))
    assert store.read_now(lambda: [one.name for one in users.listing()]) == ["Ann"]


def test_what_a_password_is_checked_by_is_in_no_repr(ann: UserRow) -> None:
    assert "kept" not in repr(ann)


def test_operators_are_counted_without_the_disabled_and_the_one_in_question(store: Store, ann: UserRow) -> None:
    def add(name: str, role: Role) -> int:
        return store.write_now(lambda: users.create(name, role, "k", now=1.0, by="x")).id

    add("viewer", Role.VIEWER)
    second = add("second", Role.OPERATOR)
    assert store.read_now(lambda: users.operators_beside(ann.id)) == 1
    store.write_now(lambda: users.change(second, disabled=True))
    assert store.read_now(lambda: users.operators_beside(ann.id)) == 0
    assert store.read_now(lambda: users.operators_beside(second)) == 1


def test_a_removed_person_takes_the_sessions_along(store: Store, ann: UserRow) -> None:
    store.write_now(lambda: sessions.create(ann.id, "hash", now=1.0, peer="::1"))
    store.write_now(lambda: users.remove(ann.id))
    assert store.read_now(lambda: sessions.find("hash")) is None
    assert store.read_now(users.any_there) is False


def test_sessions_end_one_by_one_all_but_one_and_by_their_age(store: Store, ann: UserRow) -> None:
    def begin(number: int) -> None:
        store.write_now(lambda: sessions.create(ann.id, f"h{number}", now=float(number), peer=""))

    for number in range(4):
        begin(number)
    first = store.read_now(lambda: sessions.find("h0"))
    assert first is not None
    assert "h0" not in repr(first)
    assert store.write_now(lambda: (sessions.end(first.id), sessions.end(first.id))) == (True, False)
    assert store.write_now(lambda: sessions.seen(first.id, now=9.0)) is False
    assert store.write_now(lambda: sessions.end_older(seen_before=1.0, created_before=0.0)) == 1
    assert store.write_now(lambda: sessions.end_all_of(ann.id, but="h2")) == 1
    assert [one.secret_hash for one in store.read_now(lambda: sessions.of_user(ann.id))] == ["h2"]


def test_a_token_knows_who_issued_it_and_has_a_name_that_can_be_printed(store: Store) -> None:
    made, _ = store.write_now(lambda: tokens.create_operator("grafana", "viewer", now=1.0, by="ann"))
    assert made.issued_by == "ann"
    with pytest.raises(BadInput, match="choose one of viewer, operator"):
        store.write_now(lambda: tokens.create_operator("x", "admin", now=1.0))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\u202eb", "x" * 101])
def test_a_token_without_a_name_that_can_be_printed_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput, match="needs a name"):
        store.write_now(lambda: tokens.create_operator(name, "viewer", now=1.0))
