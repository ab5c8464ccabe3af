"""What `pvecm status` says of corosync's votes (it prints what corosync-quorumtool prints)."""

from __future__ import annotations

import re

from vetting.domain.safelook import Votes
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import whole

TOOL = "pvecm"
MEMBER = re.compile(r"0x[0-9a-f]{8}\s+(\d{1,4})\s+.*\(local\)\s*$", re.IGNORECASE)


def parse_votes(text: str) -> Votes:
    """stdout. Raises ParseError where one of the figures is missing.

    A quorum device has a vote among the total and a row of its own; it stays when this node goes.
    """
    fields: dict[str, str] = {}
    own = None
    for line in text.splitlines():
        if match := MEMBER.match(line.strip()):
            own = int(match[1])
            continue
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip().lower(), value.strip())
    missing = [name for name in ("total votes", "quorum", "quorate") if name not in fields]
    if missing or own is None:
        raise ParseError(TOOL, f"it does not tell {', '.join(missing) or 'the votes of this node'}", text)
    if fields["quorate"] not in ("Yes", "No"):
        raise ParseError(TOOL, "it does not tell whether the cluster is quorate", fields["quorate"])
    return Votes(
        present=whole(TOOL, fields["total votes"], "the total of votes"),
        own=own,
        needed=whole(TOOL, fields["quorum"].split()[0], "the quorum"),  # "2 Activity blocked"
        quorate=fields["quorate"] == "Yes",
    )
