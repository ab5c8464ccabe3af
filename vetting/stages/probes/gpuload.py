"""A compute load on every NVIDIA GPU: gpu-burn, which checks its results, else stress-ng's, which only works.

gpu-burn ends with 0 on a FAULTY GPU and stress-ng with 0 where it could not draw a frame, so both are judged by what they
say, and nvidia-smi must have seen each GPU busy (`vetting.stages.gpu`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun, Verdict
from vetting.parsers import gpu_burn
from vetting.parsers.errors import ParseError
from vetting.parsers.gpu_burn import GpuBurnRun
from vetting.stages.base import Deps
from vetting.stages.stressng_load import END_LIMIT_S, Load, judge, least_s

GPU_BURN = ("gpu_burn", "gpu-burn")  # upstream's name and that of packages


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How the load on one GPU ended. `verified`: its results were compared, not only computed."""

    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0
    verified: bool = False


async def load_all(deps: Deps, slots: Sequence[str], seconds: int) -> dict[str, Loaded]:
    """PCI slot -> how its load ended. `slots` are all NVIDIA GPUs, in the order of the bus. Raises ToolMissing."""
    for tool in GPU_BURN:
        try:
            return await _burn(deps, tool, slots, seconds)
        except ToolMissing:
            continue
    ended = await asyncio.gather(*(_stress(deps, slot, seconds) for slot in slots))
    return dict(zip(slots, ended, strict=True))


async def _burn(deps: Deps, tool: str, slots: Sequence[str], seconds: int) -> dict[str, Loaded]:
    env = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # else it counts the fastest GPU first and its numbers name others
    ended = await deps.run([tool, str(seconds)], limit_s=seconds + END_LIMIT_S, env=env, heavy=True)
    try:
        told = gpu_burn.parse(ended.text)
    except ParseError as why:
        return {slot: Loaded(verdict=Verdict.ERROR, reason=f"no load: {why}") for slot in slots}
    return {slot: _burned(ended, told, place, len(slots), seconds) for place, slot in enumerate(slots)}


def _burned(ended: ToolRun, told: GpuBurnRun, place: int, gpus: int, seconds: int) -> Loaded:
    wrong = told.errors[place] if place < len(told.errors) else 0
    if told.healthy.get(place) is False or wrong:
        return Loaded(verdict=Verdict.FAIL, reason=f"gpu-burn calls it FAULTY: {wrong} wrong results")
    if not told.complete or told.tested != gpus or told.healthy.get(place) is not True:
        why = "a worker died" if told.died else f"it tested {told.tested or 0} of {gpus} GPUs"
        return Loaded(verdict=Verdict.ERROR, reason=f"gpu-burn gave no verdict on it: {why}; it {ended.how_it_ended}")
    if ended.timed_out or ended.exit_code != 0 or not ended.elapsed_s >= least_s(seconds):
        return Loaded(verdict=Verdict.ERROR, reason=f"gpu-burn {ended.how_it_ended}, of {seconds} s")
    return Loaded(verdict=Verdict.PASS, seconds=ended.elapsed_s, verified=True)


async def _stress(deps: Deps, slot: str, seconds: int) -> Loaded:
    nodes = deps.glob(f"/sys/bus/pci/devices/{slot}/drm/renderD*")
    if not nodes:
        return Loaded(verdict=Verdict.ERROR, reason="no load tool: no gpu-burn, and no render node for stress-ng")
    node = f"/dev/dri/{nodes[0].rpartition('/')[2]}"
    load = Load(stressors={"gpu": 1}, options=("--gpu-devnode", node), seconds=seconds, cpus=1)
    ended = await deps.run(load.argv(deps), limit_s=load.limit_s, heavy=True)
    judged = judge(ended, load, oom_kills=None)
    if judged.verdict is Verdict.PASS:
        return Loaded(verdict=Verdict.PASS, seconds=ended.elapsed_s)
    if judged.verdict is Verdict.FAIL:
        return Loaded(verdict=Verdict.FAIL, reason=judged.reason)
    return Loaded(verdict=Verdict.ERROR, reason=f"no load tool: no gpu-burn, and {judged.reason}")
