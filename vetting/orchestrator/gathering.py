"""Records -> Report: everything of one run, read at once; and the run's verdict, which has no other source.

The report of a run in Reporting, gathered with `closing=True`, is letter for letter the one of the completed run: the
stage that writes the report is shown as passed and without an end, for a report cannot tell of its own completion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vetting.domain.limits import covers, unheard, weaknesses
from vetting.domain.outcome import Finding, Verdict
from vetting.domain.profiles import Unobserved
from vetting.domain.verdict import AttemptRecord, Override, RunVerdict, judge_run
from vetting.orchestrator import particulars, passages, repairtold
from vetting.orchestrator.curves import curves_of
from vetting.orchestrator.records import REPORTING, Records, read
from vetting.orchestrator.tested import coverage, unasked, unexpected_disks
from vetting.report import advice
from vetting.report.model import (
    FORMAT,
    ArtifactShown,
    BreachShown,
    Curves,
    DifferenceShown,
    FindingShown,
    FirmwareShown,
    MeasurementShown,
    RepairShown,
    Report,
    ThresholdShown,
    VerdictShown,
    Weight,
)
from vetting.report.text import cleaned, finite, number
from vetting.store import samples


def gather(run_id: int, *, closing: bool = False) -> Report:
    """The report of a run as its records stand. Inside `Store.read`. Raises NotFound.

    `closing`: this report will complete the run, which is in Reporting; it reads as it will once that is done.
    """
    records = read(run_id, closing=closing)
    series = tuple(one.name for one in samples.series_of(run_id))
    return cleaned(_report(records, series, curves_of(run_id)))


def verdict(run_id: int) -> RunVerdict:
    """The run's verdict alone. Inside `Store.read` or `Store.write`. Raises NotFound."""
    return judged(read(run_id), tuple(one.name for one in samples.series_of(run_id)))


def judged(records: Records, series: Sequence[str]) -> RunVerdict:
    """The word, the sentence and all that must stand beside them."""
    run = records.run
    found = judge_run(
        [*_attempts(records)],
        state=run.state,
        profile=run.profile,
        non_destructive=run.non_destructive,
        failed_stage=run.failed_stage,
        failed_reason=_bare(run.reason, run.failed_stage),
        lost=particulars.lost(records),
        overrides=[
            Override(stage=one.stage, by=one.who, reason=one.why, flags=one.flags)
            for one in passages.overrides(records)
        ],
        missing=[row for row in records.ledger if not row.verdict.passed],
        findings=[
            Finding(severity=one.severity, component=one.component, text=one.text, source=one.source)
            for one in records.findings
        ],
        remarks=[*_remarks(records, series)],
        writing_report=records.closing,
    )
    return replace(found, qualifiers=(*found.qualifiers, *_said_beside(records)))


def _bare(reason: str, stage: str) -> str:
    """The reason without the stage and verdict before it, which the sentence names itself."""
    for verdict in Verdict:
        reason = reason.removeprefix(f"{stage} {verdict}: ")
    return reason


def _attempts(records: Records) -> Iterator[AttemptRecord]:
    for row in records.attempts:
        yield AttemptRecord(
            stage=row.stage,
            attempt=row.attempt,
            verdict=records.verdict_of(row),
            reason=row.reason,
            cells=records.cells_of(row),
        )
    for late in records.late:
        yield AttemptRecord(
            stage=late.stage, attempt=late.attempt, verdict=late.outcome.verdict, reason=late.why, counted=False
        )


def _remarks(records: Records, series: Sequence[str]) -> Iterator[str]:
    """What only the records know and what nobody may call vetted with."""
    told = [str(text) for text in records.run.scaled.get("remarks", ())] + [*weaknesses(records.thresholds)]
    yield from told
    for disk in records.run.expected_disks:
        if disk.kind == "scratch":
            if any("scratch" in text for text in told):
                continue
            yield f"scratch device: the disk test wrote to {disk.serial} and to no real disk"
        elif not disk.write and not records.run.non_destructive:
            yield f"disk {disk.serial} was not to be written: only its health was asked for"
    for found in unexpected_disks(records):
        yield f"disk {found.serial or found.name} is not in the expected spec and was not tested"
    if (shown := repair_shown(records)) is not None:
        yield from repairtold.remarks(shown, records.run)
    allowed = records.run.profile.unobserved is Unobserved.DECLARE and "Inventory" in records.last
    if allowed and (silent := unheard(records.thresholds, series)):
        yield f"not observable: no series {', '.join(row.series for row in silent)}"


def _said_beside(records: Records) -> Iterator[str]:
    """What a reader should know and what takes nothing from a vetting: a card without a cable."""
    for row in unasked(records):
        if row.stage == "Network":
            yield f"{row.name} was not tested: {row.reason}"
    if (shown := repair_shown(records)) is not None:
        yield from repairtold.beside_verdict(shown)


def repair_shown(records: Records) -> RepairShown | None:
    """None for a run that is none after a repair."""
    return repairtold.told(records.repair, records.run, records.attempts) if records.repair is not None else None


def _report(records: Records, series: Sequence[str], curves: Curves | None) -> Report:
    run = particulars.run_shown(records)
    found = judged(records, series)
    table = coverage(records, series)
    stages, breaches, findings = passages.stages(records), breaches_shown(records), findings_shown(records)
    differences = differences_shown(records)
    return Report(
        format=FORMAT,
        records_as_of_at=particulars.as_of(records),
        verdict=VerdictShown(
            word=str(found.word),
            sentence=found.sentence,
            qualifiers=found.qualifiers,
            why=advice.why(found.word, stages, table, breaches, findings, differences),
            next_steps=advice.next_steps(found.word, run, records.run.host_name, records.run.hold_addresses),
        ),
        host=particulars.host_shown(records),
        run=run,
        coverage=table,
        stages=stages,
        late=passages.late(records),
        thresholds=_thresholds(records, series, breaches),
        breaches=breaches,
        findings=findings,
        last_words=passages.last_words(records),
        differences=differences,
        firmware=tuple(
            FirmwareShown(component=one.component, identifier=one.identifier, version=one.version, detail=one.detail)
            for one in records.firmware
        ),
        counters=passages.counters(records),
        measurements=_measurements(records),
        curves=curves,
        artifacts=_artifacts(records),
        transitions=passages.transitions(records),
        overrides=passages.overrides(records),
        audit=passages.audit(records),
        profile=particulars.profile_facts(records.run.profile),
        image=particulars.image_shown(records.run.image),
        tools=particulars.tools_used(records),
        versions=particulars.versions(),
        repair=repair_shown(records),
    )


ORDER = {weight: number for number, weight in enumerate(Weight)}


def breaches_shown(records: Records) -> tuple[BreachShown, ...]:
    shown = [
        BreachShown(
            stage=row.stage,
            attempt=row.attempt,
            series=row.series,
            op=str(row.op),
            limit=finite(row.limit),
            severity=Weight(row.severity),
            first_at=row.first_at,
            last_at=row.last_at,
            worst=finite(row.worst),
            samples=row.samples,
            open=row.open,
            text=f"{row.series} reached {number(finite(row.worst))}, limit {row.op} {row.limit:g}",
        )
        for row in records.breaches
    ]
    return tuple(sorted(shown, key=lambda one: ORDER[one.severity]))


def findings_shown(records: Records) -> tuple[FindingShown, ...]:
    shown = [
        FindingShown(
            stage=row.stage,
            attempt=row.attempt,
            at=row.at,
            severity=Weight(row.severity),
            component=row.component,
            source=row.source,
            text=row.text,
        )
        for row in records.findings
    ]
    return tuple(sorted(shown, key=lambda one: ORDER[one.severity]))


def differences_shown(records: Records) -> tuple[DifferenceShown, ...]:
    shown = [
        DifferenceShown(
            attempt=row.attempt,
            kind=row.kind,
            severity=Weight(row.severity),
            component=row.component,
            field=row.field,
            expected=row.expected,
            found=row.found,
            text=row.text,
        )
        for row in records.differences
    ]
    return tuple(sorted(shown, key=lambda one: (-one.attempt, ORDER[one.severity])))


def _thresholds(records: Records, series: Sequence[str], breaches: Sequence[BreachShown]) -> tuple[ThresholdShown, ...]:
    return tuple(
        ThresholdShown(
            series=row.series,
            op=str(row.op),
            limit=finite(row.limit),
            severity=Weight(row.severity),
            hold_samples=row.hold_samples,
            stages=row.stages,
            required=row.required,
            heard=sum(covers(row, name) for name in series),
            breaches=sum(
                covers(row, one.series) and (one.op, one.limit) == (str(row.op), finite(row.limit)) for one in breaches
            ),
        )
        for row in records.thresholds
    )


def _measurements(records: Records) -> tuple[MeasurementShown, ...]:
    return tuple(
        MeasurementShown(
            stage=row.stage,
            attempt=row.attempt,
            series=row.series,
            component=row.component,
            value=finite(row.value),
            unit=row.unit,
            kind=row.kind,
        )
        for row in records.measurements
    )


def _artifacts(records: Records) -> tuple[ArtifactShown, ...]:
    """All files but the report's own, which cannot name their own checksums."""
    return tuple(
        ArtifactShown(
            stage=row.stage,
            attempt=row.attempt,
            name=row.name,
            media_type=row.media_type,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            complete=row.complete,
        )
        for row in records.artifacts
        if not (row.stage == REPORTING and row.name in particulars.OWN_FILES)
    )
