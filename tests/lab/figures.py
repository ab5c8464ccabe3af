"""What the lab measures beside its tests: power-on to claim, and how much of a run is not the tests themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.run import Run

IMAGE_FILES = ("vmlinuz", "initrd.img")


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one run. Times in seconds."""

    test: str
    host: str
    firmware: str
    to_claim_s: float
    wall_s: float | None = None  # from the claim to the end
    planned_s: float | None = None  # what its stages were meant to take
    retried: tuple[str, ...] = ()  # stages that could not be measured at first

    def line(self) -> str:
        claimed = f"{self.test}: {self.host} ({self.firmware}) claimed {self.to_claim_s:.0f} s after power-on"
        if self.wall_s is None or self.planned_s is None:
            return claimed
        over_s = self.wall_s - self.planned_s
        return (
            f"{claimed}; stages {self.planned_s:.0f} s as planned, {self.wall_s:.0f} s in all, overhead {over_s:.0f} s"
            + "".join(f"; tried again after an ERROR: {why}" for why in self.retried)
        )


@dataclass(slots=True)
class Figures:
    """Of one rack."""

    test: str
    runs: dict[tuple[str, int], Figure] = field(default_factory=dict)

    def note(self, run: Run) -> None:
        """Takes what a run has shown so far; more of it later takes its place."""
        view, host = run.last, run.host
        if view is None or not view.attempts or not host.powered_on_at:
            return
        claimed_at = min(attempt.started_at for attempt in view.attempts)
        to_claim_s = claimed_at - host.powered_on_at
        if to_claim_s < 0:  # powered on again since
            return
        figure = Figure(self.test, host.name, host.hardware.firmware, to_claim_s)
        if view.ended_at is not None and view.state == "Completed":
            planned_s = sum(attempt.planned_s for attempt in view.attempts)
            figure = Figure(
                self.test, host.name, host.hardware.firmware, to_claim_s, view.ended_at - claimed_at, planned_s,
                tuple(run.retried),
            )  # fmt: skip
        self.runs[(host.name, run.id)] = figure

    def lines(self) -> list[str]:
        """Empty where no host came as far as a claim."""
        return [figure.line() for figure in self.runs.values()]


def image_line(image: Path) -> str:
    """How large the live image is."""
    sizes = [f"{name} {(image / name).stat().st_size / 1e6:.1f} MB" for name in IMAGE_FILES if (image / name).exists()]
    return f"live image: {', '.join(sizes) or 'not built'}"
