"""The ledger: what is promised, who reported, what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.healthy import DISK, DISK2, INVENTORY, MAC, outcome
from vetting.domain.ledger import LOOPBACK, WHOLE, expand, expected_components, fill, gaps, missing
from vetting.domain.outcome import Cell, Outcome, Verdict
from vetting.domain.states import STAGE_ORDER

DISKS = (DISK, DISK2)


@pytest.mark.parametrize(
    ("stage", "components"),
    [
        ("Inventory", ()),
        ("Firmware", ()),
        ("SpecValidate", ()),
        ("SMART", ("disk:WD-1", "disk:WD-2")),
        ("CPUStress", ("cpu", "memory")),
        ("Storage", ("disk:WD-1", "disk:WD-2")),
        ("Network", (f"nic:{MAC}",)),
        ("Burn", ("cpu", "memory", "disk", "network")),
        ("GPU", ("gpu:GPU-1",)),
        ("PSU", ("psu",)),
        ("Reporting", ()),
    ],
)
def test_each_stage_promises_its_components(stage: str, components: tuple[str, ...]) -> None:
    assert expected_components(stage, INVENTORY, DISKS) == components


def test_on_loopback_the_network_is_the_loopback() -> None:
    assert expected_components("Network", INVENTORY, DISKS, loopback=True) == (LOOPBACK,)


def test_a_host_without_any_link_cannot_pass_the_network_stage_empty_handed() -> None:
    down = replace(INVENTORY, nics=tuple(replace(nic, link=None) for nic in INVENTORY.nics))
    (component,) = expected_components("Network", down, DISKS)
    assert missing((), (component,)) == (component,)


def test_a_gpu_without_a_uuid_goes_by_its_address() -> None:
    bare = replace(INVENTORY, gpus=(replace(INVENTORY.gpus[0], uuid="", pci="0000:3b:00.0"),))
    assert expected_components("GPU", bare, DISKS) == ("gpu:0000:3b:00.0",)


def test_a_component_without_a_cell_is_missing() -> None:
    cells = (Cell(component="cpu", verdict=Verdict.PASS), Cell(component="disk", verdict=Verdict.MISSING))
    assert missing(cells, ("cpu", "memory", "disk")) == ("memory", "disk")
    assert missing(cells, ()) == ()


def test_a_new_ledger_is_all_missing_and_has_a_row_for_every_stage() -> None:
    ledger = expand(INVENTORY, DISKS)
    assert {row.verdict for row in ledger} == {Verdict.MISSING}
    assert tuple(dict.fromkeys(row.stage for row in ledger)) == STAGE_ORDER
    assert gaps(ledger) == ledger


def test_a_healthy_run_fills_the_whole_ledger() -> None:
    outcomes = {name: (1, outcome(name)) for name in STAGE_ORDER}
    assert gaps(fill(expand(INVENTORY, DISKS), outcomes)) == ()


def test_a_disk_that_nobody_reported_stays_missing_although_its_stage_passed() -> None:
    smart = outcome("SMART").but(cells=outcome("SMART").cells[:1])
    (gap,) = gaps(fill(expand(INVENTORY, DISKS, stages=("SMART",)), {"SMART": (2, smart)}))
    assert (gap.component, gap.verdict, gap.attempt) == ("disk:WD-2", Verdict.MISSING, 2)


def test_a_skipped_stage_skips_all_its_cells_with_its_reason() -> None:
    rows = fill(expand(INVENTORY, DISKS, stages=("Storage",)), {"Storage": (1, Outcome.skip("non-destructive"))})
    assert {(row.verdict, row.reason) for row in rows} == {(Verdict.SKIP, "non-destructive")}


def test_a_stage_without_components_has_one_cell_with_its_own_verdict() -> None:
    (row,) = fill(expand(INVENTORY, DISKS, stages=("Firmware",)), {"Firmware": (1, Outcome.error("no answer"))})
    assert (row.component, row.verdict, row.reason) == (WHOLE, Verdict.ERROR, "no answer")


@given(st.dictionaries(st.sampled_from(STAGE_ORDER), st.sampled_from(list(Verdict))))
def test_no_cell_is_better_than_what_was_reported(verdicts: dict[str, Verdict]) -> None:
    outcomes = {
        name: (1, Outcome(verdict=got, cells=tuple(replace(one, verdict=got) for one in outcome(name).cells)))
        for name, got in verdicts.items()
    }
    rows = fill(expand(INVENTORY, DISKS), outcomes)
    assert len(rows) == len(expand(INVENTORY, DISKS))
    for row in rows:
        assert row.verdict is verdicts.get(row.stage, Verdict.MISSING)
