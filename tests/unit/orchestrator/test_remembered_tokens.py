"""A token is looked up once and remembered, and never a moment longer than it is good."""

from __future__ import annotations

import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import NotAllowed
from vetting.domain.outcome import Outcome
from vetting.orchestrator import people
from vetting.store import runs, tokens
from vetting.store.rows import RunRow


class Looks:
    """Counts how often a token is looked up in the database."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._ask = runs.by_token
        patch.setattr(runs, "by_token", self)

    def __call__(self, token_hash: str) -> RunRow | None:
        self.count += 1
        return self._ask(token_hash)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


async def refused(world: World, token: str) -> str:
    with pytest.raises(NotAllowed) as why:
        await world.people.run_of(token)
    return str(why.value)


async def test_a_good_token_is_looked_up_once_and_again_after_its_time(world: World, looks: Looks) -> None:
    run_id = await world.begun()
    looks.count = 0
    assert [await world.people.run_of(world.token) for _ in range(50)] == [run_id] * 50
    assert looks.count == 1
    world.clock.pass_s(people.REMEMBERED_S)
    assert await world.people.run_of(world.token) == run_id
    assert looks.count == 2


async def test_each_new_attempt_has_the_token_looked_up_again(world: World, looks: Looks) -> None:
    run_id = await world.begun()
    await world.people.run_of(world.token)
    await world.post(run_id, "Inventory")
    looks.count = 0
    assert await world.people.run_of(world.token) == run_id
    assert looks.count == 1


async def test_a_token_that_a_host_rebooted_in_a_hold_replaced_is_refused_at_once(world: World) -> None:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=Outcome.fail("nothing here"))
    old = world.token
    assert await world.people.run_of(old) == run_id
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    world.boot_id = "boot-two"
    assert (await world.claim(ticket)).holding
    assert await world.people.run_of(world.token) == run_id
    await refused(world, old)


async def test_a_token_whose_answer_got_lost_is_refused_once_there_is_another(world: World) -> None:
    ticket = (await world.started()).ticket
    run_id = (await world.claim(ticket)).run_id
    lost = world.token
    assert await world.people.run_of(lost) == run_id
    await world.claim(ticket)
    assert world.token != lost
    assert await world.people.run_of(world.token) == run_id
    await refused(world, lost)


@pytest.mark.parametrize("how", ["cancelled", "released"])
async def test_a_token_is_no_good_beyond_its_afterlife_however_fresh_it_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(people, "AFTERLIFE_S", 1.0)
    run_id = await world.begun()
    if how == "released":
        await world.post(run_id, "Inventory", outcome=Outcome.fail("nothing here"))
    assert await world.people.run_of(world.token) == run_id
    if how == "released":
        await world.progress.release(run_id, who="ann", because=wire.Because())
    else:
        await world.progress.cancel(run_id, who="ann", because=wire.Because())
    assert await world.people.run_of(world.token) == run_id  # to hear the last command
    world.clock.pass_s(1.1)
    assert people.REMEMBERED_S > 1.1
    await refused(world, world.token)


async def test_a_token_that_another_process_took_away_is_good_for_a_few_seconds_at_most(world: World) -> None:
    run_id = await world.begun()
    assert await world.people.run_of(world.token) == run_id
    await world.store.write(lambda: runs.change(run_id, token_hash=tokens.hash_of("another")))
    world.clock.pass_s(people.REMEMBERED_S)
    await refused(world, world.token)


async def test_what_was_read_while_the_run_changed_is_not_remembered(
    world: World, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await world.begun()

    def slow(token_hash: str) -> RunRow | None:
        found = looks(token_hash)
        world.means.witnesses.stirred(run_id)  # a turn was committed after our snapshot, and told before we were back
        return found

    monkeypatch.setattr(runs, "by_token", slow)
    looks.count = 0
    for _ in range(3):
        assert await world.people.run_of(world.token) == run_id
    assert looks.count == 3


async def test_unknown_stale_and_foreign_tokens_get_the_same_words_and_leave_nothing_behind(world: World) -> None:
    run_id = await world.begun()
    operator = await world.people.issue_operator_token("ann", "operator", who="test")
    await world.people.run_of(world.token)
    said = {await refused(world, token) for token in ("", "x", "x" * 5000, operator, world.token + "x")}
    await world.store.write(lambda: runs.change(run_id, token_hash=""))
    world.clock.pass_s(people.REMEMBERED_S)
    said.add(await refused(world, world.token))
    assert said == {people.REFUSED}
    assert world.people._known == {}


async def test_the_memory_of_tokens_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "REMEMBERED", 3)
    for number in range(8):
        await world.people.add_host(wire.HostEdit(name=f"host-{number}", spec=honest.SPEC), who="tester")
        await world.claim((await world.started(host=f"host-{number}")).ticket, boot_id=f"boot-{number}")
        await world.people.run_of(world.token)
        assert len(world.people._known) <= 3
