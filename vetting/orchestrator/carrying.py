"""Keeps where a host's surface tests stand, and gives it back to the boot that goes on after a power cut.

The live image forgets everything with the power; a soak of a large disk must not begin again for that. Nothing is judged here:
only the surface program itself resumes, if run, disk, plan and salt fit. What is given back belongs to a run whose stage has not
concluded, and to a disk whose saved ends lie here whole: without the way back nothing goes on.
"""

from __future__ import annotations

import asyncio

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.states import IN_STAGE
from vetting.store import artifacts, attempts, checkpoints, runs
from vetting.store.artifacts import Room
from vetting.store.db import Store
from vetting.store.rows import ArtifactRow, CheckpointRow, RunRow

MAX_TEXT = 128 * 1024
MAX_NAME = 200


class Carrying:
    def __init__(self, *, store: Store, clock: Clock, room: Room) -> None:
        self._store, self._clock, self._room = store, clock, room

    async def keep(self, run_id: int, message: wire.Checkpoint) -> wire.CheckpointKept:
        """Acknowledged once it is committed. Raises BadInput; Conflict for an attempt that is not going on."""
        if len(message.text) > MAX_TEXT or len(message.component) > MAX_NAME:
            raise BadInput(f"a checkpoint has at most {MAX_TEXT} characters, and its component {MAX_NAME}")
        now = self._clock.now()

        def keep() -> CheckpointRow:
            run = runs.get(run_id)
            current = attempts.running(run_id) if run.state in IN_STAGE else None
            asked = (message.stage, message.attempt, message.boot_id)
            if current is None or asked != (current.stage, current.attempt, run.boot_id):
                raise Conflict(
                    f"attempt {message.attempt} at {message.stage[:40]} is not what run {run_id} does now ({run.state}): "
                    "its checkpoint is not kept",
                    state=str(run.state),
                )
            if message.component not in written_by(run):
                raise BadInput(f"{message.component[:80]} is none of the disks that run {run_id} writes")
            return checkpoints.keep(
                CheckpointRow(
                    run_id=run_id, stage=message.stage, component=message.component, attempt=message.attempt,
                    seq=message.seq, boot_id=message.boot_id, heads_sha256=message.heads_sha256[:64], text=message.text,
                    at=now,
                )
            )  # fmt: skip

        return wire.CheckpointKept(seq=(await self._store.write(keep)).seq)

    async def give(self, run_id: int, component: str) -> wire.CheckpointGiven:
        """What there is for this component in the stage that the run is in; without text, with a reason, where that is nothing."""

        def look() -> tuple[CheckpointRow | None, list[ArtifactRow]]:
            run = runs.get(run_id)
            return checkpoints.find(run_id, run.stage, component), artifacts.artifacts_of(run_id, run.stage)

        found, files = await self._store.read(look)
        if found is None:
            return wire.CheckpointGiven()
        heads = next((each for each in files if each.sha256 == found.heads_sha256), None)
        if heads is None:
            return wire.CheckpointGiven(why_not="the saved ends of this disk are not with the orchestrator")
        if trouble := await asyncio.to_thread(self._room.objection, heads):
            return wire.CheckpointGiven(why_not=f"the file with the saved ends of this disk {trouble}")
        return wire.CheckpointGiven(
            attempt=found.attempt, seq=found.seq, heads_sha256=found.heads_sha256, text=found.text, heads=heads.name
        )


def written_by(run: RunRow) -> frozenset[str]:
    """The components that a run may write, as its cells name them."""
    return frozenset(f"disk:{disk.serial}" for disk in run.expected_disks if disk.write and not run.non_destructive)
