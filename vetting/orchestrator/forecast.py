"""How long a run of this host will take, before it is started: what is planned by time, and an estimate of what goes by bytes.

A plan (`planning.plan`) knows the least time of each stage. The surface scan goes by the size and speed of the slowest disk, a
drive's long self-test at the drive's own pace; what is assumed of them is said, and where a size is not known the sum is a least one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.domain.naming import known
from vetting.domain.profiles import Profile, SelfTest, memory_pass_s
from vetting.domain.specdiff import find_disk
from vetting.orchestrator import planning
from vetting.stages.base import Stage
from vetting.stages.surface_load import asked_of

# Bytes a second that a healthy disk writes and reads on the average of its whole surface; a run measures the real ones.
ASSUMED = {"rotating": 150e6, "sata": 400e6, "nvme": 1500e6}
SHORT_TEST_S = 120.0  # of every drive: ATA and NVMe name two minutes
LONG_TEST_LEAST_S = 1800.0
LOOKING_S = {"Inventory": 30.0, "Firmware": 20.0, "SMART": 10.0, "SpecValidate": 1.0, "Reporting": 10.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    name: str
    seconds: float
    note: str = ""  # what it depends on


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`unknown`: what would make it longer and is not known, in words; with any of it the sum is the least."""

    stages: tuple[StageTime, ...]
    unknown: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def longest(self) -> tuple[StageTime, ...]:
        """The stages that make it what it is, longest first."""
        return tuple(sorted((one for one in self.stages if one.seconds >= 60), key=lambda one: -one.seconds))


@dataclass(slots=True)
class _Guess:
    profile: Profile
    expected: ExpectedSpec
    inventory: Inventory | None
    non_destructive: bool
    measured: Mapping[str, float]
    unknown: dict[str, None] = field(default_factory=dict)  # in order, each once

    def more(self, name: str) -> tuple[float, str]:
        """Seconds beyond what is planned, and what they depend on."""
        match name:
            case "SMART":
                return self._self_test()
            case "CPUStress" if self.inventory is None:
                return self._cores_and_memory()
            case "Storage" if not self.non_destructive:
                return self._surface()
            case "Network" if self.inventory is None:
                return self._cards()
            case "GPU" if self.inventory is None:
                return float(self.profile.gpu.seconds) if self.expected.gpu_count else 0.0, ""
        return 0.0, ""

    def _self_test(self) -> tuple[float, str]:
        kind = self.profile.smart.self_test
        if kind is SelfTest.NONE or not self.expected.disks:
            return 0.0, ""
        if kind is SelfTest.SHORT:
            return SHORT_TEST_S, "short self-test of all drives at once"
        times = [
            self._size(disk) / ASSUMED["rotating"] for disk in self.expected.disks if self._kind(disk) == "rotating"
        ]
        return max([LONG_TEST_LEAST_S, *times]), "long self-test of all drives at once, each at its own pace"

    def _surface(self) -> tuple[float, str]:
        slowest = ("", 0.0, 0.0)
        for disk in planning.disks_to_be_written(self.expected, non_destructive=False):
            asked = asked_of(self.profile.storage).of(disk.serial)
            rate = self.measured.get(known(disk.serial)) or ASSUMED[self._kind(disk)]
            seconds = 2 * asked.cycles * asked.promised(self._size(disk)) / rate
            if seconds > slowest[1]:
                slowest = (disk.serial, seconds, rate)
        serial, seconds, rate = slowest
        asked = asked_of(self.profile.storage).of(serial)
        if not serial:
            return 0.0, ""
        how = "as its last run measured" if self.measured.get(known(serial)) else "assumed"
        times = {1: "written and read back", 2: "written and read back twice"}.get(
            asked.cycles, f"{asked.cycles} times"
        )
        part = "the whole of it" if not asked.sample_bytes else "a sample of it"
        return (
            seconds,
            f"all disks at once; the slowest is {serial[:60]}, {part} {times} at {rate / 1e6:.0f} MB/s, {how}",
        )

    def _cores_and_memory(self) -> tuple[float, str]:
        """Without an inventory a plan counts one core, and no more memory than fits the least time."""
        knobs = self.profile.cpu_stress
        if knobs.ram_s_per_gib and not knobs.ram_cap_bytes and not self.expected.memory_bytes:
            self.unknown["how much memory it has"] = None
        more_s = memory_pass_s(knobs, self.expected.memory_bytes) - knobs.ram_s
        if knobs.core_s and not self.expected.cpu_threads:
            self.unknown["how many threads its processors have"] = None
        return float(knobs.core_s * max(self.expected.cpu_threads - 1, 0)) + more_s, ""

    def _cards(self) -> tuple[float, str]:
        self.unknown["how many of its network cards have a link"] = None
        return 2.0 * self.profile.network.seconds * max(len(self.expected.nics), 1), ""

    def _size(self, disk: ExpectedDisk) -> int:
        found = self._found(disk)
        size = disk.size_bytes or (found.size_bytes if found else 0)
        if size <= 0:
            self.unknown[f"the size of disk {disk.serial[:60]}"] = None
        return max(size, 0)

    def _kind(self, disk: ExpectedDisk) -> str:
        found = self._found(disk)
        if found is not None and found.transport == "nvme":
            return "nvme"
        return "sata" if found is not None and found.rotational is False else "rotating"

    def _found(self, disk: ExpectedDisk) -> FoundDisk | None:
        return find_disk(disk, self.inventory.disks) if self.inventory else None


def forecast(
    profile: Profile,
    expected: ExpectedSpec,
    inventory: Inventory | None,
    stages: Mapping[str, Stage],
    *,
    non_destructive: bool,
    measured: Mapping[str, float] | None = None,
) -> Forecast:
    """`inventory`: what its last run found, None where none did. `measured`: serial as compared -> bytes a second of its surface."""
    job = planning.job(
        run_id=0, profile=profile, expected=expected, non_destructive=non_destructive, inventory=inventory
    )
    guess = _Guess(profile, expected, inventory, non_destructive, measured or {})
    times = []
    for plan in planning.plan(job, stages):
        more_s, note = guess.more(plan.name)
        times.append(
            StageTime(name=plan.name, seconds=plan.planned_s + LOOKING_S.get(plan.name, 0.0) + more_s, note=note)
        )
    return Forecast(stages=tuple(times), unknown=tuple(guess.unknown))
