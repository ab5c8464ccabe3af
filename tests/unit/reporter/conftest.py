"""An installed host whose programs answer in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.installed_host import InstalledHost
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun
from vetting.reporter.machine import Machine


class Programs:
    """Runs the host's stand-ins without starting a process; one that answers late is killed at its deadline."""

    def __init__(self, host: InstalledHost) -> None:
        self._host = host

    async def __call__(self, argv: tuple[str, ...], *, limit_s: float, env: dict[str, str], grace_s: float) -> ToolRun:
        assert all(str(self._host.root) in folder for folder in env["PATH"].split(":"))
        if not (self._host.root / "usr/bin" / argv[0]).exists():
            raise ToolMissing(argv[0])
        status, said = self._host.answer(argv)
        late = said == "HANGS"
        return ToolRun(
            argv=argv, exit_code=None if late else status, signal=9 if late else None, timed_out=late, started_s=0.0,
            ended_s=limit_s if late else 0.1, stdout="" if late else said, stderr="",
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> InstalledHost:
    return InstalledHost.made(tmp_path / "host")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def machine(host: InstalledHost, said: list[str]) -> Machine:
    return Machine(root=host.root, say=said.append, runner=Programs(host))
