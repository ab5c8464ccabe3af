"""What came of every exchanged tool, told once at the end: stage, tool, stand-in, verdict and its first words."""

from __future__ import annotations

from dataclasses import dataclass, field

from vetting.domain.outcome import Verdict


@dataclass
class Matrix:
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(self, stage: str, tool: str, kind: str, verdict: str, reason: str) -> None:
        self.rows.append((stage, tool, kind, verdict, reason))

    def __str__(self) -> str:
        lines = [
            f"  {stage:<10} {tool:<24} {kind:<26} {verdict:<6} {why[:70]}"
            for stage, tool, kind, verdict, why in self.rows
        ]
        green = sum(Verdict(row[3]).passed for row in self.rows)
        tools = {name for row in self.rows for name in row[1].split("+")}
        return "\n".join([*lines, f"  {len(self.rows)} times {len(tools)} tools exchanged, {green} of them green"])
