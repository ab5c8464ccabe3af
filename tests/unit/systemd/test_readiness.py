"""What the service manager is told, and that a hanging writer or loop stops the feeding of its watchdog."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.systemd.manager import Listener
from vetting.readiness import Manager
from vetting.store.db import Store

WATCHDOG_S = 0.4


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with Listener(str(tmp_path / "notify")) as listener:
        yield listener


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await asyncio.to_thread(Store.open, tmp_path / "vetting.db")
    yield store
    await asyncio.to_thread(store.close)


async def silence(listener: Listener, for_s: float) -> list[str]:
    listener.listen()
    await asyncio.sleep(for_s)
    return listener.listen()


def test_the_words_of_the_manager_are_taken_and_not_left_to_programs_that_we_start(listener: Listener) -> None:
    environ = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77", "PATH": "/bin"}
    manager = Manager.from_environment(environ, pid=77)
    assert environ == {"PATH": "/bin"}
    assert manager.watchdog_s == 30
    manager.ready("serving")
    assert listener.listen() == ["READY=1", "STATUS=serving"]


def test_an_abstract_address_is_reached_too() -> None:
    with Listener(f"@vetting-test-{os.getpid()}-{time.monotonic_ns()}") as listener:
        Manager.from_environment({"NOTIFY_SOCKET": listener.address}).stopping("stopping")
        assert listener.listen() == ["STOPPING=1", "STATUS=stopping"]


@pytest.mark.parametrize(
    "environ",
    [{"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "²"}, {}],
)
def test_a_watchdog_that_is_not_ours_or_not_a_number_is_none(environ: dict[str, str]) -> None:
    assert Manager.from_environment(dict(environ), pid=77).watchdog_s == 0


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1", "/nowhere/at/all"])
def test_nobody_to_tell_is_no_trouble(address: str) -> None:
    Manager.from_environment({"NOTIFY_SOCKET": address}).ready("serving")


def test_what_a_program_said_cannot_become_another_assignment(listener: Listener) -> None:
    Manager(listener.address).status("dnsmasq gave up:\nWATCHDOG=1\r\nMAINPID=1 \udcff")
    assert listener.listen() == ["STATUS=dnsmasq gave up: WATCHDOG=1 MAINPID=1 ?"]


async def test_the_watchdog_is_fed_in_half_of_its_time(listener: Listener, store: Store) -> None:
    manager = Manager(listener.address, WATCHDOG_S)
    async with manager.watched(lambda: store.write(lambda: None), lambda: "serving"):
        for _ in range(4):
            await listener.until("WATCHDOG=1", WATCHDOG_S)
    assert listener.heard.count("STATUS=serving") == 1


async def test_a_writer_that_hangs_lets_the_watchdog_bite_and_is_asked_only_once(
    listener: Listener, store: Store
) -> None:
    manager, go_on = Manager(listener.address, WATCHDOG_S), threading.Event()
    async with manager.watched(lambda: store.write(lambda: None), lambda: "serving"):
        await listener.until("WATCHDOG=1")
        stuck = asyncio.ensure_future(store.write(go_on.wait))
        try:
            await asyncio.sleep(WATCHDOG_S / 2)  # an answer may have been on its way
            heard = await silence(listener, 3 * WATCHDOG_S)
            assert "WATCHDOG=1" not in heard
            assert store.health().queued <= 1
            assert any("does not answer" in said for said in listener.heard)
        finally:
            go_on.set()
        await stuck
        await listener.until("STATUS=serving")
        await listener.until("WATCHDOG=1")


async def test_a_refusal_of_the_store_is_an_answer(listener: Listener, store: Store) -> None:
    await asyncio.to_thread(store.close)
    async with Manager(listener.address, WATCHDOG_S).watched(lambda: store.write(lambda: None), lambda: "serving"):
        await listener.until("WATCHDOG=1")


async def test_a_loop_that_hangs_lets_the_watchdog_bite(listener: Listener, store: Store) -> None:
    async with Manager(listener.address, WATCHDOG_S).watched(lambda: store.write(lambda: None), lambda: "serving"):
        await listener.until("WATCHDOG=1")
        listener.listen()
        time.sleep(2 * WATCHDOG_S)
        assert "WATCHDOG=1" not in listener.listen()


async def test_without_a_watchdog_the_status_is_kept_up_all_the_same(listener: Listener) -> None:
    said = iter(["serving", "serving; dnsmasq given up", "serving; dnsmasq given up"])
    ticks = asyncio.Event()

    async def tick(seconds: float) -> None:
        await asyncio.sleep(0)

    async def fine() -> None:
        return None

    def status() -> str:
        text = next(said, "")
        if not text:
            ticks.set()
            return "serving; dnsmasq given up"
        return text

    async with Manager(listener.address, sleep=tick).watched(fine, status):
        await ticks.wait()
    assert listener.listen() == ["STATUS=serving", "STATUS=serving; dnsmasq given up"]


async def test_patience_is_asked_for_again_and_again_and_has_an_end(listener: Listener) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async with Manager(listener.address, sleep=sleep).patience("opening the database", most_s=70):
        await asyncio.sleep(0.05)
    asked = [int(said.partition("=")[2]) / 1e6 for said in listener.listen() if said.startswith("EXTEND")]
    assert asked == [60, 50, 30, 10]
    assert len(slept) == 4


async def test_a_block_that_fails_is_told_on_and_nothing_is_left_running(listener: Listener) -> None:
    with contextlib.suppress(RuntimeError):
        async with Manager(listener.address).patience("opening", most_s=60):
            raise RuntimeError("no")
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
