"""The counters read before and after every stage, whatever the stage does: which growth accuses whom.

Lifetime values inform; only growth judges. A counter that could be read before and not after is an ERROR; one that
could never be read is told as unknown. The agent names its counters as in RULES; a counter with another name belongs
to the stage that reported it and is only looked at for having become unreadable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from vetting.domain.dimmnames import told
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Counter, Finding, Severity, Verdict


class Blame(StrEnum):
    """Whom growth beyond the limit accuses."""

    HOST = "host"  # FAIL
    US = "us"  # ERROR
    NOBODY = "nobody"  # a warning to read


class Sense(StrEnum):
    GROWS = "grows"  # growth is trouble
    SHRINKS = "shrinks"  # a part went away


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
# A sound link may spoil one bit in 10^12 (IEEE 802.3), and switches send frames that some cards count as errors. Network
# itself tolerates none on the cards that it measures; this is what a card may collect beside the other stages.
STRAY_FRAMES = 10

RULES: Mapping[str, Rule] = {
    # memory and processors
    "hardware_corrupted_kb": Rule(words="memory that the kernel gave up as corrupted (HardwareCorrupted, KiB)"),
    "HardwareCorrupted": Rule(words="memory that the kernel gave up as corrupted (HardwareCorrupted, bytes)"),
    "mce": Rule(words="machine check exceptions"),
    # Where no EDAC driver names a DIMM they are all that is heard of corrected memory errors: the same number is too many.
    "corrected_checks": Rule(words="corrected errors that the kernel tells of", limit=CORRECTED_LIMIT),
    "uncorrected": Rule(words="uncorrected memory errors (EDAC)"),
    "corrected": Rule(words="corrected memory errors (EDAC)", limit=CORRECTED_LIMIT),
    "core_throttle_count": Rule(words="times that cores were slowed down for heat", blame=Blame.NOBODY),
    "package_throttle_count": Rule(words="times that processors were slowed down for heat", blame=Blame.NOBODY),
    # Our own load asked for more than there was: the test was not carried out, and the memory is not accused.
    "oom_kill": Rule(words="processes killed for want of memory", blame=Blame.US),
    # PCI Express
    "aer_dev_fatal": Rule(words="fatal PCIe errors (AER)"),
    "aer_dev_nonfatal": Rule(words="non-fatal PCIe errors (AER)"),
    "aer_dev_correctable": Rule(
        words="correctable PCIe errors (AER)", blame=Blame.NOBODY, limit=CORRECTED_LIMIT, remark=False
    ),
    # network; missed and FIFO errors mean that the host was too busy to empty the ring, which a load may do to it
    "rx_errors": Rule(words="receive errors", limit=STRAY_FRAMES),
    "rx_crc_errors": Rule(words="frames received with a bad checksum", limit=STRAY_FRAMES),
    "rx_frame_errors": Rule(words="frames received out of alignment", limit=STRAY_FRAMES),
    "rx_fifo_errors": Rule(words="receive FIFO overruns", blame=Blame.NOBODY),
    "rx_missed_errors": Rule(words="frames missed for want of buffers", blame=Blame.NOBODY),
    "tx_errors": Rule(words="transmit errors", limit=STRAY_FRAMES),
    "tx_aborted_errors": Rule(words="aborted transmissions"),
    "tx_carrier_errors": Rule(words="transmissions without carrier"),
    "tx_fifo_errors": Rule(words="transmit FIFO underruns", blame=Blame.NOBODY),
    # Down and up again are two changes; a single one is a link that came up late.
    "carrier_changes": Rule(words="changes of the carrier", limit=1),
    # disks
    "media_errors": Rule(words="media errors"),
    "reallocated_sectors": Rule(words="reallocated sectors"),
    "pending_sectors": Rule(words="sectors waiting for reallocation"),
    "uncorrectable_sectors": Rule(words="uncorrectable sectors"),
    "interface_crc_errors": Rule(words="checksum errors between disk and controller"),
    # BMC
    "sel_record_id": Rule(words="new records in the BMC's event log", blame=Blame.NOBODY),
    # parts
    "cpus": Rule(words="processors", sense=Sense.SHRINKS),
    "disks": Rule(words="disks", sense=Sense.SHRINKS),
    "dimms": Rule(words="memory modules", sense=Sense.SHRINKS),
    "nics": Rule(words="network cards", sense=Sense.SHRINKS),
    "gpus": Rule(words="GPUs", sense=Sense.SHRINKS),
    "psus": Rule(words="power supplies", sense=Sense.SHRINKS),
    "pci_devices": Rule(words="PCI devices", sense=Sense.SHRINKS),
}
# Links still train while Inventory looks: carriers come and go, and the frames of that moment are lost.
WIRE = frozenset(
    {
        "carrier_changes",
        "rx_errors",
        "rx_crc_errors",
        "rx_frame_errors",
        "tx_errors",
        "tx_aborted_errors",
        "tx_carrier_errors",
    }
)
LIMITS_OF: Mapping[str, Mapping[str, float]] = {"Inventory": dict.fromkeys(sorted(WIRE), math.inf)}
"""Stage -> limits that take the place of those of RULES."""

_OF_CONTROLLER = re.compile(r"(?:mc\d+_)(corrected|uncorrected)(?:_no_dimm)?")


def rule_of(name: str) -> Rule | None:
    """The rule for a counter; memory controllers count as `mc0_corrected` and `mc0_corrected_no_dimm`."""
    return RULES.get(_rule_name(name))


def _rule_name(name: str) -> str:
    match = _OF_CONTROLLER.fullmatch(name)
    return match[1] if match else name


class Judgement(NamedTuple):
    """`verdict` is FAIL where the host is accused, else ERROR where we are, else None."""

    findings: tuple[Finding, ...]
    verdict: Verdict | None
    reason: str


class _Count(NamedTuple):
    finding: Finding
    blame: Blame


def judge_counters(
    counters: Iterable[Counter], *, limits: Mapping[str, float] | None = None, inventory: Inventory | None = None
) -> Judgement:
    """What the growth of the counters over one stage says. `limits` replaces limits of RULES by counter name. `inventory`: by
    which the parts are told as a person would order them."""
    read = tuple(counters)
    counts = [count for counter in read for count in _judge(counter, limits or {}, told(counter.component, inventory))]
    accusing = [count for count in counts if count.blame is Blame.HOST]
    ours = [count for count in counts if count.blame is Blame.US]
    verdict = Verdict.FAIL if accusing else Verdict.ERROR if ours else None
    reason = "; ".join(count.finding.text for count in accusing or ours)
    findings = [count.finding for count in counts]
    unknown = sorted(
        {counter.name for counter in read if _readable(counter.before) is _readable(counter.after) is None}
    )
    if unknown:
        text = f"could not be read, so unknown and not zero: {', '.join(unknown)}"
        findings.append(Finding(severity=Severity.INFO, component="host", text=text, source="counters"))
    return Judgement(tuple(findings), verdict, reason)


def _readable(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _judge(counter: Counter, limits: Mapping[str, float], part: str) -> Iterable[_Count]:
    before, after = _readable(counter.before), _readable(counter.after)
    rule = rule_of(counter.name)
    what = f"{part}: {rule.words if rule else counter.name}"
    if before is not None and after is None:
        return [_count(counter, Severity.CRITICAL, Blame.US, f"{what} could be read before and not after the stage")]
    if rule is None:
        return []
    if after is None:
        return []  # told by the summary of what is unknown
    if before is None:
        text = f"{what} could be read after the stage and not before: its growth is unknown"
        return [_count(counter, Severity.WARNING, Blame.NOBODY, text)]
    limit = limits.get(_rule_name(counter.name), rule.limit)
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
