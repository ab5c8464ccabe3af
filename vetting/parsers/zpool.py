"""What `zpool status` says of pools that resilver or scrub now."""

from __future__ import annotations

import re

from vetting.parsers.errors import ParseError

TOOL = "zpool"


def parse_busy(text: str) -> tuple[str, ...]:
    """stdout: "rpool (resilver)" for each pool at work. Raises ParseError where it names neither a pool nor their absence."""
    if "no pools available" in text:
        return ()
    busy, pool, pools = [], "", 0
    for line in text.splitlines():
        if match := re.match(r"\s*pool: (\S{1,255})$", line):
            pool, pools = match[1], pools + 1
        elif match := re.match(r"\s*scan: (resilver|scrub) (?:in progress|paused)", line):
            busy.append(f"{pool} ({match[1]})")
    if not pools:
        raise ParseError(TOOL, "no pool in it", text)
    return tuple(busy)
