"""The keys of a hold: who gets them, how long they live, and what a host may say of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import Conflict, NotFound
from vetting.domain.outcome import Verdict
from vetting.domain.states import RunState
from vetting.orchestrator.holding import Doors, addresses, host_keys
from vetting.store import audit
from vetting.store.rows import RunRow

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxH"


async def failed(world: World) -> int:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=honest.outcome("Inventory", verdict=Verdict.FAIL, reason="broken"))
    return run_id


async def waits(world: World, run_id: int, **changes: Any) -> RunRow:
    said = {
        "boot_id": world.boot_id,
        "addresses": ("10.0.0.5",),
        "reason": "broken",
        "host_keys": (ED25519,),
        **changes,
    }
    await world.progress.hold(run_id, wire.Hold(**said))
    return await world.run(run_id)


def doors(world: World) -> Doors:
    return Doors(store=world.store, clock=world.clock)


async def test_an_operator_gets_the_key_while_the_host_waits_and_that_is_written_down(world: World) -> None:
    run_id = await failed(world)
    with pytest.raises(Conflict, match="has not told yet where it waits"):
        await doors(world).key(run_id, who="ann")
    run = await waits(world, run_id)
    key = await doors(world).key(run_id, who="ann")
    assert (key.host, key.user, key.addresses, key.host_keys) == ("honest", "root", ("10.0.0.5",), (ED25519,))
    assert key.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert key.private_key == run.hold_private_key
    assert "PRIVATE KEY" not in repr(key) + repr(run)
    entries = await world.store.read(lambda: audit.entries(run_id=run_id))
    assert [(one.who, one.what) for one in entries if one.what == "run.hold_key"] == [("ann", "run.hold_key")]
    assert all("PRIVATE" not in repr(one) for one in entries)
    assert (await world.views.run(run_id)).enterable


async def test_who_is_not_held_has_no_key(world: World) -> None:
    with pytest.raises(NotFound):
        await doors(world).key(4711, who="ann")
    run_id = await world.begun()
    with pytest.raises(Conflict, match="only a held host can be entered"):
        await doors(world).key(run_id, who="ann")


async def test_a_host_outside_the_live_image_has_no_door(world: World) -> None:
    run_id = await failed(world)
    await waits(world, run_id, host_keys=())
    with pytest.raises(Conflict, match="its host has no door open"):
        await doors(world).key(run_id, who="ann")
    assert not (await world.views.run(run_id)).enterable


async def test_the_same_hold_told_again_gets_the_same_key(world: World) -> None:
    run_id = await failed(world)
    first = await waits(world, run_id)
    assert (await waits(world, run_id)).hold_public_key == first.hold_public_key


@pytest.mark.parametrize("decision", ["retry", "override", "cancel", "release"])
async def test_however_a_hold_ends_its_key_is_gone(world: World, decision: str) -> None:
    run_id = await failed(world)
    first = await waits(world, run_id)
    await getattr(world.progress, decision)(run_id, who="ann", because=wire.Because(reason="seen"))
    run = await world.run(run_id)
    assert (run.hold_private_key, run.hold_public_key, run.hold_host_keys, run.hold_addresses) == ("", "", (), ())
    with pytest.raises(Conflict):
        await doors(world).key(run_id, who="ann")
    if decision in ("retry", "override"):
        await world.post(run_id, "Inventory", 2, honest.outcome("Inventory", verdict=Verdict.FAIL, reason="again"))
        assert (await waits(world, run_id)).hold_public_key not in ("", first.hold_public_key)


async def test_a_held_host_that_boots_again_is_still_held_and_gets_another_key(world: World) -> None:
    run_id = await failed(world)
    first = await waits(world, run_id)
    ticket = await world.progress.boot_requested(first.host_id)
    assert ticket
    assert (await world.run(run_id)).hold_private_key == first.hold_private_key  # asking for a script proves nothing
    world.boot_id = "boot-two"
    reply = await world.claim(ticket)
    assert reply.holding
    with pytest.raises(Conflict, match="has not told yet where it waits"):
        await doors(world).key(run_id, who="ann")
    second = await waits(world, run_id)
    assert (second.state, second.boot_id) == (RunState.FAILED_HOLDING, "boot-two")
    assert second.hold_public_key != first.hold_public_key


async def test_an_agent_that_starts_again_in_the_hold_keeps_its_key(world: World) -> None:
    run_id = await failed(world)
    first = await waits(world, run_id)
    assert (await world.claim(world.token)).holding
    assert (await world.run(run_id)).hold_private_key == first.hold_private_key


async def test_a_door_that_did_not_open_is_said_once_in_the_reason(world: World) -> None:
    run_id = await failed(world)
    await waits(world, run_id, host_keys=(), trouble="sshd exited 255")
    run = await waits(world, run_id, host_keys=(), trouble="sshd exited 255")
    assert run.reason.count("nobody can sign in over SSH: sshd exited 255") == 1
    with pytest.raises(Conflict, match="sshd exited 255"):
        await doors(world).key(run_id, who="ann")


def test_what_a_host_says_of_itself_is_taken_word_by_word() -> None:
    assert addresses(("10.0.0.5", "fd00::5", "-oProxyCommand=x", "10.0.0.5", "a b", "")) == ("10.0.0.5", "fd00::5")
    assert len(addresses(tuple(f"10.0.0.{number}" for number in range(100)))) == 16
    told = (
        f"{ED25519} root@held",
        f"{ED25519}\n* ssh-rsa AAAA",
        "ssh-dss AAAA",
        f"{ED25519[:30]}",
        f"@cert-authority {ED25519}",
    )
    assert host_keys(told) == (ED25519,)
