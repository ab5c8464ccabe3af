"""Everything on record about one run, read at once on one snapshot, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from vetting.domain import ledger
from vetting.domain.inventory import FirmwareItem, Inventory
from vetting.domain.outcome import Cell, Outcome, Verdict
from vetting.domain.states import STAGE_ORDER
from vetting.domain.thresholds import Threshold
from vetting.orchestrator.judging import on_loopback
from vetting.orchestrator.moves import inventory_in
from vetting.store import (
    artifacts,
    attempts,
    audit,
    cells,
    differences,
    findings,
    firmware,
    hosts,
    logs,
    measurements,
    repairs,
    runs,
)
from vetting.store import thresholds as limits_on_record
from vetting.store.rows import (
    ArtifactRow,
    AttemptRow,
    AuditRow,
    BreachRow,
    DifferenceRow,
    FindingRow,
    HostRow,
    LateResultRow,
    MeasurementRow,
    RepairRow,
    RunRow,
    TransitionRow,
)

REPORTING = "Reporting"
NETCONSOLE = "netconsole"  # source of what came by UDP
LAST_WORDS = 200  # lines of one stage; the file has all that was kept
AUDIT_ROWS = 1000  # a run with more deeds than this has them in the audit log
Key = tuple[str, int]  # stage and attempt


@dataclass(frozen=True, kw_only=True)
class Records:
    """One run as recorded. `closing`: the report that is being written from this will complete the run."""

    run: RunRow
    host: HostRow
    closing: bool
    attempts: tuple[AttemptRow, ...]
    outcomes: dict[Key, Outcome]
    cells: dict[Key, tuple[Cell, ...]]
    late: tuple[LateResultRow, ...]
    transitions: tuple[TransitionRow, ...]
    thresholds: tuple[Threshold, ...]
    breaches: tuple[BreachRow, ...]
    findings: tuple[FindingRow, ...]
    differences: tuple[DifferenceRow, ...]
    firmware: tuple[FirmwareItem, ...]
    measurements: tuple[MeasurementRow, ...]
    artifacts: tuple[ArtifactRow, ...]
    last_words: dict[str, tuple[str, ...]]  # what the kernel sent, by the stage that its host died in
    audit: tuple[AuditRow, ...]  # oldest first
    repair: RepairRow | None = None  # of a run after a repair

    @cached_property
    def inventory(self) -> Inventory | None:
        """What the newest Inventory that passed has found."""
        rows = [row for row in self.attempts if row.stage == "Inventory" and row.verdict is Verdict.PASS]
        outcome = self.outcomes.get(("Inventory", rows[-1].attempt)) if rows else None
        return inventory_in(outcome) if outcome else None

    @cached_property
    def last(self) -> dict[str, AttemptRow]:
        """The newest attempt at each stage that was begun."""
        return {row.stage: row for row in sorted(self.attempts, key=lambda one: one.attempt)}

    @cached_property
    def ledger(self) -> tuple[ledger.LedgerCell, ...]:
        """Every part that the profile promises in every stage, as the newest attempt left it."""
        promised = ledger.expand(
            self.inventory,
            self.run.expected_disks,
            stages=[name for name in STAGE_ORDER if name not in self.run.profile.drop],
            loopback=on_loopback(self.run),
        )
        return ledger.fill(promised, {stage: (row.attempt, self._concluded(row)) for stage, row in self._ended()})

    def cells_of(self, row: AttemptRow) -> tuple[Cell, ...]:
        """The parts that an attempt spoke of."""
        return self.cells.get((row.stage, row.attempt), ())

    def _ended(self) -> Iterable[tuple[str, AttemptRow]]:
        return ((stage, row) for stage, row in self.last.items() if self.verdict_of(row) is not None)

    def _concluded(self, row: AttemptRow) -> Outcome:
        return Outcome(verdict=self.verdict_of(row) or Verdict.MISSING, reason=row.reason, cells=self.cells_of(row))

    def verdict_of(self, row: AttemptRow) -> Verdict | None:
        """None while it runs. The Reporting whose report is being written counts as done, for that is what it does."""
        return Verdict.PASS if self.closing and row.stage == REPORTING and row.verdict is None else row.verdict


def _last_words(run_id: int, found: Iterable[FindingRow]) -> dict[str, tuple[str, ...]]:
    """The newest lines by netconsole of stages that have a finding from it; errors were written down before the rest."""
    stages = {one.stage for one in found if one.source == NETCONSOLE}
    lines = {stage: logs.last_lines(run_id, stage=stage, source=NETCONSOLE, limit=LAST_WORDS) for stage in stages}
    return {stage: tuple(one.text for one in sorted(rows, key=lambda one: one.at_ms)) for stage, rows in lines.items()}


def read(run_id: int, *, closing: bool = False) -> Records:
    """Inside `Store.read` or `Store.write`. Raises NotFound."""
    run = runs.get(run_id)
    outcomes = attempts.outcomes_of(run_id)
    by_attempt: dict[Key, tuple[Cell, ...]] = {key: outcome.cells for key, outcome in outcomes.items()}
    for row in cells.cells_of(run_id):
        cell = Cell(component=row.component, verdict=row.verdict, reason=row.reason, work=row.work)
        others = tuple(one for one in by_attempt.get((row.stage, row.attempt), ()) if one.component != row.component)
        by_attempt[row.stage, row.attempt] = (*others, cell)
    of_run = tuple(findings.findings_of(run_id))
    return Records(
        run=run,
        host=hosts.get(run.host_id),
        closing=closing,
        attempts=tuple(attempts.attempts_of(run_id)),
        outcomes=outcomes,
        cells=by_attempt,
        late=tuple(attempts.late_results_of(run_id)),
        transitions=tuple(runs.transitions_of(run_id)),
        thresholds=limits_on_record.thresholds_of(run_id),
        breaches=tuple(limits_on_record.breaches_of(run_id)),
        findings=of_run,
        differences=tuple(differences.differences_of(run_id)),
        firmware=firmware.firmware_of(run_id),
        measurements=tuple(measurements.measurements_of(run_id)),
        artifacts=tuple(artifacts.artifacts_of(run_id)),
        last_words=_last_words(run_id, of_run),
        audit=tuple(reversed(audit.entries(run_id=run_id, limit=AUDIT_ROWS))),
        repair=repairs.find(run_id),
    )
