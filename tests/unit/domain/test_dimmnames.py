"""A memory module by the name that a person orders it by: labels of errors joined with slots of recorded servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.domain.healthy import INVENTORY
from vetting.domain.dimmnames import fitted, part, parts, told, words
from vetting.domain.inventory import FoundDimm
from vetting.parsers import dmidecode
from vetting.stages.probes.firmwaretables import dimms

GIB = 2**30


def recorded(corpus: Path, name: str) -> tuple[FoundDimm, ...]:
    return dimms(dmidecode.parse((corpus / "dmidecode" / name).read_text(errors="replace")))


@pytest.mark.parametrize(
    ("server", "label", "said"),
    [
        ("Dell_PowerEdge_M630", "A1", "DIMM A1 (serial 4242, part M393A1G43DB0-CPB)"),
        ("Dell_PowerEdge_M630", "DIMM_B4", "DIMM B4 (serial 4242, part M393A1G43DB0-CPB)"),
        ("Dell_PowerEdge_M630", "CPU1_DIMM_A3", "DIMM A3 (serial 4242, part M393A1G43DB0-CPB)"),
        ("Dell_PowerEdge_M630", "CPU_SrcID#0_Ha#0_Chan#1_DIMM#0", ""),  # its firmware does not say how they are wired
        ("Dell_PowerEdge_M630", "A5", ""),  # an empty slot
        ("HP_ProLiant_BL460c_Gen10_Graphics_Exp", "PROC 1 DIMM 2", "PROC 1 DIMM 2 (part 840758-091)"),
        ("HP_ProLiant_BL460c_Gen10_Graphics_Exp", "DIMM 2", ""),  # there is one at each processor
        ("HP_SL4540_Gen8", "PROC_2_DIMM_4", "PROC 2 DIMM 4 (serial 4242, part 713756-081)"),
        ("QCT_X10E-9N", "CHANNEL A DIMM A0", "DIMM A0 (serial 328CBA1D, part M391A2K43BB1-CPB)"),  # bank and slot: GHES
        ("QCT_X10E-9N", "DIMM B0", "DIMM B0 (serial 328CB9DF, part M391A2K43BB1-CPB)"),
        ("SM_SSG-6028R", "P1-DIMMC1", "P1_DIMMC1 (serial 18ABE140, part M393A2G40DB0-CPB)"),
        ("SM_SSG-6028R", "CPU_SrcID#0_Ha#0_Chan#3_DIMM#0", "P1_DIMMD1 (serial 18ABE142, part M393A2G40DB0-CPB)"),
        ("SM_SSG-6028R", "CPU_SrcID#0_Ha#1_Chan#0_DIMM#0", ""),
        ("SM_SSG-6028R", "CPU_SrcID#1_Ha#0_Chan#3_DIMM#0", ""),
        ("SM_SSG-6028R", "mc#0csrow#0channel#0", ""),
        ("SM_SSG-6028R", "", ""),
    ],
)
def test_a_label_means_the_one_module_that_it_can_mean_or_none(
    corpus: Path, server: str, label: str, said: str
) -> None:
    found = fitted(label, recorded(corpus, server))
    assert (words(found) if found else "") == said


def test_a_number_is_not_cut_in_the_middle() -> None:
    there = tuple(FoundDimm(locator=f"CPU1 DIMM {n}", size_bytes=GIB) for n in (1, 11))
    assert fitted("1", there) is None
    assert fitted("DIMM 1", there) is None


def test_components_of_other_parts_and_unknown_labels_stay_as_they_are() -> None:
    for component in ("cpu:3", "memory", "dimm:nowhere", "disk:A1"):
        assert part(component, INVENTORY) == told(component, INVENTORY) == component
    assert part("dimm:A1", None) == told("dimm:A1", None) == "dimm:A1"
    assert told("dimm:A1", INVENTORY) == "DIMM A1 (serial DIMM1)"
    assert part("dimm:DIMM_A1", INVENTORY) == "dimm:A1"


def test_two_labels_that_would_mean_one_slot_keep_their_own_names() -> None:
    assert parts(("dimm:DIMM_A1", "dimm:CPU1_A1", "dimm:A2"), INVENTORY) == {
        "dimm:DIMM_A1": "dimm:DIMM_A1",
        "dimm:CPU1_A1": "dimm:CPU1_A1",
        "dimm:A2": "dimm:A2",
    }
