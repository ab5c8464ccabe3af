"""What the BMC's sensors held against the host while a stage ran: readings past its own thresholds, fans that stand still.

A sensor without a reading (ns) says nothing. One that is past a critical threshold is what the red light on the front is for;
it counts once two readings say so, for buses to sensors have their glitches. A spec may weigh it otherwise by the field
`bmc.alarm` of its `severities`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from vetting.domain.difference import weight_of
from vetting.domain.outcome import Finding, Severity
from vetting.parsers.errors import bounded
from vetting.parsers.ipmitool import SensorReading
from vetting.stages.probes.envelope import CRITICAL, POWER_SUPPLY, PRESENT, of_supply

Readings = tuple[SensorReading, ...]
ALARM = "bmc.alarm"
TWICE = 2
# States of discrete sensors that no load brings about on sound hardware; those of power supplies are judged in PSU too.
WORSE = re.compile(
    r"drive fault|in failed array|predictive failure|failure detected|ac lost|input lost|redundancy lost|uncorrectable|\bierr\b"
    r"|thermal trip|state asserted.{0,20}critical|transition to (?:critical|non-recoverable)|device disabled",
    re.IGNORECASE,
)
PARTS = (
    ("psu", re.compile(r"\bps\d?\b|psu|power supply", re.I)),
    ("memory", re.compile(r"dimm|mem", re.I)),
    ("cpu", re.compile(r"cpu|proc", re.I)),
    ("fans", re.compile(r"fan", re.I)),
)


def is_alarm(reading: SensorReading) -> bool:
    """Past a critical or non-recoverable threshold."""
    return bool(CRITICAL.match(reading.status))


def alarms(readings: Sequence[Readings], severities: Mapping[str, str]) -> tuple[Finding, ...]:
    """What readings of all sensors, in the order of time, say together; the first is from before the load."""
    if not readings:
        return ()
    severity = weight_of(ALARM, severities)
    found = [
        *_past_thresholds(readings, severity),
        *_standing_still(readings, severity),
        *_turned_bad(readings, severity),
    ]
    return tuple(found)


def supplies(readings: Readings | None) -> float | None:
    """How many power supplies the BMC sees; None where it does not tell of any."""
    seen = [each for each in readings or () if each.entity.startswith(POWER_SUPPLY)]
    return float(len({each.entity for each in seen if PRESENT.search(each.text)})) if seen else None


def _history(readings: Sequence[Readings]) -> dict[tuple[str, str], list[SensorReading]]:
    history: dict[tuple[str, str], list[SensorReading]] = {}
    for reading in readings:
        for each in reading:
            history.setdefault((each.number, each.name), []).append(each)
    return history


def _past_thresholds(readings: Sequence[Readings], severity: Severity) -> Iterator[Finding]:
    for past in _history(readings).values():
        bad = [each for each in past if is_alarm(each)]
        if not bad:
            if any(each.bad for each in past):
                yield _finding(
                    Severity.WARNING,
                    past[-1],
                    f"{_spoken(next(e for e in past if e.bad))}, past the BMC's first warning",
                )
            continue
        when = "already before the load" if is_alarm(past[0]) else "under load"
        text = f"{_spoken(bad[-1])}, past the BMC's own critical threshold, {when}"
        yield _finding(severity if len(bad) >= TWICE else Severity.WARNING, bad[-1], text)


def _standing_still(readings: Sequence[Readings], severity: Severity) -> Iterator[Finding]:
    """Fans that turned and then did not, and fans that never turn while their neighbours do, past no threshold of the BMC's."""
    for past in _history(readings).values():
        turns = [each.value for each in past if each.unit == "RPM" and each.value is not None]
        if not turns or any(is_alarm(each) for each in past) or past[0].entity.startswith(POWER_SUPPLY):
            continue
        if max(turns) > 0 and len(turns) >= TWICE and turns[-TWICE:] == [0.0] * TWICE:
            yield _finding(
                severity, past[-1], f"the fan {past[-1].name} turned at {max(turns):.0f} RPM and stands still now"
            )
        elif max(turns) == 0:
            yield _finding(
                Severity.WARNING, past[-1], f"the fan {past[-1].name} stands still and the BMC does not mind"
            )


def _turned_bad(readings: Sequence[Readings], severity: Severity) -> Iterator[Finding]:
    for past in _history(readings).values():
        if past[0].value is not None or not (bad := [each for each in past if WORSE.search(each.text)]):
            continue
        if WORSE.search(past[0].text):
            if not of_supply(past[0]):  # what stands against a supply is for PSU to say
                yield _finding(Severity.WARNING, bad[-1], f"the sensor {_spoken(bad[-1])} already before the load")
        elif len(bad) >= TWICE or WORSE.search(past[-1].text):
            yield _finding(severity, bad[-1], f"the sensor {_spoken(bad[-1])} since the load")


def _spoken(reading: SensorReading) -> str:
    return f"{reading.name} says {reading.text or reading.status}"


def _finding(severity: Severity, reading: SensorReading, text: str) -> Finding:
    part = "psu" if reading.entity.startswith(POWER_SUPPLY) else ""
    part = part or next((name for name, words in PARTS if words.search(reading.name)), "host")
    return Finding(severity=severity, component=part, text=bounded(f"BMC: {text}"), source="bmc")
