"""What stands behind RAID controllers: their members examined like any drive, or an ERROR that says why nobody could.

A controller that shows volumes and no members must never end green: a volume looks well as long as one of its members does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import Cell, Verdict, Work
from vetting.parsers.errors import bounded
from vetting.stages.base import Deps
from vetting.stages.examination import Examination, Examined
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.drives import Drive, Found, comparable, introduced
from vetting.stages.probes.raid import RaidController


def is_volume(drive: Drive | None, volumes: Collection[str]) -> bool:
    return bool(drive and drive.volume and drive.block and drive.block.kname in volumes)


def once(examined: Sequence[Examined]) -> list[Examined]:
    """One cell a component: a member that bears its volume's serial, or is seen by two paths, has said what it has to say."""
    kept: dict[str, Examined] = {}
    for each in examined:
        before = kept.setdefault(each.cell.component, each)
        if before.cell.verdict.passed and not each.cell.verdict.passed:
            kept[each.cell.component] = each
    return list(kept.values())


@dataclass(slots=True)
class Members:
    """What stands behind the RAID controllers: each member is examined like any drive, whether the spec names it or not.

    A volume has no health of its own. Its cell is what its controller's members amount to.
    """

    deps: Deps
    controllers: Sequence[RaidController]
    found: Found
    turns: asyncio.Semaphore

    async def examined(self) -> list[Examined]:
        return [each for one in self.controllers for each in await self._behind(one)]

    async def _behind(self, controller: RaidController) -> list[Examined]:
        members = [drive for drive in self.found.seen if drive.controller == controller.pci]
        answers = await introduced(self.deps, members)
        named = [each for each in answers if isinstance(each, Drive) and each.told and each.told.serial]
        direct = {
            comparable(disk.serial)
            for disk in self.deps.job.expected_disks
            if not is_volume(self.found.by_serial[disk.serial], controller.volumes)
        }
        # A drive that is passed through beside a volume, or that has two paths, is seen twice.
        rest = {each.serials: each for each in reversed(named) if not each.serials & direct}
        done = list(await asyncio.gather(*(self._member(each) for each in rest.values())))
        cell = self._judged(controller, named, answers)
        failed = [each.cell for each in done if not each.cell.verdict.passed]
        worst = next((each for each in failed if each.verdict is Verdict.FAIL), failed[0] if failed else cell)
        return [*(Examined(each) for each in self._volumes(controller, worst)), Examined(cell), *done]

    async def _member(self, drive: Drive) -> Examined:
        assert drive.told and drive.told.serial
        disk = ExpectedDisk(serial=drive.told.serial, write=False)
        return await Examination(self.deps, disk, self.turns).of_drive(drive)

    def _judged(self, controller: RaidController, named: Sequence[Drive], answers: Sequence[Drive | Unread]) -> Cell:
        name = f"raid:{controller.pci}"
        if not controller.driver:
            why = f"members not visible behind {controller.spoken}: no driver has taken it; the image's kernel has to know it"
            return Cell(component=name, verdict=Verdict.ERROR, reason=why)
        silent = len(answers) - len(named)
        if silent:
            why = next((str(each) for each in answers if isinstance(each, Unread)), "it tells no serial")
            text = f"{silent} of {len(answers)} members behind {controller.spoken} cannot be asked: {why}"
            return Cell(component=name, verdict=Verdict.ERROR, reason=text)
        if not named:
            text = (
                f"members not visible behind {controller.spoken}: smartctl lists no drive behind its driver, {controller.driver}; "
                "have it pass its drives through (HBA or JBOD mode), or look at them with its maker's program and override"
            )
            return Cell(component=name, verdict=Verdict.ERROR, reason=text)
        serials = ", ".join(bounded(each.told.serial or "") for each in named if each.told)
        work = Work(what="members asked", done=len(named), of=len(named), unit="drives")
        return Cell(component=name, verdict=Verdict.PASS, reason=f"members: {serials}", work=(work,))

    def _volumes(self, controller: RaidController, worst: Cell) -> Iterator[Cell]:
        """The cells of expected disks that are volumes of this controller."""
        for disk in self.deps.job.expected_disks:
            if not is_volume(self.found.by_serial[disk.serial], controller.volumes):
                continue
            text = f"a volume of the RAID controller {controller.spoken}, with no health of its own"
            text += (
                f": {worst.reason or 'its members were examined'}"
                if worst.verdict.passed
                else f": {worst.component}: {worst.reason}"
            )
            yield Cell(component=f"disk:{disk.serial}", verdict=worst.verdict, reason=text)
