"""Whether somebody would be told: a test message to a channel, asked for by a person."""

from __future__ import annotations

import asyncio

from vetting.clock import Clock
from vetting.config import Channel, Config
from vetting.domain.errors import Conflict, NotFound
from vetting.notify import Sent, send
from vetting.store import audit
from vetting.store.db import Store

TITLE = "vetting: a test message"


class Telling:
    def __init__(self, *, store: Store, clock: Clock, config: Config) -> None:
        self._store = store
        self._clock = clock
        self._channels = config.notify
        self._url = config.server.public_url
        self._turn = asyncio.Lock()

    def channel(self, number: int) -> Channel:
        """By its place in vetting.yaml, the first is 0. Raises NotFound."""
        if not 0 <= number < len(self._channels):
            raise NotFound("there is no such channel; vetting.yaml has been changed, load the settings again")
        return self._channels[number]

    async def test(self, number: int, *, who: str) -> Sent:
        """Sends one message, and writes down who did. Raises NotFound, and Conflict while another one is under way."""
        channel = self.channel(number)
        if self._turn.locked():
            raise Conflict("another test message is under way; try again when it is through")
        async with self._turn:
            body = (
                f"{who} sent this from {self._url} to see whether the channel {channel.name} works. "
                f"It tells of {', '.join(channel.events)}."
            )
            sent = await send(channel.url, TITLE, body)
        now, detail = self._clock.now(), {"delivered": sent.delivered}
        await self._store.write(
            lambda: audit.add(at=now, who=who, what="notify.test", target=channel.name, detail=detail)
        )
        return sent
