"""What fio said: the JSON of `--output-format=json` (3.33 and 3.39 alike) and the notes that it prints around it.

Exit status 0 proves nothing: a write to a mounted disk is refused with "Aborting" and 0, a verify that finds wrong data may end
with 0 (`verify_fatal=0`), and a vanished disk becomes a regular file. Judge by bytes, `error` and `total_err`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, embedded

TOOL = "fio"
VERIFY_FAILED = re.compile(r"verify failed at file (.{1,400}?),? offset (\d{1,20}), length (\d{1,20})")
HEADER_BAD = re.compile(
    r"verify: bad (?:magic )?header .{0,200}?at file (.{1,400}?) offset (\d{1,20}), length (\d{1,20})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Reads, writes or trims of one job."""

    io_bytes: int
    total_ios: int
    short_ios: int | None
    dropped_ios: int | None
    iops: float
    bandwidth_bytes_s: float
    runtime_ms: int
    clat_p99_ns: float | None  # completion latency; None where nothing was done
    clat_max_ns: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FioJob:
    name: str
    error: int  # errno of the first error; 84 (EILSEQ) is a failed verify
    total_err: int | None  # errors that were continued over; None: fio did not count any
    read: Direction  # a verify phase is counted here
    write: Direction
    trim: Direction | None
    job_runtime_ms: int | None
    options: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Miscompare:
    """One block that did not verify."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FioRun:
    version: str
    jobs: tuple[FioJob, ...]
    notes: tuple[str, ...]  # every line that is not the JSON, at most 200: warnings, errors, "Aborting"
    miscompares: tuple[Miscompare, ...]

    @property
    def aborted(self) -> bool:
        """It refused to start a job, whatever its exit status."""
        return any("Aborting" in note or "disallowed by" in note for note in self.notes)


def parse(text: str) -> FioRun:
    """stdout and stderr of one run, joined. Raises ParseError where no JSON of fio is in it."""
    document, notes = embedded(TOOL, text)
    version = document.text("fio version")
    if version is None:
        raise ParseError(TOOL, "its JSON has no fio version", text)
    common = _options(document.child("global options"))
    return FioRun(
        version=version.removeprefix("fio-"),
        jobs=tuple(_job(job, common) for job in document.each("jobs")),
        notes=notes,
        miscompares=_miscompares(notes),
    )


def _options(node: Node) -> dict[str, str]:
    return {key: str(value) for key, value in node.fields.items()}


def _job(node: Node, common: dict[str, str]) -> FioJob:
    error = node.whole("error")
    if error is None:
        raise ParseError(TOOL, f"{node.where}error is missing", repr(node.value))
    return FioJob(
        name=node.text("jobname") or "",
        error=error,
        total_err=node.whole("total_err"),
        read=_direction(node.needed("read")),
        write=_direction(node.needed("write")),
        trim=_direction(node.child("trim")) if node.has("trim") else None,
        job_runtime_ms=node.whole("job_runtime"),
        options={**common, **_options(node.child("job options"))},
    )


def _direction(node: Node) -> Direction:
    def needed(key: str) -> int:
        value = node.whole(key)
        if value is None:
            raise ParseError(TOOL, f"{node.where}{key} is missing")
        return value

    latency = node.child("clat_ns")
    measured = bool(latency.whole("N"))
    return Direction(
        io_bytes=needed("io_bytes"),
        total_ios=needed("total_ios"),
        short_ios=node.whole("short_ios"),
        dropped_ios=node.whole("drop_ios"),
        iops=node.real("iops") or 0.0,
        bandwidth_bytes_s=node.real("bw_bytes") or 0.0,
        runtime_ms=needed("runtime"),
        clat_p99_ns=latency.child("percentile").real("99.000000") if measured else None,
        clat_max_ns=latency.real("max") if measured else None,
    )


def _miscompares(notes: tuple[str, ...]) -> tuple[Miscompare, ...]:
    found = []
    for note in notes:
        if match := VERIFY_FAILED.search(note) or HEADER_BAD.search(note):
            found.append(Miscompare(file=match[1], offset=int(match[2]), length=int(match[3])))
    return tuple(found)


def parse_version(text: str) -> str:
    """ "3.33" of `fio --version`. Raises ParseError."""
    match = re.match(r"fio-(\d[\w.-]{0,40})\s*$", text)
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[1]
