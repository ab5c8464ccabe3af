"""Asks the BMC for all its sensors before, while and after a stage loads the host. Rules: `vetting.stages.probes.bmcalarms`.

Asked only where there is a BMC. What it says at the end of one stage is what held before the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vetting import proc
from vetting.agent.eventlog import TRIES, Ask
from vetting.clock import Clock
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Counter, Outcome, ToolRun
from vetting.parsers import ipmitool
from vetting.parsers.errors import ParseError
from vetting.stages.probes.bmcalarms import Readings, alarms, is_alarm, supplies
from vetting.stages.probes.rails import SDR, SDR_LIMIT_S

STAGES = frozenset({"CPUStress", "Storage", "Burn", "GPU"})  # PSU asks for itself
FIRST_S, PERIOD_S = 20.0, 60.0  # a slow BMC needs half a minute for one answer
AGAIN_S = 3.0  # before a reading that alarms is taken once more


async def ask_plainly(argv: Sequence[str]) -> ToolRun:
    return await proc.run(argv, limit_s=SDR_LIMIT_S)


@dataclass(slots=True)
class SensorWatch:
    """One attempt at a stage. `before`: the last answer of the stage before, None where there is none."""

    clock: Clock
    ask: Ask = ask_plainly
    before: Readings | None = None
    readings: list[Readings] = field(default_factory=list)
    after: Readings | None = None

    async def begin(self) -> None:
        self.before = self.before or await self._read()
        if self.before is not None:
            self.readings.append(self.before)

    async def watch(self) -> None:
        await self.clock.sleep(FIRST_S)
        while True:
            await self._look()
            await self.clock.sleep(PERIOD_S)

    async def end(self) -> None:
        self.after = await self._look()

    def judged(self, outcome: Outcome, severities: Mapping[str, str]) -> Outcome:
        """The outcome with what the sensors said, and the power supplies counted."""
        was, now = supplies(self.before), supplies(self.after)
        heard = Counter(component="host", name="bmc_sensors", before=_heard(self.before), after=_heard(self.after))
        supplied = (
            (Counter(component="host", name="psus", before=was, after=now),) if (was, now) != (None, None) else ()
        )
        return replace(
            outcome,
            findings=(*outcome.findings, *alarms(self.readings, severities)),
            counters=(*outcome.counters, heard, *supplied),
        )

    async def _look(self) -> Readings | None:
        """Takes a reading down, and where it shows something new a second one that confirms it."""
        now = await self._read()
        if now is None:
            return None
        known = {each.name for past in self.readings for each in past if _odd(each)}
        self.readings.append(now)
        if any(_odd(each) and each.name not in known for each in now):
            await self.clock.sleep(AGAIN_S)
            if again := await self._read():
                self.readings.append(again)
                return again
        return now

    async def _read(self) -> Readings | None:
        for _ in range(TRIES):
            try:
                ended = await self.ask(SDR)
                if ended.exit_code == 0 and not ended.timed_out:
                    return ipmitool.parse_sdr(ended.stdout)
            except ToolMissing:
                return None
            except ParseError:
                continue
        return None


def _heard(readings: Readings | None) -> float | None:
    """How many sensors the BMC has; None where it does not answer, which is unknown and never fine."""
    return None if readings is None else float(len(readings))


def _odd(reading: ipmitool.SensorReading) -> bool:
    return is_alarm(reading) or (reading.unit == "RPM" and reading.value == 0)
