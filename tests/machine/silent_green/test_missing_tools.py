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

pytestmark = pytest.mark.machine

# Stage -> the programs without which it cannot do its work, whatever this machine consists of.
NEEDED = {
    "Inventory": ("lscpu", "lsblk", "ip"),
    "SMART": ("smartctl", "lsblk"),
    "CPUStress": ("stress-ng",),
    "Storage": ("fio", "lsblk", "wipefs", "blkid"),
    "Network": ("iperf3", "ip", "ethtool"),
    "Burn": ("stress-ng", "fio", "iperf3"),
    "PSU": ("stress-ng",),
}
AGENTS = [name for name in STAGE_ORDER if name not in ORCHESTRATOR_STAGES]
BARE = ("sh", "cat", "sleep", "env", "python3")


@pytest.mark.timeout(240)
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
