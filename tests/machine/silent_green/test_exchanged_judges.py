"""Tools whose device or pace does not fit into the pipeline's scratch run, exchanged under their stage alone, with real processes.

The stage, its parsers, its deadlines and the stand-ins are real. Of a GPU, which this machine need not have, recordings speak: of its
bus, of its driver and of its load; with all of them in place the stage passes, so that nobody can say it was the test that held it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.metal import ASPEED, NVIDIA, pci
from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scripted_deps import job
from tests.fakes.stage_world import tool_text
from tests.fakes.stand_ins import KINDS, stand_in
from tests.fakes.veth_host import veth_host
from tests.machine.silent_green.matrix import Matrix
from tests.machine.stages.test_network_real import through
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.profiles import MIB, TASTE, CpuStressKnobs, GpuKnobs, NetworkKnobs
from vetting.stages.cpu_stress import CpuStress
from vetting.stages.gpu import Gpu
from vetting.stages.network import Network

pytestmark = [
    pytest.mark.machine,
    pytest.mark.allow_blocking("all cores are loaded on purpose"),
    pytest.mark.timeout(300),
]

AT_ONCE = tuple(kind for kind in KINDS if "in time" not in kind)
Stage = Callable[[str], Awaitable[Outcome]]  # the PATH -> what the stage concludes


async def exchanged(folder: Path, matrix: Matrix, stage: str, tool: str, good: str, run: Stage, path: str) -> None:
    for kind in AT_ONCE:
        there = folder / kind.replace(" ", "-").replace("'", "")
        there.mkdir()
        found = stand_in(there, tool, kind, good=good).partition(":")[0]
        outcome = await run(f"{found}:{path}")
        matrix.add(stage, tool, kind, str(outcome.verdict), outcome.reason)
        assert outcome.verdict is Verdict.ERROR, str(matrix)
    passed = await run(path)
    assert passed.verdict is Verdict.PASS, passed.reason


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def test_a_card_is_not_believed_where_ethtool_does_not_speak_of_its_link(
    tmp_path: Path, scratch: Path, matrix: Matrix
) -> None:
    with veth_host() as card:
        profile = replace(TASTE, network=NetworkKnobs(seconds=1, parallel=2))
        asked = replace(job(profile=profile), **through(card, floor_mb_s=10))

        async def run(path: str) -> Outcome:
            return await Network().run(PlainDeps(asked, scratch, path=path, limit_s=3))

        then = tool_text("debian12", "ethtool/veth").replace("eth7", card.name).replace("10000Mb/s", "25000Mb/s")
        await exchanged(tmp_path, matrix, "Network", "ethtool", then, run, SYSTEM)


async def test_memory_is_not_believed_to_be_tested_by_a_stressapptest_that_did_nothing(
    tmp_path: Path, scratch: Path, matrix: Matrix
) -> None:
    knobs = CpuStressKnobs(cpu_s=1, ram_s=2, core_s=0, ram_cap_bytes=256 * MIB, ram_cover=0.0)

    async def run(path: str) -> Outcome:
        deps = PlainDeps(
            job(profile=replace(TASTE, cpu_stress=knobs)), scratch, path=path, limit_s=None if path == SYSTEM else 4
        )
        return await CpuStress().run(deps)

    await exchanged(
        tmp_path, matrix, "CPUStress", "stressapptest", tool_text("debian12", "stressapptest/pass"), run, SYSTEM
    )


class OnMetal(PlainDeps):
    """A machine with a GPU on its bus: recorded, and the one place where this machine's own sysfs is not asked."""

    def glob(self, pattern: str) -> list[str]:
        return sorted(
            f"/sys/bus/pci/devices/{row[0]}"
            for row in (ASPEED, NVIDIA)
            if fnmatch.fnmatch(f"/sys/bus/pci/devices/{row[0]}", pattern)
        )


def _tells(folder: Path, tool: str, body: str) -> None:
    (folder / tool).write_text(f"#!/bin/sh\n{body}\n")
    (folder / tool).chmod(0o755)


async def test_a_gpu_is_not_believed_where_nvidia_smi_did_not_see_it_work(
    tmp_path: Path, scratch: Path, matrix: Matrix, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.stages.gpu.LOOK_S", 0.2)
    idle = (corpus / "nvidia-smi" / "a10g.xml").read_text().replace("00000000:00:1E.0", "00000000:01:00.0")
    at_work = re.sub(r"(<gpu_util>)[^<]*", r"\g<1>100 %", idle, count=1)
    host = tmp_path / "host"
    host.mkdir()
    (host / "idle.xml").write_text(idle)
    (host / "busy.xml").write_text(at_work)
    (host / "bus").write_text(pci(ASPEED, NVIDIA))
    _tells(host, "lspci", f"cat {host}/bus")
    _tells(host, "nvidia-smi", f"if [ -e {host}/works ]; then cat {host}/busy.xml; else cat {host}/idle.xml; fi")
    (host / "said").write_text(
        "Burning for 1 seconds.\n100.0%  proc'd: 4321 (15300 Gflop/s)   errors: 0   temps: 64 C \nTested 1 GPUs:\n\tGPU 0: OK\n"
    )
    _tells(host, "gpu_burn", f"touch {host}/works; sleep 1.5; rm {host}/works; cat {host}/said")

    async def run(path: str) -> Outcome:
        deps = OnMetal(job(profile=replace(TASTE, gpu=GpuKnobs(seconds=1))), scratch, path=path, limit_s=3)
        return await Gpu().run(deps)

    await exchanged(tmp_path, matrix, "GPU", "nvidia-smi", idle, run, f"{host}:{SYSTEM}")
