"""Floors and ceilings that a person pinned, held against what a stage measured.

A part that falls short makes the stage FAIL. A pinned measurement that never came, was no number, or was made by another version
of its program is an ERROR: it was not measured, and nothing unmeasured is a pass. What was skipped for a declared reason is not
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from typing import Literal

from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.inventory import Inventory
from vetting.domain.limits import could_match
from vetting.domain.outcome import Cell, Measurement, Outcome, Verdict
from vetting.domain.yardsticks import likeness, versions_of

CONCLUDED: Mapping[str, tuple[str, ...]] = {
    "SMART": ("disk.",),
    "CPUStress": ("cpu.", "stress-ng.", "clock.", "memory."),
    "Storage": ("disk.",),
    "Network": ("net.",),
    "Burn": ("burn.",),
    "GPU": ("gpu.",),
    "PSU": ("psu.",),
}
"""What the measurements begin with that each stage concludes with."""

Fault = Literal["host", "us"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One pin that was not kept (`host`) or could not be judged (`us`)."""

    fault: Fault
    component: str
    text: str


def mistake(limit: MeasuredLimit) -> str:
    """What is wrong with a floor or ceiling by itself, or empty."""
    if limit.stage not in CONCLUDED:
        return f"there is no stage {limit.stage[:40]!r} that measures; stages are {', '.join(CONCLUDED)}"
    if not any(could_match(limit.series, family) for family in CONCLUDED[limit.stage]):
        begins = " or ".join(f"{family}*" for family in CONCLUDED[limit.stage])
        return f"{limit.stage} measures nothing that {limit.series[:80]!r} could match; there they begin as {begins}"
    if not isfinite(limit.value):
        return "the value must be a finite number"
    for name, text in (("component", limit.component), ("like", limit.like)):
        if not text.strip():
            return f"{name} is empty and matches nothing; leave it out for every part"
    return ""


def judge(
    outcome: Outcome, stage: str, spec: ExpectedSpec, inventory: Inventory | None, profile: str
) -> tuple[Outcome, tuple[Broken, ...]]:
    """A stage's outcome as it is to be recorded, and why. Only a PASS is judged; nothing here makes one."""
    if outcome.verdict is not Verdict.PASS or inventory is None:
        return outcome, ()
    broken: list[Broken] = []
    for floor, limits in ((True, spec.floors), (False, spec.ceilings)):
        for limit in limits:
            if limit.stage == stage and limit.profile in ("", profile):
                broken += _judged(outcome, limit, inventory, floor=floor)
    if not broken:
        return outcome, ()
    accused = [one for one in broken if one.fault == "host"]
    verdict = Verdict.FAIL if accused else Verdict.ERROR
    told = "; ".join(f"{one.component}: {one.text}" for one in accused or broken)
    return outcome.but(verdict=verdict, reason=told, cells=tuple(_cells(outcome.cells, broken))), tuple(broken)


def _judged(outcome: Outcome, limit: MeasuredLimit, inventory: Inventory, *, floor: bool) -> Iterator[Broken]:
    rows = [row for row in outcome.measurements if _meant(row, limit, inventory)]
    if limit.tool and (rows or not _all_skipped(outcome, limit, inventory)):
        used = {f"{name} {number}".strip() for name, number in versions_of(outcome.tools).items()}
        if " ".join(limit.tool.split()) not in used:
            ran = ", ".join(sorted(one for one in used if one.split()[:1] == limit.tool.split()[:1])) or "none of it"
            text = f"{limit.series} is pinned as {limit.tool} measures it, and this run used {ran}: measure it anew and pin that"
            yield Broken(fault="us", component=_of(limit), text=text)
            return
    for row in rows:
        if not isfinite(row.value):
            yield Broken(
                fault="us", component=row.component or _of(limit), text=f"{row.series} is pinned and was no number"
            )
        elif limit.unit and row.unit != limit.unit:
            text = f"{row.series} is pinned in {limit.unit} and was measured in {row.unit or 'no unit'}"
            yield Broken(fault="us", component=row.component or _of(limit), text=text)
        elif not (row.value >= limit.value if floor else row.value <= limit.value):
            said = f"{row.series} {row.value:.6g} {row.unit}".strip()
            what = f"pinned {'floor' if floor else 'ceiling'} {limit.value:g} {limit.unit or row.unit}".strip()
            yield Broken(fault="host", component=row.component or _of(limit), text=f"{said}, {what}")
    for component in _unmeasured(outcome, limit, inventory, {row.component for row in rows}):
        text = f"{limit.series} is pinned and was not measured"
        yield Broken(fault="us", component=component, text=text)


def _meant(row: Measurement, limit: MeasuredLimit, inventory: Inventory) -> bool:
    return fnmatchcase(row.series, limit.series) and _names(limit, row.component, inventory)


def _names(limit: MeasuredLimit, component: str, inventory: Inventory) -> bool:
    if not fnmatchcase(component, limit.component):
        return False
    return limit.like == "*" or fnmatchcase(likeness(component, inventory), limit.like)


def _unmeasured(outcome: Outcome, limit: MeasuredLimit, inventory: Inventory, heard: set[str]) -> Iterator[str]:
    """The parts that passed and brought no figure for the pin; where nothing came at all, the pin itself."""
    if limit.component != "*":
        named = [cell for cell in outcome.cells if _names(limit, cell.component, inventory)]
        missing = [cell.component for cell in named if cell.verdict is Verdict.PASS and cell.component not in heard]
        yield from missing
        if missing or (not heard and _all_skipped(outcome, limit, inventory)):
            return
        cores = sum(component.startswith("cpu:") for component in heard)
        if limit.component == "cpu:*" and limit.like == "*" and cores < inventory.cpu.threads:
            yield f"cpu:* ({cores} of {inventory.cpu.threads} cores)"
            return
    if not heard:
        yield _of(limit)


def _all_skipped(outcome: Outcome, limit: MeasuredLimit, inventory: Inventory) -> bool:
    """Whether every part that the pin names was left out for a declared reason."""
    named = [cell for cell in outcome.cells if _names(limit, cell.component, inventory)]
    return bool(named) and all(cell.verdict is Verdict.SKIP for cell in named)


def _of(limit: MeasuredLimit) -> str:
    return limit.component if limit.like == "*" else f"{limit.component} like {limit.like}"


def _cells(cells: Iterable[Cell], broken: Iterable[Broken]) -> Iterator[Cell]:
    """The parts with what was found against them; a core gets a part of its own."""
    against: dict[str, list[Broken]] = {}
    for one in broken:
        against.setdefault(one.component, []).append(one)
    for cell in cells:
        yield _worse(cell, against.pop(cell.component)) if cell.component in against else cell
    for component, ones in against.items():
        yield _worse(Cell(component=component, verdict=Verdict.PASS), ones)


def _worse(cell: Cell, ones: Iterable[Broken]) -> Cell:
    listed = list(ones)
    accused = [one.text for one in listed if one.fault == "host"]
    reason = "; ".join(part for part in (cell.reason, *(accused or [one.text for one in listed])) if part)
    verdict = Verdict.FAIL if accused else Verdict.ERROR
    return Cell(component=cell.component, verdict=verdict, reason=reason, work=cell.work)
