"""What is looked at beside a stage, by nobody's program but ours: PCIe links, PCI devices that vanish, fans, the BMC's sensors.

A stage knows nothing of it. Its outcome goes out with what was seen, and `runner.judged` makes of that what it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vetting.agent.eventlog import Ask, EventLog
from vetting.agent.fans import FanWatch
from vetting.agent.links import LinkWatch
from vetting.agent.pcitree import PciTree
from vetting.agent.sensorwatch import STAGES, SensorWatch, ask_plainly
from vetting.clock import Clock
from vetting.domain.outcome import Counter, Finding, Outcome, Severity, Verdict
from vetting.stages.base import Job
from vetting.stages.probes.bmcalarms import Readings

FIRST = "Inventory"


@dataclass(slots=True)
class Around:
    """For all attempts of one agent; `sensors` is what the BMC said last."""

    root: Path
    clock: Clock
    ask: Ask = ask_plainly
    sensors: Readings | None = None
    tree: PciTree | None = None

    async def watched(self, name: str, job: Job, attempt: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """The attempt's outcome with what was seen meanwhile. Nothing here makes an outcome better."""
        tree = self.tree = PciTree(self.root)
        await asyncio.to_thread(tree.remember)
        links = LinkWatch(tree, name, job.inventory)
        log = EventLog(self.root, self.ask)
        bmc = SensorWatch(self.clock, self.ask, self.sensors) if name in STAGES and log.there else None
        fans = FanWatch(self.root, name)
        going: list[Coroutine[Any, Any, None]] = [links.watch(self.clock), fans.watch(self.clock)]
        if bmc:
            await bmc.begin()
            going.append(bmc.watch())
        watchers = [asyncio.create_task(each, name=f"beside {name}") for each in going]
        try:
            outcome = await attempt()
        finally:
            for each in watchers:
                each.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        if outcome.verdict is Verdict.CANCELLED:  # somebody waits for it to let go
            return outcome
        await asyncio.to_thread(links.look)
        outcome = _with_gone(fans.judged(links.judged(outcome, job.expected.severities)), tree)
        if name == FIRST and log.there:
            outcome = replace(outcome, findings=(*outcome.findings, *await log.full()))
        if bmc:
            await bmc.end()
            self.sensors = bmc.after
            outcome = bmc.judged(outcome, job.expected.severities)
        return outcome

    def named(self, counters: tuple[Counter, ...]) -> tuple[Counter, ...]:
        """PCI devices whose counters moved, in the words that a person would look for them by."""
        return tuple(self._named(each) if each.before != each.after else each for each in counters)

    def _named(self, counter: Counter) -> Counter:
        kind, _, address = counter.component.partition(":")
        if kind != "pci" or self.tree is None:
            return counter
        return replace(counter, component=f"pci:{address} {self.tree.spoken(address)}")


def _with_gone(outcome: Outcome, tree: PciTree) -> Outcome:
    lost = tuple(
        Finding(
            severity=Severity.CRITICAL,
            component=f"pci:{address}",
            text=f"{tree.spoken(address)} is gone from the PCI bus",
            source="pcie",
        )
        for address in tree.gone()
    )
    return replace(outcome, findings=(*outcome.findings, *lost))
