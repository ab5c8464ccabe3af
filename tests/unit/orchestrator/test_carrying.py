"""Where a surface test stands, kept for the boot after a power cut: what is taken, and what is given back to whom."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.states import RunState
from vetting.orchestrator.carrying import MAX_TEXT, Carrying
from vetting.store import artifacts, checkpoints

ENDS = b"both ends of a disk"
HEADS = hashlib.sha256(ENDS).hexdigest()


def message(world: World, **changes: Any) -> wire.Checkpoint:
    said = {"boot_id": world.boot_id, "stage": "Storage", "attempt": 1, "component": "disk:D1", "seq": 1}
    return wire.Checkpoint(**{**said, "heads_sha256": HEADS, "text": "one", **changes})


async def in_storage(world: World, *, ends: bool = True) -> tuple[int, Carrying]:
    run_id = await world.begun()
    await world.reach(run_id, "Storage")
    if ends:
        stored = world.room.keep(run_id, ENDS)
        await world.store.write(
            lambda: artifacts.add(run_id, "Storage", 1, "heads-d1.bin", "application/octet-stream", stored, now=1.0)
        )
    return run_id, Carrying(store=world.store, clock=world.clock, room=world.room)


async def cut_and_retried(world: World, run_id: int) -> None:
    """The power fails in Storage; the next boot is held, and a person tries again."""
    world.boot_id = "boot-two"
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    await world.claim(ticket)
    assert await world.state(run_id) is RunState.FAILED_HOLDING
    await world.progress.retry(run_id, who="tester", because=wire.Because(reason="a power cut"))


async def test_after_a_power_cut_and_a_retry_the_newest_checkpoint_comes_back(world: World) -> None:
    run_id, carrying = await in_storage(world)
    for seq, text in ((1, "one"), (3, "three"), (2, "late")):
        await carrying.keep(run_id, message(world, seq=seq, text=text))
    await cut_and_retried(world, run_id)
    given = await carrying.give(run_id, "disk:D1")
    assert (given.text, given.seq, given.attempt, given.heads, given.why_not) == ("three", 3, 1, "heads-d1.bin", "")
    assert given.heads_sha256 == HEADS
    # The next attempt counts on; an old boot's word that comes late is not taken.
    assert (await carrying.keep(run_id, message(world, attempt=2, seq=4, text="four"))).seq == 4
    with pytest.raises(Conflict, match="its checkpoint is not kept"):
        await carrying.keep(run_id, message(world, boot_id="boot-one", seq=9))
    assert (await carrying.give(run_id, "disk:D1")).text == "four"


async def test_a_later_attempt_that_began_anew_goes_before_an_earlier_one_that_got_further(world: World) -> None:
    run_id, carrying = await in_storage(world)
    await carrying.keep(run_id, message(world, seq=50, text="old"))
    await cut_and_retried(world, run_id)
    await carrying.keep(run_id, message(world, attempt=2, seq=1, text="anew"))
    assert (await carrying.give(run_id, "disk:D1")).text == "anew"


async def test_nothing_comes_back_where_the_saved_ends_are_missing_or_damaged(world: World) -> None:
    run_id, carrying = await in_storage(world, ends=False)
    await carrying.keep(run_id, message(world))
    given = await carrying.give(run_id, "disk:D1")
    assert (given.text, given.why_not) == ("", "the saved ends of this disk are not with the orchestrator")
    stored = world.room.keep(run_id, ENDS)
    row = await world.store.write(lambda: artifacts.add(run_id, "Storage", 1, "h", "x", stored, now=1.0))
    assert (await carrying.give(run_id, "disk:D1")).text == "one"
    world.room.place(row).write_bytes(b"both ends of a d1sk")
    assert "instead of" in (await carrying.give(run_id, "disk:D1")).why_not


async def test_a_stage_that_concluded_leaves_nothing_to_go_on_from(world: World) -> None:
    run_id, carrying = await in_storage(world)
    await carrying.keep(run_id, message(world))
    await world.post(run_id, "Storage")
    assert await world.store.read(lambda: checkpoints.find(run_id, "Storage", "disk:D1")) is None


async def test_a_run_that_is_over_keeps_no_checkpoint(world: World) -> None:
    run_id, carrying = await in_storage(world)
    await carrying.keep(run_id, message(world))
    await world.progress.cancel(run_id, who="tester", because=wire.Because(reason="enough"))
    assert await world.store.read(lambda: checkpoints.find(run_id, "Storage", "disk:D1")) is None


@pytest.mark.parametrize(
    "changes",
    [{"stage": "SMART"}, {"attempt": 2}, {"boot_id": "another"}, {"component": "disk:OTHER"}, {"text": "x" * (MAX_TEXT + 1)}],
    ids=["another stage", "another attempt", "another boot", "another disk", "too long"],
)  # fmt: skip
async def test_what_does_not_belong_here_is_not_kept(world: World, changes: dict[str, Any]) -> None:
    run_id, carrying = await in_storage(world)
    with pytest.raises((Conflict, BadInput)):
        await carrying.keep(run_id, message(world, **changes))
    assert (await carrying.give(run_id, "disk:D1")).text == ""


async def test_a_disk_of_which_nothing_is_known_has_nothing_to_go_on_from(world: World) -> None:
    run_id, carrying = await in_storage(world)
    assert await carrying.give(run_id, "disk:D1") == wire.CheckpointGiven()
