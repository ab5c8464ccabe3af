"""The agent's hands on the machine: power, and the door that a hold opens. Real ones only in the live image."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vetting.agent.door import Door, Run, Say, run_plainly
from vetting.domain.errors import ToolMissing

POWER_OFF = (["systemctl", "poweroff"], ["poweroff", "-f"])
REBOOT = (["systemctl", "reboot"], ["reboot", "-f"])


class Hands(Protocol):
    async def power_off(self) -> None: ...
    async def reboot(self) -> None: ...
    async def host_keys(self) -> tuple[tuple[str, ...], str]:
        """(public keys of this machine's SSH server, why there is none); two empty ones where its door is not ours."""

    async def open_door(self, authorized_key: str) -> str:
        """Lets the holder of the key in. Why nobody can sign in; empty where the door is open."""

    async def close_door(self) -> None: ...


class TiedHands:
    """Outside the live image: says what it would do, and does nothing to the machine."""

    def __init__(self, say: Say) -> None:
        self._say = say

    async def power_off(self) -> None:
        self._say("the run is over; this is not the live image, so the machine stays on", "info")

    async def reboot(self) -> None:
        self._say("a reboot was ordered; this is not the live image, so the machine stays as it is", "info")

    async def host_keys(self) -> tuple[tuple[str, ...], str]:
        self._say("held; this is not the live image, so no key is installed", "info")
        return (), ""

    async def open_door(self, authorized_key: str) -> str:
        return "this is not the live image"

    async def close_door(self) -> None:
        return


class LiveHands:
    """In the live image. Each deed has a second way, for an image whose first one is broken."""

    def __init__(self, say: Say, *, root: Path = Path("/"), run: Run = run_plainly, door: Door | None = None) -> None:
        self._say = say
        self._run = run
        self._door = door or Door(say, root=root, run=run)

    async def power_off(self) -> None:
        await self._one_of(POWER_OFF)

    async def reboot(self) -> None:
        await self._one_of(REBOOT)

    async def host_keys(self) -> tuple[tuple[str, ...], str]:
        return await self._door.host_keys()

    async def open_door(self, authorized_key: str) -> str:
        return await self._door.open(authorized_key)

    async def close_door(self) -> None:
        await self._door.close()

    async def _one_of(self, ways: tuple[list[str], ...]) -> bool:
        for argv in ways:
            try:
                ended = await self._run(argv)
            except ToolMissing:
                continue
            if ended.exit_code == 0 and not ended.timed_out:
                return True
            self._say(f"{' '.join(argv)} {ended.how_it_ended}: {ended.text.strip()[:200]}", "warning")
        self._say(f"none of these worked: {'; '.join(' '.join(argv) for argv in ways)}", "error")
        return False
