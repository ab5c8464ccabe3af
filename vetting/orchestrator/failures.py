"""What failed in a host before, and how often: the runs since it was last good, read for a run after a repair. Inside `Store.read`."""

from __future__ import annotations

from collections.abc import Iterator

from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Verdict
from vetting.domain.repairproof import PartProof
from vetting.domain.repetition import History
from vetting.domain.states import RunState
from vetting.orchestrator.found import Found, newest
from vetting.orchestrator.moves import inventory_of
from vetting.store import attempts, repairs
from vetting.store.rows import AttemptRow, RunRow

LOST = "lost during "  # how the reason of an attempt begins in which the host fell silent for good
OURS = frozenset({"Reporting"})
COMPARES = "SpecValidate"


def history_of(host_id: int) -> History | None:
    """How the newest failing stage did since the host was last good; None where nothing failed since."""
    told = [(run, attempts.attempts_of(run.id)) for run in since_good(host_id)]
    for run, rows in told:  # newest first
        bad = [row for row in rows if failed(row) and row.stage not in OURS]
        if repairs.find(run.id) is not None:  # that the wrong part was taken is no test that failed before the repair
            bad = [row for row in bad if row.stage != COMPARES]
        if not bad:
            continue
        stage = bad[-1].stage
        counted = [row for _, those in told for row in those if row.stage == stage and counts(row)]
        return History(
            stage=stage,
            run_id=run.id,
            reason=bad[-1].reason[:1000],
            failures=sum(failed(row) for row in counted),
            attempts=len(counted),
            load_s=sum(lasted_s(row) for row in counted),
        )
    return None


def since_good(host_id: int) -> Iterator[RunRow]:
    """Newest first, down to the last run that was completed without a failure."""
    for run in newest(host_id):
        if run.state is RunState.COMPLETED and not any(failed(row) for row in attempts.attempts_of(run.id)):
            return
        yield run


def failed(row: AttemptRow) -> bool:
    """Whether the host came up short in it: it failed, or it died."""
    return row.verdict is Verdict.FAIL or (row.verdict is Verdict.INTERRUPTED and row.reason.startswith(LOST))


def counts(row: AttemptRow) -> bool:
    return row.verdict is Verdict.PASS or failed(row)


def lasted_s(row: AttemptRow) -> float:
    """By the host's own clock where it told, else by ours."""
    if row.host_started_s is not None and row.host_ended_s is not None and row.host_ended_s > row.host_started_s:
        return row.host_ended_s - row.host_started_s
    return max((row.ended_at or row.started_at) - row.started_at, 0.0)


def found_before(host_id: int) -> Found | None:
    """What the newest run found that a new one is compared with. A run after a repair that did not come past the comparison saw a
    repair that was not done yet: it is none to compare with."""
    for run in newest(host_id):
        inventory = inventory_of(run.id)
        if inventory is None:
            continue
        compared = attempts.latest(run.id, COMPARES)
        if repairs.find(run.id) is None or (compared is not None and compared.verdict is Verdict.PASS):
            return Found(run_id=run.id, at=run.created_at, inventory=inventory)
    return None


def proofs_before(host_id: int, run_id: int) -> Iterator[tuple[int, PartProof]]:
    """What runs after a repair have proved since the host was last good; newest first."""
    for run in since_good(host_id):
        told = repairs.find(run.id) if run.id < run_id else None
        if told is not None and told.proved is not None:
            yield from ((run.id, one) for one in told.proved.parts)


def inventory_before(run_id: int) -> Inventory | None:
    """What that run found; None for 0, or where it cannot be read any more."""
    return inventory_of(run_id) if run_id else None
