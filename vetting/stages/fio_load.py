"""fio as a load that verifies what it wrote: random reads and writes in bounded rounds, each round checked block by block.

What does not verify, tried with fio 3.33: `time_based` with verify on random writes checks nothing and may call healthy data
wrong; so do `loops`, and an `io_size` beyond `size`. What does: a section of a job file that touches each block of its
area at most once and then reads back all that it wrote. So the time is filled with such sections, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import median

from vetting.domain.outcome import Measurement, ToolRun, Verdict
from vetting.domain.profiles import GIB, MIB
from vetting.parsers.errors import ParseError
from vetting.parsers.fio import FioJob, FioRun, parse
from vetting.parsers.procfs import DiskCounters, parse_diskstats
from vetting.stages.base import Deps
from vetting.stages.disk_paths import Device, look

BLOCK_BYTES = 4096
DEPTH = 32
FIRST_BYTES = 4 * MIB  # 1024 requests: some seconds on the slowest disk, which tells how much fits the time
MOST_BYTES = 4 * GIB  # a section's; fio keeps 112 bytes for each block written until it is verified
SECTION_S = 20.0
CALL_S = 600.0  # one call of fio at most: a lost one costs no more
MOST_SECTIONS = 200
SLOWEST = 5.0  # times its planned duration before a call of fio is given up
# errno(3) as fio reports it: what a disk answers that cannot do its work. 84 is a block that did not verify.
EILSEQ = 84
DISK_ERRORS = {
    5: "I/O error",
    6: "the disk vanished",
    19: "the disk vanished",
    61: "medium error",
    121: "remote I/O error",
}


@dataclass
class Rounds:
    """What came of all calls of fio on one disk."""

    device: Device
    verdict: Verdict = Verdict.PASS
    reason: str = ""
    read_back: int = 0  # bytes that were written and then verified
    written: int = 0
    sections: int = 0
    ios: int = 0
    mixed_s: float = 0.0  # seconds of mixed reads and writes, without the reading back
    p99s_ms: list[float] = field(default_factory=list)
    started_s: float = 0.0
    ended_s: float = 0.0

    @property
    def iops(self) -> float | None:
        return self.ios / self.mixed_s if self.mixed_s > 0 else None

    @property
    def p99_ms(self) -> float | None:
        """Median over the sections of the slower direction's 99th percentile."""
        return median(self.p99s_ms) if self.p99s_ms else None

    def measured(self) -> list[Measurement]:
        values = {"iops": (self.iops, "/s"), "p99": (self.p99_ms, "ms")}
        return [
            Measurement(
                series=f"{self.device.series}.fio.{name}", value=value, unit=unit, component=self.device.component
            )
            for name, (value, unit) in values.items()
            if value is not None and isfinite(value)
        ]

    def fail(self, verdict: Verdict, reason: str) -> None:
        """The first trouble speaks, unless a later one accuses the host."""
        if self.verdict is Verdict.PASS or (verdict is Verdict.FAIL and self.verdict is Verdict.ERROR):
            self.verdict, self.reason = verdict, reason


def area_of(device: Device, wanted_bytes: int) -> int:
    """Bytes of the area of a section: at most half of the disk, whole MiB; 0 for a disk that is too small."""
    return min(wanted_bytes, device.size_bytes // 2, MOST_BYTES) // MIB * MIB


def job_file(device: Device, nonce: str, area: int, io_bytes: int, sections: int, first: int) -> str:
    """Sections `<nonce>-0`, `-1`, … one after another; each at another place of the disk."""
    lines = [
        "[global]",
        "ioengine=libaio",
        "direct=1",
        f"iodepth={DEPTH}",
        f"bs={BLOCK_BYTES}",
        "rw=randrw",
        "rwmixread=50",
        "verify=md5",
        "do_verify=1",
        "verify_fatal=1",
        "verify_state_save=0",
        "randrepeat=0",  # else each run writes the same data, and what the last one left would pass
        "allow_file_create=0",  # else a vanished disk becomes a file in /dev that passes
        f"filename={device.path.replace(':', chr(92) + ':')}",
        f"size={area}",
        f"io_size={io_bytes}",
    ]
    for number in range(sections):
        lines += [
            f"[{nonce}-{number}]",
            *(("stonewall",) if number else ()),
            f"offset={_place(device, area, first + number)}",
        ]
    return "\n".join(lines) + "\n"


def _place(device: Device, area: int, number: int) -> int:
    """Multiples of the golden ratio spread evenly, however many there will be."""
    share = number * 0.6180339887498949 % 1.0
    return int((device.size_bytes - area) * share) // MIB * MIB


async def rounds(
    deps: Deps, device: Device, *, area_bytes: int, seconds: float, tell: Callable[[Rounds], None] = lambda _: None
) -> Rounds:
    """Fills `seconds` with verified rounds on one disk, which the caller has just looked at. `tell` is called after each
    call of fio; before each but the first the disk is asked again who it is."""
    done = Rounds(device=device, started_s=deps.monotonic())
    area = area_of(device, area_bytes)
    if not area:
        done.fail(Verdict.ERROR, f"{device.size_bytes} bytes are too few for fio")
        return done
    io_bytes, sections = min(area, FIRST_BYTES), 1
    before = disk_counters(deps, device.kname)
    while done.verdict is Verdict.PASS:
        if done.sections and await _exchanged(deps, done):
            break
        began_s = deps.monotonic()
        planned_s = min(CALL_S, max(seconds - (began_s - done.started_s), 1.0))
        await _call(deps, done, area, io_bytes, sections, limit_s=SLOWEST * planned_s + 120)
        done.ended_s = deps.monotonic()
        tell(done)
        left_s = seconds - (done.ended_s - done.started_s)
        if not left_s > 0:
            break
        io_bytes, sections = next_call(io_bytes * sections, done.ended_s - began_s, left_s, area)
    if done.verdict is Verdict.PASS and (why := _unseen(before, disk_counters(deps, device.kname), done)):
        done.fail(Verdict.ERROR, why)
    return done


async def _exchanged(deps: Deps, done: Rounds) -> bool:
    """fio opens the disk by its name, at each call: hours after the first look another disk may be in the bay, or in use."""
    looked = await look(deps, done.device, "between-fio")
    if looked.fault or looked.trouble:
        done.fail(Verdict.FAIL if looked.fault else Verdict.ERROR, looked.fault or looked.trouble)
        done.ended_s = deps.monotonic()
    return done.verdict is not Verdict.PASS


def next_call(did_bytes: int, took_s: float, left_s: float, area: int) -> tuple[int, int]:
    """Bytes a section and sections of the next call, by what the last call managed."""
    rate = did_bytes / max(took_s, 0.05)
    planned_s = min(CALL_S, left_s)
    io_bytes = int(min(rate * min(SECTION_S, planned_s), area, 16 * did_bytes))
    io_bytes = max(io_bytes // BLOCK_BYTES * BLOCK_BYTES, min(area, MIB))
    return io_bytes, max(1, min(MOST_SECTIONS, int(planned_s * rate / io_bytes)))


async def _call(deps: Deps, done: Rounds, area: int, io_bytes: int, sections: int, *, limit_s: float) -> None:
    nonce = f"vetting-{deps.job.run_id}-{int(deps.monotonic() * 1000):x}-{done.sections}"
    text = job_file(done.device, nonce, area, io_bytes, sections, done.sections)
    name = f"fio-{done.device.kname}"
    path = deps.write_scratch(f"{name}.fio", text.encode())
    ran = await deps.run(["fio", "--output-format=json", path], limit_s=limit_s, heavy=True, keep=f"{name}.txt")
    done.sections += sections
    try:
        told = parse(ran.text)
    except ParseError as why:
        reason = f"fio {ran.how_it_ended}" if ran.timed_out or ran.exit_code else str(why)
        done.fail(Verdict.ERROR, reason)
        return
    _judge(done, ran, told, [f"{nonce}-{number}" for number in range(sections)], io_bytes)


def _judge(done: Rounds, ran: ToolRun, told: FioRun, names: Sequence[str], io_bytes: int) -> None:
    for job in told.jobs:
        if reason := _against_disk(job, told):
            done.fail(Verdict.FAIL, reason)
    if done.verdict is Verdict.FAIL:
        return
    if [job.name for job in told.jobs] != list(names):
        done.fail(Verdict.ERROR, "fio's output is not of this run")
    if ran.timed_out or ran.exit_code != 0 or told.aborted:
        said = next((note for note in told.notes if "Aborting" in note or "error" in note.lower()), "")
        done.fail(Verdict.ERROR, f"fio {ran.how_it_ended}{': ' if said else ''}{said[:200]}")
    for job in told.jobs:
        _count(done, job, io_bytes)


def _against_disk(job: FioJob, told: FioRun) -> str:
    if told.miscompares:
        first = told.miscompares[0]
        return f"{len(told.miscompares)} blocks did not verify, the first at byte {first.offset}"
    if job.error == EILSEQ:
        return "a block did not verify"
    if job.error in DISK_ERRORS:
        return f"fio ended with error {job.error}: {DISK_ERRORS[job.error]}"
    return ""


def _count(done: Rounds, job: FioJob, io_bytes: int) -> None:
    """Half of a section's requests are reads; then all that was written is read again. So reads = `io_bytes` in the end."""
    read, written = job.read.io_bytes, job.write.io_bytes
    if job.error or job.total_err:
        done.fail(Verdict.ERROR, f"fio ended with error {job.error}, {job.total_err or 0} errors in all")
    elif not (0 < written < io_bytes and read == io_bytes):
        done.fail(
            Verdict.ERROR, f"fio wrote {written} bytes and read {read} in a round of {io_bytes}: not all was verified"
        )
    elif not job.write.runtime_ms > 0:
        done.fail(Verdict.ERROR, "fio says that its writes took no time")
    else:
        done.written += written
        done.read_back += read - (io_bytes - written)
        done.ios += io_bytes // BLOCK_BYTES
        done.mixed_s += job.write.runtime_ms / 1000
        slow_ns = [ns for ns in (job.read.clat_p99_ns, job.write.clat_p99_ns) if ns is not None and isfinite(ns)]
        done.p99s_ms += [max(slow_ns) / 1e6] if slow_ns else []


def disk_counters(deps: Deps, kname: str) -> DiskCounters | None:
    try:
        return parse_diskstats(deps.read("/proc/diskstats")).get(kname)
    except (OSError, ParseError):
        return None


def _unseen(before: DiskCounters | None, after: DiskCounters | None, done: Rounds) -> str:
    """Whether the kernel saw on this disk what fio claims to have done there; a name that swapped shows here."""
    if before is None or after is None:
        return f"the counters of {done.device.kname} in /proc/diskstats cannot be read"
    wrote, read = after.written_bytes - before.written_bytes, after.read_bytes - before.read_bytes
    if not (wrote >= done.written and read >= done.read_back):
        return f"fio claims {done.written} bytes written, the kernel counted {wrote} on {done.device.kname}"
    return ""
