"""Two runs beside each other: what differs first, by how much, and whether it is for better or worse.

`before` is the run that is compared with, `after` the one that is looked at. Nothing here judges a host: that was done
when its run ended.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from vetting.report import sides
from vetting.report.figures import TIMES, Turn, amount, amount_s, spread_of, turned
from vetting.report.model import Coverage, Mark, Report, Weight
from vetting.report.text import duration, number

K = TypeVar("K")
NONE = "not there"
VERDICTS = ("vetted", "passed, not vetted", "incomplete", "cancelled", "error", "lost", "failed")  # the best first
RANKS = {Mark.PASS: 0, Mark.RUNNING: 1, Mark.SKIP: 2, Mark.CANCELLED: 3, Mark.INTERRUPTED: 3, Mark.MISSING: 3,
         Mark.ERROR: 4, Mark.FAIL: 5}  # fmt: skip
ORDER = {turn: place for place, turn in enumerate(Turn)}
DIGITS = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing in both runs; `amount` is how much a figure moved."""

    what: str
    before: str
    after: str
    turn: Turn
    amount: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    name: str
    differ: tuple[Row, ...]  # what got worse first
    same: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`cautions`: why figures of these two runs may not be held against each other."""

    cautions: tuple[str, ...]
    sections: tuple[Section, ...]

    def count(self, turn: str) -> int:
        return sum(row.turn == turn for part in self.sections for row in (*part.differ, *part.same))


def compare(before: Report, after: Report) -> Comparison:
    """Everything in which two runs can differ."""
    parts: tuple[tuple[str, Iterable[Row]], ...] = (
        ("Verdict", _verdict(before, after)),
        ("Stages", _stages(before, after)),
        ("Figures", _figures(before, after)),
        ("Findings and breaches", (*_findings(before, after), *_breaches(before, after))),
        ("Counters", _counters(before, after)),
        ("What was tested", _coverage(before, after)),
        ("Differences from the expected spec", _differences(before, after)),
        ("The host, the image and the programs", _facts(before, after)),
        ("Firmware", _firmware(before, after)),
        ("Durations", _durations(before, after)),
    )
    sections = tuple(_section(name, rows) for name, rows in parts)
    return Comparison(cautions=tuple(sides.cautions(before, after)), sections=sections)


def _section(name: str, rows: Iterable[Row]) -> Section:
    found = tuple(rows)
    differ = sorted((row for row in found if row.turn is not Turn.SAME), key=lambda row: ORDER[row.turn])
    return Section(name=name, differ=tuple(differ), same=tuple(row for row in found if row.turn is Turn.SAME))


def _ranked(before: float, after: float) -> Turn:
    """A smaller rank is better."""
    return Turn.SAME if before == after else Turn.WORSE if after > before else Turn.BETTER


def _verdict(before: Report, after: Report) -> Iterable[Row]:
    old, new = before.verdict.word, after.verdict.word
    ranks = [VERDICTS.index(word) if word in VERDICTS else len(VERDICTS) for word in (old, new)]
    turn = _ranked(*ranks) if old != new else Turn.SAME
    yield Row(what="Verdict", before=before.verdict.sentence, after=after.verdict.sentence, turn=turn)
    yield from _told(
        "Said beside it",
        Counter(before.verdict.qualifiers),
        Counter(after.verdict.qualifiers),
        lambda text: Weight.WARNING,
    )


def _stages(before: Report, after: Report) -> Iterable[Row]:
    old = {stage.name: stage for stage in before.stages}
    new = {stage.name: stage for stage in after.stages}
    for name in _names(old, new):
        one, two = old.get(name), new.get(name)
        marks = [stage.verdict if stage else Mark.MISSING for stage in (one, two)]
        tries = [len(stage.attempts) if stage else 0 for stage in (one, two)]
        turn = _ranked(RANKS[marks[0]], RANKS[marks[1]])
        if turn is Turn.SAME and tries[0] != tries[1]:
            turn = Turn.CHANGED
        said = [
            f"{mark}{f', {count} attempts' if count > 1 else ''}{f': {stage.reason}' if stage and stage.reason else ''}"
            for mark, count, stage in zip(marks, tries, (one, two), strict=True)
        ]
        yield Row(what=name, before=said[0], after=said[1], turn=turn)


def _figures(before: Report, after: Report) -> Iterable[Row]:
    old, new = sides.figures(before), sides.figures(after)
    for name in _names(old, new):
        one, two = old.get(name), new.get(name)
        unit = (two or one or ("", None))[0]
        values = one[1] if one else None, two[1] if two else None
        said = [number(part[1], unit) if part else NONE for part in (one, two)]
        if values[0] is None or values[1] is None:
            turn = Turn.SAME if said[0] == said[1] else Turn.CHANGED
            yield Row(what=name, before=said[0], after=said[1], turn=turn)
            continue
        moved = values[0], values[1]
        turn = turned(*moved, spread_of(name.partition(",")[0], unit))
        yield Row(what=name, before=said[0], after=said[1], turn=turn, amount=amount(*moved, unit))


def _findings(before: Report, after: Report) -> Iterable[Row]:
    words = {
        (one.severity, DIGITS.sub("#", f"{one.component}: {one.text}")): f"{one.severity}: {one.component}: {one.text}"
        for side in (before, after)
        for one in side.findings
    }

    def told(side: Report) -> Counter[tuple[Weight, str]]:
        return Counter((one.severity, DIGITS.sub("#", f"{one.component}: {one.text}")) for one in side.findings)

    yield from _told("Finding", told(before), told(after), lambda key: key[0], words.__getitem__)


def _breaches(before: Report, after: Report) -> Iterable[Row]:
    def told(side: Report) -> Counter[tuple[Weight, str]]:
        return Counter((one.severity, f"{one.series} {one.op} {number(one.limit)}") for one in side.breaches)

    yield from _told("Breach", told(before), told(after), lambda key: key[0], lambda key: f"{key[0]}: not {key[1]}")


def _differences(before: Report, after: Report) -> Iterable[Row]:
    def told(side: Report) -> Counter[tuple[Weight, str]]:
        newest = max((one.attempt for one in side.differences), default=0)
        asked = (one for one in side.differences if one.kind != "last good run" and one.attempt == newest)
        return Counter((one.severity, one.text) for one in asked)

    yield from _told("Difference", told(before), told(after), lambda key: key[0], lambda key: f"{key[0]}: {key[1]}")


def _told(
    what: str, before: Counter[K], after: Counter[K], weight: Callable[[K], Weight], words: Callable[[K], str] = str
) -> Iterable[Row]:
    """What is told against a host: more of it is worse, unless it is information alone."""
    for key in _names(before, after):
        old, new = before[key], after[key]
        turn = _ranked(old, new)
        if turn is not Turn.SAME and weight(key) is Weight.INFO:
            turn = Turn.CHANGED
        yield Row(what=f"{what}: {words(key)}", before=_times(old), after=_times(new), turn=turn)


def _times(count: int) -> str:
    return {0: "none", 1: "once"}.get(count, f"{count} times")


def _counters(before: Report, after: Report) -> Iterable[Row]:
    old, new = sides.growth(before), sides.growth(after)
    for name in _names(old, new):
        grown = [side.get(name, NONE) for side in (old, new)]
        said = [_grown(value) for value in grown]
        turn = Turn.SAME if said[0] == said[1] else Turn.CHANGED
        if isinstance(grown[0], float) and isinstance(grown[1], float):
            turn = turned(grown[0], grown[1], spread_of("", "events"))
        elif isinstance(grown[1], float) and grown[1] > 0:
            turn = Turn.WORSE
        yield Row(what=name, before=said[0], after=said[1], turn=turn)


def _grown(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "could not be read" if value is None else f"grew by {number(value)}" if value else "did not grow"


def _coverage(before: Report, after: Report) -> Iterable[Row]:
    old = {(row.stage, row.component): row for row in before.coverage}
    new = {(row.stage, row.component): row for row in after.coverage}
    unreached = sides.unreached(before) | sides.unreached(after)  # Stages says so once
    for key in _names(old, new):
        one, two = old.get(key), new.get(key)
        shown = two or one
        assert shown is not None
        if shown.stage in unreached:
            continue
        said = [_covered(row) for row in (one, two)]
        turn = Turn.SAME if said[0] == said[1] else Turn.CHANGED
        if one and two:
            turn = _ranked(RANKS[one.mark], RANKS[two.mark])
            if turn is Turn.SAME:
                turn = _ranked(-sides.least_share(one), -sides.least_share(two))
        elif one and one.tested:
            turn = Turn.WORSE
        yield Row(what=f"{shown.stage}: {shown.name}", before=said[0], after=said[1], turn=turn)


def _covered(row: Coverage | None) -> str:
    if row is None:
        return NONE
    work = ", ".join(f"{part.percent:g}\u00a0% {part.what}" for part in row.work if part.percent is not None)
    return ", ".join(filter(None, (str(row.mark), work, row.reason if row.mark is not Mark.PASS else "")))


def _facts(before: Report, after: Report) -> Iterable[Row]:
    yield from _values(sides.facts(before), sides.facts(after))


def _firmware(before: Report, after: Report) -> Iterable[Row]:
    yield from _values(sides.firmware(before), sides.firmware(after))


def _values(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[Row]:
    for name in _names(old, new):
        one, two = old.get(name, NONE), new.get(name, NONE)
        yield Row(what=name, before=one, after=two, turn=Turn.SAME if one == two else Turn.CHANGED)


def _durations(before: Report, after: Report) -> Iterable[Row]:
    old, new = sides.durations(before), sides.durations(after)
    unreached = sides.unreached(before) | sides.unreached(after)
    for name in (name for name in _names(old, new) if name not in unreached):
        one, two = old.get(name), new.get(name)
        said = [NONE if part is None else duration(part) for part in (one, two)]
        if one is None or two is None:
            yield Row(what=name, before=said[0], after=said[1], turn=Turn.CHANGED)
        else:
            turn = turned(one, two, TIMES)
            yield Row(what=name, before=said[0], after=said[1], turn=turn, amount=amount_s(one, two))


def _names(old: Mapping[K, object], new: Mapping[K, object]) -> list[K]:
    """All keys of both, in the later run's order."""
    return [*new, *(key for key in old if key not in new)]


__all__ = ["Comparison", "Row", "Section", "Turn", "compare"]
