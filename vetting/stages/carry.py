"""Where the surface test of a disk stands goes to the orchestrator now and then, and comes back after a power cut.

The checkpoint lies in this boot's memory, and a power cut takes that. It is opaque here: the surface program wrote it, after the
disk had flushed what it calls written, and only the surface program goes on from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.hwmon import slug
from vetting.parsers.surface import parse_mark
from vetting.stages.base import Checkpoint, Deps, NotTaken
from vetting.stages.disk_paths import Device

EVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an earlier boot left of the test of one disk. `path` empty: nothing to go on from."""

    path: str = ""
    heads_sha256: str = ""


def checkpoint_of(deps: Deps, device: Device) -> str:
    """The file of this boot; it outlives the agent."""
    return deps.lasting(f"surface-{slug(device.disk.serial)}.checkpoint")


async def fetch(deps: Deps, device: Device) -> Carried:
    """Asks what an earlier boot handed over. Raises NotTaken where nobody answers."""
    found, why_not = await deps.carried(device.component)
    if why_not:
        deps.log(
            f"an earlier boot got further with {device.component}, and it is tested from the start: {why_not}",
            "warning",
        )
    if found is None:
        return Carried()
    path = deps.write_scratch(f"carried-{slug(device.disk.serial)}.checkpoint", found.text.encode())
    return Carried(path=path, heads_sha256=found.heads_sha256)


@asynccontextmanager
async def carrying(deps: Deps, device: Device) -> AsyncIterator[None]:
    """While a scan runs its checkpoints are carried away, and the last one of all when it has ended."""
    kept = _Kept(deps, device)
    following = asyncio.create_task(kept.follow(), name=f"carrying {device.component}")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await kept.hand_over()


@dataclass
class _Kept:
    deps: Deps
    device: Device
    seq: int = 0  # of the newest that was taken
    said: str = ""

    async def follow(self) -> None:
        while True:
            await self.deps.sleep(EVERY_S)
            await self.hand_over()

    async def hand_over(self) -> None:
        """The newest, if it is new. A test goes on without: it would only have to begin again after a power cut."""
        try:
            text = self.deps.read(checkpoint_of(self.deps, self.device))
            mark = parse_mark(text)
        except (OSError, ParseError):
            return  # not there yet, or finished and gone
        if mark.seq <= self.seq:
            return
        try:
            await self.deps.carry(
                Checkpoint(component=self.device.component, seq=mark.seq, heads_sha256=mark.heads_sha256, text=text)
            )
        except NotTaken as why:
            if self.said != str(why):
                self.said = str(why)
                self.deps.log(
                    f"where the test of {self.device.component} stands was not carried away: {why}", "warning"
                )
            return
        self.seq, self.said = mark.seq, ""
