"""What a recipe may do: the host from outside (power, cable, disks, QMP), and a root shell inside it, whatever the agent is doing."""

from __future__ import annotations

import asyncio
import base64
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaign.fault import Control, Fault
    from tests.lab.host import Host
    from tests.lab.orchestrator import Orchestrator
    from tests.lab.rack import Rack
    from tests.lab.run import Run

ANSWER_S = 60.0


class Spoiled(Exception):
    """The fault did not get in: our trouble, neither a catch nor a miss."""


@dataclass(slots=True)
class Bench:
    """`run` is None until the run is started (in `prepare`). `notes` are printed beside the row."""

    fault: Fault | Control
    rack: Rack
    serve: Orchestrator
    host: Host
    run: Run | None = None
    notes: list[str] = field(default_factory=list)
    answered: int = 0

    async def guest(self, script: str, *, limit_s: float = ANSWER_S, check: bool = True) -> str:
        """Runs a script for bash in the guest, as root and beside the agent; returns what it printed. Raises Spoiled where its
        status is not 0 (unless `check` is off), or where no answer came."""
        status, said = await self._asked(script, limit_s)
        if check and status != 0:
            raise Spoiled(f"in the guest {script.strip()[:200]!r} ended with {status}: {said.strip()[-400:]}")
        return said

    async def tell(self, script: str) -> None:
        """The same, without waiting for an end or an answer."""
        await self.guest(f"nohup bash -c {shlex.quote(script)} >/dev/null 2>&1 &")

    def note(self, words: str) -> None:
        self.notes.append(words)

    async def _asked(self, script: str, limit_s: float) -> tuple[int, str]:
        self.answered += 1
        mark = f"answer-{self.answered}"
        line = f"{mark} {base64.b64encode(script.encode()).decode()}"
        assert self.host.typing is not None, f"{self.fault.name} is off"
        self.host.typing.setblocking(False)
        try:
            async with asyncio.timeout(limit_s):
                self.host.type(line)
                return await self._answer(mark)
        except (TimeoutError, OSError) as why:
            raise Spoiled(f"the guest of {self.fault.name} did not answer within {limit_s:.0f} s ({why!r})") from None

    async def _answer(self, mark: str) -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        assert self.host.typing is not None
        heard = b""
        while True:
            heard += await loop.sock_recv(self.host.typing, 65536)
            *lines, heard = heard.split(b"\n")
            for line in lines:
                words = line.decode(errors="replace").split()
                if words[:1] == [mark] and len(words) >= 2:
                    return int(words[1]), base64.b64decode(words[2] if len(words) > 2 else "").decode(errors="replace")
