"""CPUStress with the real stress-ng on this machine, and with programs that stand in for it."""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scripted_deps import job
from tests.fakes.stage_world import recorded
from tests.fakes.stand_ins import KINDS, stand_in
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import MIB, TASTE, CpuStressKnobs
from vetting.stages.cpu_stress import CpuStress
from vetting.stages.watch import online_cpus

pytestmark = pytest.mark.machine

KNOBS = CpuStressKnobs(cpu_s=4, ram_s=4, ram_s_per_gib=0, core_s=1, ram_cap_bytes=256 * MIB, ram_cover=0.0)


def deps_in(folder: Path, knobs: CpuStressKnobs = KNOBS, path: str = "", limit_s: float | None = None) -> PlainDeps:
    scratch = folder / "scratch"
    scratch.mkdir()
    return PlainDeps(job(profile=replace(TASTE, cpu_stress=knobs)), scratch, path=path, limit_s=limit_s)


async def test_this_machine_passes_and_its_work_is_counted(tmp_path: Path) -> None:
    deps = deps_in(tmp_path)
    cpus = len(online_cpus(deps))
    began = deps.monotonic()
    outcome = await CpuStress().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    cells = {cell.component: cell for cell in outcome.cells}
    assert (cells["cpu"].work[0].done, cells["cpu"].work[0].of) == (cpus, cpus)
    assert [work.done for work in cells["memory"].work] == [256, 256]
    visits = next(each.value for each in outcome.measurements if each.series == "memory.stressapptest.visits")
    assert visits >= 1
    assert deps.monotonic() - began >= 8 + cpus


@pytest.mark.parametrize("kind", KINDS)
async def test_no_stand_in_for_stress_ng_comes_out_green(tmp_path: Path, kind: str) -> None:
    """The real stress-ng still says what it is able to do; only its work is faked."""
    good = recorded("debian12", "cpu")[1]
    path = stand_in(tmp_path, "stress-ng", kind, good=good, takes_s=2, real_for="*--verifiable*|*--help*")
    knobs = replace(KNOBS, core_s=0, cpu_s=2, ram_s=2)
    outcome = await CpuStress().run(deps_in(tmp_path, knobs, path, limit_s=3))
    assert outcome.verdict is Verdict.ERROR, outcome.reason
    assert {cell.verdict for cell in outcome.cells} == {Verdict.ERROR}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_stand_in_that_answers_everything_comes_out_green(tmp_path: Path, kind: str) -> None:
    path = stand_in(tmp_path, "stress-ng", kind, good=recorded("debian12", "cpu")[1], takes_s=2)
    outcome = await CpuStress().run(deps_in(tmp_path, path=path, limit_s=3))
    assert outcome.verdict is Verdict.ERROR


def _of_ours(name: str) -> Iterator[int]:
    """Processes of that name that this test started."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = (text.partition("(")[2].rpartition(")")[0], int(text.rpartition(")")[2].split()[1]))
    for pid, (comm, parent) in parents.items():
        while parent > 1 and parent != os.getpid():
            parent = parents.get(parent, ("", 0))[1]
        if parent == os.getpid() and comm.startswith(name):
            yield pid


def _flip(pid: int) -> None:
    """One bit of the largest area that the process may write."""
    areas = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)
    start, end = max(((int(a, 16), int(b, 16)) for a, b in areas), key=lambda area: area[1] - area[0], default=(0, 0))
    if end - start < 16 * MIB:
        return
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        place = random.randrange(start, end)
        memory.seek(place)
        was = memory.read(1)
        memory.seek(place)
        memory.write(bytes([was[0] ^ 1 << random.randrange(8)]))


@contextmanager
def weak_memory(name: str) -> Iterator[None]:
    """Bits flip in what the processes of that name hold."""
    over = threading.Event()

    def flips() -> None:
        while not over.wait(0.02):
            for pid in _of_ours(name):
                try:
                    _flip(pid)
                except OSError:
                    continue  # it ended meanwhile

    thread = threading.Thread(target=flips)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.allow_blocking("all cores are loaded on purpose")
@pytest.mark.parametrize(
    ("name", "words"),
    [("stress-ng-vm", "stress-ng saw a wrong result"), ("stressapptest", "Hardware Error: miscompare")],
)
async def test_each_tester_finds_bits_that_flip_in_the_memory_it_holds(tmp_path: Path, name: str, words: str) -> None:
    deps = deps_in(tmp_path, replace(KNOBS, core_s=0, cpu_s=1, ram_s=6, ram_cap_bytes=128 * MIB))
    with weak_memory(name):
        outcome = await CpuStress().run(deps)
    memory = next(cell for cell in outcome.cells if cell.component == "memory")
    assert memory.verdict is Verdict.FAIL, memory.reason
    assert words in memory.reason
