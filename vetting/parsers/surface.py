"""What `vetting surface` printed: JSON, one object a line; progress on the way and exactly one result at the end.

The exit status is not looked at here: what was promised, written, verified and found bad stands in the result, and `Report`
checks it against itself before it calls anything clean.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "vetting surface"
FORMAT = 1
MAX_SERIES = 100


class SurfaceOutcome(StrEnum):
    """How the program says it ended. CLEAN is believed only through `Report.clean`."""

    CLEAN = "clean"
    BAD = "bad"  # the disk failed: the host is at fault
    VANISHED = "vanished"  # the disk left the machine while it was tested: the host is at fault
    STOPPED = "stopped"  # by TERM or the stop file
    REFUSED = "refused"  # a safety line stood against it; nothing was written
    ERROR = "error"  # we could not


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceProgress:
    """One progress line. Bytes of this phase; MiB/s since the line before."""

    phase: str
    cycle: int
    done_bytes: int
    of_bytes: int
    mib_s: float
    bad_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceError:
    """Bad blocks side by side. `phase`: write, verify, read or probe; offset and length in bytes of the disk."""

    phase: str
    cycle: int
    offset: int
    length: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfacePhase:
    """One pass: rates in MiB/s, latencies in ms; the profiles run from the first tested byte to the last."""

    phase: str
    cycle: int
    ok_bytes: int
    bad_blocks: int
    seconds: float
    mean_mib_s: float
    min_mib_s: float
    slowest_ms: float
    slowest_offset: int
    profile_mib_s: tuple[float, ...]
    profile_slowest_ms: tuple[float, ...]
    profile_seconds: tuple[float, ...] = ()  # that each part took


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceDisk:
    """Who the program found at the descriptor it tested."""

    name: str
    kind: str
    serial: str
    wwn: str
    model: str
    size_bytes: int
    transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceResume:
    """Where a session took up what an earlier one left: pass, byte of the disk, bytes done over all passes.

    `after`: what ended that one, process or boot.
    """

    phase: str
    cycle: int
    at_byte: int
    done_bytes: int
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is to be known of a checkpoint without believing it: only the program itself resumes from it."""

    seq: int  # of two the greater is newer
    heads_sha256: str  # of the file with the disk's ends
    done_bytes: int  # over all passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result line. Byte counts are sums over all cycles; `covered_bytes` are distinct bytes of the disk."""

    outcome: SurfaceOutcome
    reason: str
    disk: SurfaceDisk | None
    covered_bytes: int
    cycles: int
    bytes_promised: int
    bytes_written: int
    bytes_verified: int
    bytes_read: int
    bad_blocks: int
    errors: tuple[SurfaceError, ...]
    seconds: float
    phases: tuple[SurfacePhase, ...]
    objections: tuple[tuple[str, str], ...]  # safety line, reason
    hits: tuple[str, ...]  # what the wipe probe found, in words
    found: str  # blank, ours, data, unknown data; empty where nobody looked
    heads: str  # file with the disk's ends as they were
    heads_sha256: str  # of that file; after another boot this alone is known of it
    sessions: int
    resumed: bool
    resumes: tuple[SurfaceResume, ...]
    left_aside: str  # why a checkpoint of an earlier boot was not gone on from
    direct: bool | None  # False: the page cache lay between (scratch files only)
    lines_unread: int  # of the output, cut out by whoever kept it

    @property
    def clean(self) -> bool:
        """Every promised byte was written and verified, by its own numbers and not only by its own word."""
        return (
            self.outcome is SurfaceOutcome.CLEAN
            and self.bytes_promised > 0
            and self.bytes_promised == self.covered_bytes * self.cycles
            and self.bytes_written == self.bytes_verified == self.bytes_promised
            and [(each.phase, each.cycle, each.ok_bytes) for each in self.phases] == self._passes
            and self.bad_blocks == 0
            and not self.errors
            and not self.objections
        )

    @property
    def _passes(self) -> list[tuple[str, int, int]]:
        cycles = range(1, self.cycles + 1)
        return [(kind, cycle, self.covered_bytes) for cycle in cycles for kind in ("write", "verify")]

    @property
    def read_clean(self) -> bool:
        """The same for a scan that only reads."""
        return (
            self.outcome is SurfaceOutcome.CLEAN
            and self.bytes_read == self.bytes_promised == self.covered_bytes
            and self.bytes_promised > 0
            and self.bad_blocks == 0
            and not self.errors
        )

    @property
    def unexpected_data(self) -> bool:
        """Whether the wipe probe is all that stood against it, so that a person may override it."""
        return self.outcome is SurfaceOutcome.REFUSED and {line for line, _ in self.objections} == {"wipe probe"}


def parse_progress(line: str) -> SurfaceProgress | None:
    """A live line; None for anything that is no progress line. Raises ParseError where one is malformed."""
    if not line.startswith('{"event": "progress"'):
        return None
    node = load(TOOL, line)
    return SurfaceProgress(
        phase=_text(node, "phase"),
        cycle=_count(node, "cycle"),
        done_bytes=_count(node, "done_bytes"),
        of_bytes=_count(node, "of_bytes"),
        mib_s=_number(node, "mib_s"),
        bad_blocks=_count(node, "bad_blocks"),
    )


def parse_mark(checkpoint: str) -> Mark:
    """How far a checkpoint is, of its text: a checksum, then an object. Raises ParseError."""
    node = load(TOOL, checkpoint.partition("\n")[2])
    standing = node.child("standing")
    tallies = standing.each("tallies")
    return Mark(
        seq=_count(standing, "seq"),
        heads_sha256=_text(node, "heads_sha256"),
        done_bytes=sum(sum(_whole_numbers(tally, "bucket_bytes")) for tally in tallies),
    )


def parse(stdout: str) -> Report:
    """The result in a whole output. Raises ParseError where there is none, or more than one, or it is not the last word."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    results, unread, last = [], 0, ""
    for line in lines:
        last = _event_of(line)
        unread += not last
        if last == "result":
            results.append(line)
    if len(results) != 1:
        raise ParseError(TOOL, f"it has {len(results)} results, not one", lines[-1] if lines else "")
    if last != "result":
        raise ParseError(TOOL, "it went on after its result", lines[-1])
    return _report(load(TOOL, results[0]), unread)


def _event_of(line: str) -> str:
    """progress, result, or empty for a line that cannot be read (the middle of a long output may be cut out)."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    event = row.get("event") if isinstance(row, dict) else None
    return event if event in ("progress", "result") else ""


def _report(node: Node, unread: int) -> Report:
    if _count(node, "format") != FORMAT:
        raise ParseError(TOOL, f"its format is not {FORMAT}", str(node.get("format")))
    try:
        outcome = SurfaceOutcome(_text(node, "outcome"))
    except ValueError:
        raise node.wrong("outcome", "one of the known outcomes", node.get("outcome")) from None
    return Report(
        outcome=outcome,
        reason=_text(node, "reason"),
        disk=_disk(node.child("disk")) if node.has("disk") else None,
        **{name: _count(node, name) for name in _COUNTS},
        errors=tuple(_error(each) for each in node.each("errors")),
        seconds=_number(node, "seconds"),
        phases=tuple(_phase(each) for each in node.each("phases")),
        objections=tuple((_text(each, "line"), _text(each, "reason")) for each in node.each("objections")),
        hits=tuple(_hit(each) for each in node.each("hits")),
        found=node.text("found") or "",
        heads=node.text("heads") or "",
        heads_sha256=node.text("heads_sha256") or "",
        sessions=node.whole("sessions") or 0,
        resumed=node.flag("resumed") or False,
        resumes=tuple(_resume(each) for each in node.each("resumes")) if node.has("resumes") else (),
        left_aside=node.text("left_aside") or "",
        direct=node.flag("direct"),
        lines_unread=unread,
    )


_COUNTS = (
    "covered_bytes",
    "cycles",
    "bytes_promised",
    "bytes_written",
    "bytes_verified",
    "bytes_read",
    "bad_blocks",
)


def _disk(node: Node) -> SurfaceDisk:
    return SurfaceDisk(
        size_bytes=_count(node, "size_bytes"),
        **{name: _text(node, name) for name in ("name", "kind", "serial", "wwn", "model", "transport")},
    )


def _error(node: Node) -> SurfaceError:
    return SurfaceError(
        phase=_text(node, "phase"),
        cycle=_count(node, "cycle"),
        offset=_count(node, "offset"),
        length=_count(node, "length"),
        kind=_text(node, "kind"),
        detail=_text(node, "detail"),
    )


def _resume(node: Node) -> SurfaceResume:
    return SurfaceResume(
        phase=_text(node, "phase"),
        cycle=_count(node, "cycle"),
        at_byte=_count(node, "at_byte"),
        done_bytes=_count(node, "done_bytes"),
        after=_text(node, "after"),
    )


def _phase(node: Node) -> SurfacePhase:
    return SurfacePhase(
        phase=_text(node, "phase"),
        cycle=_count(node, "cycle"),
        ok_bytes=_count(node, "ok_bytes"),
        bad_blocks=_count(node, "bad_blocks"),
        seconds=_number(node, "seconds"),
        mean_mib_s=_number(node, "mean_mib_s"),
        min_mib_s=_number(node, "min_mib_s"),
        slowest_ms=_number(node, "slowest_ms"),
        slowest_offset=_count(node, "slowest_offset"),
        profile_mib_s=_series(node, "profile_mib_s"),
        profile_slowest_ms=_series(node, "profile_slowest_ms"),
        profile_seconds=_series(node, "profile_seconds") if node.has("profile_seconds") else (),
    )


def _hit(node: Node) -> str:
    offset, detail = node.whole("offset"), node.text("detail")
    where = "" if offset is None else f" at byte {offset}"
    return f"{_text(node, 'kind')}{where}{f' ({detail})' if detail else ''}"


def _text(node: Node, key: str) -> str:
    value = node.text(key)
    if value is None:
        raise node.wrong(key, "there", value)
    return value


def _count(node: Node, key: str) -> int:
    value = node.whole(key)
    if value is None or value < 0:
        raise node.wrong(key, "a whole number from zero", value)
    return value


def _number(node: Node, key: str) -> float:
    value = node.real(key)
    if value is None:
        raise node.wrong(key, "there", value)
    return value


def _whole_numbers(node: Node, key: str) -> list[int]:
    values = node.get(key)
    if not isinstance(values, list) or any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        raise node.wrong(key, "a list of whole numbers", values)
    return values


def _series(node: Node, key: str) -> tuple[float, ...]:
    values = node.get(key)
    if not isinstance(values, list) or len(values) > MAX_SERIES:
        raise node.wrong(key, "a short list of numbers", values)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise node.wrong(key, "a short list of numbers", value)
    return tuple(float(value) for value in values)
