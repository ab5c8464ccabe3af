"""A crash in the kernel's own words: which lines of its log say that it died, and of what."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vetting.parsers.errors import bounded

LINE_CHARS = 1000
HEADLINE_CHARS = 300
MOST = 3  # headlines; what comes after the first few follows from them

HEADLINE = re.compile(
    r"Kernel panic - not syncing|(?<![\w-])BUG: |kernel BUG at |Oops: |[Oo]ops\[#|general protection fault|Unable to handle kernel"
    r"|soft lockup - CPU|hard LOCKUP|Uncorrected hardware memory error|Fatal (?:local )?[Mm]achine [Cc]heck|Machine [Cc]heck: "
    r"|Hardware Error\]|NMI received for unknown reason|NMI: (?:PCI system|IOCK) error|rcu: INFO: .{1,60} detected stalls|blocked for more than \d+ seconds|Out of memory and no killable"
)
STAMP = re.compile(r"^(?:<\d{1,3}>)?\[\s*\d{1,9}\.\d{1,9}(?:,[^\]]{0,40})?\]\s?")


def headlines(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines that name a crash, the first of each, at most three; a panic's is always among them."""
    found: list[str] = []
    panic = ""
    for line in lines:
        said = STAMP.sub("", line[:LINE_CHARS])
        if not HEADLINE.search(said) or said.startswith("---[ end"):
            continue
        said = bounded(said, HEADLINE_CHARS)
        if "Kernel panic" in said:
            panic = panic or said
        elif said not in found and len(found) < MOST - 1:
            found.append(said)
    return (*found, panic) if panic else tuple(found)
