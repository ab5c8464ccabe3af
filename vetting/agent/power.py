"""The agent's hands on the machine: power, and the door that a hold opens. Real ones only in the live image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from vetting import proc
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun

Say = Callable[[str, str], None]
Run = Callable[[list[str]], Awaitable[ToolRun]]
COMMAND_LIMIT_S = 30.0
POWER_OFF = (["systemctl", "poweroff"], ["poweroff", "-f"])
REBOOT = (["systemctl", "reboot"], ["reboot", "-f"])
OPEN = (["systemctl", "start", "ssh.service"], ["/usr/sbin/sshd"])
CLOSE = (["systemctl", "stop", "ssh.service"],)


class Hands(Protocol):
    async def power_off(self) -> None: ...
    async def reboot(self) -> None: ...
    async def open_door(self, authorized_key: str) -> bool:
        """Lets the holder of the key in; False where this machine's door is not ours to open."""

    async def close_door(self) -> None: ...


class TiedHands:
    """Outside the live image: says what it would do, and does nothing to the machine."""

    def __init__(self, say: Say) -> None:
        self._say = say

    async def power_off(self) -> None:
        self._say("the run is over; this is not the live image, so the machine stays on", "info")

    async def reboot(self) -> None:
        self._say("a reboot was ordered; this is not the live image, so the machine stays as it is", "info")

    async def open_door(self, authorized_key: str) -> bool:
        self._say("held; this is not the live image, so no key is installed", "info")
        return False

    async def close_door(self) -> None:
        return


async def run_plainly(argv: list[str]) -> ToolRun:
    return await proc.run(argv, limit_s=COMMAND_LIMIT_S)


class LiveHands:
    """In the live image. Each deed has a second way, for an image whose first one is broken."""

    def __init__(self, say: Say, *, root: Path = Path("/"), run: Run = run_plainly) -> None:
        self._say = say
        self._keys = root / "root/.ssh/authorized_keys"
        self._run = run

    async def power_off(self) -> None:
        await self._one_of(POWER_OFF)

    async def reboot(self) -> None:
        await self._one_of(REBOOT)

    async def open_door(self, authorized_key: str) -> bool:
        key = authorized_key.strip()
        if not key or "\n" in key or not key.startswith(("ssh-", "ecdsa-")):
            self._say("the orchestrator gave no usable key: nobody can sign in over SSH, use the console", "error")
            return False
        self._keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keys.touch(mode=0o600)
        self._keys.write_text(key + "\n", encoding="ascii", errors="replace")
        return await self._one_of(OPEN)

    async def close_door(self) -> None:
        if self._keys.exists():
            self._keys.unlink()
            await self._one_of(CLOSE)

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
