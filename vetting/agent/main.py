"""Puts the agent together, in order, and lets it live."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

import msgspec

from vetting.agent import cgroup, leftovers
from vetting.agent.activity import Activity
from vetting.agent.door import Say
from vetting.agent.kept import Kept, Shelf
from vetting.agent.kmsg import KernelLog
from vetting.agent.logs import Logs
from vetting.agent.loop import Agent
from vetting.agent.power import Hands, LiveHands, TiedHands
from vetting.agent.runner import Runner
from vetting.agent.sensors import Mux
from vetting.agent.settings import OnEnd, Settings
from vetting.client import Client, WrongServer
from vetting.clock import Clock, SystemClock
from vetting.domain.errors import BadInput, Forbidden
from vetting.identity import boot_id
from vetting.stages.base import Stage

SPARED = -900  # oom_score_adj: far behind any load, yet not untouchable
SCORE = Path("/proc/self/oom_score_adj")


async def run(
    settings: Settings,
    stages: Mapping[str, Stage],
    *,
    clock: Clock | None = None,
    kernel_log: Path = Path("/dev/kmsg"),
    echo: TextIO | None = None,
    groups_root: Path = Path("/"),
    hands: Callable[[Say], Hands] | None = None,
) -> int:
    """One agent's life; returns its exit status. Raises a Refusal where it could not begin."""
    clock = clock or SystemClock()
    shelf = Shelf(settings.state_dir)
    with alone(shelf.folder):
        activity = Activity(boot_id=boot_id(settings.root))
        if not activity.boot_id:
            raise BadInput(
                "the kernel tells no boot id (/proc/sys/kernel/random/boot_id): without it no run can be claimed"
            )
        logs = Logs(activity, clock, echo=echo)
        kept = await clear_away(shelf, settings, activity.boot_id, logs)
        mux = Mux(activity, clock)
        score = spare_ourselves(settings, logs)
        runner: Runner | None = None
        kernel = KernelLog(kernel_log, lambda kind, finding: runner.on_kernel(kind, finding) if runner else None)
        client = Client(
            settings.url,
            settings.fingerprint,
            clock=clock,
            on_trouble=lambda text: logs.say(text, "warning"),
        )
        runner = Runner(
            client=client,
            stages=stages,
            shelf=shelf,
            kept=kept,
            root=settings.root,
            clock=clock,
            activity=activity,
            mux=mux,
            logs=logs,
            kernel=kernel,
            own_score=score,
            groups_root=groups_root,
        )
        async with client:
            agent = Agent(
                settings=settings,
                client=client,
                shelf=shelf,
                kept=kept,
                clock=clock,
                activity=activity,
                logs=logs,
                mux=mux,
                kernel=kernel,
                runner=runner,
                hands=(hands or hands_for(settings))(logs.say),
            )
            with stopped_by_signals(agent):
                try:
                    return await agent.run()
                except WrongServer as why:
                    raise Forbidden(str(why)) from None


def hands_for(settings: Settings) -> Callable[[Say], Hands]:
    return LiveHands if settings.on_end is OnEnd.POWEROFF else TiedHands


async def clear_away(shelf: Shelf, settings: Settings, boot: str, logs: Logs) -> Kept:
    """What a predecessor of this boot left: its programs are killed, its token is kept if it is of the same run."""
    kept = shelf.load(boot)
    if not kept.mark:  # nothing of this boot: session numbers of another one name strangers
        shelf.forget_sessions()
        shelf.forget_lasting()
    left = 0
    for group in kept.groups:
        left += await cgroup.clear(Path(group))
    left += await leftovers.sweep(kept.mark, shelf.sessions)
    if left:
        logs.say(f"{left} processes of an earlier agent were still running and were killed", "warning")
    if settings.ticket and kept.ticket_mark != settings.ticket_mark:
        kept = Kept(boot_id=boot)  # another ticket, another run
        shelf.forget_run()
    kept = msgspec.structs.replace(kept, boot_id=boot, mark=secrets.token_hex(16), groups=())
    shelf.save(kept)
    return kept


def spare_ourselves(settings: Settings, logs: Logs) -> int:
    """Asks the kernel to kill others first where that was asked for; returns our oom_score_adj."""
    with contextlib.suppress(OSError, ValueError):
        score = int(SCORE.read_text())
        if settings.protect and score > SPARED:
            try:
                SCORE.write_text(str(SPARED))
                score = SPARED
            except OSError as error:
                logs.say(f"the kernel does not let us spare ourselves from OOM kills: {error.strerror}", "warning")
        return score
    return 0


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One agent a state directory: two would kill each other's programs. Raises BadInput."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(
                f"another agent runs with the state directory {folder}; give this one its own --state-dir"
            ) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def stopped_by_signals(agent: Agent) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    caught = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError, ValueError):  # not the main thread: somebody else listens
            loop.add_signal_handler(number, agent.stop)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
