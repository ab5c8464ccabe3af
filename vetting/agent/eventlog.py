"""The BMC's event log around a stage: what it wrote down meanwhile, by record number, never by its time stamps.

Asked only where there is a BMC. The log is never cleared; one that was cleared or ran full in between is told as such.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vetting import proc
from vetting.domain.ambient import CORRECTED_LIMIT
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Counter, Finding, Severity, ToolRun
from vetting.parsers import ipmitool
from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.ipmitool import SelRecord
from vetting.stages.probes.rails import BMC_DEVICES

LAST = 64  # records that are asked for: a stage that brings more has been told of enough
ARGV = ("ipmitool", "sel", "elist", "last", str(LAST))
INFO = ("ipmitool", "sel", "info")
LIMIT_S = 20.0
TRIES = 3  # a BMC is slow now and then; one that stays silent is unknown
FINDINGS = 20  # of one stage

# What no load of ours brings about on sound hardware (IPMI 2.0, tables 42-2 and 42-3). A corrected error is judged by its
# number, a slow fan by what its sensor reads.
ACCUSES = re.compile(
    r"uncorrectable|logging limit reached|parity|machine check|\bierr\b|\bmca? error|bus fatal|\bperr\b|\bserr\b|(?<!non-)fatal"
    r"|thermal trip|failure detected|predictive failure|ac lost|input lost|out-of-range|drive fault|in failed array"
    r"|redundancy lost|non-recoverable|(?:voltage|temperature|current)\b.{0,60}(?:upper|lower) critical",
    re.IGNORECASE,
)
CORRECTED = re.compile(r"(?<!un)correctable ecc", re.IGNORECASE)
# Parts as BMCs print them: "@DIMMA1(CPU1)", "P2-DIMMB1", "CPU1_DIMM_A3"; "Bus 3b Device 00 Function 0"; "Slot 3".
DIMM = re.compile(r"\b(?:P\d+[-_]|CPU ?\d+[-_ ])?DIMM[-_ ]?[A-Z0-9]{1,3}\b(?:\(CPU ?\d+\))?", re.IGNORECASE)
BUS = re.compile(
    r"\bbus[: ]+(?:0x)?([0-9a-f]{1,2})[, ]+dev(?:ice)?[: ]+(?:0x)?([0-9a-f]{1,2})[, ]+func(?:tion)?[: ]+(?:0x)?([0-7])\b",
    re.I,
)
SLOT = re.compile(r"\bslot[ #:]*(\w{1,8})\b", re.IGNORECASE)
COMPONENTS = (("memory", re.compile(r"memory|dimm|ecc", re.I)), ("psu", re.compile(r"power supply|\bps\d|psu", re.I)),
              ("cpu", re.compile(r"processor|cpu", re.I)))  # fmt: skip

Ask = Callable[[Sequence[str]], Awaitable[ToolRun]]


async def ask_plainly(argv: Sequence[str]) -> ToolRun:
    return await proc.run(argv, limit_s=LIMIT_S)


@dataclass(frozen=True, slots=True)
class EventLog:
    root: Path
    ask: Ask = ask_plainly

    @property
    def there(self) -> bool:
        return any(True for pattern in BMC_DEVICES for _ in self.root.glob(pattern.lstrip("/")))

    async def read(self, *, tries: int = TRIES) -> tuple[SelRecord, ...] | None:
        """The last records, oldest first; None where the BMC does not tell."""
        for _ in range(tries):
            try:
                ended = await self.ask(ARGV)
                if ended.exit_code == 0 and not ended.timed_out:
                    return ipmitool.parse_sel(f"{ended.stdout}\n{ended.stderr}")
            except ToolMissing:
                return None
            except ParseError:
                continue
        return None

    async def full(self) -> tuple[Finding, ...]:
        """A log that has no room left hears nothing any more; told, never cleared."""
        try:
            ended = await self.ask(INFO)
            told = ipmitool.parse_sel_info(ended.stdout)
        except (ToolMissing, ParseError):
            return ()
        if not told:
            return ()
        text = "the BMC's event log is full: what happens now is not recorded; save and clear it (ipmitool sel clear)"
        return (Finding(severity=Severity.WARNING, component="host", text=text, source="sel"),)


def since(known: int | None, records: tuple[SelRecord, ...]) -> tuple[Finding, ...]:
    """What the BMC wrote down after the record `known`: meanwhile the host died and booted anew."""
    if known is None:
        text = "the BMC's event log stands, but what it held before this run's host died is not known"
        return (Finding(severity=Severity.INFO, component="host", text=text, source="sel"),)
    if _newest(records) < known:
        text = "the BMC's event log was cleared, or ran full and began again, since this run looked at it last"
        began = Finding(severity=Severity.WARNING, component="host", text=text, source="sel")
        return (began, *(_finding(record) for record in records[-FINDINGS:]))
    return tuple(_finding(record) for record in records if record.record_id > known)[:FINDINGS]


def newest(records: tuple[SelRecord, ...] | None) -> int | None:
    """The newest record's number, 0 for an empty log; None where the BMC does not tell."""
    return None if records is None else _newest(records)


def grown(
    before: tuple[SelRecord, ...] | None, after: tuple[SelRecord, ...] | None
) -> tuple[tuple[Counter, ...], tuple[Finding, ...]]:
    """The newest record's number before and after, and a finding for each record that came."""
    numbers = [None if records is None else float(_newest(records)) for records in (before, after)]
    counter = Counter(component="host", name="sel_record_id", before=numbers[0], after=numbers[1])
    if before is None or after is None:
        return (counter,), ()
    new = came(before, after)
    return (counter,), (*_too_many(new), *(_finding(record) for record in new[:FINDINGS]))


def came(before: tuple[SelRecord, ...], after: tuple[SelRecord, ...]) -> tuple[SelRecord, ...]:
    """Records that were not there before, also where the log was cleared and counts from the beginning again."""
    known = {(record.record_id, record.text) for record in before}
    return tuple(record for record in after if (record.record_id, record.text) not in known)


def _newest(records: tuple[SelRecord, ...]) -> int:
    return records[-1].record_id if records else 0


def _too_many(records: Sequence[SelRecord]) -> tuple[Finding, ...]:
    """Corrected memory errors that came more often than ECC is for, where the BMC is the only one to hear of them."""
    corrected = [record for record in records if record.asserted is not False and CORRECTED.search(record.text)]
    if len(corrected) <= CORRECTED_LIMIT:
        return ()
    text = (
        f"the BMC recorded {len(corrected)} corrected memory errors during the stage, {CORRECTED_LIMIT} are tolerated"
    )
    return (Finding(severity=Severity.CRITICAL, component=part_of(corrected[0].text), text=text, source="sel"),)


def part_of(said: str) -> str:
    """The part that a record speaks of: dimm:<label>, pci:<address> or pci:slot <n>, else memory, psu, cpu or host."""
    if match := DIMM.search(said):
        return f"dimm:{match[0]}"
    if match := BUS.search(said):
        return f"pci:0000:{match[1].lower():0>2}:{match[2].lower():0>2}.{match[3]}"
    part = next((name for name, words in COMPONENTS if words.search(said)), "host")
    match = SLOT.search(said) if part == "host" else None
    return f"pci:slot {match[1]}" if match else part


def _finding(record: SelRecord) -> Finding:
    said = f"{record.sensor} {record.event}"
    accused = record.asserted is not False and ACCUSES.search(said)
    severity = Severity.CRITICAL if accused else Severity.WARNING
    return Finding(
        severity=severity,
        component=part_of(record.text),
        text=bounded(f"the BMC recorded: {record.text}"),
        source="sel",
    )
