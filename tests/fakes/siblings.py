"""Sound hosts of one class, each with the noise that sound hardware has, and what may ail one of them.

Noise is normal, in shares of the figure: as the same figures differed between hosts and runs wherever they were measured, or more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tests.fakes import honest
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, FoundDimm, FoundDisk, FoundNic, Inventory
from vetting.domain.outcome import Cell, Measurement, Outcome, ToolRecord, Verdict, Work
from vetting.domain.profiles import Profile
from vetting.domain.states import RunState
from vetting.store import attempts, hosts, measurements, runs
from vetting.store.rows import NewRun

CORES, DISKS, NICS = 8, 4, 2
SIZE = 64 * honest.MIB
MODEL = "SAMSUNG MZ7LH960"
Sick = Callable[[Measurement], Measurement]


def well(row: Measurement) -> Measurement:
    return row


def ill(component: str, factor: float, *names: str) -> Sick:
    """One part whose figures (those that end so) are another share of what they should be."""

    def sick(row: Measurement) -> Measurement:
        hit = row.component == component and row.series.endswith(names or ("",))
        return replace(row, value=row.value * factor) if hit else row

    return sick


@dataclass
class Sibling:
    """One host. `noise` scales all of it; `versions`: of the programs that it runs."""

    number: int
    dice: random.Random
    noise: float = 1.0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"twin-{self.number:02}"

    def disk(self, at: int) -> str:
        return f"T{self.number}D{at}"

    def mac(self, at: int) -> str:
        return f"52:54:00:00:{self.number:02x}:{at:02x}"

    @property
    def macs(self) -> tuple[str, ...]:
        return tuple(self.mac(at) for at in range(NICS))

    @property
    def spec(self) -> ExpectedSpec:
        disks = tuple(ExpectedDisk(serial=self.disk(at), size_bytes=SIZE) for at in range(DISKS))
        return ExpectedSpec(disks=disks, cpu_threads=CORES, nics=tuple(ExpectedNic(mac=mac) for mac in self.macs))

    @property
    def identity(self) -> Identity:
        serials = tuple(self.disk(at) for at in range(DISKS))
        return Identity(
            smbios_uuid=f"6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e{self.number:02x}", macs=self.macs, disk_serials=serials
        )

    @property
    def inventory(self) -> Inventory:
        return replace(
            honest.INVENTORY,
            identity=self.identity,
            manufacturer="Dell Inc.",
            product="PowerEdge R650",
            cpu=FoundCpu(model="Xeon Gold 6338", sockets=1, cores=CORES, threads=CORES),
            dimms=tuple(FoundDimm(locator=f"A{at}", size_bytes=32 * 1024**3, serial=f"M{self.number}{at}", speed_mt_s=3200) for at in range(8)),
            disks=tuple(FoundDisk(name=f"sd{at}", serial=self.disk(at), model=MODEL, size_bytes=SIZE, transport="sata", smart=True) for at in range(DISKS)),
            nics=tuple(FoundNic(name=f"eno{at}", mac=mac, driver="ice", link=True, speed_mb_s=25_000, capable_mb_s=25_000) for at, mac in enumerate(self.macs)),
        )  # fmt: skip

    def about(self, value: float, share: float) -> float:
        return value * max(0.3, self.dice.gauss(1, share * self.noise))

    def measured(self, stage: str) -> list[Measurement]:
        """What a sound host of this kind concludes a stage with."""
        rows: list[Measurement] = []

        def row(series: str, value: float, unit: str, component: str) -> None:
            rows.append(Measurement(series=series, value=value, unit=unit, component=component))

        if stage == "CPUStress":
            for core in range(CORES):
                row(f"cpu.{core}.bogo_ops_s", self.about(1700, 0.03), "/s", f"cpu:{core}")
            for name, rate in (("cpu", 9000), ("hash", 46_000), ("zlib", 20), ("matrix", 700)):
                row(f"stress-ng.{name}.bogo_ops_s", self.about(rate, 0.03), "/s", "cpu")
            row("clock.mean_mhz", self.about(2900, 0.02), "MHz", "cpu")
        for at in range(DISKS):
            disk, part = self.disk(at).lower(), f"disk:{self.disk(at)}"
            if stage == "SMART":
                row(f"disk.{disk}.temperature", 34 + self.dice.gauss(0, 3) * self.noise, "C", part)
            if stage == "Storage":
                row(f"disk.{disk}.surface.write.1.mean", self.about(480, 0.05), "MiB/s", part)
                row(f"disk.{disk}.surface.verify.1.mean", self.about(520, 0.05), "MiB/s", part)
                row(f"disk.{disk}.surface.write.1.slowest", self.about(40, 0.5), "ms", part)
                row(f"disk.{disk}.fio.iops", self.about(60_000, 0.1), "/s", part)
                row(f"disk.{disk}.fio.p99", 2 * math.exp(self.dice.gauss(0, 0.25) * self.noise), "ms", part)
        for at, mac in enumerate(self.macs if stage == "Network" else ()):
            row(f"net.eno{at}.link", 25_000, "Mb/s", f"nic:{mac}")
            for way in ("to_server", "from_server"):
                row(f"net.eno{at}.{way}", self.about(23_400, 0.01), "Mb/s", f"nic:{mac}")
        return rows

    def outcome(self, stage: str, sick: Sick = well) -> Outcome:
        """A pass that is believed, with its figures."""
        plain = honest.outcome(stage)
        if stage == "Inventory":
            return plain.but(data={"inventory": msgspec.to_builtins(self.inventory)})
        if plain.verdict is not Verdict.PASS:
            return plain
        rows = tuple(sick(one) for one in self.measured(stage))
        tools = tuple(self._own(tool) for tool in plain.tools)
        return plain.but(measurements=rows, tools=tools, cells=tuple(self._cells(stage, plain)))

    def _own(self, tool: ToolRecord) -> ToolRecord:
        return replace(tool, version=self.versions.get(tool.argv[0], tool.version))

    def _cells(self, stage: str, plain: Outcome) -> list[Cell]:
        parts = {
            "disk:D1": [f"disk:{self.disk(at)}" for at in range(DISKS)],
            f"nic:{honest.MAC}": [f"nic:{mac}" for mac in self.macs],
        }
        cores = Work(what="cpus", done=CORES, of=CORES, unit="cpus")
        made: list[Cell] = []
        for cell in plain.cells:
            own: dict[str, Any] = {"work": (cores,)} if cell.component == "cpu" else {}
            made += [replace(cell, component=name, **own) for name in parts.get(cell.component, [cell.component])]
        return made


STAGES = ("Inventory", "Firmware", "SMART", "CPUStress", "Storage", "Network", "Burn", "PSU")


def good_run(
    twin: Sibling, *, now: float = 1_000_000.0, profile: Profile = honest.SPRINT, spec: ExpectedSpec | None = None
) -> int:
    """A completed run of the host, as the records of one have it; makes the host where there is none. Inside `Store.write`."""
    expected = spec or twin.spec
    host = hosts.by_name(twin.name) or hosts.create(twin.name, now=now, macs=twin.macs, spec=expected)
    made = runs.create(
        NewRun(
            host_id=host.id, host_name=host.name, profile=profile, non_destructive=False, start_by="manual",
            requested_by="tester", spec=expected, expected_disks=expected.disks,
        ),
        now=now,
    )  # fmt: skip
    for at, stage in enumerate(STAGES):
        outcome = twin.outcome(stage)
        began = now + 100 * at
        opened = attempts.open_attempt(made.id, stage, now=began, planned_s=1, deadline_s=60, boot_id="boot")
        attempts.close_attempt(
            made.id, stage, opened.attempt, now=began + 90, verdict=outcome.verdict, reason=outcome.reason,
            posted_verdict=outcome.verdict, outcome=outcome,
        )  # fmt: skip
        measurements.put(made.id, stage, opened.attempt, outcome.measurements)
    runs.move(made.id, RunState.QUEUED, RunState.COMPLETED, ended_at=now + 1000, verdict="Vetted: every stage passed.")
    return made.id
