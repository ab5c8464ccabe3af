"""`vetting surface scan` on one disk: how it is started, followed and judged. The safety lines stand inside that program."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

from vetting.domain.outcome import ToolRun, Verdict
from vetting.domain.permit import SCRATCH
from vetting.domain.profiles import StorageKnobs, SurfaceMode
from vetting.parsers.errors import ParseError
from vetting.parsers.hwmon import slug
from vetting.parsers.surface import Report, SurfaceOutcome, SurfaceProgress, parse, parse_progress
from vetting.stages.base import Deps
from vetting.stages.carry import Carried, carrying, checkpoint_of
from vetting.stages.disk_paths import UNEXPECTED, Device

MIB = 1024 * 1024
THOROUGH_CYCLES = 2  # data, then its complement: no stuck bit hides in both
START_S = 300.0  # a scan's own look, the heads, the checkpoint; not part of its rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of each disk. `sample_bytes` 0: the whole disk."""

    sample_bytes: int
    cycles: int
    floor_mb_s: float  # slower is past the deadline
    thorough: frozenset[str] = frozenset()  # serials of disks that are scanned whole and twice all the same

    def of(self, serial: str) -> Asked:
        """What is asked of this one disk."""
        if serial not in self.thorough:
            return self
        return replace(self, sample_bytes=0, cycles=max(self.cycles, THOROUGH_CYCLES))

    def promised(self, size_bytes: int) -> int:
        return min(size_bytes, self.sample_bytes) if self.sample_bytes else size_bytes

    def limit_s(self, size_bytes: int) -> float:
        """Seconds after which a scan is slower than the floor."""
        return START_S + 2 * self.cycles * self.promised(size_bytes) / (self.floor_mb_s * 1e6)


def asked_of(knobs: StorageKnobs) -> Asked:
    """What a profile asks of each disk."""
    sample = knobs.sample_bytes if knobs.surface is SurfaceMode.SAMPLE else 0
    return Asked(
        sample_bytes=sample,
        cycles=knobs.cycles,
        floor_mb_s=knobs.surface_floor_mb_s,
        thorough=frozenset(knobs.thorough),
    )


@dataclass
class Scanned:
    """A scan while it goes and when it has ended."""

    device: Device
    verdict: Verdict = Verdict.PASS
    reason: str = ""
    report: Report | None = None
    done_bytes: int = 0  # by its progress lines, over all passes
    began_bytes: int | None = None  # what it had done when it was heard first
    of_bytes: int = 0
    rate_mib_s: float = 0.0
    phase: str = ""

    def hear(self, progress: SurfaceProgress, cycles: int) -> None:
        passes_before = 2 * (progress.cycle - 1) + (progress.phase == "verify")
        self.done_bytes = passes_before * progress.of_bytes + progress.done_bytes
        self.began_bytes = self.done_bytes if self.began_bytes is None else self.began_bytes
        self.of_bytes = 2 * cycles * progress.of_bytes
        self.rate_mib_s, self.phase = progress.mib_s, progress.phase


def behind_the_gate(deps: Deps, device: Device, asked: Asked, permit: str, carried: Carried) -> list[str]:
    """What the surface program is told in front of each disk: the permit, the way back, and what would stop it.

    Saved heads and checkpoint outlive the agent, so that a scan goes on where the death of the agent left it; what was carried to
    the orchestrator outlives the boot.
    """
    job, mark = deps.job, checkpoint_of(deps, device)
    asked = asked.of(device.disk.serial)
    argv = ["--disk", device.path, "--permit", permit, "--permit-key", job.permit_key]
    argv += ["--run-id", str(job.run_id), "--host-id", job.host, "--cycles", str(asked.cycles)]
    argv += [*(("--sample", str(asked.sample_bytes)) if asked.sample_bytes else ())]
    argv += [*((f"--clock-offset-s={job.clock_ahead_s:.0f}",) if job.clock_ahead_s else ())]
    argv += [*(("--carried", carried.path) if carried.path else ())]
    return [*argv, "--heads-dir", mark.rpartition("/")[0] or "/", "--checkpoint", mark, "--stop-file", deps.stop_file]


async def scan(
    deps: Deps,
    device: Device,
    asked: Asked,
    permit: str,
    tell: Callable[[Scanned], None] = lambda _: None,
    *,
    carried: Carried | None = None,
) -> Scanned:
    """Scans one disk behind the gate. `permit` is the path of the signed permit; `tell` is called at each progress line.

    With `carried`, where it stands is carried to the orchestrator, and a finished one stays until all disks are finished: what
    was whole before a power cut is not tested twice. Without, the scan is a load like others, and begins anew each time.
    """
    name, asked = f"surface-{slug(device.disk.serial)}", asked.of(device.disk.serial)
    gate = behind_the_gate(deps, device, asked, permit, carried or Carried())
    argv = [*deps.own_program("surface"), "scan", *gate, *(("--keep-checkpoint",) if carried else ())]
    done = Scanned(device)

    def on_line(stream: str, line: str) -> None:
        try:
            progress = parse_progress(line) if stream == "stdout" else None
        except ParseError:
            return  # the result is what is judged
        if progress:
            done.hear(progress, asked.cycles)
            tell(done)

    limit_s = asked.limit_s(device.size_bytes)
    async with carrying(deps, device) if carried else nullcontext():
        ran = await deps.run(argv, limit_s=limit_s, on_line=on_line, heavy=True, keep=f"{name}.json")
    done.verdict, done.reason = _judged(done, ran, asked)
    return done


def _judged(done: Scanned, ran: ToolRun, asked: Asked) -> tuple[Verdict, str]:
    """Good when it says so and its numbers, its size and its disk agree with what was asked for."""
    unread = ""
    try:
        done.report = parse(ran.stdout)
    except ParseError as why:
        unread = str(why)
    if ran.timed_out:
        rate = (done.done_bytes - (done.began_bytes or 0)) / ran.elapsed_s / 1e6
        slow = (
            f"the surface test took more than {ran.elapsed_s:.0f} s: {rate:.1f} MB/s, floor {asked.floor_mb_s:g} MB/s"
        )
        return (Verdict.FAIL if done.rate_mib_s > 0 else Verdict.ERROR), slow
    if done.report is None:
        return Verdict.ERROR, f"the surface test {ran.how_it_ended}: {unread}"
    return judge(done.device, done.report, asked, exit_code=ran.exit_code)


def judge(device: Device, report: Report, asked: Asked, *, exit_code: int | None) -> tuple[Verdict, str]:
    """Verdict and reason of a scan that ended by itself."""
    promised = asked.promised(device.size_bytes)
    if report.outcome in (SurfaceOutcome.BAD, SurfaceOutcome.VANISHED):
        first = f", the first at byte {report.errors[0].offset}: {report.errors[0].detail}" if report.errors else ""
        return Verdict.FAIL, f"surface: {report.reason}{first}"
    if report.unexpected_data:
        return Verdict.ERROR, f"{UNEXPECTED}: {', '.join(report.hits)}"
    if not report.clean or exit_code != 0:
        why = report.reason or "its numbers do not agree"
        return Verdict.ERROR, f"the surface test ended as {report.outcome} (exit {exit_code}): {why}"
    if report.disk is None or report.disk.size_bytes != device.size_bytes:
        return Verdict.ERROR, "the surface test was of a disk of another size"
    if report.cycles != asked.cycles or not report.covered_bytes >= promised - MIB:
        return Verdict.ERROR, f"the surface test covered {report.covered_bytes} of {promised} bytes"
    if report.direct is not True and device.disk.kind != SCRATCH:
        return Verdict.ERROR, "the surface test went through the page cache, not to the disk"
    return Verdict.PASS, ""
