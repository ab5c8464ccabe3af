"""docs/fault-campaign.md and its JSON: what was put in, what caught it, in which words, after how long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tests.campaign.listed import LISTED
from tests.campaign.result import Came, Result

LONGEST = 220
DATE = re.compile(r"\d{2}/\d{2}/\d{2,4} \| \d{2}:\d{2}:\d{2}(?: [A-Z]{3})? \| ")
IDLE = (Came.NOT_TRIED, Came.NOT_REACHED)
OPENING = """# The fault campaign

`./build.sh campaign` puts every fault below into a virtual host, from power-on on, and lets a real orchestrator vet it with the real live
image; beside that it vets healthy hosts, no two alike, and counts what accuses them. This page is written by that command from what
happened; [`fault-campaign.json`](fault-campaign.json) holds the same with every word. A row is caught only where the named stage itself
came to its verdict and named the part in its own words.

The profile `campaign` has the same probes and gates as every other profile and is as short as an honest run can be; a row's run goes through
Inventory, Firmware, SpecValidate and the stages that the fault concerns, and ends where it is caught. `tests`: no whole host is needed, and
tests of other layers put the fault in. Seconds count from the injection; for what is there since power-on, from the start of the
stage; for `tests` they are what the tests took.
"""


def page(results: Sequence[Result], versions: Mapping[str, str]) -> str:
    faults = [one for one in results if one.row]
    tried = [one for one in faults if one.came not in IDLE]
    controls = [one for one in results if not one.row]
    parts = [
        OPENING, summary(results), "## Faults\n", table(tried), missed(faults), "## Healthy hosts\n", healthy(controls), "## Not tried\n",
        not_tried(faults), not_reached(results), "## With\n", "\n".join(f"- {name} {version}" for name, version in sorted(versions.items())) + "\n",
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def summary(results: Iterable[Result]) -> str:
    rows = list(results)

    def count(*came: Came) -> int:
        return sum(row.came in came for row in rows)

    caught = f"**{count(Came.CAUGHT)} faults caught, {count(Came.MISSED)} missed"
    healthy = (
        f"{count(Came.HEALTHY) + count(Came.FALSE_ALARM)} healthy hosts, {count(Came.FALSE_ALARM)} false alarms.**"
    )
    said = f"{caught}; {healthy} Not tried: {count(Came.NOT_TRIED)}."
    if late := count(Came.NOT_REACHED):
        said += f" Not reached before this campaign ended: {late} rows."
    if spoiled := count(Came.SPOILED):
        said += f" Nothing is known of {spoiled} rows that the rack itself spoiled."
    return said + "\n"


def table(results: Iterable[Result]) -> str:
    lines = ["| fault | profile | caught? | by | with which words | after |", "| --- | --- | --- | --- | --- | --- |"]
    order = {key: number for number, key in enumerate(LISTED)}
    for one in sorted(results, key=lambda one: order.get(one.row, len(order))):
        by = f"{one.stage} {one.verdict}".strip()
        after = "" if one.seconds is None else f"{one.seconds:g} s"
        came = "yes" if one.came is Came.CAUGHT else f"**{one.came}**"
        lines.append(f"| {cell(one.title)} | {one.profile} | {came} | {by} | {cell(one.words)} | {after} |")
    return "\n".join(lines) + "\n"


def missed(results: Iterable[Result]) -> str:
    rows = [one for one in results if one.came is Came.MISSED]
    said = [
        f"- **{one.title}** was missed; said instead: {cell('; '.join(one.instead) or one.words)}\n" for one in rows
    ]
    return "".join(said)


def healthy(controls: Iterable[Result]) -> str:
    lines = ["| healthy host | false alarms | minutes |", "| --- | --- | --- |"]
    for one in (one for one in controls if one.came not in IDLE):
        alarms = (
            "none"
            if one.came is Came.HEALTHY
            else str(one.came)
            if one.came in IDLE
            else f"**{one.came}**: {cell('; '.join(one.instead) or one.words)}"
        )
        alarms += "".join(f"; {cell(note)}" for note in one.notes)
        lines.append(f"| {cell(one.title)} | {alarms} | {one.wall_s / 60:.1f} |")
    return "\n".join(lines) + "\n"


def not_tried(results: Iterable[Result]) -> str:
    rows = [f"- {one.title}: {one.words}" for one in results if one.came is Came.NOT_TRIED]
    return "\n".join(rows or ["None: each of the rows can be put in here."]) + "\n"


def not_reached(results: Iterable[Result]) -> str:
    rows = [f"- {one.title}" for one in results if one.came is Came.NOT_REACHED]
    return "\n".join(["## Not reached before this campaign ended\n", *rows]) + "\n" if rows else ""


def undated(text: str) -> str:
    """Without the day and hour that a BMC put into its words: pages of two campaigns shall differ in what matters alone."""
    return DATE.sub("", text)


def cell(text: str) -> str:
    """One line that breaks no table."""
    flat = re.sub(r"\s+", " ", undated(text)).replace("|", "\\|").replace("<", "&lt;").strip()
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 2]} …"


def data(results: Sequence[Result], versions: Mapping[str, str]) -> bytes:
    shown = [
        one.but(versions={}, words=undated(one.words), instead=tuple(map(undated, one.instead))) for one in results
    ]
    said: dict[str, Any] = {
        "format": 1,
        "listed": LISTED,
        "versions": dict(sorted(versions.items())),
        "rows": [msgspec.to_builtins(one) for one in shown],
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"


def for_a_terminal(results: Iterable[Result]) -> str:
    """One line a row, then what went wrong in full."""
    lines = []
    for one in results:
        after = "" if one.seconds is None else f"{one.seconds:g} s"
        lines.append(f"{one.came:<11} {one.key:<44.44} {one.stage:<13} {after:>8}  {one.words[:90]}")
        if one.came in (Came.MISSED, Came.FALSE_ALARM):
            lines += [f"{'':12}{words}" for words in one.instead or (one.words,)]
    return "\n".join(lines)
