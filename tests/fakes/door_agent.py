"""A real agent process with a real door: `python -m tests.fakes.door_agent SETTINGS.json`.

Its only stage fails whenever it is told to. Its SSH server is the machine's own sshd, on loopback and with every file below the
test's folder; power is not touched, what would have been done is written down.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import ClassVar

from vetting import proc
from vetting.agent import loop, main
from vetting.agent.door import AUTHORIZED, HOST_KEY, Door, Say
from vetting.agent.power import Hands, LiveHands
from vetting.agent.settings import Settings
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Outcome, ToolRun
from vetting.stages.base import Deps, Job, Stage

SSHD = "/usr/sbin/sshd"
CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey {root}/{key}
AuthorizedKeysFile {root}/{authorized}
PermitRootLogin prohibit-password
AuthenticationMethods publickey
StrictModes no
UsePAM no
"""


class Stubborn:
    """Waits for its file and fails."""

    name: ClassVar[str] = "Inventory"
    does: ClassVar[str] = "what the test needs"
    tools: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cue: Path) -> None:
        self._cue = cue

    def planned_s(self, job: Job) -> float:
        return 0.0

    def limit_s(self, job: Job) -> float:
        return 600.0

    async def run(self, deps: Deps) -> Outcome:
        while not self._cue.exists():
            await deps.sleep(0.05)
        self._cue.unlink()
        return Outcome.fail("the test says so")


def run(path: Path) -> int:
    told = json.loads(path.read_text())
    folder, root, port = path.parent, Path(told["root"]), told["port"]
    nobody_listens_there = "127.0.0.99"
    vars(loop)["addresses"] = lambda: (nobody_listens_there, "127.0.0.1")
    config = root / "sshd_config"
    programs = f"SetEnv PATH={told['programs']}:/usr/sbin:/usr/bin:/sbin:/bin\n" if "programs" in told else ""
    config.write_text(CONFIG.format(port=port, root=root, key=HOST_KEY, authorized=AUTHORIZED) + programs)

    async def runs(argv: list[str]) -> ToolRun:
        if argv[:2] in (["systemctl", "poweroff"], ["systemctl", "reboot"]):
            (folder / "did").write_text(argv[1])
            return await proc.run(["true"], limit_s=10)
        if argv[0] == "systemctl":
            raise ToolMissing("systemctl")
        return await proc.run(argv, limit_s=30)

    def hands(say: Say) -> Hands:
        sshd = (told.get("sshd", SSHD), "-f", str(config), "-E", str(folder / "sshd.log"))
        return LiveHands(say, run=runs, door=Door(say, root=root, run=runs, sshd=sshd))

    settings = Settings(
        url=told["url"], fingerprint=told["fingerprint"], ticket=told["ticket"], state_dir=root / "state", root=root
    )
    stages: dict[str, Stage] = {"Inventory": Stubborn(folder / "fail")}
    return asyncio.run(main.run(settings, stages, hands=hands, echo=sys.stderr))


if __name__ == "__main__":
    raise SystemExit(run(Path(sys.argv[1])))
