"""A sign of life every few seconds, whatever the stages do, and the orchestrator's command in the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vetting import wire
from vetting.agent.activity import Activity
from vetting.client import Client, Unreachable, WrongServer
from vetting.clock import Clock
from vetting.domain.errors import NotAllowed, ProtocolMismatch, Refusal

PATH = "/api/agent/heartbeat"


class Heartbeat:
    """Beats for ever: each `every_s`, and at once when the activity changes. Without a server it just beats on."""

    def __init__(
        self,
        client: Client,
        activity: Activity,
        clock: Clock,
        *,
        every_s: float,
        dropped_samples: Callable[[], int],
        on_reply: Callable[[wire.HeartbeatReply], None],
        say: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._activity = activity
        self._clock = clock
        self._every_s = every_s
        self._dropped_samples = dropped_samples
        self._on_reply = on_reply
        self._say = say
        self._seq = 0
        self._away = False

    async def follow(self) -> None:
        """Raises NotAllowed (the token is stale) and ProtocolMismatch; survives everything else."""
        while True:
            self._activity.changed.clear()
            await self.beat()
            await self._pause()

    async def beat(self) -> None:
        self._seq += 1
        now = self._activity
        message = wire.Heartbeat(
            boot_id=now.boot_id,
            seq=self._seq,
            doing=now.doing,
            stage=now.stage,
            attempt=now.attempt,
            monotonic_s=self._clock.monotonic(),
            progress=now.progress,
            dropped_samples=self._dropped_samples(),
        )
        try:
            reply = await self._client.call(PATH, message, wire.HeartbeatReply, limit_s=max(self._every_s, 1.0))
        except (NotAllowed, ProtocolMismatch):
            raise
        except (Unreachable, WrongServer) as why:
            if not self._away:
                self._say(f"the orchestrator does not answer; going on without it ({why})", "warning")
            self._away = True
            return
        except Refusal as why:
            self._say(f"a heartbeat was refused: {why}", "warning")
            return
        if self._away:
            self._say("the orchestrator answers again", "info")
        self._away = False
        self._on_reply(reply)

    async def _pause(self) -> None:
        """Until the next beat is due, or the activity changes."""
        waits = {
            asyncio.ensure_future(self._clock.sleep(self._every_s)),
            asyncio.ensure_future(self._activity.changed.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
