"""What a person says was replaced, in the form that starts a run: its rows, what they come to, and what was probably replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import isfinite

from vetting.domain import repetition
from vetting.domain.errors import BadInput
from vetting.domain.repair import CONFIDENCE, MOST_PARTS, WORDS, Part, PartKind, Repair, mistakes
from vetting.domain.repairorder import RepairOrder
from vetting.domain.repairweight import Raised
from vetting.domain.repetition import History
from vetting.orchestrator.failures import history_of
from vetting.orchestrator.forecast import Forecast
from vetting.orchestrator.repairs import notes
from vetting.orchestrator.suggesting import suggested
from vetting.report.text import duration
from vetting.store.rows import HostRow
from vetting.web.visit import Visit

TICK, KIND, SLOT, OLD, NEW, SURE = (
    "after_repair", "replaced_kind", "replaced_slot", "replaced_old", "replaced_new", "confidence",
)  # fmt: skip
ROWS = 3  # at least; a form that works without a script cannot grow by itself
KINDS = tuple((str(kind), WORDS[kind]) for kind in PartKind)


@dataclass(frozen=True, slots=True)
class Row:
    kind: str = ""
    slot: str = ""
    old: str = ""
    new: str = ""

    @property
    def empty(self) -> bool:
        return not any((self.kind, self.slot.strip(), self.old.strip(), self.new.strip()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The section as it is shown. `guessed`: nobody typed the rows, they are what was probably replaced."""

    ticked: bool
    rows: tuple[Row, ...]
    guessed: bool
    confidence: str
    failed: str  # what failed before, in words; empty where nothing did
    raised: tuple[Raised, ...] = ()
    notes: tuple[str, ...] = ()


def repair_in(visit: Visit) -> Repair | None:
    """None where the box is not ticked, whatever stands in the rows. Raises BadInput."""
    if TICK not in visit.form:
        return None
    parts = []
    for row in _typed(visit.fields):
        if row.empty:
            continue
        if row.kind not in {kind for kind, _ in KINDS}:
            where = row.slot or row.old or row.new
            raise BadInput(f"say what kind of part {where!r} is, or leave its row empty; no run was started")
        parts.append(Part(kind=PartKind(row.kind), slot=row.slot.strip(), old=row.old.strip(), new=row.new.strip()))
    repair = Repair(parts=tuple(parts), confidence=_confidence(visit.form.get(SURE, "")))
    if wrong := mistakes(repair):
        raise BadInput(f"{'; '.join(wrong)}; no run was started")
    return repair


def _confidence(text: str) -> float:
    if not text.strip():
        return CONFIDENCE
    try:
        percent = float(text.strip().rstrip("%").replace(",", "."))
    except ValueError:
        percent = float("nan")
    if not isfinite(percent):
        raise BadInput(f"the confidence is a number of per cent, such as 95; it is {text[:40]!r}; no run was started")
    return percent / 100


def _typed(fields: Mapping[str, Sequence[str]]) -> tuple[Row, ...]:
    columns = (fields.get(name, ())[: 2 * MOST_PARTS] for name in (KIND, SLOT, OLD, NEW))
    return tuple(Row(*cells) for cells in zip_longest(*columns, fillvalue=""))


def asked_of(visit: Visit, host: HostRow, ordered: RepairOrder | None) -> Asked:
    """`ordered`: what the rows come to, None where they were not looked at. Inside `Store.read`."""
    history = history_of(host.id)
    typed = tuple(row for row in _typed(visit.fields) if not row.empty)
    rows = typed or tuple(Row(str(part.kind), part.slot, part.old, part.new) for part in suggested(host, history))
    blank = max(ROWS - len(rows), 1)
    return Asked(
        ticked=TICK in visit.form,
        rows=(*rows, *(Row() for _ in range(blank))),
        guessed=bool(rows) and not typed,
        confidence=visit.form.get(SURE, "") or f"{CONFIDENCE * 100:g}",
        failed=_failed(history) if history else "",
        raised=ordered.raised if ordered else (),
        notes=notes(host, ordered) if ordered else (),
    )


def _failed(history: History) -> str:
    often = f"{history.failures} of {history.attempts} attempts" if history.attempts > 1 else "once"
    load = "" if history.looks else f", in {duration(history.load_s)} under load"
    return f"Run {history.run_id} failed in {history.stage}: {history.reason or 'no reason given'} ({often}{load})."


def with_repeats(told: Forecast, ordered: RepairOrder) -> Forecast:
    """The forecast with the passes of the test that failed before the repair."""
    history = ordered.history
    if history is None:
        return told
    stages = tuple(
        replace(one, seconds=one.seconds * _passes(ordered, history, one.seconds),
                note="; ".join(filter(None, (one.note, _note(ordered, history, one.seconds)))))
        if one.name == history.stage else one
        for one in told.stages
    )  # fmt: skip
    return replace(told, stages=stages)


def repeat_note(told: Forecast, ordered: RepairOrder) -> str:
    """How sure a run of this profile makes of the repair; empty where nothing failed, or a look is enough."""
    history = ordered.history
    alone = next((one.seconds for one in told.stages if history is not None and one.name == history.stage), 0.0)
    if history is None or history.looks or not alone:
        return ""
    times = _passes(ordered, history, alone)
    sure, asked = repetition.reached(history, times * alone), ordered.repair.confidence
    if repetition.passes_needed(history, asked, alone) > times:
        return (
            f"{history.stage} failed before the repair and is passed {_often(times)} at most: {repetition.percent(sure)} sure, and not "
            f"{repetition.percent(asked)}; a longer profile gets further."
        )
    return f"{history.stage} failed before the repair and is passed {_often(times)}: {repetition.percent(asked)} sure."


def _often(times: int) -> str:
    return {1: "once", 2: "twice"}.get(times, f"{times} times")


def _passes(ordered: RepairOrder, history: History, pass_s: float) -> int:
    needed = repetition.passes_needed(history, ordered.repair.confidence, pass_s)
    return min(needed, repetition.within(ordered.bounds, pass_s))


def _note(ordered: RepairOrder, history: History, pass_s: float) -> str:
    """Where the stage's time comes from."""
    times = _passes(ordered, history, pass_s)
    return f"{duration(pass_s)} each, {times} ×, for it failed before the repair" if times > 1 else ""
