"""Loads that begin well and are disturbed: what accuses the host is FAIL, what accuses us is ERROR, nothing is green.

Each run ends with the same stage left in peace, which then passes: the disturbance was the cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.machine.silent_green.rack import STAGE_LIMIT_S, Rack, only, rack
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import MIB

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(300),
    pytest.mark.allow_blocking("all cores are loaded on purpose"),
]

LOOK_S = 0.02


def running(root: int, program: str, *words: str) -> psutil.Process | None:
    """A process among the descendants of `root` with these words in its command line; nobody else's is ever found.
    No `program`: whatever runs those words."""
    for process in psutil.Process(root).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if any(not program or Path(word).name == program for word in line[:1]) and all(
                word in line for word in words
            ):
                return process
    return None


async def seen(what: Callable[[], psutil.Process | None], limit_s: float = STAGE_LIMIT_S) -> psutil.Process:
    async with asyncio.timeout(limit_s):
        while (found := what()) is None:  # noqa: ASYNC110 - the kernel tells nobody what others start
            await asyncio.sleep(LOOK_S)
        return found


async def load_of(here: Rack, *words: str) -> psutil.Process:
    """stress-ng at work for a second, with its workers."""

    def at_work() -> psutil.Process | None:
        found = running(here.agent.pid, "stress-ng", "--timeout", *words)
        with contextlib.suppress(psutil.Error):
            if found and time.time() - found.create_time() > 1 and found.children():
                return found
        return None

    return await seen(at_work)


async def test_a_load_that_is_ended_early_or_loses_a_worker_is_our_error(folder: Path) -> None:
    async with rack(folder, drop=only("CPUStress")) as here:
        load = await load_of(here, "--cpu")
        os.killpg(os.getpgid(load.pid), signal.SIGTERM)
        ended = await here.held()
        assert (ended.stage, ended.verdict) == ("CPUStress", Verdict.ERROR), ended.reason

        await here.retry()
        (await load_of(here, "--cpu")).children()[0].kill()
        maimed = await here.held()
        assert (maimed.stage, maimed.verdict) == ("CPUStress", Verdict.ERROR), maimed.reason
        assert "worker" in maimed.reason or "killed" in maimed.reason

        await here.retry()
        (await load_of(here, "--vm")).send_signal(signal.SIGTERM)
        short = await here.held()
        assert (short.stage, short.verdict) == ("CPUStress", Verdict.ERROR), short.reason
        outcome = await here.outcome("CPUStress", 3)
        assert {cell.component: cell.verdict for cell in outcome.cells} == {"cpu": "PASS", "memory": "ERROR"}

        await here.retry()
        view = await here.completed()
        assert (await here.verdicts())["CPUStress"] == ["ERROR", "ERROR", "ERROR", "PASS"]
        assert "not vetted" in view.verdict


async def spoil_while(file: Path, going: Callable[[], bool]) -> None:
    """Flips bytes of the backing file, behind the device's back, from the first byte that was written until the program has
    ended; its two ends are left alone, for they are saved before and compared."""
    dice = random.Random(1)
    blocks = range(16 * MIB // 4096, (file.stat().st_size - 16 * MIB) // 4096)
    with file.open("r+b", buffering=0) as handle:
        while going():
            for _ in range(16):
                offset = dice.choice(blocks) * 4096 + 512
                if any(written := os.pread(handle.fileno(), 8, offset)):
                    os.pwrite(handle.fileno(), bytes([written[0] ^ 0x10]), offset)
            await asyncio.sleep(0.001)


async def test_bits_that_change_and_a_disk_that_vanishes_fail_the_host(folder: Path) -> None:
    async with rack(folder, drop=only("Storage"), size_bytes=128 * MIB) as here:
        scan = await seen(lambda: running(here.agent.pid, "", "surface", "scan"))
        await spoil_while(here.disk.file, scan.is_running)
        spoilt = await here.held()
        assert (spoilt.stage, spoilt.verdict) == ("Storage", Verdict.FAIL), spoilt.reason
        assert "surface" in spoilt.reason

        await here.retry()
        await seen(lambda: running(here.agent.pid, "fio", "--output-format=json"))
        os.truncate(here.disk.file, 4096)
        vanished = await here.held()
        os.truncate(here.disk.file, 128 * MIB)
        assert (vanished.stage, vanished.verdict) == ("Storage", Verdict.FAIL), vanished.reason
        assert "fio" in vanished.reason

        await here.retry()
        view = await here.completed()
        assert (await here.verdicts())["Storage"] == ["FAIL", "FAIL", "PASS"]
    assert "Storage passed at attempt 3 after FAIL" in view.verdict  # a host that fails sometimes is never vetted
    assert "not vetted" in view.verdict


@contextlib.contextmanager
def occupied(port: int) -> Iterator[None]:
    """Another client on the run's iperf3 server."""
    argv = ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", "60", "-b", "1M", "--forceflush"]
    other = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert other.stdout is not None
        while "connected" not in (line := other.stdout.readline()):
            assert line, "the other client found no server"
        yield
    finally:
        other.kill()
        other.communicate()


def server_of() -> psutil.Process:
    """The orchestrator lives in this process, so its iperf3 server is our child."""
    found = running(os.getpid(), "iperf3", "--server")
    assert found is not None
    return found


async def test_a_server_of_ours_that_is_busy_or_dies_accuses_nobody_but_us(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        async with rack(folder, drop=only("Network")) as here:
            await seen(lambda: running(os.getpid(), "iperf3", "--server"))
            line = server_of().cmdline()
            port = int(line[line.index("--port") + 1])
            here.after["Firmware"] = lambda: stack.enter_context(occupied(port))
            await here.until(lambda view: "next try in" in here.said())
            stack.close()  # the other one is done: what never began is tried again, in the same attempt
            first = await carried(here)
            server_of().kill()  # what it broke off is tried once more, in the same attempt too
            await carried(here, but=first)
            server_of().kill()
            died = await here.held()
            assert (died.stage, died.verdict) == ("Network", Verdict.ERROR), died.reason
            await here.retry()
            view = await here.completed()
            assert (await here.verdicts())["Network"] == ["ERROR", "PASS"]
    assert "not vetted" in view.verdict


async def carried(here: Rack, *, but: int = 0) -> int:
    """The process id of the agent's client, another than `but`, as soon as it is in its test."""
    pids: list[int] = []

    def begun(view: object) -> bool:
        client = carrying(here)
        pids.extend([client.pid] if client is not None and client.pid != but else [])
        return bool(pids)

    await here.until(begun)
    return pids[-1]


def carrying(here: Rack) -> psutil.Process | None:
    """The agent's client, half a second into its test."""
    client = running(here.agent.pid, "iperf3", "-c")
    with contextlib.suppress(psutil.Error):
        if client and time.time() - client.create_time() > 0.7:
            return client
    return None
