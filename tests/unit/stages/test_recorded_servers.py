"""Every recorded server, with the verdict that a person would give it: as it is, and with a part taken out of its tables.

Through Inventory and the comparison with its own adopted spec: a healthy server agrees with itself, one that lost a memory
module or a power supply does not, and the module is named as a person would order it.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.fakes import metal
from tests.fakes.scripted_deps import ScriptedDeps, job
from vetting.domain.adopting import adopt
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.specdiff import compare
from vetting.stages.inventory import InventoryStage

# server: (GiB, modules, power supplies that its tables tell of, a module to take out)
SERVERS = {
    "Dell_PowerEdge_M630": (64, 8, None, "A3"),
    "HP_ProLiant_BL460c_Gen10_Graphics_Exp": (128, 4, None, "PROC 2 DIMM 3"),
    "HP_ProLiant_m710x": (64, 4, None, "PROC 1 DIMM 4"),
    "HP_SL4540_Gen8": (128, 8, 4, "PROC 2 DIMM 5"),
    "QCT_X10E-9N": (32, 2, None, "DIMM B0"),
    "SM_SSG-6028R": (64, 4, 2, "P1_DIMMC1"),
}


async def inventory_of(tables: str, gib: int) -> Inventory:
    kib = int(gib * 2**20 * 0.98)  # what firmware and kernel leave of it
    there = {**metal.files(), "/proc/meminfo": f"MemTotal: {kib} kB\nMemFree: {kib} kB\nMemAvailable: {kib} kB\n"}
    outcome = await InventoryStage().run(ScriptedDeps(job(), metal.tools(tables), there))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    return msgspec.convert(outcome.data["inventory"], Inventory)


def without_module(tables: str, locator: str) -> str:
    """The tables once the module in this socket is out."""
    words = rf"^\tLocator: +{' +'.join(locator.split())} *$"
    block = next(each for each in tables.split("\n\n") if re.search(words, each, re.M))
    return tables.replace(block, re.sub(r"^\tSize: .*$", "\tSize: No Module Installed", block, flags=re.M))


@pytest.mark.parametrize("name", SERVERS)
async def test_a_recorded_server_agrees_with_itself_and_a_missing_module_is_named(corpus: Path, name: str) -> None:
    tables = (corpus / "dmidecode" / name).read_text()
    gib, modules, supplies, socket = SERVERS[name]
    found = await inventory_of(tables, gib)
    assert found.dimms is not None and len(found.dimms) == modules
    assert found.psu_count == supplies
    spec = adopt(found, ExpectedSpec()).spec
    assert compare(spec, found) == ()

    less = await inventory_of(without_module(tables, socket), gib - gib // modules)
    told = compare(spec, less)
    critical = {each.field for each in told if each.severity is Severity.CRITICAL}
    assert {"dimm_count", "memory_bytes"} & critical
    gone = next(each for each in found.dimms if each.locator == socket)
    named = " ".join(each.text for each in told)
    assert gone.serial == "" or gone.serial in named or not spec.dimm_serials, named


@pytest.mark.parametrize("name", ["HP_SL4540_Gen8", "SM_SSG-6028R"])
async def test_a_power_supply_that_is_not_there_any_more_is_critical(corpus: Path, name: str) -> None:
    tables = (corpus / "dmidecode" / name).read_text()
    spec = adopt(await inventory_of(tables, SERVERS[name][0]), ExpectedSpec()).spec
    pulled = re.sub(r"Status: Present, (?:OK|Unknown)", "Status: Not Present", tables, count=1)
    told = compare(spec, await inventory_of(pulled, SERVERS[name][0]))
    assert [(each.field, each.severity) for each in told] == [("psu_count", Severity.CRITICAL)]


def test_every_recorded_server_is_in_the_table(corpus: Path) -> None:
    assert SERVERS.keys() <= {path.name for path in (corpus / "dmidecode").iterdir()}
