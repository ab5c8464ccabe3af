"""The counters read before and after every stage, whatever the stage does: which growth accuses whom.

Lifetime values inform; only growth judges. A counter that could be read before and not after is an ERROR; one that
could never be read is told as unknown. The agent names its counters as in RULES; a counter with another name belongs
to the stage that reported it and is only looked at for having become unreadable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from vetting.domain.outcome import Counter, Finding, Severity, Verdict


class Blame(StrEnum):
    """Whom growth beyond the limit accuses."""

    HOST = "host"  # FAIL
    US = "us"  # ERROR
    NOBODY = "nobody"  # a warning to read


class Sense(StrEnum):
    GROWS = "grows"  # growth is trouble
    SHRINKS = "shrinks"  # a part went away
    RECORDS = "records"  # growth is news


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`limit`: the growth (or loss) that is still tolerated in one stage; `remark`: growth within it is a warning."""

    words: str
    blame: Blame = Blame.HOST
    sense: Sense = Sense.GROWS
    limit: float = 0
    remark: bool = True


# A corrected error now and then is what ECC and PCIe replay are for; ten in one stage are no accident.
CORRECTED_LIMIT = 10

RULES: Mapping[str, Rule] = {
    # memory and processors
    "hardware_corrupted_kib": Rule(words="memory that the kernel gave up as corrupted (HardwareCorrupted)"),
    "mce": Rule(words="machine check exceptions"),
    "edac_ue": Rule(words="uncorrected memory errors (EDAC)"),
    "edac_ce": Rule(words="corrected memory errors (EDAC)", limit=CORRECTED_LIMIT),
    "throttle": Rule(words="times a core was throttled for heat", blame=Blame.NOBODY),
    # Our own load asked for more than there was: the test was not carried out, and the memory is not accused.
    "oom_kill": Rule(words="processes killed for want of memory on the whole host", blame=Blame.US),
    "load_oom_kill": Rule(words="processes of the load killed at the memory limit of its cgroup", blame=Blame.US),
    # PCI Express
    "aer_fatal": Rule(words="fatal PCIe errors (AER)"),
    "aer_nonfatal": Rule(words="non-fatal PCIe errors (AER)"),
    "aer_correctable": Rule(
        words="correctable PCIe errors (AER)", blame=Blame.NOBODY, limit=CORRECTED_LIMIT, remark=False
    ),
    # network
    "rx_errors": Rule(words="receive errors"),
    "tx_errors": Rule(words="transmit errors"),
    "rx_crc_errors": Rule(words="frames with a bad checksum"),
    # Down and up again are two changes; a single one is a link that came up late.
    "carrier_changes": Rule(words="changes of the carrier", limit=1),
    # disks
    "media_errors": Rule(words="media errors"),
    "reallocated_sectors": Rule(words="reallocated sectors"),
    "pending_sectors": Rule(words="sectors waiting for reallocation"),
    "uncorrectable_sectors": Rule(words="uncorrectable sectors"),
    "interface_crc_errors": Rule(words="checksum errors between disk and controller"),
    "critical_warning": Rule(words="critical warning bits of the drive"),
    # BMC
    "sel_record_id": Rule(words="new records in the BMC's event log", blame=Blame.NOBODY, sense=Sense.RECORDS),
    # parts
    "cpus": Rule(words="processors", sense=Sense.SHRINKS),
    "disks": Rule(words="disks", sense=Sense.SHRINKS),
    "dimms": Rule(words="memory modules", sense=Sense.SHRINKS),
    "nics": Rule(words="network cards", sense=Sense.SHRINKS),
    "gpus": Rule(words="GPUs", sense=Sense.SHRINKS),
    "psus": Rule(words="power supplies", sense=Sense.SHRINKS),
}


class Judgement(NamedTuple):
    """`verdict` is FAIL where the host is accused, else ERROR where we are, else None."""

    findings: tuple[Finding, ...]
    verdict: Verdict | None
    reason: str


class _Count(NamedTuple):
    finding: Finding
    blame: Blame


def judge_counters(counters: Iterable[Counter], *, limits: Mapping[str, float] | None = None) -> Judgement:
    """What the growth of the counters over one stage says. `limits` replaces limits of RULES by counter name."""
    counts = [count for counter in counters for count in _judge(counter, limits or {})]
    accusing = [count for count in counts if count.blame is Blame.HOST]
    ours = [count for count in counts if count.blame is Blame.US]
    verdict = Verdict.FAIL if accusing else Verdict.ERROR if ours else None
    reason = "; ".join(count.finding.text for count in accusing or ours)
    return Judgement(tuple(count.finding for count in counts), verdict, reason)


def _readable(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _judge(counter: Counter, limits: Mapping[str, float]) -> Iterable[_Count]:
    before, after = _readable(counter.before), _readable(counter.after)
    rule = RULES.get(counter.name)
    what = f"{counter.component}: {rule.words if rule else counter.name}"
    if before is not None and after is None:
        return [_count(counter, Severity.CRITICAL, Blame.US, f"{what} could be read before and not after the stage")]
    if rule is None:
        return []
    if before is None or after is None:
        severity = Severity.INFO if after is None else Severity.WARNING
        return [_count(counter, severity, Blame.NOBODY, f"{what} could not be read: unknown, not zero")]
    limit = limits.get(counter.name, rule.limit)
    if rule.sense is Sense.SHRINKS:
        return _shrunk(counter, rule, before - after, limit, what)
    return _grown(counter, rule, before, after, limit, what)


def _shrunk(counter: Counter, rule: Rule, lost: float, limit: float, what: str) -> list[_Count]:
    if lost <= limit:
        return []
    text = f"{what}: {counter.before:g} before the stage, {counter.after:g} after it"
    return [_count(counter, _weight(rule.blame), rule.blame, text)]


def _grown(counter: Counter, rule: Rule, before: float, after: float, limit: float, what: str) -> list[_Count]:
    """A counter that went back was reset by its driver or device: what it counted since then is its growth."""
    counts: list[_Count] = []
    growth = after - before
    if growth < 0:
        text = f"{what}: went back from {before:g} to {after:g}, so something was reset"
        counts.append(_count(counter, Severity.WARNING, Blame.NOBODY, text))
        growth = after
    if growth == 0:
        return counts
    text = f"{what}: {growth:+g} during the stage"
    if not growth <= limit:
        counts.append(_count(counter, _weight(rule.blame), rule.blame, text))
    elif rule.remark:
        counts.append(_count(counter, Severity.WARNING, Blame.NOBODY, text))
    return counts


def _weight(blame: Blame) -> Severity:
    return Severity.WARNING if blame is Blame.NOBODY else Severity.CRITICAL


def _count(counter: Counter, severity: Severity, blame: Blame, text: str) -> _Count:
    return _Count(Finding(severity=severity, component=counter.component, text=text, source="counters"), blame)
