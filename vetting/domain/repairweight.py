"""Where a run looks harder after a repair: at the part that was replaced and at its neighbours.

Each kind of part raises the knobs of the stages that test it, for this run alone. A knob is never lowered, so a repair can make a
profile longer and never weaker; two parts that raise the same knob raise it once, to the higher of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vetting.domain.inventory import Inventory
from vetting.domain.profiles import HOUR_S, MINUTE_S, Profile
from vetting.domain.repair import Part, PartKind, Repair
from vetting.domain.repairdimms import neighbours

TIMES: dict[PartKind, dict[str, int]] = {
    PartKind.DIMM: {"cpu_stress.ram_s": 3, "cpu_stress.ram_s_per_gib": 3},
    PartKind.CPU: {
        "cpu_stress.cpu_s": 2, "cpu_stress.core_s": 4, "cpu_stress.ram_s": 2, "cpu_stress.ram_s_per_gib": 2,
    },
    PartKind.NIC: {"network.seconds": 2},
    PartKind.GPU: {"gpu.seconds": 3},
    PartKind.PSU: {"psu.seconds": 3, "burn.seconds": 2},
    PartKind.BOARD: {
        "cpu_stress.cpu_s": 2, "cpu_stress.ram_s": 2, "cpu_stress.ram_s_per_gib": 2, "network.seconds": 2, "burn.seconds": 2,
        "psu.seconds": 2,
    },
    PartKind.CABLE: {"network.seconds": 2, "storage.fio_s": 2},
    PartKind.OTHER: {"burn.seconds": 2},
}  # fmt: skip
"""How many times as long each timed knob becomes. A cable is a disk's or a card's: nobody can tell from here."""
WHY: dict[str, str] = {
    "cpu_stress.cpu_s": "all cores compute and compare for longer",
    "cpu_stress.core_s": "each core alone for longer",
    "cpu_stress.ram_s": "the memory is tested for longer",
    "cpu_stress.ram_s_per_gib": "each GiB of the memory is tested for longer",
    "storage.fio_s": "the disks carry verified random load for longer",
    "storage.thorough": "the whole surface is written and read back, data and its complement",
    "network.seconds": "each direction of each card carries load for longer",
    "burn.seconds": "everything runs at once for longer",
    "gpu.seconds": "the GPUs carry load for longer",
    "psu.seconds": "the load is switched on and off for longer while the supplies are watched",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One knob as the profile has it and as this run has it, in words; and why."""

    knob: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    profile: Profile
    raised: tuple[Raised, ...] = ()


def weigh(profile: Profile, repair: Repair, inventory: Inventory | None = None) -> Weighed:
    """The profile with what the repair raises. `inventory`: of the host before, for the names of neighbours."""
    wanted: dict[str, tuple[int, list[Part]]] = {}
    for part in repair.parts:
        for knob, times in TIMES.get(part.kind, {}).items():
            most, parts = wanted.get(knob, (1, []))
            wanted[knob] = (max(most, times), [*parts, part])
    raised: list[Raised] = []
    for knob, (times, parts) in wanted.items():
        group, _, name = knob.partition(".")
        old = getattr(getattr(profile, group), name)
        if not old or times == 1:  # what a profile leaves out altogether stays left out, and said so
            continue
        profile = _with(profile, group, **{name: old * times})
        raised.append(Raised(knob=knob, before=span(old), after=span(old * times), why=_why(knob, parts, inventory)))
    serials = tuple(dict.fromkeys(part.new for part in repair.parts if part.kind is PartKind.DISK and part.new))
    more = tuple(serial for serial in serials if serial not in profile.storage.thorough)
    if more:
        before = profile.storage.thorough
        profile = _with(profile, "storage", thorough=(*before, *more))
        parts = [part for part in repair.parts if part.new in more]
        raised.append(Raised(knob="storage.thorough", before=", ".join(before) or "no disk", after=", ".join((*before, *more)),
                             why=_why("storage.thorough", parts, inventory)))  # fmt: skip
    return Weighed(profile=profile, raised=tuple(raised))


def _with(profile: Profile, group: str, **knobs: object) -> Profile:
    return replace(profile, **{group: replace(getattr(profile, group), **knobs)})


def _why(knob: str, parts: list[Part], inventory: Inventory | None) -> str:
    named = ", ".join(dict.fromkeys(part.named for part in parts))
    return (
        f"{WHY[knob]}, for {named} {'was' if len(parts) == 1 else 'were'} replaced{''.join(_beside(parts, inventory))}"
    )


def _beside(parts: list[Part], inventory: Inventory | None) -> Iterator[str]:
    near = dict.fromkeys(
        label
        for part in parts
        if part.kind is PartKind.DIMM and inventory
        for label in neighbours(part.slot, inventory.dimms)
    )
    if near:
        yield f"; its neighbours by their labels: {', '.join(near)}"


def span(seconds: float) -> str:
    """90 s, 6 min, 3 h, 1 h 30 min."""
    if seconds < 2 * MINUTE_S:
        return f"{seconds:g} s"
    hours, rest = divmod(round(seconds), HOUR_S)
    minutes, left = divmod(rest, MINUTE_S)
    words = ((hours, "h"), (minutes, "min"), (left, "s"))
    return " ".join(f"{number} {unit}" for number, unit in words if number)
