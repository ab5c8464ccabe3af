"""What our own program `golden` said of each CPU on which it computed what is known."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.reading import load

TOOL = "vetting golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCpu:
    cpu: int
    rounds: int
    wrong: str  # what came out wrong; empty: nothing


def parse(text: str) -> tuple[OnCpu, ...]:
    """stdout, a line each CPU in the order of the work. Raises ParseError."""
    return tuple(_one(line) for line in text.splitlines() if line.strip())


def _one(line: str) -> OnCpu:
    row = load(TOOL, line)
    cpu, rounds, wrong = row.whole("cpu"), row.whole("rounds"), row.text("wrong")
    if cpu is None or rounds is None or wrong is None:
        raise ParseError(TOOL, "a line lacks cpu, rounds or wrong", line)
    return OnCpu(cpu=cpu, rounds=rounds, wrong=bounded(wrong))
