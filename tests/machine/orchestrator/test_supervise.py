"""Children that die are started again, a bounded number of times; then it is loud. With real iperf3 servers and real kills."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.clock import FakeClock
from tests.fakes.rig import until
from vetting import proc
from vetting.clock import Clock, SystemClock
from vetting.orchestrator.iperf import IperfPool
from vetting.orchestrator.supervise import LONGEST_WAIT_S, STEADY_S, Health, Status, Supervised
from vetting.tryout import free_ports

pytestmark = pytest.mark.machine


@dataclass
class Told:
    """Every change of health, as it was told."""

    all: list[Status] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, status: Status) -> None:
        self.all.append(replace(status))
        self._changed.set()

    async def until(self, what: Callable[[Status], bool], after: int = 0) -> Status:
        async with asyncio.timeout(20):
            while True:
                if found := [status for status in self.all[after:] if what(status)]:
                    return found[0]
                self._changed.clear()
                await self._changed.wait()

    async def given_up(self) -> Status:
        return await self.until(lambda status: status.health is Health.GIVEN_UP)


class PacedClock(FakeClock):
    """Remembers how long was waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await super().sleep(seconds)


class Children:
    """Supervised children that end with the test."""

    def __init__(self) -> None:
        self.told = Told()
        self._all: list[Supervised] = []

    def make(self, argv: list[str], *, clock: Clock | None = None, max_restarts: int = 5) -> Supervised:
        made = Supervised("child", argv, clock=clock or FakeClock(), told=self.told, max_restarts=max_restarts)
        self._all.append(made)
        return made

    async def stop(self) -> None:
        for child in self._all:
            await child.stop()


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    made = Children()
    yield made
    await made.stop()


def iperf3(port: int) -> list[str]:
    return ["iperf3", "--server", "--port", str(port), "--bind", "127.0.0.1"]


async def listening(port: int) -> None:
    async def there() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)

    await until(there, 10, every_s=0.01, said=f"somebody to listen on port {port}")


async def measured_bytes(port: int) -> int:
    """What a real client could send through the server on this port."""
    await listening(port)
    ran = await proc.run(["iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", "1M", "-J"], limit_s=15)
    assert ran.exit_code == 0, ran.text
    told = json.loads(ran.stdout)
    assert "error" not in told
    return int(told["end"]["sum_sent"]["bytes"])  # of so short a transfer the server may have counted nothing yet


async def gone(pid: int) -> None:
    async def none() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    await until(none, 10, every_s=0.01, said=f"process {pid} to end")


async def test_an_iperf3_killed_with_sigkill_is_started_again_and_serves(children: Children) -> None:
    port = free_ports(1)[0]
    server = children.make(iperf3(port))
    await server.start()
    first = server.status.pid
    assert first is not None
    assert await measured_bytes(port) >= 1_000_000
    os.kill(first, signal.SIGKILL)
    again = await children.told.until(lambda status: status.health is Health.UP and status.pid != first, after=1)
    assert again.restarts == 1
    assert await measured_bytes(port) >= 1_000_000
    waiting = next(status for status in children.told.all if status.health is Health.WAITING)
    assert "iperf3" in waiting.why
    assert "signal 9" in waiting.why.lower() or "kill" in waiting.why.lower()


async def test_a_child_that_is_killed_each_time_is_given_up_loudly_after_its_last_restart(
    children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_ports(1)[0]
    server = children.make(iperf3(port), max_restarts=3)
    await server.start()
    seen: list[int] = []
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            up = await children.told.until(lambda status: status.health is Health.UP and status.pid not in seen)
            assert up.pid is not None
            seen.append(up.pid)
            os.kill(up.pid, signal.SIGKILL)
        last = await children.told.given_up()
    assert (last.restarts, last.pid, len(set(seen))) == (3, None, 4)
    assert "gave up after 3 restarts" in caplog.text
    assert server.status.health is Health.GIVEN_UP


async def test_a_port_that_somebody_else_has_is_told_in_iperf3s_own_words(children: Children) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = children.make(iperf3(taken.getsockname()[1]), max_restarts=2)
        await server.start()
        last = await children.told.given_up()
    assert "in use" in last.why.lower()
    assert [status.health for status in children.told.all].count(Health.WAITING) == 2


async def test_waits_between_restarts_double_up_to_their_bound(children: Children) -> None:
    clock = PacedClock()
    child = children.make(["/bin/false"], clock=clock, max_restarts=9)
    await child.start()
    assert (await children.told.given_up()).restarts == 9
    assert clock.waits == [0.5, 1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]


async def test_a_child_that_lived_long_has_earned_a_fresh_count(children: Children) -> None:
    clock = PacedClock()
    child = children.make(["/bin/sleep", "600"], clock=clock, max_restarts=1)
    await child.start()
    seen: list[int] = []
    for _ in range(4):
        up = await children.told.until(lambda status: status.health is Health.UP and status.pid not in seen)
        assert up.pid is not None
        seen.append(up.pid)
        clock.pass_s(STEADY_S)
        os.kill(up.pid, signal.SIGKILL)
    await children.told.until(lambda status: status.health is Health.UP and status.pid not in seen)
    assert clock.waits == [0.5] * 4
    assert not [status for status in children.told.all if status.health is Health.GIVEN_UP]


async def test_what_was_given_up_stays_so_until_it_is_started_anew(children: Children, tmp_path: Path) -> None:
    marker = tmp_path / "may live"
    child = children.make(["/bin/sh", "-c", f"test -e '{marker}' && exec sleep 600"], max_restarts=1)
    await child.start()
    await children.told.given_up()
    many = len(children.told.all)
    marker.touch()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(children.told.all), child.status.health) == (many, Health.GIVEN_UP)
    await child.start()
    up = await children.told.until(lambda status: status.health is Health.UP, after=many)
    assert (up.restarts, child.status.health) == (0, Health.UP)


async def test_a_program_that_is_missing_is_named_and_given_up(children: Children) -> None:
    child = children.make(["iperf3-that-nobody-installed"], max_restarts=2)
    async with asyncio.timeout(10):
        await child.start()
    last = await children.told.given_up()
    assert "iperf3-that-nobody-installed" in last.why
    assert Health.UP not in {status.health for status in children.told.all}


async def test_a_stopped_child_is_gone_and_stays_gone(children: Children) -> None:
    port = free_ports(1)[0]
    server = children.make(iperf3(port))
    await server.start()
    pid = server.status.pid
    assert pid is not None
    await listening(port)
    await server.stop()
    await gone(pid)
    assert (server.status.health, server.status.pid, server.status.restarts) == (Health.STOPPED, None, 0)
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


async def test_a_child_ends_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """An orphan would keep its port from the next orchestrator."""
    port = free_ports(1)[0]
    program = f"""
import asyncio
from vetting.clock import SystemClock
from vetting.orchestrator.supervise import Supervised
async def main():
    child = Supervised("child", {iperf3(port)!r}, clock=SystemClock())
    await child.start()
    print(child.status.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    await listening(port)
    parent.kill()
    await parent.wait()
    await gone(pid)


# --- the pool -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def pools() -> AsyncIterator[Callable[..., IperfPool]]:
    made: list[IperfPool] = []

    def make(ports: range, told: Callable[[Status], None] = lambda status: None) -> IperfPool:
        made.append(IperfPool(ports=ports, bind="127.0.0.1", clock=SystemClock(), told=told))
        return made[-1]

    yield make
    for pool in made:
        await pool.close()


async def test_each_run_has_a_server_of_its_own_and_none_is_left_is_a_zero(pools: Callable[..., IperfPool]) -> None:
    ports = free_ports(2)
    pool = pools(ports)
    leased = [await pool.lease(run_id) for run_id in (1, 2)]
    assert sorted(leased) == list(ports)
    assert await pool.lease(3) == 0
    assert await pool.lease(1) == leased[0]  # asked again, the same server
    assert len(pool.statuses()) == 2
    both = await asyncio.gather(*(measured_bytes(port) for port in leased))  # nobody waits for the other
    assert min(both) >= 1_000_000


async def test_a_released_port_serves_the_next_run(pools: Callable[..., IperfPool]) -> None:
    port = free_ports(1)[0]
    pool = pools(range(port, port + 1))
    assert await pool.lease(1) == port
    pid = pool.statuses()[0].pid
    assert pid is not None
    assert await pool.lease(2) == 0
    await pool.release(1)
    await gone(pid)
    assert pool.statuses() == []
    assert await pool.lease(2) == port
    assert await measured_bytes(port) >= 1_000_000


async def test_releasing_what_was_never_leased_or_twice_gives_no_port_away_twice(
    pools: Callable[..., IperfPool],
) -> None:
    ports = free_ports(2)
    pool = pools(ports)
    await pool.lease(1)
    await pool.release(99)
    await pool.release(1)
    await pool.release(1)
    assert sorted([await pool.lease(2), await pool.lease(3)]) == list(ports)
    assert await pool.lease(4) == 0


async def test_the_port_that_an_agent_was_told_before_is_taken_again_where_it_is_free(
    pools: Callable[..., IperfPool],
) -> None:
    ports = free_ports(3)
    pool = pools(ports)
    assert await pool.lease(1, port=ports[2]) == ports[2]
    other = await pool.lease(2, port=ports[2])
    assert other in (ports[0], ports[1])
    assert await pool.lease(3, port=80) in set(ports) - {ports[2], other}  # never one that is not ours


async def test_a_killed_server_of_the_pool_serves_again_on_its_port(pools: Callable[..., IperfPool]) -> None:
    told = Told()
    port = free_ports(1)[0]
    pool = pools(range(port, port + 1), told=told)
    await pool.lease(1)
    first = pool.statuses()[0].pid
    assert first is not None
    await listening(port)
    os.kill(first, signal.SIGKILL)
    up = await told.until(lambda status: status.health is Health.UP and status.pid != first, after=1)
    assert up.name == f"iperf3:{port}"
    assert await measured_bytes(port) >= 1_000_000


async def test_closing_the_pool_ends_every_server(pools: Callable[..., IperfPool]) -> None:
    pool = pools(free_ports(3))
    for run_id in range(3):
        await pool.lease(run_id)
    pids = [status.pid for status in pool.statuses()]
    await pool.close()
    for pid in pids:
        assert pid is not None
        await gone(pid)
    assert pool.statuses() == []


async def test_a_port_that_a_stranger_holds_is_passed_over_and_stays_in_the_pool() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pool = IperfPool(ports=range(port, port + 1), bind="127.0.0.1", clock=SystemClock())
        assert await pool.lease(1) == 0
    try:
        assert await pool.lease(1) == port
    finally:
        await pool.close()
