"""Each tool exchanged for programs that test nothing: whatever they say, no stage may come out green.

One run a stage: it is held, the next stand-in is put in, it is tried again; last of all the real tool is back and the stage passes,
so that nobody can say it was the test that held it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.drive_world import ata, block
from tests.fakes.metal import interface
from tests.fakes.scratch_disk import ScratchDisk
from tests.fakes.stage_world import recorded, tool_text
from tests.fakes.stand_ins import KINDS
from tests.fakes.toolbox import Toolbox
from tests.machine.silent_green.matrix import Matrix
from tests.machine.silent_green.rack import Rack, only, rack
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Verdict

pytestmark = [
    pytest.mark.machine,
    pytest.mark.allow_blocking("all cores are loaded on purpose"),
    pytest.mark.timeout(300),
]

AT_ONCE = tuple(kind for kind in KINDS if "in time" not in kind)
FEWER = ("true", "last week's output in time", "suicide")
FEW = ("true", "last week's output", "garbage")  # where the same question was put to the same tool at an earlier stage
ABLE = "*--verifiable*|*--help*|*--version*"  # what it can do it still says truly; only its work is faked
PATIENCE_S = 3.0  # of the agent with a program; the real ones need less in the short profile


@dataclass(frozen=True)
class Tool:
    name: str
    good: str  # what it said on another day
    real_for: str = "*--version*"
    kinds: tuple[str, ...] = AT_ONCE
    takes_s: float = 0.0


STRESS_NG = Tool("stress-ng", recorded("debian12", "cpu")[1], ABLE, KINDS, 4.2)
FIO = Tool("fio", recorded("debian12", "fio-round")[1])
IPERF3 = Tool("iperf3", tool_text("debian12", "iperf3/parallel"), "*--version*", KINDS, 2.0)
SMARTCTL = Tool("smartctl", ata("WD-LAST-WEEK"))
# Last week they found nothing on the disk, and told so by their silence.
WIPEFS, BLKID = Tool("wipefs", ""), Tool("blkid", "")


def last_week(tool: str, kinds: tuple[str, ...] = AT_ONCE) -> Tool:
    """What it says now, and a part beside that, which has vanished since."""
    match tool:
        case "lsblk":
            told = _json("lsblk", "-J", "-b", "-O")
            told["blockdevices"].append(block("sdzz", "WD-LAST-WEEK"))
            return Tool(tool, json.dumps(told), kinds=kinds)
        case "lscpu":
            told = _json("lscpu", "-J")
            count = next(row for row in told["lscpu"] if row["field"] == "CPU(s):")
            online = next(row for row in told["lscpu"] if row["field"].startswith("On-line CPU(s) list"))
            count["data"], online["data"] = str(2 * int(count["data"])), f"0-{2 * int(count['data']) - 1}"
            return Tool(tool, json.dumps(told), kinds=kinds)
        case "ip":
            gone = interface("enp99s0", "ac:1f:6b:00:00:99")
            return Tool(tool, json.dumps([*_json("ip", "-j", "-d", "link"), gone]), "*-V*", kinds)
    raise ValueError(tool)


def _json(*argv: str) -> Any:
    return json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)


def own_disk() -> ExpectedDisk:
    """A disk of this machine, listed by serial or, where it tells none, by the name of this boot; only ever asked."""
    for row in _json("lsblk", "-J", "-b", "-d", "-o", "KNAME,TYPE,SIZE,SERIAL")["blockdevices"]:
        if (
            row["type"] == "disk"
            and row["size"]
            and not row["kname"].startswith(("loop", "zram", "ram", "nbd", "md", "dm-"))
        ):
            return ExpectedDisk(serial=row["serial"] or row["kname"], write=False)
    pytest.skip("this machine has no disk of its own that smartctl could be asked about")


async def exchanged(
    here: Rack,
    matrix: Matrix,
    stage: str,
    *tools: Tool,
    together: bool = False,
    cured: Callable[[ScratchDisk], None] = lambda disk: None,
) -> None:
    """Holds the run at `stage` with every stand-in in turn (all tools in the same turn where they go `together`). `cured` is
    done to the scratch disk once the real tools are back."""
    if together:
        turns = [(kind, tools) for kind in tools[0].kinds]
    else:
        turns = [(kind, (tool,)) for tool in tools for kind in tool.kinds]

    def put_in(kind: str, which: tuple[Tool, ...]) -> None:
        here.box.restore(*(tool.name for tool in tools))
        for tool in which:
            here.box.exchange(tool.name, kind, good=tool.good, takes_s=tool.takes_s, real_for=tool.real_for)

    if stage == "Inventory":
        put_in(*turns[0])
    else:
        here.after["Firmware"] = partial(put_in, *turns[0])  # the last stage before, in a run that drops all others
    for number, (kind, which) in enumerate(turns):
        if number:
            put_in(kind, which)
            await here.retry()
        attempt = await here.held()
        assert attempt.stage == stage, f"{attempt.stage}: {attempt.reason}"
        matrix.add(stage, "+".join(tool.name for tool in which), kind, str(attempt.verdict), attempt.reason)
        assert attempt.verdict is Verdict.ERROR, str(matrix)
        outcome = await here.outcome(stage, attempt.attempt)
        if together:
            assert {cell.verdict for cell in outcome.cells} == {Verdict.ERROR}, outcome.cells
    here.box.restore(*(tool.name for tool in tools))
    cured(here.disk)
    await here.retry()


async def test_inventory_believes_none_of_its_tools(folder: Path, matrix: Matrix) -> None:
    tools = [last_week(name) for name in ("lscpu", "lsblk", "ip")]
    async with rack(folder, drop=only(), tool_limit_s=PATIENCE_S) as here:
        await exchanged(here, matrix, "Inventory", *tools)
        await here.completed()


async def test_smart_believes_none_of_its_tools(folder: Path, matrix: Matrix) -> None:
    async with rack(folder, drop=only("SMART"), others=(own_disk(),), tool_limit_s=PATIENCE_S) as here:
        await exchanged(here, matrix, "SMART", SMARTCTL, last_week("lsblk", FEW))
        await here.completed()


async def test_cpu_stress_believes_no_stress_ng_that_did_nothing(folder: Path, matrix: Matrix) -> None:
    async with rack(folder, drop=only("CPUStress"), tool_limit_s=PATIENCE_S + 6) as here:
        await exchanged(here, matrix, "CPUStress", STRESS_NG)
        await here.completed()


async def test_storage_believes_none_of_its_tools(folder: Path, matrix: Matrix) -> None:
    async with rack(folder, drop=only("Storage"), tool_limit_s=PATIENCE_S + 2) as here:
        await exchanged(here, matrix, "Storage", FIO, last_week("lsblk", FEW))
        await here.completed()


async def test_a_probe_for_data_that_overlooks_it_never_lets_a_disk_be_written(folder: Path, matrix: Matrix) -> None:
    """Somebody's swap space lies on the disk: whatever one of the two programs says, the other or we ourselves see it."""

    def written_by_somebody(disk: ScratchDisk) -> None:
        subprocess.run(["mkswap", disk.device], check=True, capture_output=True)

    def unwritten(disk: ScratchDisk, found: bytes) -> None:
        assert disk.file.read_bytes() == found
        subprocess.run(["wipefs", "-a", disk.device], check=True, capture_output=True)

    async with rack(folder, drop=only("Storage"), prepare=written_by_somebody, tool_limit_s=PATIENCE_S) as here:
        found = here.disk.file.read_bytes()
        await exchanged(here, matrix, "Storage", WIPEFS, BLKID, cured=lambda disk: unwritten(disk, found))
        await here.completed()


async def test_network_believes_no_iperf3_that_carried_nothing(folder: Path, matrix: Matrix) -> None:
    async with rack(folder, drop=only("Network"), tool_limit_s=PATIENCE_S + 1) as here:
        await exchanged(here, matrix, "Network", IPERF3)
        await here.completed()


async def test_burn_believes_none_of_its_loads(folder: Path, matrix: Matrix) -> None:
    """All three at once: each of the four parts must see for itself that nothing was done."""
    async with rack(folder, drop=only("Burn"), tool_limit_s=PATIENCE_S + 5) as here:
        await exchanged(here, matrix, "Burn", replace(STRESS_NG, kinds=FEWER), FIO, IPERF3, together=True)
        await here.completed()


async def test_psu_believes_no_burst_that_never_was(folder: Path, matrix: Matrix) -> None:
    async with rack(folder, drop=only("PSU"), tool_limit_s=PATIENCE_S) as here:
        await exchanged(
            here, matrix, "PSU", replace(STRESS_NG, kinds=("true", "last week's output in time", "suicide"))
        )
        await here.completed()


async def test_the_very_words_of_a_good_load_of_today_said_in_time_are_no_load(folder: Path) -> None:
    """The hardest lie: this machine's own stress-ng, recorded a moment ago with the same words, told again by a program that
    sleeps. Beside it the cores are busy with somebody else's work, so that the machine looks loaded."""
    box = Toolbox(folder)
    recordings = folder / "recordings"
    recordings.mkdir()
    real = shutil.which("stress-ng")
    replay = f"""#!/bin/sh
case " $* " in {ABLE}) exec {real} "$@" ;; esac
case " $* " in *" --vm "*) kind=vm ;; *) kind=cpu ;; esac
if [ -s "{recordings}/$kind" ]; then
    sleep 3.2
    exec cat "{recordings}/$kind"
fi
{real} "$@" > "{recordings}/new" 2>&1
status=$?
cp "{recordings}/new" "{recordings}/$kind"
cat "{recordings}/new"
exit $status
"""
    (folder / "replay").write_text(replay)
    (folder / "replay").chmod(0o755)
    box.put("stress-ng", folder / "replay")
    async with rack(folder, drop=only("CPUStress", "PSU"), box=box) as here:
        here.after["CPUStress"] = partial(box.remove, "stress-ng")
        first = await here.held()
        assert first.stage == "PSU", first.reason  # the recording itself was a load, and passed
    box.put("stress-ng", folder / "replay")
    (folder / "again").mkdir()
    with busy_cores():
        async with rack(folder / "again", drop=only("CPUStress"), box=box) as here:
            attempt = await here.held()
    assert (attempt.stage, attempt.verdict) == ("CPUStress", Verdict.ERROR)
    assert "stress-ng computed for" in attempt.reason


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Somebody else's work, one program a core."""
    others = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()
