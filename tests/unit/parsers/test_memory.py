"""stressapptest as recorded in 1.0.6 and 1.0.11, and the error counters of EDAC."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, edac, stressapptest
from vetting.parsers.stressapptest import Ending

Recorded = Callable[[str], str]


def test_a_passed_run_tells_what_it_tested(joined: Recorded) -> None:
    run = stressapptest.parse(joined("stressapptest/pass"))
    assert (run.ending, run.tested_mib, run.hardware_incidents, run.errors) == (Ending.PASS, 64, 0, 0)
    assert run.copied_mib is not None and run.copied_mib > 1000
    assert run.complaints == ()


def test_injected_errors_are_hardware_incidents(joined: Recorded) -> None:
    run = stressapptest.parse(joined("stressapptest/fail"))
    assert run.ending is Ending.HARDWARE
    assert run.hardware_incidents is not None and run.hardware_incidents >= 1
    assert any("miscompare" in line for line in run.complaints)


def test_a_test_that_could_not_be_done_is_no_fault_of_the_hardware(joined: Recorded) -> None:
    run = stressapptest.parse(joined("stressapptest/refused"))
    assert (run.ending, run.hardware_incidents, run.errors) == (Ending.PROCEDURE, 0, 1)


def test_a_run_without_a_status_was_killed(joined: Recorded) -> None:
    run = stressapptest.parse(joined("stressapptest/pass").partition("Found 0")[0])
    assert run.ending is Ending.NONE and run.copied_mib is None and run.hardware_incidents is None


@pytest.mark.parametrize("text", ["", "PASS", "stressapptest: command not found"])
def test_what_it_never_says_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        stressapptest.parse(text)


MC = "/sys/devices/system/edac/mc"
TREE = {
    f"{MC}/mc0/mc_name": "Skylake Socket#0 IMC#0\n",
    f"{MC}/mc0/ce_count": "3\n",
    f"{MC}/mc0/ue_count": "0\n",
    f"{MC}/mc0/ce_noinfo_count": "1\n",
    f"{MC}/mc0/dimm0/dimm_label": "CPU_SrcID#0_MC#0_Chan#0_DIMM#0\n",
    f"{MC}/mc0/dimm0/dimm_location": "channel 0 slot 0 \n",
    f"{MC}/mc0/dimm0/dimm_ce_count": "2\n",
    f"{MC}/mc0/dimm0/dimm_ue_count": "0\n",
    f"{MC}/mc0/dimm0/size": "16384\n",
    f"{MC}/mc0/dimm10/dimm_ce_count": "0\n",
    f"{MC}/mc1/ce_count": "0\n",
    f"{MC}/mc1/ue_count": "1\n",
    f"{MC}/mc0/power/runtime_status": "unsupported\n",
}


def test_edac_counts_stand_with_the_module_that_one_would_swap() -> None:
    """Constructed after the kernel's documentation of this tree."""
    first, second = edac.parse(TREE)
    assert (first.name, first.driver, first.corrected, first.uncorrected, first.corrected_nowhere) == (
        "mc0", "Skylake Socket#0 IMC#0", 3, 0, 1
    )  # fmt: skip
    assert [dimm.name for dimm in first.dimms] == ["dimm0", "dimm10"]
    module = first.dimms[0]
    assert (module.label, module.corrected, module.uncorrected) == ("CPU_SrcID#0_MC#0_Chan#0_DIMM#0", 2, 0)
    assert (module.location, module.size_bytes) == ("channel 0 slot 0", 16 * 2**30)
    assert first.dimms[1].uncorrected is None, "a file that is not there is unknown, not nought"
    assert edac.totals((first, second)) == (3, 1)


def test_no_driver_is_no_controller() -> None:
    assert edac.parse({}) == ()


def test_a_controller_that_cannot_be_read_has_no_total() -> None:
    tree = {path: text for path, text in TREE.items() if path != f"{MC}/mc1/ue_count"}
    with pytest.raises(ParseError, match="could not be read"):
        edac.totals(edac.parse(tree))


def test_a_count_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ParseError):
        edac.parse({f"{MC}/mc0/ce_count": "many"})
