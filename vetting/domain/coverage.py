"""How much of what is there a pass must have covered: the floors of every stage as one table, and what tools must show.

A floor looks at `Cell.work`. All comparisons are written so that a number which is not finite fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import Inventory
from vetting.domain.ledger import LOOPBACK
from vetting.domain.outcome import Cell, Outcome, ToolRecord, Verdict
from vetting.domain.profiles import Profile, SurfaceMode, memory_pass_s
from vetting.domain.specdiff import find_disk

SLACK_S = 2.0  # a stage or tool may end this much before its planned time: timers and start-up are not exact
PRESENT = 0.99  # of what Inventory found, that a stage must name as present: two readings round differently

UNIT_BYTES = {"B": 1, "bytes": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 10**3, "MB": 10**6, "GB": 10**9}
SECONDS = ("s", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """`share` of each row of work that a passing cell of this kind must have done; 0: more than nothing.
    `rows`: how many rows of work at least (two directions of a link, two testers of the memory)."""

    stage: str
    kind: str  # of component: what stands before its first colon
    share: Callable[[Profile], float]
    rows: int = 1


def _all(profile: Profile) -> float:
    return 1.0


def _something(profile: Profile) -> float:
    return 0.0


FLOORS: tuple[Floor, ...] = (
    Floor(stage="CPUStress", kind="cpu", share=_all),
    Floor(stage="CPUStress", kind="memory", share=lambda profile: profile.cpu_stress.ram_cover, rows=2),
    Floor(stage="Storage", kind="disk", share=_all),  # of the promise: the whole disk, or the sample
    Floor(stage="Network", kind="nic", share=lambda profile: profile.network.floor_fraction, rows=2),
    Floor(stage="Burn", kind="cpu", share=lambda profile: 0.0 if profile.burn.cpu_workers else 1.0),
    # Of MemTotal, while the knob is of MemAvailable, which on the machine that runs `vetting try` may be little.
    Floor(stage="Burn", kind="memory", share=lambda profile: profile.burn.mem_pct / 100 / 4),
    Floor(stage="Burn", kind="disk", share=_something),
    Floor(stage="Burn", kind="network", share=_something),
    Floor(stage="GPU", kind="gpu", share=_all),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFloor:
    """A program that a pass must have run for so long in all, counting only clean ends; runs side by side count once."""

    stage: str
    tool: str
    least_s: Callable[[Profile], float] = _something
    having: tuple[str, ...] = ()  # words its argv must have
    lacking: tuple[str, ...] = ()  # words its argv must not have
    for_kind: str = ""  # asked for only where a cell of this kind passed
    what: str = ""
    memory_share: float = 0.0  # of the memory pass, whose time goes by the size of the memory

    def planned_s(self, profile: Profile, inventory: Inventory | None) -> float:
        if not self.memory_share:
            return self.least_s(profile)
        return memory_pass_s(profile.cpu_stress, inventory.memory_bytes if inventory else 0) * self.memory_share


TOOLS: tuple[ToolFloor, ...] = (
    ToolFloor(stage="SMART", tool="smartctl", for_kind="disk"),
    ToolFloor(
        stage="CPUStress",
        tool="stress-ng",
        least_s=lambda profile: profile.cpu_stress.cpu_s,
        having=("--verify",),
        lacking=("--vm", "--taskset"),
        what="on all cores",
    ),
    ToolFloor(
        stage="CPUStress",
        tool="stress-ng",
        memory_share=0.5,
        having=("--verify", "--vm"),
        what="on the memory",
    ),
    ToolFloor(stage="CPUStress", tool="stressapptest", memory_share=0.5, having=("-W",), what="on the memory"),
    ToolFloor(stage="Storage", tool="surface", for_kind="disk"),
    ToolFloor(stage="Storage", tool="fio", for_kind="disk"),
    ToolFloor(stage="Network", tool="iperf3", least_s=lambda profile: profile.network.seconds, lacking=("-b",)),
    ToolFloor(stage="Network", tool="iperf3", having=("-b",), for_kind="nic", what="at a steady pace"),
    ToolFloor(stage="Burn", tool="stress-ng", least_s=lambda profile: profile.burn.seconds),
    ToolFloor(stage="Burn", tool="iperf3", for_kind="network"),
    ToolFloor(stage="Burn", tool="fio", for_kind="disk"),
    ToolFloor(stage="GPU", tool="nvidia-smi", for_kind="gpu"),
)
ANY_TOOL = frozenset({"Inventory"})  # at least one program, whichever this host has


def kind_of(component: str) -> str:
    return component.partition(":")[0]


def covered(
    stage: str,
    cells: Iterable[Cell],
    *,
    profile: Profile,
    inventory: Inventory | None,
    disks: Sequence[ExpectedDisk],
) -> Iterator[str]:
    """What passing cells of a stage fall short of, in words."""
    floors = {floor.kind: floor for floor in FLOORS if floor.stage == stage}
    for cell in cells:
        if cell.verdict is not Verdict.PASS:
            continue
        for work in cell.work:
            if not (isfinite(work.done) and isfinite(work.of) and work.done > 0 and work.of > 0):
                yield f"{cell.component}: {work.what} is {work.done:g} of {work.of:g} {work.unit}, which is no work"
        if (floor := floors.get(kind_of(cell.component))) is None:
            continue
        if len(cell.work) < floor.rows:
            wanted = (
                "the work done" if floor.rows == 1 else "both testers" if stage == "CPUStress" else "both directions"
            )
            yield f"{cell.component}: a pass must show {wanted}, it shows {len(cell.work)} rows"
        yield from _reached(stage, cell, floor.share(profile), profile)
        yield from _present(stage, cell, profile, inventory, disks)


def _reached(stage: str, cell: Cell, share: float, profile: Profile) -> Iterator[str]:
    for work in cell.work:
        least = work.of * share
        if work.unit in SECONDS:
            least = work.of - SLACK_S if share else 0.0
        elif stage == "Storage" and work.unit in UNIT_BYTES and not _whole(cell.component, profile):
            promised = min(profile.storage.sample_bytes, profile.storage.fio_size_bytes)
            least = min(least, promised / UNIT_BYTES[work.unit])
        elif (
            stage == "Burn"
            and work.unit in UNIT_BYTES
            and cell.component == "memory"
            and profile.cpu_stress.ram_cap_bytes
        ):
            least = min(least, profile.cpu_stress.ram_cap_bytes / UNIT_BYTES[work.unit])
        if not work.done >= least * (1 - 1e-9):
            text = f"{cell.component}: {work.what} reached {work.done:g} of {work.of:g} {work.unit}"
            yield f"{text}, the floor is {least:g}"


def _present(
    stage: str, cell: Cell, profile: Profile, inventory: Inventory | None, disks: Sequence[ExpectedDisk]
) -> Iterator[str]:
    """A stage that calls a part of the host the whole of it is not believed."""
    there, words = 0.0, ""
    if stage == "CPUStress" and cell.component == "cpu" and inventory:
        there, words = float(inventory.cpu.threads), "cpus"
    elif stage == "CPUStress" and cell.component == "memory" and inventory:
        there, words = float(inventory.memory_bytes), "bytes of memory"
    elif stage == "Storage" and _whole(cell.component, profile):
        there, words = float(_disk_bytes(cell.component, inventory, disks)), "bytes of the disk"
    if there > 0 and cell.work:
        named = max(work.of * UNIT_BYTES.get(work.unit, 1) for work in cell.work)
        if not named >= there * PRESENT:
            yield f"{cell.component}: {named:.0f} {words} are called the whole, Inventory found {there:.0f}"


def _whole(component: str, profile: Profile) -> bool:
    """Whether this disk's whole surface was promised."""
    asked = {f"disk:{serial}" for serial in profile.storage.thorough}
    return profile.storage.surface is SurfaceMode.FULL or component in asked


def disk_of(component: str, disks: Iterable[ExpectedDisk]) -> ExpectedDisk | None:
    """The expected disk that a component `disk:<serial>` names."""
    return next((disk for disk in disks if f"disk:{disk.serial}" == component), None)


def _disk_bytes(component: str, inventory: Inventory | None, disks: Sequence[ExpectedDisk]) -> int:
    disk = disk_of(component, disks)
    if disk is None:
        return 0
    found = find_disk(disk, inventory.disks) if inventory and disk.kind == "disk" else None
    return found.size_bytes if found else disk.size_bytes


def tools_shown(stage: str, outcome: Outcome, profile: Profile, inventory: Inventory | None = None) -> Iterator[str]:
    """What the programs that a pass rests on do not show, in words."""
    if stage in ANY_TOOL and not outcome.tools:
        yield "no program was run, so nothing was looked at"
    # Loopback is no card, and has no wire that could lose anything.
    cells = (cell for cell in outcome.cells if cell.verdict is Verdict.PASS and cell.component != LOOPBACK)
    passed = {kind_of(cell.component) for cell in cells}
    for floor in TOOLS:
        if floor.stage != stage or (floor.for_kind and floor.for_kind not in passed):
            continue
        records = [record for record in outcome.tools if _matches(record, floor)]
        named = f"{floor.tool} {floor.what}".strip()
        if not records:
            yield f"no run of {named} is among the evidence"
            continue
        planned_s = floor.planned_s(profile, inventory)
        if (least_s := planned_s - SLACK_S) <= 0:
            continue
        clean = [one for one in records if one.exit_code == 0 and not one.timed_out and one.signal is None]
        if not (lasted := together_s(clean)) >= least_s:
            yield f"{named} ran {lasted:.0f} s to a clean end, planned were {planned_s:.0f} s"
    if stage == "CPUStress":
        yield from _one_after_the_other(outcome.tools)


def _matches(record: ToolRecord, floor: ToolFloor) -> bool:
    """Wrappers (choom, taskset) stand before the program's own name; our own programs are a verb of this program."""
    words = [word.rpartition("/")[2] for word in record.argv]
    names = all(word in record.argv for word in floor.having) and not any(word in record.argv for word in floor.lacking)
    return floor.tool in words and names


def together_s(records: Iterable[ToolRecord]) -> float:
    """Seconds in which at least one of them ran. A record whose times are no numbers, or run backwards, counts nothing."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted((one.started_s, one.ended_s) for one in records if one.ended_s >= one.started_s):
        if isfinite(start) and isfinite(end):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
    return total


def _one_after_the_other(tools: Iterable[ToolRecord]) -> Iterator[str]:
    """Loads of CPU and memory at once, or two of the memory, are how the predecessor lost its agent."""
    loads = [(one, sort) for one in tools if (sort := _sort_of_load(one))]
    for one, sort in loads:
        for other, its_sort in loads:
            if sort < its_sort and min(one.ended_s, other.ended_s) - max(one.started_s, other.started_s) > 1:
                yield f"{sort} and {its_sort} were loaded at the same time, which this stage must never do"
                return


def _sort_of_load(record: ToolRecord) -> str:
    words = [word.rpartition("/")[2] for word in record.argv]
    if "stressapptest" in words:
        return "memory (stressapptest)"
    if "stress-ng" not in words:
        return ""
    return "memory (stress-ng)" if "--vm" in words else "CPU"
