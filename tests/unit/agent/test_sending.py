"""Samples and log lines on their way: bounded, counted, sent again under the same number, never an endless queue."""

from __future__ import annotations

import asyncio
import io
import math
from pathlib import Path

from tests.fakes.orchestrator import TOKEN, orchestrating
from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.logs import LINE_CHARS, Logs, printable
from vetting.agent.outbox import Outbox
from vetting.agent.sensors import KEEP_SAMPLES, KEEP_SERIES, Mux, discover, follow, read_once
from vetting.client import Client
from vetting.clock import SystemClock
from vetting.domain.errors import BadInput
from vetting.domain.outcome import Finding, Severity


def activity() -> Activity:
    return Activity(boot_id="b", doing="running", stage="Burn", attempt=1)


def test_a_full_outbox_drops_the_oldest_and_counts() -> None:
    box: Outbox[int] = Outbox(3)
    for number in range(5):
        box.put(number)
    assert box.take(10) == [2, 3, 4]
    assert (box.take_dropped(), box.take_dropped(), box.dropped_total) == (2, 0, 2)


async def test_samples_go_in_batches_of_one_stage_and_at_most_500(tmp_path: Path) -> None:
    now = activity()
    mux = Mux(now, SystemClock())
    for number in range(1200):
        mux.put("temp.a.b" if number % 2 else "fan.a.b", number, "C" if number % 2 else "RPM")
    now.stage = "GPU"
    mux.put("temp.a.b", 7, "C")
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        assert await mux.flush(client)
    first = server.sensors[0].seq
    assert [(b.stage, len(b.samples), b.seq - first) for b in server.sensors] == [
        ("Burn", 500, 0), ("Burn", 500, 1), ("Burn", 200, 2), ("GPU", 1, 3),
    ]  # fmt: skip
    values = [(b.names[s.series], s.value) for b in server.sensors for s in b.samples]
    assert values[:2] == [("fan.a.b", 0), ("temp.a.b", 1)]
    assert len(values) == 1201
    assert all(s.at_ms <= b.now_ms for b in server.sensors for s in b.samples)


async def test_what_a_dead_server_cannot_take_waits_within_bounds_and_keeps_its_number(tmp_path: Path) -> None:
    mux = Mux(activity(), SystemClock())
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        await server.leave()
        mux.put("temp.first", 1, "C")
        assert not await mux.flush(client)
        refused = mux._waiting
        for number in range(KEEP_SAMPLES + 100):
            mux.put("temp.later", number, "C")
        assert mux.dropped == 100
        await server.come_back()
        assert await mux.flush(client)
    assert refused is not None
    assert server.sensors[0].seq == refused.seq
    assert server.sensors[0].names == ("temp.first",)
    assert sum(batch.dropped for batch in server.sensors) == 100
    assert sum(len(batch.samples) for batch in server.sensors) == KEEP_SAMPLES + 1


async def test_numbers_that_are_none_and_series_without_end_are_dropped_and_counted(tmp_path: Path) -> None:
    mux = Mux(activity(), SystemClock())
    mux.put("temp.a", math.nan, "C")
    mux.put("temp.a", math.inf, "C")
    for number in range(KEEP_SERIES + 10):
        mux.put(f"temp.{number}", 1, "C")
    assert mux.dropped == 13  # the two, and the series beyond the bound (temp.a has a place already)


async def test_a_batch_that_is_refused_is_counted_and_not_sent_for_ever(tmp_path: Path) -> None:
    mux = Mux(activity(), SystemClock())
    mux.put("temp.a", 1, "C")
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        server.refuse = {"sensor": [BadInput("no")]}
        assert await mux.flush(client)
    assert server.order == ["sensor"]
    assert mux.dropped == 1


async def test_log_lines_and_findings_arrive_tagged_and_in_order(tmp_path: Path) -> None:
    echo = io.StringIO()
    logs = Logs(activity(), SystemClock(), echo=echo)
    for number in range(700):
        logs.say(f"line {number}")
    logs.say("EDAC MC0: 1 CE", "warning", "kernel")
    logs.find(Finding(severity=Severity.WARNING, component="memory", text="x", source="kernel log"))
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        server.refuse = {"log": [503]}
        assert not await logs.flush(client)
        assert await logs.flush(client)
    lines = [line for batch in server.logs for line in batch.lines]
    assert [line.text for line in lines[:700]] == [f"line {number}" for number in range(700)]
    assert (lines[-1].source, lines[-1].level, lines[-1].stage) == ("kernel", "warning", "Burn")
    assert [len(batch.findings) for batch in server.logs] == [1, 0, 0]
    assert "EDAC" not in echo.getvalue()  # the console has the kernel's own words already


def test_hostile_text_becomes_a_bounded_printable_line() -> None:
    assert printable("a\x1b[31mb\x00c\u202ed") == "a\ufffd[31mb\ufffdc\ufffdd"
    assert len(printable("x" * 5000)) == LINE_CHARS


def test_the_largest_batch_of_lines_stays_under_the_orchestrators_limit() -> None:
    logs = Logs(activity(), SystemClock(), echo=io.StringIO())
    for _ in range(300):
        logs.say('"\\' * 5000, source="tool")
    assert len(wire.encode(logs._batch())) < 1024**2


def test_sensors_of_the_machine_are_found_under_the_root(machine: Path) -> None:
    (machine / "sys/devices/system/cpu/cpu0/cpufreq").mkdir(parents=True)
    (machine / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").write_text("1800000\n")
    sensors = discover(machine)
    assert [(s.series, s.unit, s.source) for s in sensors] == [
        ("temp.coretemp.package-id-0", "C", "/sys/class/hwmon/hwmon0/temp1_input")
    ]
    assert read_once(machine, sensors) == [
        ("temp.coretemp.package-id-0", 41.0, "C"),
        ("clock.cpu.min_mhz", 1800.0, "MHz"),
        ("clock.cpu.mean_mhz", 1800.0, "MHz"),
    ]
    (machine / "sys/class/hwmon/hwmon0/temp1_input").unlink()
    assert [name for name, _, _ in read_once(machine, sensors)] == ["clock.cpu.min_mhz", "clock.cpu.mean_mhz"]


async def test_an_agent_that_starts_again_counts_on_above_its_predecessor(tmp_path: Path) -> None:
    now = activity()
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        for _ in ("the first agent", "its successor in the same boot"):
            clock = SystemClock()
            mux, logs = Mux(now, clock), Logs(now, clock, echo=io.StringIO())
            for value in range(3):
                mux.put("temp.a", value, "C")
                logs.say("a line")
                assert await mux.flush(client)
                assert await logs.flush(client)
            await clock.sleep(0.01)
    for numbers in ([batch.seq for batch in server.sensors], [batch.seq for batch in server.logs]):
        assert numbers == sorted(set(numbers))


async def test_a_sensor_that_comes_late_is_heard_and_takes_no_others_name(machine: Path) -> None:
    """Inventory looks later than the agent's start, and what it sees has to speak in every stage."""
    mux = Mux(activity(), SystemClock())
    clock = Turns()
    following = asyncio.create_task(follow(mux, machine, clock))
    await clock.turned()
    late = machine / "sys/class/hwmon/hwmon1"
    late.mkdir()
    (late / "name").write_text("coretemp\n")
    (late / "temp1_input").write_text("38000\n")
    await clock.turned()
    (machine / "sys/class/hwmon/hwmon0/name").unlink()  # the first one goes; the second keeps its name
    (machine / "sys/class/hwmon/hwmon0/temp1_input").unlink()
    await clock.turned()
    following.cancel()
    heard = [name for name, _ in mux._names if name.startswith("temp.")]
    assert heard == ["temp.coretemp.package-id-0", "temp.coretemp-1.temp1"]


class Turns(SystemClock):
    """A clock whose sleepers wake when the test has seen them go to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self._asleep, self._awake = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._asleep.set()
        await self._awake.wait()
        self._awake.clear()

    async def turned(self) -> None:
        await self._asleep.wait()
        self._asleep.clear()
        self._awake.set()
        await self._asleep.wait()
