"""Processes that outlived their stage or their agent, found and killed: only our own, by the marks that we left.

A program carries our mark in its environment and so do its children; it also leaves a file named by its session id with
the uptime in it. Both are needed: some load programs overwrite their environment. A session counts only where it began
at that uptime, because process numbers come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

MARK = "VETTING_MARK"
SLACK_S = 2.0  # between the uptime in a file and the kernel's idea of when its session began
ROUNDS = 20
ROUND_S = 0.1


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    session: int
    started_s: float  # since boot
    state: str


def joiner(*, seen: Path, oom_score_adj: str, procs: str) -> list[str]:
    """Words to put before a program: it leaves its session's file, takes its OOM score, and steps into its group.

    A step that fails ends it with status 125 and a line that begins with COULD_NOT, before the program ever runs.
    """
    return ["/bin/sh", "-c", _JOIN, "vetting-join", str(seen), oom_score_adj, procs]


COULD_NOT = "vetting-join: could not"
_JOIN = f"""
seen=$1 score=$2 group=$3; shift 3
read -r up rest < /proc/uptime
echo "$up" > "$seen/$$" || {{ echo "{COULD_NOT} leave its mark" >&2; exit 125; }}
if [ -n "$score" ]; then
    echo "$score" > /proc/self/oom_score_adj || {{ echo "{COULD_NOT} set its OOM score" >&2; exit 125; }}
fi
if [ -n "$group" ]; then
    echo 0 > "$group" || {{ echo "{COULD_NOT} enter its control group" >&2; exit 125; }}
fi
exec "$@"
"""


def processes(proc: Path = Path("/proc")) -> list[Process]:
    """All processes that can be seen now, without kernel threads' details and zombies."""
    found = []
    ticks = os.sysconf("SC_CLK_TCK")
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text(errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()  # a program's name may hold blanks and brackets: proc(5)
        if len(fields) > 19 and fields[0] not in "ZX":
            found.append(Process(int(folder.name), int(fields[3]), int(fields[19]) / ticks, fields[0]))
    return found


def ours(mark: str, sessions: Path, proc: Path = Path("/proc")) -> list[int]:
    """Process ids that carry the mark or belong to a session that we started; never ourselves."""
    everybody = {process.pid: process for process in processes(proc)}
    began = _sessions(sessions)
    return [
        process.pid
        for process in everybody.values()
        if process.pid != os.getpid()
        and (_in_session(process, everybody, began) or _carries(proc / str(process.pid) / "environ", mark))
    ]


def _in_session(process: Process, everybody: dict[int, Process], began: dict[int, float]) -> bool:
    began_s = began.get(process.session)
    if began_s is None or not process.started_s >= began_s - SLACK_S:
        return False
    leader = everybody.get(process.session)  # gone, or as old as its file: else the number came again
    return leader is None or abs(leader.started_s - began_s) <= SLACK_S


async def sweep(mark: str, sessions: Path, proc: Path = Path("/proc")) -> int:
    """Kills them all, also those that appear meanwhile; returns how many there were."""
    killed: set[int] = set()
    for _ in range(ROUNDS):
        pids = ours(mark, sessions, proc)
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed.update(pids)
        await asyncio.sleep(ROUND_S)
    for path in sessions.iterdir():
        path.unlink(missing_ok=True)
    return len(killed)


def _sessions(folder: Path) -> dict[int, float]:
    """Session id -> when it began, in seconds since boot."""
    found = {}
    for path in folder.iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                found[int(path.name)] = float(path.read_text())
    return found


def _carries(environ: Path, mark: str) -> bool:
    try:
        return bool(mark) and f"{MARK}={mark}".encode() in environ.read_bytes().split(b"\0")
    except OSError:
        return False
