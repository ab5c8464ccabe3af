"""The files of a run, given out again. Saved ends of disks are among them: who took what is written down."""

from __future__ import annotations

import asyncio

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import NotFound, Unavailable
from vetting.store import artifacts, audit, runs
from vetting.store.artifacts import Room
from vetting.store.db import Store
from vetting.store.rows import ArtifactRow


class Files:
    def __init__(self, *, store: Store, room: Room, clock: Clock) -> None:
        self._store = store
        self._room = room
        self._clock = clock

    async def listing(self, run_id: int) -> tuple[wire.ArtifactView, ...]:
        """The artifacts of a run, oldest first. Raises NotFound."""

        def look() -> tuple[wire.ArtifactView, ...]:
            runs.get(run_id)
            return tuple(_view(one) for one in artifacts.artifacts_of(run_id))

        return await self._store.read(look)

    async def content(self, run_id: int, artifact_id: int, *, who: str) -> bytes:
        """A whole file, as its checksum says. Raises NotFound, Unavailable where it is damaged."""
        found = await self._store.read(lambda: artifacts.get(artifact_id))
        if found.run_id != run_id:
            raise NotFound(f"run {run_id} has no artifact {artifact_id}; `vetting run artifacts {run_id}` lists them")
        if why := await asyncio.to_thread(self._room.objection, found):
            raise Unavailable(f"artifact {artifact_id} ({found.name}) {why}; restore it from a backup")
        content = await asyncio.to_thread(self._room.read, found)
        now, detail = self._clock.now(), {"artifact": artifact_id, "name": found.name, "sha256": found.sha256}
        await self._store.write(
            lambda: audit.add(at=now, who=who, what="artifact.take", target=found.name, run_id=run_id, detail=detail)
        )
        return content


def _view(one: ArtifactRow) -> wire.ArtifactView:
    return wire.ArtifactView(
        id=one.id,
        stage=one.stage,
        attempt=one.attempt,
        name=one.name,
        media_type=one.media_type,
        sha256=one.sha256,
        size_bytes=one.size_bytes,
        created_at=one.created_at,
    )
