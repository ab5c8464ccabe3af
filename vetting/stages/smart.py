"""Asks every expected drive how it is, lets it test itself, and asks again.

One cell a drive. Health that is bad now and counters that grow accuse the drive; a drive that cannot be asked accuses us,
unless a hypervisor made it up: such a disk has no health of its own, and its cell says so. Volumes of a RAID controller
have none either: its members are examined in their place.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from vetting.domain.outcome import Outcome
from vetting.domain.profiles import SelfTest
from vetting.stages.base import Deps, Job
from vetting.stages.examination import Examination
from vetting.stages.probes import raid
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.drives import AT_ONCE, SMARTCTL_LIMIT_S, find, size_of
from vetting.stages.probes.selftest import LATE, LEAST_LONG_S, SHORT_S, SLOWEST_MB_S
from vetting.stages.raid_members import Members, is_volume, once


class Smart:
    name: ClassVar[str] = "SMART"
    does: ClassVar[str] = "Reads the health of every expected drive, runs its self-test and reads it again."
    tools: ClassVar[tuple[str, ...]] = ("smartctl", "lsblk")

    def planned_s(self, job: Job) -> float:
        return 0.0  # the drive says how long its test takes; a small one is done within seconds

    def limit_s(self, job: Job) -> float:
        """As long as the slowest drive may take; drives test themselves side by side, and only being asked takes turns."""
        knobs = job.profile.smart
        found = (
            job.inventory.disks if job.inventory else ()
        )  # behind a RAID controller there may be more than are expected
        turns = 1 + max(len(job.expected_disks), len(found)) // AT_ONCE
        asking_s = SMARTCTL_LIMIT_S * (2 + 2 * turns)
        if knobs.self_test is SelfTest.NONE:
            return asking_s
        if knobs.self_test is SelfTest.SHORT:
            return asking_s + SHORT_S + knobs.grace_s
        sizes = [*(size_of(disk, job.inventory) for disk in job.expected_disks), *(disk.size_bytes for disk in found)]
        slowest_s = max(sizes, default=0) / (SLOWEST_MB_S * 1e6)
        return asking_s + max(slowest_s, LEAST_LONG_S) * LATE + knobs.grace_s

    async def run(self, deps: Deps) -> Outcome:
        expected = deps.job.expected_disks
        if not expected:
            return Outcome.error("no disk is expected of this host, so none was tested; name its disks in the spec")
        try:
            found = await find(deps, expected)
        except Unread as why:
            return Outcome.error(f"the drives could not be listed: {why}")
        turns = asyncio.Semaphore(AT_ONCE)
        controllers = raid.controllers(deps)
        volumes = {name for one in controllers for name in one.volumes}
        direct = [disk for disk in expected if not is_volume(found.by_serial[disk.serial], volumes)]
        done = list(await asyncio.gather(*(Examination(deps, disk, turns).of(found) for disk in direct)))
        if controllers:
            done = once([*done, *await Members(deps, controllers, found, turns).examined()])
        return Outcome.of_cells(
            [each.cell for each in done],
            counters=tuple(counter for each in done for counter in each.counters),
            measurements=tuple(measurement for each in done for measurement in each.measurements),
            findings=tuple(finding for each in done for finding in each.findings),
        )
