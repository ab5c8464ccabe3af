"""Without a tool there is no result: its stage is an ERROR that names it, the run is held there, and nothing is green."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.fakes.toolbox import Toolbox
from tests.machine.silent_green.rack import only, rack
from vetting.domain.outcome import Verdict
from vetting.domain.states import ORCHESTRATOR_STAGES, STAGE_ORDER

pytestmark = [pytest.mark.machine, pytest.mark.allow_blocking("all cores are loaded on purpose")]

# Stage -> the programs without which it cannot do its work, whatever this machine consists of.
NEEDED = {
    "Inventory": ("lscpu", "lsblk", "ip"),
    "SMART": ("smartctl", "lsblk"),
    "CPUStress": ("stress-ng", "stressapptest"),
    "Storage": ("fio", "lsblk", "wipefs", "blkid"),
    "Network": ("iperf3", "ip", "ethtool"),
    "Burn": ("stress-ng", "fio", "iperf3"),
    "PSU": ("stress-ng",),
}
AGENTS = [name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES]
OPTIONAL = ("dmidecode", "lshw", "lldpcli", "systemd-detect-virt", "ipmitool", "nvme", "nvidia-smi")


@pytest.mark.timeout(400)
async def test_each_tool_taken_away_in_turn_holds_the_run_at_the_stage_that_needs_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run through all eleven stages. At each, every tool is missing once; only with all of them back does it go on."""
    matrix: list[str] = []
    stages = list(NEEDED)
    async with rack(folder) as here:
        here.box.remove(NEEDED[stages[0]][0])
        for stage, following in zip_longest(stages, stages[1:]):
            for tool, next_tool in zip_longest(NEEDED[stage], NEEDED[stage][1:]):
                attempt = await here.held()
                matrix.append(f"  {stage:<10} without {tool:<10} {attempt.verdict}: {attempt.reason[:90]}")
                assert (attempt.stage, attempt.verdict) == (stage, Verdict.ERROR), matrix[-1]
                assert tool in attempt.reason
                here.box.restore(tool)
                if next_tool:
                    here.box.remove(next_tool)
                    await here.retry()
            if following:
                here.after[AGENTS[AGENTS.index(following) - 1]] = partial(here.box.remove, NEEDED[following][0])
            await here.retry()
        view = await here.completed()
        verdicts = await here.verdicts()
    with capsys.disabled():
        print("\n" + "\n".join(matrix))
    for stage, tools in NEEDED.items():
        assert verdicts[stage][: len(tools)] == [Verdict.ERROR] * len(tools)
        assert verdicts[stage][len(tools)] in (Verdict.PASS, Verdict.SKIP)
    assert "vetted" not in view.verdict.replace("not vetted", "")


async def test_an_image_without_any_test_tool_is_held_at_once_and_never_walks_through(folder: Path) -> None:
    """What happened to the predecessor: every stage skipped what it lacked, and the run completed green."""
    box = Toolbox(folder)
    box.keep_only("sh", "env", "cat", "sleep")
    async with rack(folder, box=box) as here:
        attempt = await here.held()
        assert (attempt.stage, attempt.verdict) == ("Inventory", Verdict.ERROR)
        assert all(tool in attempt.reason for tool in NEEDED["Inventory"])
        assert list(await here.verdicts()) == ["Inventory"]
        await here.until(lambda view: view.verdict.startswith("Not measured in Inventory"))  # said once it is on paper


async def test_tools_that_only_add_to_the_inventory_are_missed_by_name_and_stop_nobody(folder: Path) -> None:
    """Without smartctl the inventory is poorer and says so; the stage that needs it is the one that ends."""
    box = Toolbox(folder)
    absent = [tool for tool in OPTIONAL if box.has(tool)]
    box.remove(*OPTIONAL, "smartctl")
    async with rack(folder, box=box, drop=only("SpecValidate", "SMART")) as here:
        attempt = await here.held()
        inventory = await here.outcome("Inventory")
    assert inventory.verdict is Verdict.PASS
    assert "smartctl" in inventory.data["inventory"]["absent_tools"]
    assert attempt.stage in (
        "Firmware",
        "SMART",
    )  # a machine with SATA or SAS drives misses it at their firmware already
    assert attempt.verdict is Verdict.ERROR
    assert "smartctl" in attempt.reason
    for tool in ("dmidecode", "lshw", "systemd-detect-virt"):
        assert tool not in absent or f"{tool}" in inventory.reason
