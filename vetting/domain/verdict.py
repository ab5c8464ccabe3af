"""The verdict of a run, in words: a pure function of everything that happened to it.

"vetted" is said only where nothing needs to be said beside it that a careful reader would mind: every stage tested, as
long and as hard as quick at least, on all of its parts, with nobody's decision in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vetting.domain.ledger import LedgerCell
from vetting.domain.outcome import Cell, Finding, Severity, Verdict
from vetting.domain.profiles import Profile, shortfalls
from vetting.domain.states import BEFORE_CLAIM, IN_STAGE, STAGE_ORDER, RunState


class Word(StrEnum):
    VETTED = "vetted"
    PASSED = "passed, not vetted"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    LOST = "lost"


NO_HARDWARE = frozenset({"GPU"})  # stages that a host may lack the parts for and still be vetted
NO_HARDWARE_CELLS = frozenset({"GPU", "PSU", "SMART"})  # no GPU, no telemetry, a device without SMART


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt at a stage as recorded. `counted`: False for a result that came late, was posted for an attempt
    already closed, or was never asked for: shown, and worth nothing. `verdict` None: it runs."""

    stage: str
    attempt: int
    verdict: Verdict | None
    reason: str = ""
    cells: tuple[Cell, ...] = ()
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person's decision to go on, kept for ever."""

    stage: str
    by: str
    reason: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """`qualifiers` stand beside the word wherever it stands."""

    word: Word
    sentence: str
    qualifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Remark:
    """Something to say beside the verdict; `bars`: with it nobody may say "vetted"."""

    text: str
    bars: bool = True


def judge_run(
    attempts: Iterable[AttemptRecord],
    *,
    state: RunState,
    profile: Profile,
    non_destructive: bool,
    failed_stage: str = "",
    failed_reason: str = "",
    lost: bool = False,
    overrides: Sequence[Override] = (),
    missing: Sequence[LedgerCell] = (),
    findings: Sequence[Finding] = (),
    remarks: Sequence[str] = (),
    writing_report: bool = False,
) -> RunVerdict:
    """The word, a sentence and the qualifiers.

    `missing`: `ledger.gaps` of the run's ledger. `findings`: all of the run, of every attempt. `remarks`: further reasons
    against "vetted" that only the caller knows ("disk scan ran on a scratch device"). `writing_report`: the report that
    will carry this verdict is being written, so Reporting itself counts as done.
    """
    records = tuple(attempts)
    last = _last(records)
    beside = [
        *(_Remark(text) for text in remarks),
        *_profile_remarks(profile, non_destructive),
        *(_Remark(_override_text(one)) for one in overrides),
        *_skips(last),
        *_retries(records, last),
    ]
    if (early := _ended_early(state, failed_stage, failed_reason, last, lost)) is not None:
        word, sentence = early
        return RunVerdict(word=word, sentence=sentence, qualifiers=_texts(beside))
    if not (state is RunState.COMPLETED or (writing_report and state is RunState.REPORTING)):
        word, sentence = Word.INCOMPLETE, f"Not finished: the run is {_doing(state)}."
        return RunVerdict(word=word, sentence=sentence, qualifiers=_texts(beside))
    if (short := _not_all_passed(last, profile, writing_report=writing_report)) is not None:
        word, sentence = short
        return RunVerdict(word=word, sentence=sentence, qualifiers=_texts(beside))
    beside += [_Remark(f"{row.component} in {row.stage}: {row.verdict}") for row in missing]
    beside += [_Remark(f"{one.component}: {one.text}") for one in findings if one.severity is Severity.CRITICAL]
    return _passed(beside)


def _passed(beside: Sequence[_Remark]) -> RunVerdict:
    qualifiers = _texts(beside)
    if any(remark.bars for remark in beside):
        said = "; ".join(dict.fromkeys(remark.text for remark in beside if remark.bars))
        return RunVerdict(word=Word.PASSED, sentence=f"Passed, not vetted: {said}.", qualifiers=qualifiers)
    sentence = "Vetted: every stage passed" + (f" ({'; '.join(qualifiers)})" if qualifiers else "") + "."
    return RunVerdict(word=Word.VETTED, sentence=sentence, qualifiers=qualifiers)


def _texts(beside: Iterable[_Remark]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(remark.text for remark in beside))


def _last(records: Iterable[AttemptRecord]) -> dict[str, AttemptRecord]:
    """The newest counted attempt of each stage."""
    last: dict[str, AttemptRecord] = {}
    for record in records:
        if record.counted and (record.stage not in last or record.attempt > last[record.stage].attempt):
            last[record.stage] = record
    return last


def _ended_early(
    state: RunState, failed_stage: str, failed_reason: str, last: dict[str, AttemptRecord], lost: bool
) -> tuple[Word, str] | None:
    """The word for a run that did not go through to its end."""
    if state is RunState.CANCELLED:
        return Word.CANCELLED, "Cancelled" + (f" after {failed_stage} had not passed." if failed_stage else ".")
    if state not in (RunState.FAILED, RunState.FAILED_HOLDING, RunState.RELEASED):
        return None
    stage = failed_stage.partition(" (")[0]
    record = last.get(stage)
    because = failed_reason or (record.reason if record else "")
    tail = f": {because}." if because else "."
    where = failed_stage or "an unknown stage"
    if lost:
        said = f"Lost during {where}"
        return Word.LOST, f"{said}." if because.lower() == said.lower() else f"{said}{tail}"
    if record is not None and record.verdict is Verdict.FAIL and "(expected" not in failed_stage:
        return Word.FAILED, f"Failed in {where}{tail}"
    return Word.ERROR, f"Not measured in {where}{tail}"


def _not_all_passed(
    last: dict[str, AttemptRecord], profile: Profile, *, writing_report: bool
) -> tuple[Word, str] | None:
    """A run that calls itself completed is believed only where each stage's last attempt passed."""
    needed = [name for name in STAGE_ORDER if name not in profile.drop and not (writing_report and name == "Reporting")]
    bad = [(name, last[name].verdict) for name in needed if name in last and not _passes(last[name])]
    for word, verdict in ((Word.FAILED, Verdict.FAIL), (Word.ERROR, Verdict.ERROR)):
        if names := [name for name, got in bad if got is verdict]:
            return word, f"{'Failed' if word is Word.FAILED else 'Not measured'} in {', '.join(names)}."
    absent = [name for name in needed if name not in last]
    if absent or bad:
        names = [name for name in needed if name in absent or name in dict(bad)]
        return Word.INCOMPLETE, f"Incomplete: no passing result for {', '.join(names)}."
    return None


def _passes(record: AttemptRecord) -> bool:
    return record.verdict is not None and record.verdict.passed


def _doing(state: RunState) -> str:
    if state in BEFORE_CLAIM:
        return f"waiting ({state})"
    return f"in {state}" if state in IN_STAGE else str(state)


def _profile_remarks(profile: Profile, non_destructive: bool) -> Iterable[_Remark]:
    if short := shortfalls(profile):
        yield _Remark(f"shortened: profile {profile.name} ({'; '.join(short)})")
    if non_destructive:
        yield _Remark("non-destructive: nothing was written to the disks")


def _override_text(one: Override) -> str:
    flags = f" with {', '.join(one.flags)}" if one.flags else ""
    return (
        f"{one.stage} overridden{flags} by {one.by or 'an unnamed person'} because: {one.reason or 'no reason given'}"
    )


def _skips(last: dict[str, AttemptRecord]) -> Iterable[_Remark]:
    for name in STAGE_ORDER:
        record = last.get(name)
        if record is None or not _passes(record):
            continue
        if record.verdict is Verdict.SKIP:
            yield _Remark(f"{name} skipped: {record.reason or 'no reason given'}", bars=name not in NO_HARDWARE)
            continue
        for cell in record.cells:
            if cell.verdict is Verdict.SKIP:
                text = f"{cell.component} skipped in {name}: {cell.reason or 'no reason given'}"
                yield _Remark(text, bars=name not in NO_HARDWARE_CELLS)
            elif cell.verdict is not Verdict.PASS:
                yield _Remark(f"{cell.component} in {name}: {cell.verdict}")


def _retries(records: Sequence[AttemptRecord], last: dict[str, AttemptRecord]) -> Iterable[_Remark]:
    """A FAIL that later passed is a host that fails sometimes; an ERROR or an interruption was ours and is only told."""
    for name in STAGE_ORDER:
        if name not in last or not _passes(last[name]):
            continue
        for record in sorted((one for one in records if one.stage == name), key=lambda one: one.attempt):
            if record.counted and record.attempt < last[name].attempt and record.verdict is not Verdict.PASS:
                why = f": {record.reason}" if record.reason else ""
                text = f"{name} passed at attempt {last[name].attempt} after {record.verdict or 'no result'}{why}"
                yield _Remark(text, bars=record.verdict not in (Verdict.ERROR, Verdict.INTERRUPTED))
