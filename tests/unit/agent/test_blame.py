"""Lines of the kernel about memory, told as the module that a person orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.domain.healthy import INVENTORY
from vetting.agent import blame
from vetting.domain.inventory import FoundDimm
from vetting.parsers import kmsg

FITTED = (
    FoundDimm(locator="P1_DIMMA1", bank="P0_Node0_Channel0_Dimm0", size_bytes=2**34, serial="18ABE4AE", part_number="M393A2G40DB0"),
    FoundDimm(locator="P1_DIMMB1", bank="P0_Node0_Channel1_Dimm0", size_bytes=2**34, serial="18ABAD5A", part_number="M393A2G40DB0"),
)  # fmt: skip
HOST = replace(INVENTORY, dimms=FITTED)
CE = "EDAC MC0: 1 CE memory read error on {} (channel:1 slot:0 page:0x1 offset:0x0 grain:32 syndrome:0x0)"


@pytest.mark.parametrize(
    ("line", "component", "words"),
    [
        (CE.format("CPU_SrcID#0_MC#0_Chan#1_DIMM#0"), "dimm:P1_DIMMB1", "P1_DIMMB1 (serial 18ABAD5A, part M393A2G40DB0): EDAC MC0"),
        (CE.format("CPU_SrcID#1_MC#0_Chan#1_DIMM#0"), "dimm:CPU_SrcID#1_MC#0_Chan#1_DIMM#0", "EDAC MC0: 1 CE"),
        (CE.format("P1_DIMMA1"), "dimm:P1_DIMMA1", "P1_DIMMA1 (serial 18ABE4AE, part M393A2G40DB0): EDAC MC0"),
        (CE.format("any memory"), "memory", "EDAC MC0: 1 CE"),
        (CE.format("A1 or A2"), "memory", "EDAC MC0: 1 CE"),
        ("EDAC MC0: 1 UE memory scrubbing error on P1-DIMMB1 (channel:0)", "dimm:P1_DIMMB1", "P1_DIMMB1 (serial 18ABAD5A"),
        (
            "{1}[Hardware Error]:   DIMM location: P0_Node0_Channel0_Dimm0 P1_DIMMA1 ",
            "dimm:P1_DIMMA1",
            "P1_DIMMA1 (serial 18ABE4AE, part M393A2G40DB0): {1}[Hardware Error]",
        ),
        ("Memory failure: 0x1234: recovery action for dirty LRU page: Recovered", "memory", "Memory failure"),
    ],
)  # fmt: skip
def test_a_line_names_the_module_where_this_host_allows_it(line: str, component: str, words: str) -> None:
    event = kmsg.classify(line)
    assert event is not None
    named, text = blame.told(event.kind, event.component, event.text, HOST)
    assert named == component
    assert text.startswith(words)


def test_a_place_that_the_firmware_does_not_name_is_no_module() -> None:
    event = kmsg.classify("{1}[Hardware Error]:   DIMM location: not present. DMI handle: 0x1100 ")
    assert event is None or blame.told(event.kind, event.component, event.text, HOST)[0] != "dimm:not present"
