"""What gpu-burn said. It ends with 0 on a FAULTY GPU, so only its text counts: "GPU 0: OK", "GPU 1: FAULTY"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError

TOOL = "gpu-burn"
RESULT = re.compile(r"^\s*GPU (\d{1,3}): (OK|FAULTY)\s*$", re.MULTILINE)
TESTED = re.compile(r"^\s*Tested (\d{1,3}) GPUs?:", re.MULTILINE)
PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%\s")
LINE_CHARS = 20_000  # a progress line holds a few words for each GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuBurnRun:
    healthy: dict[int, bool]  # GPU index -> its own verdict
    tested: int | None
    errors: tuple[int, ...]  # largest count seen for each GPU, in order; empty where it printed no progress
    progress_percent: float | None  # as far as it came
    died: bool  # a worker died or none was left

    @property
    def complete(self) -> bool:
        """It gave a verdict on every GPU that it says it tested."""
        return self.tested is not None and self.tested > 0 and len(self.healthy) == self.tested


def parse(text: str) -> GpuBurnRun:
    """stdout and stderr joined. Raises ParseError where it neither progressed nor judged a GPU."""
    verdicts = {int(match[1]): match[2] == "OK" for match in RESULT.finditer(text)}
    tested = TESTED.search(text)
    largest: list[int] = []
    percent: float | None = None
    for line in re.split(r"[\r\n]", text):
        match = PERCENT.match(line.strip())
        counts = _errors(line[:LINE_CHARS]) if match and "proc'd:" in line else None
        if match and counts is not None:
            percent = float(match[1])
            largest = [max(pair) for pair in zip(counts, [*largest, *[0] * len(counts)], strict=False)]
    if not verdicts and percent is None and not tested:
        raise ParseError(TOOL, "no GPU was judged in it", text)
    died = bool(re.search(r"DIED!|No clients are alive|Couldn't init", text))
    return GpuBurnRun(
        healthy=verdicts,
        tested=int(tested[1]) if tested else None,
        errors=tuple(largest),
        progress_percent=percent,
        died=died,
    )


def _errors(line: str) -> list[int] | None:
    """ "errors: 0 - 12 (WARNING!)   temps: ..." -> [0, 12]; None where the line was cut before it."""
    _, found, rest = line.partition("errors:")
    return [int(each) for each in re.findall(r"(?:^|- )\s*(\d{1,15})", rest.partition("temps:")[0])] if found else None
