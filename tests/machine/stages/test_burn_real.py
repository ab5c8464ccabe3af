"""Burn with the real stress-ng, fio and iperf3 at once on this machine, and with a stand-in for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scratch_disk import HOST, RUN_ID, ScratchDisk, scratch_disk
from tests.fakes.scripted_deps import job
from tests.fakes.stage_world import recorded, tool_text
from tests.fakes.stand_ins import stand_in
from tests.fakes.veth_host import loopback_server
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import MIB, TASTE, BurnKnobs, CpuStressKnobs, StorageKnobs
from vetting.stages.burn import Burn

pytestmark = [pytest.mark.machine, pytest.mark.allow_blocking("all cores are loaded on purpose")]

PORT = 15322
GOOD = {
    "stress-ng": recorded("debian12", "burn-cpu")[1],
    "fio": recorded("debian12", "fio-round")[1],
    "iperf3": tool_text("debian12", "iperf3/bidir"),
}
PARTS = {"stress-ng": {"cpu", "memory"}, "fio": {"disk"}, "iperf3": {"network"}}


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with loopback_server(PORT) as port:
        yield port


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScratchDisk]:
    monkeypatch.setenv("VETTING_TEST", "1")
    with scratch_disk(tmp_path) as made:
        yield made


def deps_for(disk: ScratchDisk, port: int, seconds: int, path: str = "", limit_s: float | None = None) -> PlainDeps:
    scratch = disk.file.parent / "scratch"
    scratch.mkdir()
    profile = replace(
        TASTE,
        burn=BurnKnobs(seconds=seconds, mem_pct=10),
        cpu_stress=CpuStressKnobs(ram_cap_bytes=128 * MIB),
        storage=StorageKnobs(fio_size_bytes=16 * MIB),
    )
    asked = job(
        profile=profile,
        run_id=RUN_ID,
        host=HOST,
        iperf_port=port,
        expected_disks=(disk.expected,),
        permit=disk.permit,
        permit_key=disk.permit_key,
    )
    return PlainDeps(asked, scratch, path=path, limit_s=limit_s)


async def test_four_real_loads_run_beside_each_other(disk: ScratchDisk, server: int) -> None:
    outcome = await Burn().run(deps_for(disk, server, 6))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert [cell.component for cell in outcome.cells] == ["cpu", "memory", "disk", "network"]
    assert all(work.done > 0 for cell in outcome.cells for work in cell.work)
    overlap = next(each.value for each in outcome.measurements if each.series == "burn.overlap")
    assert overlap >= 4


@pytest.mark.parametrize(
    "kind", ["true", "last week's output in time", "suicide"]
)  # the others in each tool's own stage
@pytest.mark.parametrize("tool", ["stress-ng", "fio", "iperf3"])
async def test_no_stand_in_for_one_tool_comes_out_green(disk: ScratchDisk, server: int, tool: str, kind: str) -> None:
    folder = disk.file.parent
    path = stand_in(folder, tool, kind, good=GOOD[tool], takes_s=2, real_for="*--verifiable*|*--help*")
    outcome = await Burn().run(deps_for(disk, server, 2, path, limit_s=5))
    wrong = {cell.component for cell in outcome.cells if not cell.verdict.passed}
    assert outcome.verdict is Verdict.ERROR, outcome.reason
    parts = PARTS[tool]
    if kind == "last week's output in time":  # cores that others keep busy can hide it from the part cpu, from no other
        parts = parts - {"cpu"}
    assert wrong >= parts
