"""Fans that the kernel's own monitors show, looked at while processors are loaded: one that turned and then stands still is told.

A warning, for boards switch fans off on purpose; where there is a BMC its sensors accuse (`vetting.stages.probes.bmcalarms`), and
heat does in any case.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

from vetting.clock import Clock
from vetting.domain.outcome import Finding, Outcome, Severity

STAGES = frozenset({"CPUStress", "Burn"})
LOOK_S = 5.0
STILL = 3  # looks in a row


@dataclass(slots=True)
class FanWatch:
    root: Path
    stage: str
    turns: dict[Path, list[int]] = field(default_factory=dict)

    async def watch(self, clock: Clock) -> None:
        while self.stage in STAGES:
            await asyncio.to_thread(self.look)
            await clock.sleep(LOOK_S)

    def look(self) -> None:
        for path in sorted((self.root / "sys/class/hwmon").glob("hwmon*/fan*_input")):
            text = _text(path)
            if text.isdecimal():
                self.turns.setdefault(path, []).append(int(text[:9]))

    def judged(self, outcome: Outcome) -> Outcome:
        told = tuple(
            Finding(severity=Severity.WARNING, component="fans", text=_spoken(path, seen), source="hwmon")
            for path, seen in sorted(self.turns.items())
            if len(seen) > STILL and max(seen) > 0 and seen[-STILL:] == [0] * STILL
        )
        return replace(outcome, findings=(*outcome.findings, *told))


def _spoken(path: Path, seen: list[int]) -> str:
    label = _text(path.with_name(path.name.replace("_input", "_label"))) or path.name.removesuffix("_input")
    name = f"{_text(path.parent / 'name')} {label}".strip()
    return f"the fan {name} turned at {max(seen)} RPM and stands still under load"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:40]
    except OSError:
        return ""
