"""The BMC's event log around a stage: what it wrote down meanwhile, by record number, never by its time stamps.

Asked only where there is a BMC. The log is never cleared; one that was cleared or ran full in between is told as such.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vetting import proc
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import Counter, Finding, Severity, ToolRun
from vetting.parsers import ipmitool
from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.ipmitool import SelRecord
from vetting.stages.probes.rails import BMC_DEVICES

LAST = 64  # records that are asked for: a stage that brings more has been told of enough
ARGV = ("ipmitool", "sel", "elist", "last", str(LAST))
LIMIT_S = 20.0
TRIES = 3  # a BMC is slow now and then; one that stays silent is unknown
FINDINGS = 20  # of one stage

# What no load of ours brings about on sound hardware (IPMI 2.0, table 42-3). Heat is judged by the host's own limits, a
# corrected error by its number.
ACCUSES = re.compile(
    r"uncorrectable|logging limit reached|parity|machine check|\bierr\b|\bmca? error|bus fatal|\bperr\b|\bserr\b|(?<!non-)fatal"
    r"|thermal trip|failure detected|predictive failure|ac lost|input lost|out-of-range|drive fault|in failed array"
    r"|redundancy lost|non-recoverable",
    re.IGNORECASE,
)
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
    return (counter,), tuple(_finding(record) for record in came(before, after)[:FINDINGS])


def came(before: tuple[SelRecord, ...], after: tuple[SelRecord, ...]) -> tuple[SelRecord, ...]:
    """Records that were not there before, also where the log was cleared and counts from the beginning again."""
    known = {(record.record_id, record.text) for record in before}
    return tuple(record for record in after if (record.record_id, record.text) not in known)


def _newest(records: tuple[SelRecord, ...]) -> int:
    return records[-1].record_id if records else 0


def _finding(record: SelRecord) -> Finding:
    said = f"{record.sensor} {record.event}"
    accused = record.asserted is not False and ACCUSES.search(said)
    part = next((name for name, words in COMPONENTS if words.search(said)), "host")
    severity = Severity.CRITICAL if accused else Severity.WARNING
    return Finding(severity=severity, component=part, text=bounded(f"the BMC recorded: {record.text}"), source="sel")
