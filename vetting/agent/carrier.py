"""Checkpoints to the orchestrator and back: what must outlive a power cut, for the live image does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from vetting import wire
from vetting.agent.logs import Logs
from vetting.client import Client, Unreachable, WrongServer
from vetting.domain.errors import Refusal
from vetting.stages.base import Checkpoint, NotTaken

PATH = "/api/agent/checkpoint"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Of one attempt."""

    client: Client
    logs: Logs
    boot_id: str
    stage: str
    attempt: int

    async def away(self, checkpoint: Checkpoint, *, limit_s: float) -> None:
        """Once: a newer one comes soon. Raises NotTaken."""
        message = wire.Checkpoint(
            boot_id=self.boot_id, stage=self.stage, attempt=self.attempt, component=checkpoint.component,
            seq=checkpoint.seq, heads_sha256=checkpoint.heads_sha256, text=checkpoint.text,
        )  # fmt: skip
        await _in_time(self.client.call(PATH, message, wire.CheckpointKept, limit_s=limit_s), limit_s)

    async def back(self, component: str, *, limit_s: float) -> tuple[Checkpoint | None, str]:
        """What there is, or None and why, where there is more to say. Raises NotTaken where nobody answers in time."""
        given = await _in_time(self._asked(component), limit_s)
        if not given.text:
            return None, given.why_not
        self.logs.say(f"attempt {given.attempt} left a checkpoint of {component}; its saved ends are {given.heads}")
        found = Checkpoint(component=component, seq=given.seq, heads_sha256=given.heads_sha256, text=given.text)
        return found, ""

    async def _asked(self, component: str) -> wire.CheckpointGiven:
        path = f"{PATH}?{urlencode({'component': component})}"
        while True:
            with contextlib.suppress(Unreachable):
                return await self.client.get(path, wire.CheckpointGiven)
            await self.client.wait()


async def _in_time(asking: Awaitable[T], limit_s: float) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await asking
    except TimeoutError:
        raise NotTaken(f"the orchestrator did not answer within {limit_s:.0f} s") from None
    except (Refusal, Unreachable, WrongServer) as why:
        raise NotTaken(str(why)) from None
