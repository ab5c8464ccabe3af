"""The rack by hand: up, told from another terminal, down; and what a killed one leaves behind."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.lab import network
from tests.lab.programs import Program
from tests.lab.waiting import until
from vetting import proc
from vetting.domain.outcome import ToolRun

LAB = (sys.executable, "-m", "tests.lab")


async def lab(*words: str) -> ToolRun:
    return await proc.run((*LAB, *words), limit_s=90, cwd=str(REPOSITORY))


async def risen(folder: Path, name: str) -> Program:
    up = await Program.started((*LAB, "up", "--hosts", "1", "--power-on"), log=folder / name)

    async def said() -> bool:
        assert up.lives, up.tail()
        return "Ctrl-C takes it down" in up.tail()

    await until(said, limit_s=90, said="the rack to be up", context=up.tail)
    return up


def racks_of(up: Program) -> list[str]:
    return [name for name in network.names() if network.owner(name) == up.process.pid]


def alive(name: str) -> list[int]:
    """Processes that are in a namespace of the lab."""
    inode = (network.NETS / name).stat().st_ino
    found = []
    for pid in (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == inode:
                found.append(pid)
        except OSError:
            continue
    return found


@pytest.mark.timeout(300)
async def test_a_rack_by_hand_does_as_told_goes_down_on_term_and_leaves_nothing_when_killed(tmp_path: Path) -> None:
    up = await risen(tmp_path, "first.log")
    assert len(racks_of(up)) == 1
    assert (await lab("do", "freeze", "h1")).exit_code == 0
    refused = await lab("do", "off", "h9")
    assert refused.exit_code == 1 and "there is no host h9" in refused.stdout
    up.send(signal.SIGTERM)
    assert await up.ended(60) == 0
    assert racks_of(up) == []

    up = await risen(tmp_path, "second.log")
    name = racks_of(up)[0]
    up.send(signal.SIGKILL)
    await up.process.wait()

    async def deserted() -> bool:
        return not alive(name)

    await until(deserted, limit_s=30, said="the killed rack's programs to end by themselves")
    cleared = await lab("down")
    assert name in cleared.stdout, cleared.stdout + cleared.stderr
    assert name not in network.names()
