"""The ledger of a run: every stage × component that its profile promises, and how each cell ended.

A cell that nobody reported is MISSING, which refuses the pass. What was promised is worked out here, from the inventory
and the expected disks, never from what a stage chose to report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundGpu, Inventory
from vetting.domain.outcome import Cell, Outcome, Verdict
from vetting.domain.states import STAGE_ORDER

WHOLE = "host"  # the one cell of a stage that has no components of its own
LOOPBACK = "nic:loopback"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCell:
    """One row: MISSING until an attempt of the stage reported it."""

    stage: str
    component: str
    verdict: Verdict = Verdict.MISSING
    reason: str = ""
    attempt: int = 0


def gpu_component(gpu: FoundGpu) -> str:
    """`gpu:<uuid>`; the PCI address for one whose driver tells no UUID."""
    return f"gpu:{gpu.uuid or gpu.pci}"


def expected_components(
    stage: str,
    inventory: Inventory | None,
    expected_disks: Sequence[ExpectedDisk],
    *,
    loopback: bool = False,
) -> tuple[str, ...]:
    """The components of which a pass of this stage must have a cell; empty for stages without components.

    `loopback`: the orchestrator is this very host (`vetting try`), so that no network card is between them.
    A scratch disk has no health to ask for: it is expected of Storage and not of SMART.
    """
    match stage:
        case "SMART":
            return tuple(f"disk:{disk.serial}" for disk in expected_disks if disk.kind != "scratch")
        case "Storage":
            return tuple(f"disk:{disk.serial}" for disk in expected_disks)
        case "CPUStress":
            return ("cpu", "memory")
        case "Network":
            return (LOOPBACK,) if loopback else _linked(inventory)
        case "Burn":
            return ("cpu", "memory", "disk", "network")
        case "GPU":
            return tuple(gpu_component(gpu) for gpu in inventory.gpus) if inventory else ()
        case "PSU":
            return ("psu",)
        case _:
            return ()


def _linked(inventory: Inventory | None) -> tuple[str, ...]:
    """Cards with a link. Where there is none at all a stage has nothing to test and its pass has no cell to show."""
    if inventory is None:
        return ()
    linked = tuple(f"nic:{nic.mac}" for nic in inventory.nics if nic.physical and nic.link is True)
    return linked or ("nic:any",)


def missing(cells: Iterable[Cell], expected: Iterable[str]) -> tuple[str, ...]:
    """The expected components without a cell of their own, or with one that says MISSING."""
    reported = {cell.component for cell in cells if cell.verdict is not Verdict.MISSING}
    return tuple(component for component in expected if component not in reported)


def expand(
    inventory: Inventory | None,
    expected_disks: Sequence[ExpectedDisk],
    *,
    stages: Iterable[str] = STAGE_ORDER,
    loopback: bool = False,
) -> tuple[LedgerCell, ...]:
    """The whole ledger of a run, all MISSING. A stage without components has the one cell `host`."""
    return tuple(
        LedgerCell(stage=stage, component=component)
        for stage in stages
        for component in expected_components(stage, inventory, expected_disks, loopback=loopback) or (WHOLE,)
    )


def fill(ledger: Iterable[LedgerCell], outcomes: Mapping[str, tuple[int, Outcome]]) -> tuple[LedgerCell, ...]:
    """The ledger as the last counted attempt of each stage left it: `outcomes` is stage -> (attempt, outcome).

    A cell of a stage that did not pass is never better than the stage: a PASS of one disk stays, a missing one stays
    MISSING, and the cell `host` takes the stage's own verdict.
    """
    filled: list[LedgerCell] = []
    for row in ledger:
        attempt, outcome = outcomes.get(row.stage, (0, None))
        if outcome is None:
            filled.append(row)
            continue
        by_name = {cell.component: cell for cell in outcome.cells}
        verdict, reason = Verdict.MISSING, ""
        if row.component in by_name:
            verdict, reason = by_name[row.component].verdict, by_name[row.component].reason
        elif row.component == WHOLE or outcome.verdict is Verdict.SKIP:
            verdict, reason = outcome.verdict, outcome.reason
        filled.append(
            LedgerCell(stage=row.stage, component=row.component, verdict=verdict, reason=reason, attempt=attempt)
        )
    return tuple(filled)


def gaps(ledger: Iterable[LedgerCell]) -> tuple[LedgerCell, ...]:
    """The cells that ended neither PASS nor SKIP."""
    return tuple(row for row in ledger if not row.verdict.passed)
