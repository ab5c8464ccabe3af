"""Whether PCI Express links do under load what both their ends can: lanes that are missing are a bad seat, riser or socket.

Judged by the best that was seen while the load ran, for idle devices slow their link down on purpose. A link that is narrower
than both ends can be accuses the host; a slower one is told, for firmware may have set it so. A spec says otherwise by the
fields `pcie.width` and `pcie.speed` of its `severities`, for a board whose slot is wired narrower than it claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vetting.domain.difference import weight_of
from vetting.domain.outcome import Finding, Measurement

SOURCE = "pcie"
NOT_ONCE = 2  # looks in which a link has to be narrow to have lost lanes under load: one may fall into a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One reading of a port or device. None: it does not tell, as parts of the processor and emulated devices."""

    width: int | None = None  # lanes in use
    width_max: int | None = None
    speed_gt_s: float | None = None
    speed_max_gt_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Link:
    """A device, the port that it stands behind, and what was seen of the link between them."""

    pci: str  # of the device, or of the switch that it stands behind
    component: str  # disk:<serial>, nic:<mac>, gpu:<uuid>, else pci:<address>
    words: str  # what it is and where, for a person
    may_narrow: bool = False  # graphics processors drop lanes by themselves when they have nothing to do
    looks: list[tuple[End, End]] = field(default_factory=list)  # (device, port)

    @property
    def lanes(self) -> int | None:
        """As many as both ends can; None where one of them does not tell."""
        own, port = (max((each.width_max or 0 for each in side), default=0) for side in self._sides)
        return min(own, port) or None

    @property
    def speed_gt_s(self) -> float | None:
        own, port = (max((each.speed_max_gt_s or 0.0 for each in side), default=0.0) for side in self._sides)
        return min(own, port) or None

    @property
    def _sides(self) -> tuple[list[End], list[End]]:
        return [own for own, _ in self.looks], [port for _, port in self.looks]

    @property
    def widths(self) -> list[int]:
        return [own.width for own, _ in self.looks if own.width]

    @property
    def speeds(self) -> list[float]:
        return [own.speed_gt_s for own, _ in self.looks if own.speed_gt_s]


def judge_link(link: Link, severities: Mapping[str, str]) -> Iterator[Finding]:
    """What the looks at one link say against it."""
    lanes, widths = link.lanes, link.widths
    if lanes and widths:
        narrow = [width for width in widths if width < lanes]
        if max(widths) < lanes:
            yield _finding(link, severities, "pcie.width", f"ran {max(widths)} of {lanes} lanes wide under load")
        elif len(narrow) >= NOT_ONCE and not link.may_narrow:
            yield _finding(link, severities, "pcie.width", f"fell from {lanes} to {min(narrow)} lanes under load")
    speed, speeds = link.speed_gt_s, link.speeds
    if speed and speeds and max(speeds) < speed:
        yield _finding(link, severities, "pcie.speed", f"ran at {max(speeds):g} of {speed:g} GT/s under load")


def _finding(link: Link, severities: Mapping[str, str], name: str, what: str) -> Finding:
    severity = weight_of(name, severities)
    advice = "; reseat it and look at its riser, cable and socket" if name == "pcie.width" else ""
    return Finding(
        severity=severity, component=link.component, text=f"the PCIe link of {link.words} {what}{advice}", source=SOURCE
    )


def measured(link: Link) -> Iterator[Measurement]:
    """The best that was seen, for comparison with peers and with the last good run."""
    stem = f"pcie.{link.pci.replace(':', '-').replace('.', '-')}"
    if link.widths:
        yield Measurement(series=f"{stem}.width", value=max(link.widths), unit="lanes", component=link.component)
    if link.speeds:
        yield Measurement(series=f"{stem}.speed", value=max(link.speeds), unit="GT/s", component=link.component)
