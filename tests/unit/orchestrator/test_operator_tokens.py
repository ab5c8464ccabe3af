"""Tokens of people and programs: listed without what opens anything, ended at once, and known by their use."""

from __future__ import annotations

import pytest

from tests.unit.orchestrator.conftest import World
from vetting.domain.errors import Conflict, NotAllowed, NotFound, Unavailable
from vetting.orchestrator.people import LOCAL_NAME
from vetting.store import audit
from vetting.store.db import Store


async def test_a_token_is_listed_and_good_until_it_is_revoked(world: World) -> None:
    token = await world.people.issue_operator_token("grafana", "viewer", who="ann")
    (shown,) = await world.people.operator_tokens()
    assert (shown.name, shown.role, shown.issued_by, shown.used_at) == ("grafana", "viewer", "ann", None)
    assert token not in repr(shown)
    assert await world.people.person_of(token) == ("grafana", "viewer")
    await world.people.revoke_operator_token("grafana", who="ann", why="not needed")
    with pytest.raises(NotAllowed):
        await world.people.person_of(token)
    with pytest.raises(NotFound, match="vetting token list"):
        await world.people.revoke_operator_token("grafana", who="ann")
    deeds = await world.store.read(audit.entries)
    assert [(one.what, one.who, one.why) for one in deeds[:2]] == [
        ("token.revoke", "ann", "not needed"), ("token.issue", "ann", ""),
    ]  # fmt: skip
    assert await world.people.operator_tokens() == ()


async def test_the_token_of_this_machines_command_line_is_not_revoked_but_replaced(world: World) -> None:
    await world.people.issue_operator_token(LOCAL_NAME, "operator", who="start")
    with pytest.raises(Conflict, match=r"remove operator\.token from the data directory"):
        await world.people.revoke_operator_token(LOCAL_NAME, who="ann")
    assert len(await world.people.operator_tokens()) == 1


async def test_its_use_is_written_down_at_most_once_a_minute(world: World) -> None:
    token = await world.people.issue_operator_token("ci", "operator", who="ann")
    await world.people.person_of(token)
    first = world.clock.now()
    before = world.store.health().writes
    for _ in range(59):
        world.clock.pass_s(1)
        await world.people.person_of(token)
    assert world.store.health().writes == before
    assert (await world.people.operator_tokens())[0].used_at == first
    world.clock.pass_s(1)
    await world.people.person_of(token)
    assert (await world.people.operator_tokens())[0].used_at == world.clock.now()


async def test_a_token_is_good_when_its_use_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await world.people.issue_operator_token("ci", "operator", who="ann")

    async def full(self: Store, work: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(Store, "write", full)
    assert await world.people.person_of(token) == ("ci", "operator")
