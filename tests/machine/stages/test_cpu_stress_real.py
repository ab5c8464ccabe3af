"""CPUStress with the real stress-ng on this machine, and with programs that stand in for it."""

from __future__ import annotations

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

KNOBS = CpuStressKnobs(cpu_s=4, ram_s=4, core_s=1, ram_cap_bytes=256 * MIB, ram_cover=0.0)


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
    assert cells["memory"].work[0].done == 256
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
