"""Which measurements of a finished stage may be held against those of others, and how far off is worth a word.

A healthy fleet must be silent, so every row says how much sound hardware differs from itself. What a virtual machine gets of
its processors and disks in a second is up to its neighbours: on one with two cores the same load came to 178 and 527
operations a second in two runs, and the same disk to 1.1 and 4.2 GB/s. There only disks are compared with those that were loaded in
the same minutes, and told where one does a seventh of its fellows. A core's operations for each second of its own CPU time were
steadier (1,700 to 2,000), but an emulated machine counts time that it never got as its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk, FoundNic, Inventory
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Measurement, Outcome, ToolRecord


class Worse(StrEnum):
    """In which direction trouble lies."""

    LESS = "below"
    MORE = "above"


class Against(StrEnum):
    PEERS = "peers"  # like parts of the same host, loaded in the same minutes
    CLASS = "class"  # the last good runs of hosts of the same class
    ITSELF = "itself"  # the host's own last good run


EVERYWHERE = frozenset(Against)
OVER_TIME = frozenset({Against.CLASS, Against.ITSELF})


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """One kind of figure. `series` is a pattern whose groups tell its variants apart, such as a cycle or a direction."""

    name: str
    stage: str
    series: str
    worse: Worse
    least: float  # share of the baseline (`absolute`: units) that a value must be off before anybody is told
    noise: float  # in the same unit: what sound hardware differs by; the spread is never taken for less
    margin: float  # a pin made of a measurement leaves this much room, in the same unit
    why: str
    glob: str = ""  # of a pin, {} for the variant; empty: nobody can pin it
    tool: str = ""  # whose version must be the same
    against: frozenset[Against] = EVERYWHERE
    virtual: float | None = None  # `least` on a virtual machine, among like parts alone; None: not compared there
    absolute: bool = False
    own_version: bool = (
        False  # a figure that another version of the tool defines differently: its pin names the version
    )


YARDSTICKS: tuple[Yardstick, ...] = (
    Yardstick(
        name="rate of a core alone", stage="CPUStress", glob="cpu.*.bogo_ops_s", series=r"cpu\.(\d+)\.bogo_ops_s", tool="stress-ng", worse=Worse.LESS,
        least=0.25, noise=0.05, margin=0.2, against=OVER_TIME, own_version=True,
        why="CPU time, so neighbours cost it little; turbo and silicon differ by some 5 %. The stage itself compares the cores of one host.",
    ),
    Yardstick(
        name="rate of all cores", stage="CPUStress", glob="stress-ng.{}.bogo_ops_s", series=r"stress-ng\.(.+)\.bogo_ops_s", tool="stress-ng", worse=Worse.LESS,
        least=0.2, noise=0.04, margin=0.15, against=OVER_TIME, own_version=True,
        why="wall time of minutes: some 3 % between sound hosts; heat and power limits take more, which is worth a word.",
    ),
    Yardstick(
        name="mean clock under load", stage="CPUStress", glob="clock.mean_mhz", series=r"clock\.mean_mhz", worse=Worse.LESS,
        least=0.15, noise=0.03, margin=0.1, against=OVER_TIME, why="turbo bins differ by 5 % between sound processors of one model.",
    ),
    Yardstick(
        name="surface throughput", stage="Storage", glob="disk.*.surface.{}.mean", series=r"disk\.(?:.+)\.surface\.((?:write|verify)\.\d+)\.mean", tool="surface",
        worse=Worse.LESS, least=0.35, noise=0.06, margin=0.25, virtual=0.85,
        why="platters of one model differ by 10 %, flash by 25 % with its age; a third less is a sick head or a bad link.",
    ),
    Yardstick(
        name="fio IOPS", stage="Storage", glob="disk.*.fio.iops", series=r"disk\.(?:.+)\.fio\.iops", tool="fio", worse=Worse.LESS,
        least=0.5, noise=0.1, margin=0.3, virtual=0.85, why="flash halves between fresh and full; less than half of its peers is none of that.",
    ),
    Yardstick(
        name="fio p99 latency", stage="Storage", glob="disk.*.fio.p99", series=r"disk\.(?:.+)\.fio\.p99", tool="fio", worse=Worse.MORE,
        least=3.0, noise=0.3, margin=1.0, against=frozenset({Against.PEERS, Against.CLASS}), why="a tail wanders by half between runs, so one run alone is no measure; four times its peers' is a drive that retries.",
    ),
    Yardstick(
        name="network throughput", stage="Network", glob="net.*.{}", series=r"net\.(?:.+)\.(to_server|from_server)", tool="iperf3", worse=Worse.LESS,
        least=0.25, noise=0.03, margin=0.1, why="a sound link fills 94 % of its speed within 2 %; the orchestrator's own link is shared.",
    ),
    Yardstick(
        name="link speed", stage="Network", glob="net.*.link", series=r"net\.(?:.+)\.link", worse=Worse.LESS, least=0.01, noise=0.0, margin=0.0,
        virtual=0.01, against=frozenset({Against.ITSELF}), why="negotiated, exact. Other ports of the fleet may be wired for less on purpose.",
    ),
    Yardstick(
        name="temperature of a drive", stage="SMART", series=r"disk\.(?:.+)\.temperature", worse=Worse.MORE, absolute=True,
        least=20.0, noise=3.0, margin=15.0, why="bays differ by 8 °C, seasons by 5; 20 are a fan or a blocked slot.",
    ),
    Yardstick(
        name="highest GPU temperature", stage="GPU", glob="gpu.*.{}.max", series=r"gpu\.(?:.+)\.(temperature|memory_temperature)\.max", worse=Worse.MORE,
        absolute=True, least=12.0, noise=3.0, margin=8.0, why="neighbours in one chassis differ by 8 °C from front to back.",
    ),
    Yardstick(
        name="highest power", stage="PSU", glob="psu.{}.max", series=r"psu\.(power\..+)\.max", worse=Worse.MORE, least=0.3, noise=0.05, margin=0.25,
        against=OVER_TIME, why="a peak of watts depends on fans and on the room; a third more is a fan wall at full speed, or worse.",
    ),
    Yardstick(
        name="highest temperature", stage="Reporting", series=r"(temp\..+)", worse=Worse.MORE, absolute=True,
        least=18.0, noise=3.0, margin=10.0, against=OVER_TIME,
        why="rooms differ by 9 °C between winter and summer; max_temp_c is what can be pinned.",
    ),
)  # fmt: skip
_PATTERNS = tuple((one, re.compile(one.series)) for one in YARDSTICKS)
_CYCLE = re.compile(r"^(write|verify)\.(\d+)$")
NAMED = {one.name: one for one in YARDSTICKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measurement that may be compared. `like`: what a part must be to be its peer."""

    yardstick: Yardstick
    variant: str
    like: str
    tool: str  # name and version, empty where none matters
    component: str
    series: str
    value: float
    unit: str

    @property
    def key(self) -> str:
        """What two measurements must have in common to be held against each other."""
        return "|".join((self.yardstick.name, self.variant, self.like, self.tool))

    @property
    def name(self) -> str:
        """`surface throughput (write, cycle 1)`"""
        words = _CYCLE.sub(r"\1, cycle \2", self.variant).replace("_", " ")
        return f"{self.yardstick.name} ({words})" if words else self.yardstick.name


def measured(
    stage: str, outcome: Outcome, inventory: Inventory, disks: Iterable[ExpectedDisk] = ()
) -> tuple[Measured, ...]:
    """What of a stage's measurements can be compared; what is no finite number cannot."""
    versions = versions_of(outcome.tools)
    return tuple(_measured(stage, outcome.measurements, inventory, tuple(disks), versions))


def heat(peaks: Mapping[str, float], inventory: Inventory) -> tuple[Measured, ...]:
    """The highest value of each temperature series of a run, as if a stage had measured them."""
    rows = [Measurement(series=name, value=value, unit="C", component=name) for name, value in sorted(peaks.items())]
    return tuple(_measured("Reporting", rows, inventory, (), {}))


def _measured(
    stage: str,
    rows: Iterable[Measurement],
    inventory: Inventory,
    disks: tuple[ExpectedDisk, ...],
    versions: Mapping[str, str],
) -> Iterator[Measured]:
    scratch = {f"disk:{disk.serial}" for disk in disks if disk.kind != "disk"}
    for row in rows:
        if not isfinite(row.value) or row.component in scratch:
            continue
        for yardstick, pattern in _PATTERNS:
            match = pattern.fullmatch(row.series) if yardstick.stage == stage else None
            if match is None:
                continue
            like = likeness(row.component, inventory)
            if like and yardstick.name == "link speed":
                like = "link"  # the same card may well have had another speed: that is the question
            if like:
                yield Measured(
                    yardstick=yardstick, variant=".".join(match.groups()), like=like,
                    tool=f"{yardstick.tool} {versions.get(yardstick.tool, '')}" if yardstick.tool else "",
                    component=row.component, series=row.series, value=row.value, unit=row.unit,
                )  # fmt: skip
            break


def likeness(component: str, inventory: Inventory) -> str:
    """What makes two parts alike: a disk's model, a card's speed; of what belongs to the whole host, its processors. Empty for a
    part that the inventory does not have, such as a scratch disk or the loopback."""
    kind, _, name = component.partition(":")
    if kind == "disk":
        return _disk_like(name, inventory.disks)
    if kind == "nic":
        return _nic_like(name, inventory.nics)
    if kind == "gpu":
        return next((gpu.name for gpu in inventory.gpus if name in (gpu.uuid, gpu.pci, gpu.serial) and name), "")
    cpu = inventory.cpu
    return f"{cpu.sockets} × {' '.join(cpu.model.split())}, {cpu.threads} threads"


def _disk_like(serial: str, disks: Iterable[FoundDisk]) -> str:
    found = [disk for disk in disks if known(disk.serial) and known(disk.serial) == known(serial)]
    if len(found) != 1:
        return ""
    disk = found[0]
    model = " ".join(disk.model.split()) if known(disk.model) else f"{disk.transport or 'unknown'} disk"
    return f"{model}, {disk.size_bytes / 1e9:.0f} GB"


def _nic_like(mac: str, nics: Iterable[FoundNic]) -> str:
    found = [nic for nic in nics if mac_of(nic.mac) and mac_of(nic.mac) == mac_of(mac)]
    if len(found) != 1 or not found[0].speed_mb_s or found[0].speed_mb_s <= 0:
        return ""
    return f"{found[0].driver or 'card'} at {found[0].speed_mb_s} Mb/s"


def versions_of(tools: Iterable[ToolRecord]) -> dict[str, str]:
    """Program -> the number of its version, of the programs that a stage ran; our own surface test goes by its name as a verb.

    What stands beside the number (compiler, kernel) changes with every update and means nothing here.
    """
    found: dict[str, str] = {}
    for tool in tools:
        argv = (
            tool.argv[tool.argv.index("--") + 1 :]
            if tool.argv[:1] == ("choom",) and "--" in tool.argv[:-1]
            else tool.argv
        )
        name = "surface" if "surface" in argv[1:4] else argv[0].rpartition("/")[2] if argv else ""
        number = _NUMBER.search(tool.version)
        found.setdefault(name, number[0] if number else "")
    return found


_NUMBER = re.compile(r"\d+(?:\.\d+)+")


def class_of(inventory: Inventory, named: str = "") -> str:
    """The class that a host is compared in: the one that vetting.yaml names it by, else its maker's product, with its processors.
    Empty for a host that does not say what it is."""
    product = named or (f"{inventory.manufacturer} {inventory.product}".strip() if known(inventory.product) else "")
    return f"{product}, {likeness('host', inventory)}" if product else ""
