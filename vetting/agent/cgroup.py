"""A control group for each attempt: the load gets a memory limit, so that the kernel kills the load and never the agent.

Two hierarchies are known: version 2 with the memory controller, and version 1's memory controller (still there on
hybrid systems). Where neither can be used there is no group, and the reason is said. Sources: the kernel's
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
RESERVE_BYTES = 512 * MIB  # of the memory available at the stage's start, left to agent and kernel
KILL_ROUNDS = 50
ROUND_S = 0.1
PREFIX = "vetting-"


@dataclass(frozen=True, slots=True)
class Home:
    """Where groups may be made: a folder of the hierarchy, and which version's files lie there."""

    folder: Path
    version: int


def load_limit_bytes(available_bytes: int) -> int:
    """What the load may use of the memory that is available: all but 512 MiB, on small machines all but a tenth."""
    return available_bytes - min(RESERVE_BYTES, max(available_bytes // 10, 0))


def find_home(root: Path) -> tuple[Home | None, str]:
    """The folder to make groups in, or None with the reason."""
    base = root / "sys/fs/cgroup"
    if "memory" in _words(base / "cgroup.controllers"):
        return _unified(root, base)
    if (base / "memory/memory.limit_in_bytes").exists():
        return _writable(Home(base / "memory", 1))
    return None, "the memory controller of neither cgroup version is mounted"


def _unified(root: Path, base: Path) -> tuple[Home | None, str]:
    """Version 2: our own delegated group where we are alone in it, else the top where its children have the controller."""
    own = base / _own_path(root).lstrip("/")
    if own != base and _words(own / "cgroup.procs") == [str(os.getpid())]:
        # Processes may only live in leaves: step down into one, with some memory kept for us, and hand the controller down.
        with contextlib.suppress(OSError):
            leaf = own / f"{PREFIX}agent"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0")
            (own / "cgroup.subtree_control").write_text("+memory")
            with contextlib.suppress(OSError):
                (leaf / "memory.min").write_text(str(128 * MIB))
            return _writable(Home(own, 2))
    if "memory" in _words(base / "cgroup.subtree_control"):
        return _writable(Home(base, 2))
    return None, "cgroup version 2 hands no memory controller down to us"


def _writable(home: Home) -> tuple[Home | None, str]:
    trial = home.folder / f"{PREFIX}trial-{os.getpid()}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        return None, f"no group can be made in {home.folder}: {error.strerror}"
    return home, ""


class StageGroup:
    """The groups of one attempt: `tools` without a limit, `load` with one."""

    def __init__(self, home: Home, name: str, limit_bytes: int) -> None:
        """Raises OSError where the groups cannot be made or the limit is not taken."""
        self.limit_bytes = limit_bytes
        self._version = home.version
        self.tools = home.folder / f"{PREFIX}{name}-tools"
        self.load = home.folder / f"{PREFIX}{name}-load"
        for folder in (self.tools, self.load):
            folder.mkdir(exist_ok=True)
        if home.version == 2:
            (self.load / "memory.max").write_text(str(limit_bytes))
            _try_write(self.load / "memory.swap.max", "0")
        else:
            (self.load / "memory.limit_in_bytes").write_text(str(limit_bytes))
            _try_write(self.load / "memory.memsw.limit_in_bytes", str(limit_bytes))

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.tools, self.load

    def joining(self, *, heavy: bool) -> str:
        """The file into which a process writes 0 to come in."""
        return str((self.load if heavy else self.tools) / "cgroup.procs")

    def oom_kills(self) -> int | None:
        """Processes of the load that the kernel killed for memory; None where it does not tell."""
        source = self.load / ("memory.events" if self._version == 2 else "memory.oom_control")
        try:
            lines = source.read_text().splitlines()
        except OSError:
            return None
        counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
        return int(counts[0]) if counts and counts[0].isdigit() else None

    async def clear(self) -> int:
        """Kills whatever is left in both groups and removes them; returns how many processes there were."""
        return sum([await clear(folder) for folder in self.folders])


async def clear(folder: Path, kill: Callable[[int, int], None] = os.kill) -> int:
    """Kills all processes of a group and removes it; a group that is gone is fine. Returns how many there were."""
    killed: set[int] = set()
    for _ in range(KILL_ROUNDS):
        pids = [int(word) for word in _words(folder / "cgroup.procs") if word.isdigit() and int(word) != os.getpid()]
        if not pids:
            break
        killed.update(pids)
        if not _try_write(folder / "cgroup.kill", "1"):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(pid, signal.SIGKILL)
        await asyncio.sleep(ROUND_S)
    for _ in range(KILL_ROUNDS):
        try:
            folder.rmdir()
        except FileNotFoundError:
            break
        except OSError:  # busy: the kernel still takes the last process apart
            await asyncio.sleep(ROUND_S)
        else:
            break
    return len(killed)


def _own_path(root: Path) -> str:
    """Our place in the version 2 hierarchy: the line `0::/…` of /proc/self/cgroup."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _try_write(path: Path, text: str) -> bool:
    if not path.exists():
        return False
    try:
        path.write_text(text)
    except OSError:
        return False
    return True
