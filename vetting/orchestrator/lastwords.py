"""What a dying host's kernel said, put with the attempt that ran: a file, lines in the log, a finding with the headline.

Told and never judged, for it came by UDP: the finding is a warning, and the attempt has failed by then for what we saw
ourselves. The functions that touch the store are called inside `Store.write` or `Store.read`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from vetting.domain.outcome import Finding, Severity
from vetting.domain.states import Event
from vetting.orchestrator.particulars import FAILURES
from vetting.orchestrator.records import NETCONSOLE
from vetting.parsers import crash, netconsole
from vetting.parsers.errors import bounded
from vetting.store import artifacts, attempts, findings, logs, runs
from vetting.store.artifacts import Stored

SOURCE = NETCONSOLE
FILE = "last-words.txt"
DEATHS = (Event.REBOOTED_UNEXPECTEDLY, Event.HOST_LOST)
HEAD = (
    "What this host's kernel said last, as it came by UDP (netconsole): level, seconds since its boot, text.\n"
    "Nobody signed it; it is told and was not judged.\n\n"
)
LogRows = list[tuple[str, int, str, str, str]]


@dataclass(slots=True)
class Heard:
    """A datagram and when it came; `told`: its lines stand in the run's log."""

    at: float
    data: bytes
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    crash: tuple[str, ...]  # headlines; empty where it spoke of no crash
    panic: bool  # the kernel gave up; it says nothing after that
    last: str
    file: bytes
    untold: tuple[tuple[float, netconsole.Line], ...]


def words_of(heard: Sequence[Heard]) -> Words:
    lines = tuple(netconsole.join(one.data for one in heard))
    untold = tuple((one.at, line) for one in heard if not one.told for line in netconsole.parse(one.data))
    found = crash.headlines(line.text for line in lines)
    return Words(
        crash=found,
        panic=any("Kernel panic" in one for one in found),
        last=bounded(lines[-1].text, crash.HEADLINE_CHARS) if lines else "",
        file=(HEAD + "".join(f"{_shown(line)}\n" for line in lines)).encode("utf-8", "backslashreplace"),
        untold=untold,
    )


def _shown(line: netconsole.Line) -> str:
    level = "-" if line.level is None else str(line.level)
    seconds = "" if line.seconds is None else f"{line.seconds:.6f}"
    return f"{level} {seconds:>14} {line.text}"


def log_rows(stage: str, lines: Iterable[tuple[float, netconsole.Line]]) -> LogRows:
    """Lines as the run's log takes them, dated by our clock."""
    return [(stage, int(at * 1000), _level(line), SOURCE, line.text) for at, line in lines]


def _level(line: netconsole.Line) -> str:
    if line.level is None:
        return "error" if crash.headlines((line.text,)) else "info"
    return "error" if line.level <= 3 else "warning" if line.level == 4 else "info" if line.level <= 6 else "debug"


def died(run_id: int) -> bool:
    """Whether the run's last failure was that its host rebooted, or fell silent."""
    failures = [row.event for row in runs.transitions_of(run_id) if row.event in FAILURES]
    return bool(failures) and failures[-1] in DEATHS


def used_bytes(run_id: int) -> int:
    return artifacts.used_bytes(run_id)


def tell(run_id: int, rows: LogRows) -> list[int]:
    return logs.append(run_id, rows)


def put(
    run_id: int, words: Words, rows: LogRows, stored: Stored | None, *, now: float, plain_too: bool, name: str
) -> tuple[str, Finding | None, list[int]]:
    """Returns the file's name, the finding if there is a new one, and the ids of the lines. `plain_too`: say so, too, where the kernel spoke of no
    crash. `name`: of the file that these words take the place of; empty where they are another boot's."""
    stage = runs.get(run_id).stage
    latest = attempts.latest(run_id, stage)
    number = latest.attempt if latest else 0
    ids = logs.append(run_id, rows)
    if stored is not None:
        name = name or _free_name(run_id, stage, number)
        artifacts.replace(run_id, stage, number, name, "text/plain", stored, now=now)
    if words.crash:
        text, severity = f"the kernel's last words: {'; '.join(words.crash)}", Severity.WARNING
    elif words.last and plain_too:
        text, severity = f"the kernel spoke of no crash before that; its last line: {words.last}", Severity.INFO
    else:
        return name, None, ids
    finding = Finding(severity=severity, component="host", text=text, source=SOURCE)
    return name, finding if findings.add(run_id, stage, number, (finding,), at=now) else None, ids


def _free_name(run_id: int, stage: str, attempt: int) -> str:
    taken = {one.name for one in artifacts.artifacts_of(run_id, stage, attempt)}
    return next(name for number in count(1) if (name := _file(number)) not in taken)


def _file(number: int) -> str:
    return FILE if number == 1 else FILE.replace(".", f"-{number}.")
