"""Looks at the PCI Express links of the parts that a stage loads, while it loads them. Rules: `vetting.domain.pcielinks`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from vetting.agent.pcitree import PciTree
from vetting.clock import Clock
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.pcielinks import End, Link, judge_link, measured
from vetting.stages.probes.gpus import CONSOLE_VENDORS, GPU_CLASSES

LOOK_S = 5.0
STORAGE, NETWORK = ("01",), ("02",)
LOADED: Mapping[str, tuple[str, ...]] = {
    "Storage": STORAGE,
    "Network": NETWORK,
    "Burn": (*STORAGE, *NETWORK),
    "GPU": tuple(sorted(GPU_CLASSES)),
}
"""Stage -> PCI classes (or their first digits) of the parts that it puts to work."""
NO_WIDTH = frozenset({0, 63, 255})  # integrated parts and emulated ones; a device that is switched off reads all ones
SPEED = re.compile(r"(\d{1,3}(?:\.\d)?) GT/s")
LINKS_UP = 4  # switches between a device and its root port that are followed


@dataclass(slots=True)
class LinkWatch:
    """The links of one attempt at a stage."""

    tree: PciTree
    stage: str
    inventory: Inventory | None
    links: dict[str, Link] = field(default_factory=dict)
    _known: list[tuple[Link, str, str]] | None = None

    async def watch(self, clock: Clock) -> None:
        """Looks again and again."""
        while self.stage in LOADED:
            await clock.sleep(LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        if self.stage not in LOADED:
            return
        if self._known is None:
            self._known = list(self._all())
        for link, device, port in self._known:
            link.looks.append((self._end(device), self._end(port)))

    def _all(self) -> Iterator[tuple[Link, str, str]]:
        """(link, device, port) of every link below which a part is loaded in this stage."""
        for address in self.tree.addresses():
            kind = self.tree.kind(address)
            if not kind.startswith(LOADED[self.stage]) or self.tree.vendor(address) in CONSOLE_VENDORS:
                continue
            for device, port in self._upwards(address):
                if device not in self.links:
                    self.links[device] = self._link(device, address, kind)
                    yield self.links[device], device, port

    def judged(self, outcome: Outcome, severities: Mapping[str, str]) -> Outcome:
        """The outcome with what the links said; a stage that was skipped loaded nothing."""
        if outcome.verdict is Verdict.SKIP or not self.links:
            return outcome
        told = sorted(self.links.values(), key=lambda link: link.pci)
        return replace(
            outcome,
            findings=(*outcome.findings, *(one for link in told for one in judge_link(link, severities))),
            measurements=(*outcome.measurements, *(one for link in told for one in measured(link))),
        )

    def _upwards(self, address: str) -> Iterator[tuple[str, str]]:
        """(device, port) of each link from here to the root: a switch's own two sides are joined by none."""
        for _ in range(LINKS_UP):
            port = self.tree.port(address) if address else ""
            if not port:
                return
            yield address, port
            address = self.tree.port(port)

    def _link(self, device: str, loaded: str, kind: str) -> Link:
        words = self.tree.spoken(loaded)
        if device != loaded:
            words = f"the switch at {self.tree.place(device)} above {words}"
        return Link(
            pci=device,
            component=component_of(self.tree, loaded, self.inventory),
            words=words,
            may_narrow=kind in GPU_CLASSES,
        )

    def _end(self, address: str) -> End:
        width, width_max = (_width(self.tree.text(address, f"{which}_link_width")) for which in ("current", "max"))
        speed, speed_max = (_speed(self.tree.text(address, f"{which}_link_speed")) for which in ("current", "max"))
        return End(width=width, width_max=width_max, speed_gt_s=speed, speed_max_gt_s=speed_max)


def component_of(tree: PciTree, address: str, inventory: Inventory | None) -> str:
    """As everywhere: disk:<serial>, nic:<mac>, gpu:<uuid>; `pci:<address>` for any other part."""
    for nic in inventory.nics if inventory else ():
        if nic.pci == address and nic.mac:
            return f"nic:{nic.mac}"
    for gpu in inventory.gpus if inventory else ():
        if gpu.pci == address:
            return f"gpu:{gpu.uuid or gpu.pci}"
    for drive in sorted(tree.folder(address).glob("nvme/nvme*")):
        if serial := tree.text(address, f"nvme/{drive.name}/serial"):
            return f"disk:{serial}"
    return f"pci:{address}"


def _width(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,3}", text) and int(text) not in NO_WIDTH else None


def _speed(text: str) -> float | None:
    match = SPEED.match(text)
    return float(match[1]) if match else None
