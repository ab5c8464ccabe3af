"""Whether a result is believed, and what is kept of it.

A pass is a claim; the orchestrator holds it against its own records (`vetting.domain.evidence`). SpecValidate is judged
here altogether: the expected spec and the firmware pins against what this run found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from vetting.domain import changes, crowd, evidence, firmware, ledger, pins, specdiff
from vetting.domain.decisions import ACCEPT_DIFFERENCES
from vetting.domain.inventory import FirmwareItem, Inventory
from vetting.domain.outcome import ArtifactRef, Cell, Finding, Outcome, Severity, Verdict
from vetting.orchestrator import baselines, repairs
from vetting.orchestrator.moves import Turn, inventory_in, inventory_of
from vetting.orchestrator.witness import Witness
from vetting.store import artifacts, attempts, cells, differences, findings, measurements, runs, samples, thresholds
from vetting.store import firmware as snapshots
from vetting.store.rows import AttemptRow, RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An outcome as it is recorded, and how it was posted."""

    outcome: Outcome
    posted: Verdict
    objections: tuple[str, ...] = ()


def believe(turn: Turn, run: RunRow, attempt: AttemptRow, outcome: Outcome, witness: Witness) -> Judged:
    """Holds a result against what the orchestrator itself saw and was promised."""
    plan = plan_of(turn, run, attempt)
    seen = _record(turn, run, attempt, witness)
    judged, against = evidence.believe(outcome, plan, seen)
    pinned, broken = pins.judge(outcome, attempt.stage, run.spec, plan.inventory, run.profile.name)
    if judged.passed or (pinned.verdict is Verdict.FAIL and judged.verdict is Verdict.ERROR):
        judged = pinned
    if judged.passed and attempt.stage == "Inventory" and inventory_in(judged) is None:
        judged = judged.but(verdict=Verdict.ERROR, reason="Inventory passed without an inventory that can be read")
    critical = any(one.severity is Severity.CRITICAL for one in seen.findings)
    if attempt.stage == "Network" and not (broken or seen.breaches or critical):
        judged = crowd.excused(judged, _others_on_the_way(run, attempt))
    objections = (
        *(f"({one.fault}) {one.text}" for one in against),
        *(f"({one.fault}) {one.component}: {one.text}" for one in broken),
    )
    return Judged(outcome=judged, posted=outcome.verdict, objections=objections)


def _others_on_the_way(run: RunRow, attempt: AttemptRow) -> list[str]:
    """Hosts that loaded our network while this attempt measured it."""
    found = attempts.of_others_since(run.id, crowd.LOADING, attempt.started_at)
    return [runs.get(one.run_id).host_name for one in found]


def plan_of(turn: Turn, run: RunRow, attempt: AttemptRow) -> evidence.Plan:
    """What this attempt promised."""
    inventory = None if attempt.stage == "Inventory" else inventory_of(run.id)
    loopback = on_loopback(run)
    return evidence.Plan(
        stage=attempt.stage,
        profile=run.profile,
        planned_s=attempt.planned_s,
        components=ledger.expected_components(attempt.stage, inventory, run.expected_disks, loopback=loopback),
        disks=run.expected_disks,
        inventory=inventory,
        thresholds=thresholds.thresholds_of(run.id),
        non_destructive=run.non_destructive,
        loopback=loopback,
        gpu_expected=bool(run.spec.gpu_count or run.spec.gpu_models),
        left_out=tuple(nic.mac for nic in run.spec.nics if nic.untested),
    )


def on_loopback(run: RunRow) -> bool:
    """Whether orchestrator and host are the same machine, as `vetting try` has it."""
    return bool(run.scaled.get("loopback"))


def _record(turn: Turn, run: RunRow, attempt: AttemptRow, witness: Witness) -> evidence.Witness:
    breaches = thresholds.breaches_of(run.id, attempt.stage)
    return evidence.Witness(
        opened_at=attempt.started_at,
        received_at=turn.at,
        claimed_boot_id=run.boot_id,
        posting_boot_id=run.boot_id,  # another boot never gets this far
        longest_silence_s=max(witness.longest_silence_s, turn.at - witness.last_beat_at),
        silence_limit_s=float(run.profile.lost_after_s),
        listened_s=None
        if witness.whole or _short(turn, attempt)
        else max(turn.at - witness.opened_at, evidence.LISTEN_S),
        series=dict(witness.series) if witness.whole or _short(turn, attempt) else _recorded(turn, run, attempt),
        artifacts={
            row.name: ArtifactRef(
                name=row.name, media_type=row.media_type, sha256=row.sha256, size_bytes=row.size_bytes
            )
            for row in artifacts.artifacts_of(run.id)
            if (row.stage, row.attempt, row.complete) == (attempt.stage, attempt.attempt, True)
        },
        breaches=tuple(
            f"{one.series} reached {one.worst:g}, limit {one.op} {one.limit:g}"
            for one in breaches
            if one.severity is Severity.CRITICAL and one.last_at >= attempt.started_at
        ),
        findings=tuple(
            Finding(severity=one.severity, component=one.component, text=one.text, source=one.source)
            for one in findings.findings_of(run.id, attempt.stage, attempt.attempt)
        ),
    )


def _short(turn: Turn, attempt: AttemptRow) -> bool:
    """Too short for silence to mean anything."""
    return turn.at - attempt.started_at < evidence.LISTEN_S


def _recorded(turn: Turn, run: RunRow, attempt: AttemptRow) -> dict[str, int]:
    """Samples of each series in the attempt, from the database: an orchestrator that came back in its middle heard but the
    rest of them."""
    window = samples.stats(run.id, t0_ms=int(attempt.started_at * 1000), t1_ms=int(turn.at * 1000) + 1)
    return {name: one.count for name, one in window.items()}


def record(turn: Turn, run: RunRow, attempt: AttemptRow, judged: Judged) -> None:
    """Writes everything that a result carries, and ends its attempt."""
    outcome, stage, number = judged.outcome, attempt.stage, attempt.attempt
    attempts.close_attempt(
        run.id, stage, number, now=turn.at, verdict=outcome.verdict, reason=outcome.reason,
        posted_verdict=judged.posted, objections=judged.objections, outcome=outcome,
    )  # fmt: skip
    cells.put(run.id, stage, number, outcome.cells)
    measurements.put(run.id, stage, number, outcome.measurements)
    findings.add(run.id, stage, number, outcome.findings, at=turn.at)
    findings.add(run.id, stage, number, baselines.worth_a_word(turn, run, stage, outcome), at=turn.at)
    if stage == "Firmware" and outcome.passed:
        snapshots.put(run.id, firmware_in(outcome))
    newest = [one.after for one in outcome.counters if one.name == "sel_record_id" and one.after is not None]
    if newest and math.isfinite(newest[-1]):
        runs.change(run.id, sel_record_id=int(newest[-1]))
    turn.say("run.attempt", run.id, stage=stage, attempt=number, verdict=str(outcome.verdict), reason=outcome.reason)


def firmware_in(outcome: Outcome) -> tuple[FirmwareItem, ...]:
    """The snapshot that a Firmware outcome carries; empty where it carries none that can be read."""
    try:
        return msgspec.convert(outcome.data["firmware"], tuple[FirmwareItem, ...], strict=False)
    except (KeyError, msgspec.ValidationError):
        return ()


def validate_spec(turn: Turn, run: RunRow, attempt: AttemptRow) -> Outcome:
    """SpecValidate: expected spec, firmware pins, and the host's last good run, against what was found."""
    inventory = inventory_of(run.id)
    if inventory is None:
        return Outcome.error(
            "this run has no inventory to compare the expected spec with; cancel it and start a new one"
        )
    repaired = repairs.proved(run, inventory)
    found = repairs.explained(run, specdiff.compare(run.spec, inventory))
    items = snapshots.firmware_of(run.id)
    pins = firmware.check_pins(
        run.spec.firmware, items, severities=run.spec.severities, unreadable=inventory.unreadable
    )
    before = _since_last_good(run, inventory)
    differences.put(
        run.id,
        attempt.attempt,
        [
            differences.NewDifference(
                kind=kind, severity=row.severity, component=row.component, field=row.field,
                expected=row.expected, found=row.found, text=row.text,
            )
            for kind, rows in (("spec", found), ("firmware", pins), ("last good run", before), (repairs.KIND, repaired))
            for row in rows
        ],
    )  # fmt: skip
    against = (*repaired, *found, *pins)
    verdict = specdiff.verdict_of(against)
    critical = [row.text for row in against if row.severity is Severity.CRITICAL]
    count = len(found) + len(pins)
    compared = f"{count or 'no'} {'difference' if count == 1 else 'differences'}, {len(critical) or 'none'} critical"
    if verdict is Verdict.PASS:
        return Outcome.ok(compared, cells=(Cell(component="host", verdict=Verdict.PASS, reason=compared),))
    if ACCEPT_DIFFERENCES in attempt.flags:
        return Outcome.ok(f"accepted by a person: {'; '.join(critical)}")
    return Outcome(verdict=verdict, reason="; ".join(critical))


def _since_last_good(run: RunRow, inventory: Inventory) -> tuple[specdiff.Difference, ...]:
    last = snapshots.good_run_before(run.host_id, run.id)
    latest = attempts.latest(last.id, "Inventory") if last else None
    outcome = attempts.outcome_of(latest.run_id, "Inventory", latest.attempt) if latest else None
    before = inventory_in(outcome) if outcome else None
    return changes.changes(before, inventory) if before else ()
