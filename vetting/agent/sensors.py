"""Samples on their way to the orchestrator, and the thermal sidecar that fills them in from claim to end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.outbox import Outbox, first_number
from vetting.client import Client, Unreachable, WrongServer
from vetting.clock import Clock
from vetting.domain.errors import NotAllowed, Refusal
from vetting.domain.inventory import Sensor
from vetting.parsers import hwmon

FLUSH_S = 2.0
SIDECAR_S = 5.0
KEEP_SAMPLES = 20_000
KEEP_SERIES = 2_000
PATH = "/api/agent/sensor"
CLOCKS = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"


class _Kept(NamedTuple):
    stage: str
    series: int  # place in the table of names
    at_ms: int
    value: float


class Mux:
    """Takes samples at any time, bounded; `flush` sends them in batches of one stage and at most 500."""

    def __init__(self, activity: Activity, clock: Clock) -> None:
        self._activity = activity
        self._clock = clock
        self._samples: Outbox[_Kept] = Outbox(KEEP_SAMPLES)
        self._places: dict[tuple[str, str], int] = {}  # (series, unit) -> place
        self._names: list[tuple[str, str]] = []
        self._waiting: wire.SensorBatch | None = None
        self._seq = first_number(clock)
        self._sending = asyncio.Lock()

    @property
    def dropped(self) -> int:
        """Samples lost so far: too many, of too many series, not finite, or refused."""
        return self._samples.dropped_total

    def put(self, series: str, value: float, unit: str) -> None:
        key = (series, unit)
        place = self._places.get(key)
        if place is None and len(self._places) < KEEP_SERIES:
            place = self._places[key] = len(self._names)
            self._names.append(key)
        if place is None or not math.isfinite(value):
            self._samples.drop(1)
            return
        self._samples.put(_Kept(self._activity.stage, place, int(self._clock.monotonic() * 1000), float(value)))

    async def flush(self, client: Client) -> bool:
        """Sends all there is; False where the orchestrator is away and the rest waits. Raises NotAllowed."""
        async with self._sending:
            return await self._flush(client)

    async def _flush(self, client: Client) -> bool:
        while self._waiting is not None or self._samples:
            batch = self._waiting or self._batch()
            self._waiting = batch
            try:
                now_ms = int(self._clock.monotonic() * 1000)
                await client.call(PATH, msgspec.structs.replace(batch, now_ms=now_ms), wire.SensorReply)
            except (Unreachable, WrongServer):
                return False
            except NotAllowed:
                raise
            except Refusal:
                self._samples.drop(len(batch.samples))
            self._waiting = None
        return True

    def _batch(self) -> wire.SensorBatch:
        taken = self._samples.take(wire.MAX_SAMPLES, lambda first, kept: first.stage == kept.stage)
        places = sorted({kept.series for kept in taken})
        local = {place: number for number, place in enumerate(places)}
        self._seq += 1
        return wire.SensorBatch(
            boot_id=self._activity.boot_id,
            seq=self._seq,
            stage=taken[0].stage,
            now_ms=0,
            names=tuple(self._names[place][0] for place in places),
            units=tuple(self._names[place][1] for place in places),
            samples=tuple(wire.Sample(local[kept.series], kept.at_ms, kept.value) for kept in taken),
            dropped=self._samples.take_dropped(),
        )


def discover(root: Path) -> tuple[Sensor, ...]:
    """The hwmon sensors under a root; each `source` is a path as the kernel names it, without the root."""
    return hwmon.discover(_texts(root, hwmon.PATTERNS))


def read_once(root: Path, sensors: Sequence[Sensor]) -> list[tuple[str, float, str]]:
    """(series, value, unit) of every sensor that can be read now, and of the CPU clocks."""
    found = []
    for sensor in sensors:
        value = hwmon.reading(sensor.source, _text(root / sensor.source.lstrip("/")))
        if value is not None:
            found.append((sensor.series, value, sensor.unit))
    clocks = [int(text) / 1000 for path in root.glob(CLOCKS) if (text := _text(path).strip()).isdigit()]
    if clocks:
        found.append(("clock.cpu.min_mhz", min(clocks), "MHz"))
        found.append(("clock.cpu.mean_mhz", sum(clocks) / len(clocks), "MHz"))
    return found


async def follow(mux: Mux, root: Path, clock: Clock) -> None:
    """Reads every sensor each five seconds, for ever. A sensor that hangs stops its own round, never the agent.

    Sensors come late: a driver that is loaded, a shelf of drives that spins up. One that Inventory sees must be heard.
    """
    sensors: tuple[Sensor, ...] = ()
    places: frozenset[str] | None = None
    while True:
        if (now := await asyncio.to_thread(_places, root)) != places:
            sensors, places = _joined(sensors, await asyncio.to_thread(discover, root)), now
        for series, value, unit in await asyncio.to_thread(read_once, root, sensors):
            mux.put(series, value, unit)
        await clock.sleep(SIDECAR_S)


def _places(root: Path) -> frozenset[str]:
    """The monitors that there are; another set of them means that sensors came or went."""
    return frozenset(str(path) for path in root.glob(hwmon.PATTERNS[0].lstrip("/")))


def _joined(known: tuple[Sensor, ...], found: tuple[Sensor, ...]) -> tuple[Sensor, ...]:
    """Those that were known keep their names, whatever number their chip would get now; new ones come behind them."""
    sources = {sensor.source for sensor in found}
    kept = tuple(sensor for sensor in known if sensor.source in sources)
    taken = {sensor.source for sensor in kept} | {sensor.series for sensor in kept}
    return kept + tuple(sensor for sensor in found if not {sensor.source, sensor.series} & taken)


def _texts(root: Path, patterns: Sequence[str]) -> Mapping[str, str]:
    found = {}
    for pattern in patterns:
        for path in root.glob(pattern.lstrip("/")):
            found["/" + str(path.relative_to(root))] = _text(path)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
