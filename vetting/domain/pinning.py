"""Measure, then pin: the floors and ceilings that follow from what a good run measured, for a person to confirm.

Of like parts the worst counts, with room below or above it: how much, each kind of figure says for itself (`Yardstick.margin`) unless
the person says it. Disks are held to what their model does, so a pin outlives the disk that was measured; a network card of one host
is named by its address, for a link that comes up slower is what a pin is there to catch; cards of a class by driver and speed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10

from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.inventory import Inventory
from vetting.domain.yardsticks import Measured, Worse, Yardstick, likeness

NAMED_BY_LIKENESS = ("disk", "gpu")
ROOM_ON_VIRTUAL = {Worse.LESS: 0.9, Worse.MORE: 9.0}  # what a virtual machine does is a tenth on a bad day
HEAT_ROOM_C = 10.0
MOST_MARGIN = 10.0
LONGEST = 1000  # of a text in a spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One floor or ceiling. `worst`: what it was made of, the worst of so many `parts`."""

    name: str
    is_floor: bool
    limit: MeasuredLimit
    worst: float
    parts: int
    own: str  # likeness of the host's processors where the limit holds for such hosts alone

    @property
    def key(self) -> str:
        return "|".join(("floor" if self.is_floor else "ceiling", *self.limit.what))

    @property
    def bounds(self) -> str:
        return "at least" if self.is_floor else "at most"


def propose(
    rows: Iterable[Measured],
    inventory: Inventory,
    *,
    profile: str,
    margin: float | None = None,
    for_class: bool = False,
) -> tuple[Proposal, ...]:
    """From all measurements of a run that can be compared. `margin`: a share, in place of each yardstick's own."""
    if margin is not None and not (isfinite(margin) and 0 <= margin <= MOST_MARGIN):
        raise BadInput(f"the margin must be between 0 % and {MOST_MARGIN:.0%}")
    groups: dict[tuple[str, str, str, str], list[Measured]] = {}
    for row in rows:
        if row.yardstick.glob:
            series = row.yardstick.glob.replace("{}", literal(row.variant))
            component, like = _whom(row.component, inventory, for_class=for_class)
            if all(_holdable(text) for text in (series, component, like, row.unit, row.tool)):
                groups.setdefault((row.yardstick.stage, series, component, like), []).append(row)
    return tuple(_proposal(alike, inventory, *named, profile=profile, margin=margin) for named, alike in groups.items())


def _whom(component: str, inventory: Inventory, *, for_class: bool) -> tuple[str, str]:
    """The globs of component and likeness that name a part and its fellows."""
    kind, colon, _ = component.partition(":")
    if not colon:
        return literal(component), "*"
    if kind in NAMED_BY_LIKENESS or (kind == "nic" and for_class):
        return f"{kind}:*", literal(likeness(component, inventory))
    return ("cpu:*", "*") if kind == "cpu" else (literal(component), "*")


def _holdable(text: str) -> bool:
    """Whether a spec can hold it: what hosts call themselves and their parts may be anything."""
    return text.isprintable() and len(text) <= LONGEST


def literal(text: str) -> str:
    """A glob that matches this text alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _proposal(
    alike: list[Measured], inventory: Inventory, stage: str, series: str, component: str, like: str,
    *, profile: str, margin: float | None,
) -> Proposal:  # fmt: skip
    first = alike[0]
    yardstick = first.yardstick
    is_floor = yardstick.worse is Worse.LESS
    worst = (min if is_floor else max)(row.value for row in alike)
    limit = MeasuredLimit(
        stage=stage, series=series, component=component, like=like, unit=first.unit, profile=profile,
        tool=first.tool if yardstick.own_version else "",
        value=_with_room(yardstick, worst, margin=margin, virtual=bool(inventory.virtual)),
    )  # fmt: skip
    kind = component.partition(":")[0]
    name = yardstick.name if component == "cpu:*" else first.name
    own = likeness("host", inventory) if kind in ("cpu", "psu") else ""
    return Proposal(name=name, is_floor=is_floor, limit=limit, worst=worst, parts=len(alike), own=own)


def _with_room(yardstick: Yardstick, worst: float, *, margin: float | None, virtual: bool) -> float:
    if margin is None and yardstick.absolute:
        value = worst + yardstick.margin
    else:
        share = yardstick.margin if margin is None else margin
        if virtual and margin is None and yardstick.margin:
            share = max(share, ROOM_ON_VIRTUAL[yardstick.worse])
        value = worst * (1 - min(share, 1.0)) if yardstick.worse is Worse.LESS else worst * (1 + share)
    return rounded(value, down=yardstick.worse is Worse.LESS)


def rounded(value: float, *, down: bool) -> float:
    """Three figures, always away from what was measured."""
    if value == 0 or not isfinite(value):
        return value
    digits = 2 - floor(log10(abs(value)))
    scaled = value * 10.0**digits
    whole = floor(scaled + 1e-9) if down else ceil(scaled - 1e-9)
    return float(f"{whole / 10.0**digits:.12g}")


def hottest_allowed(peaks: Mapping[str, float], limit_c: float) -> float:
    """`max_temp_c` by the hottest sensor of a run; 0 where none was heard or the limit that holds already is as low."""
    finite = [value for value in peaks.values() if isfinite(value)]
    wanted = ceil(max(finite) + HEAT_ROOM_C) if finite else 0
    return float(wanted) if 0 < wanted < limit_c else 0.0


def fitting(proposals: Iterable[Proposal], inventory: Inventory) -> Iterator[Proposal]:
    """Those that another host of the class can be held to: it has such parts, or such processors."""
    for one in proposals:
        if one.own and one.own != likeness("host", inventory):
            continue
        if one.limit.like == "*" or any(literal(like) == one.limit.like for like in _likenesses(inventory)):
            yield one


def _likenesses(inventory: Inventory) -> set[str]:
    parts = (
        *(f"disk:{disk.serial}" for disk in inventory.disks),
        *(f"nic:{nic.mac}" for nic in inventory.nics),
        *(f"gpu:{gpu.uuid or gpu.pci}" for gpu in inventory.gpus),
    )
    return {likeness(part, inventory) for part in parts}


def pinned(spec: ExpectedSpec, proposals: Iterable[Proposal], *, keys: Collection[str] | None = None) -> ExpectedSpec:
    """The spec with these in it, each in place of the one that limited the same before. `keys`: only those."""
    chosen = [one for one in proposals if keys is None or one.key in keys]
    return replace(
        spec,
        floors=_merged(spec.floors, [one.limit for one in chosen if one.is_floor]),
        ceilings=_merged(spec.ceilings, [one.limit for one in chosen if not one.is_floor]),
    )


def _merged(old: tuple[MeasuredLimit, ...], new: Iterable[MeasuredLimit]) -> tuple[MeasuredLimit, ...]:
    made = {limit.what: limit for limit in old}
    made.update({limit.what: limit for limit in new})
    return tuple(made.values())
