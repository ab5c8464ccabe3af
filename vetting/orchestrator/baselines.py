"""A stage's figures beside those of its peers, its class and its own past: warnings with the result; and what a good run leaves
for the next to be compared with. Inside `Store.write`.

Compared is what was measured in the same profile, knob for knob, by the same version of the same program: another version of
stress-ng counts other operations. A part that is far off is told once a stage, never judged: a floor or ceiling that a person
pinned does that (`vetting.domain.pins`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from vetting.domain.baseline import Past, deviations, findings, keep
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Finding, Outcome, Severity, Verdict
from vetting.domain.peers import odd_dimms
from vetting.domain.profiles import Profile
from vetting.domain.states import STAGE_ORDER
from vetting.domain.yardsticks import Measured, class_of, heat, measured
from vetting.orchestrator.moves import Turn, inventory_in, inventory_of
from vetting.store import attempts, baselines
from vetting.store import findings as told
from vetting.store.rows import RunRow

REPORTING = "Reporting"  # where the temperatures of the whole run are compared


def worth_a_word(turn: Turn, run: RunRow, stage: str, outcome: Outcome) -> tuple[Finding, ...]:
    """What of a stage's result is far from what is usual. Of one that did not pass nothing: it has its own words."""
    if outcome.verdict is not Verdict.PASS:
        return ()
    if stage == "Inventory":
        found = inventory_in(outcome)
        return odd_dimms(found) if found else ()
    inventory = inventory_of(run.id)
    if inventory is None:
        return ()
    rows = measured(stage, outcome, inventory, run.expected_disks)
    named = {one.component for one in outcome.findings if one.severity is Severity.WARNING}
    # A core that the stage itself found slow among its peers was told of already.
    unsaid = tuple(row for row in rows if not (row.component.startswith("cpu:") and row.component in named))
    return _compared(turn, run, stage, unsaid, inventory)


def tell_heat(turn: Turn, run: RunRow, attempt: int, peaks: Mapping[str, float]) -> None:
    """The highest temperatures of a run that is about to be reported, as findings of that attempt."""
    inventory = inventory_of(run.id)
    if inventory is not None:
        far = _compared(turn, run, REPORTING, heat(peaks, inventory), inventory)
        said = {
            one.text for one in told.findings_of(run.id, REPORTING)
        }  # by an attempt whose report could not be written
        told.add(run.id, REPORTING, attempt, [one for one in far if one.text not in said], at=turn.at)


def _compared(
    turn: Turn, run: RunRow, stage: str, rows: tuple[Measured, ...], inventory: Inventory
) -> tuple[Finding, ...]:
    if not rows:
        return ()
    known = baselines.of_class(_class(turn, run, inventory), stage, profile=digest_of(run.profile), host_id=run.host_id)
    past = [Past(one.host_id, one.run_id, one.figures) for one in known]
    return findings(deviations(rows, virtual=bool(inventory.virtual), past=past, host_id=run.host_id))


def remember(turn: Turn, run: RunRow, peaks: Mapping[str, float]) -> None:
    """What a run that completed measured, in the stages whose last attempt passed: from now on the host's last good figures."""
    inventory = inventory_of(run.id)
    if inventory is None:
        return
    profile, class_name = digest_of(run.profile), _class(turn, run, inventory)
    for stage in STAGE_ORDER:
        if stage == REPORTING:
            rows = heat(peaks, inventory)
        else:
            outcome = passed(run.id, stage)
            rows = measured(stage, outcome, inventory, run.expected_disks) if outcome else ()
        if rows:
            baselines.keep(run.host_id, run.id, stage, profile=profile, class_name=class_name, figures=keep(rows))


def passed(run_id: int, stage: str) -> Outcome | None:
    """The outcome of the last attempt at a stage, where that passed."""
    last = attempts.latest(run_id, stage)
    return attempts.outcome_of(run_id, stage, last.attempt) if last and last.verdict is Verdict.PASS else None


def _class(turn: Turn, run: RunRow, inventory: Inventory) -> str:
    return class_of(inventory, turn.means.config.class_named(run.spec))


def digest_of(profile: Profile) -> str:
    """Tells one set of knobs from another."""
    return sha256(msgspec.json.encode(profile)).hexdigest()[:16]
