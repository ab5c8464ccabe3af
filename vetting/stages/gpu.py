"""Loads every GPU and compares what it says of its memory, its heat and its link before, during and after.

A host without a GPU is skipped. A GPU that nothing here can load or ask is an ERROR: seen on the bus and not tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from vetting.domain.inventory import FoundGpu
from vetting.domain.outcome import Cell, Counter, Finding, Measurement, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import GpuKnobs
from vetting.parsers.hwmon import slug
from vetting.parsers.nvidia_smi import Gpu as Told
from vetting.parsers.nvidia_smi import NvidiaSmi
from vetting.stages.base import Deps, Job
from vetting.stages.probes import gpuhealth
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.gpuload import Loaded, load_all
from vetting.stages.probes.gpus import (
    NVIDIA,
    NVIDIA_SMI_LIMIT_S,
    ask_nvidia,
    component,
    found,
    gpus_among,
    pci_devices,
    same_slot,
)
from vetting.stages.stressng_load import END_LIMIT_S

LOOK_S = 5.0
LOOKS = 120  # at most about so many looks at one load


class Gpu:
    name: ClassVar[str] = "GPU"
    does: ClassVar[str] = "Loads every GPU and compares its memory errors, heat and link before, during and after."
    tools: ClassVar[tuple[str, ...]] = ()  # those that the GPUs found ask for; none without a GPU

    def planned_s(self, job: Job) -> float:
        return float(job.profile.gpu.seconds) if job.inventory and job.inventory.gpus else 0.0

    def limit_s(self, job: Job) -> float:
        return job.profile.gpu.seconds + END_LIMIT_S + 3 * NVIDIA_SMI_LIMIT_S

    async def run(self, deps: Deps) -> Outcome:
        known = deps.job.inventory.gpus if deps.job.inventory else ()
        try:
            there = gpus_among(await pci_devices(deps))
            nvidia = [device for device in there if device.vendor_code == NVIDIA]
            before = await ask_nvidia(deps, "gpu-before.xml") if nvidia else None
        except Unread as why:
            return Outcome.error(f"the GPUs could not be asked: {why}")
        present = [found(device, before) for device in there]
        gone = [gpu for gpu in known if not any(same_slot(gpu.pci, other.pci) for other in present)]
        if not present and not gone:
            return Outcome.skip("no GPU in this host")
        cells = [_cell(gpu, Verdict.FAIL, "it was there at Inventory and is gone from the bus") for gpu in gone]
        mine = [gpu for gpu, device in zip(present, there, strict=True) if device.vendor_code == NVIDIA]
        others = [gpu for gpu in present if gpu not in mine]
        cells += [_cell(gpu, Verdict.ERROR, f"no tool here can load and ask a {gpu.name}") for gpu in others]
        if before is None:
            return Outcome.of_cells(cells)
        return await Trial(deps, mine, before).outcome(cells)


def _cell(gpu: FoundGpu, verdict: Verdict, reason: str = "", *work: Work) -> Cell:
    return Cell(component=component(gpu), verdict=verdict, reason=reason, work=work)


def _of(told: NvidiaSmi, gpu: FoundGpu) -> Told | None:
    return next((each for each in told.gpus if same_slot(each.bus, gpu.pci)), None)


@dataclass(slots=True)
class Trial:
    """All NVIDIA GPUs of the host, loaded at the same moment."""

    deps: Deps
    gpus: Sequence[FoundGpu]
    before: NvidiaSmi
    seen: dict[str, list[Told]] = field(default_factory=dict)  # PCI slot -> looks during the load

    @property
    def knobs(self) -> GpuKnobs:
        return self.deps.job.profile.gpu

    async def outcome(self, cells: list[Cell]) -> Outcome:
        slots = sorted(gpu.pci for gpu in self.gpus)
        async with self._watched():
            loads = await load_all(self.deps, slots, self.knobs.seconds)
        try:
            after: NvidiaSmi | None = await ask_nvidia(self.deps, "gpu-after.xml")
            unread = ""
        except Unread as why:
            after, unread = None, str(why)
        cells += [self._judged(gpu, loads[gpu.pci], after, unread) for gpu in self.gpus]
        return Outcome.of_cells(
            cells,
            counters=tuple(counter for gpu in self.gpus for counter in self._counters(gpu, after)),
            measurements=tuple(measured for gpu in self.gpus for measured in self._measured(gpu)),
            findings=tuple(finding for gpu in self.gpus for finding in self._findings(gpu, after)),
        )

    def _judged(self, gpu: FoundGpu, load: Loaded, after: NvidiaSmi | None, unread: str) -> Cell:
        old, new = _of(self.before, gpu), _of(after, gpu) if after else None
        if old is None:
            return _cell(gpu, Verdict.ERROR, "it is on the bus, but the driver does not show it")
        looks = [*self.seen.get(gpu.pci, ()), *((new,) if new else ())]
        failing = gpuhealth.condemns(old, new, looks, self.knobs.max_temp_c)
        if load.verdict is Verdict.FAIL:
            failing.insert(0, load.reason)
        if after is not None and new is None:
            failing.append("the driver lost it during the load")
        if failing:
            return _cell(gpu, Verdict.FAIL, "; ".join(failing))
        unknown = [load.reason] if load.verdict is not Verdict.PASS else []
        unknown += (
            [unread] if unread else gpuhealth.unknown(old, new, self.seen.get(gpu.pci, ()), verified=load.verified)
        )
        if unknown:
            return _cell(gpu, Verdict.ERROR, "; ".join(unknown))
        work = Work(what="GPUs under load", done=load.seconds, of=self.knobs.seconds, unit="s")
        remarks = [] if load.verified else ["its results were not compared: stress-ng's load only computes"]
        return _cell(gpu, Verdict.PASS, "; ".join([*remarks, *gpuhealth.not_observable(old)]), work)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Looks at the GPUs again and again while the body runs."""
        period_s = max(LOOK_S, self.knobs.seconds / LOOKS) if self.knobs.seconds >= 2 * LOOK_S else 1.0

        async def watch() -> None:
            while True:
                await self.deps.sleep(period_s)
                with suppress(Unread):  # what is never seen is told as unknown at the end
                    self._look(await ask_nvidia(self.deps, "gpu-during.xml"))

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    def _look(self, told: NvidiaSmi) -> None:
        for gpu in self.gpus:
            if (now := _of(told, gpu)) is None:
                continue
            self.seen.setdefault(gpu.pci, []).append(now)
            for name, value, unit in gpuhealth.readings(now):
                self.deps.sample(f"{_stem(gpu)}.{name}", value, unit)

    def _counters(self, gpu: FoundGpu, after: NvidiaSmi | None) -> list[Counter]:
        old, new = _of(self.before, gpu), _of(after, gpu) if after else None
        was, now = gpuhealth.counters(old), gpuhealth.counters(new)
        return [
            Counter(component=component(gpu), name=name, before=was.get(name), after=now.get(name))
            for name in dict.fromkeys((*was, *now))
        ]

    def _measured(self, gpu: FoundGpu) -> list[Measurement]:
        highest: dict[tuple[str, str], float] = {}
        for told in self.seen.get(gpu.pci, ()):
            for name, value, unit in gpuhealth.readings(told):
                highest[name, unit] = max(value, highest.get((name, unit), value))
        return [
            Measurement(series=f"{_stem(gpu)}.{name}.max", value=value, unit=unit, component=component(gpu))
            for (name, unit), value in highest.items()
        ]

    def _findings(self, gpu: FoundGpu, after: NvidiaSmi | None) -> list[Finding]:
        return [
            Finding(severity=Severity.WARNING, component=component(gpu), text=text, source="nvidia-smi")
            for text in gpuhealth.remarks(
                _of(self.before, gpu), self.seen.get(gpu.pci, ()), _of(after, gpu) if after else None
            )
        ]


def _stem(gpu: FoundGpu) -> str:
    return f"gpu.{slug(gpu.uuid or gpu.pci)}"
