"""Who and what a report is about: the host as it told us, the run as it was ordered, the versions that judged it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

import msgspec

from vetting import __version__
from vetting.domain.image import LiveImage
from vetting.domain.inventory import Inventory
from vetting.domain.naming import known
from vetting.domain.profiles import Profile
from vetting.domain.states import Event, RunState
from vetting.orchestrator.records import REPORTING, Records
from vetting.report.model import FORMAT, Fact, HostShown, ImageShown, RunShown
from vetting.report.text import disk_size, size
from vetting.store.migrations import NAMES

FAILURES = frozenset(
    {
        Event.STAGE_FAILED,
        Event.STAGE_MISMATCH,
        Event.DEADLINE_PASSED,
        Event.REBOOTED_UNEXPECTEDLY,
        Event.HOST_LOST,
        Event.CLAIM_REFUSED,
        Event.DISPATCH_FAILED,
    }
)
OWN_FILES = frozenset({"report.html", "report.json"})


def run_shown(records: Records) -> RunShown:
    run = records.run
    return RunShown(
        id=run.id,
        profile=run.profile_name,
        shortfalls=run.shortfalls,
        non_destructive=run.non_destructive,
        start_by=run.start_by,
        requested_by=run.requested_by,
        state=str(RunState.COMPLETED if records.closing else run.state),
        failed_stage=run.failed_stage,
        reason=run.reason,
        created_at=run.created_at,
        started_at=run.started_at,
        tested_until_at=_tested_until(records),
        boot_id=run.boot_id,
    )


def _tested_until(records: Records) -> float | None:
    """When there was nothing more to test: Reporting began, the run failed or was ended."""
    reporting = [row.started_at for row in records.attempts if row.stage == REPORTING]
    failed = [row.at for row in records.transitions if row.event in FAILURES]
    if reporting:
        return reporting[0]
    return records.run.ended_at if records.run.ended_at is not None or not failed else failed[-1]


def lost(records: Records) -> bool:
    """Whether the host's silence is what ended the run."""
    failures = [row.event for row in records.transitions if row.event in FAILURES]
    return bool(failures) and failures[-1] == Event.HOST_LOST


def as_of(records: Records) -> float:
    """The time of the youngest record that the report shows."""
    times = [records.run.created_at]
    times += [row.at for row in records.transitions if row.to_state is not RunState.COMPLETED]
    times += [row.started_at for row in records.attempts]
    times += [row.ended_at for row in records.attempts if row.ended_at is not None and row.stage != REPORTING]
    times += [row.at for row in records.findings]
    times += [row.at for row in records.late]
    times += [row.at for row in records.audit]
    times += [row.last_at for row in records.breaches]
    return max(times)


def host_shown(records: Records) -> HostShown:
    return HostShown(
        name=records.run.host_name,
        note=records.host.note,
        identity=tuple(_identity(records)),
        parts=tuple(_parts(records.inventory)) if records.inventory else (),
        hold_addresses=records.run.hold_addresses,
    )


def _identity(records: Records) -> Iterator[Fact]:
    found = records.inventory
    identity = found.identity if found else records.host.identity
    if found:
        made = " ".join(filter(None, (found.manufacturer, found.product)))
        yield Fact(label="Machine", value=made or "not told")
        yield Fact(label="Kind", value=f"virtual ({found.virtual})" if found.virtual else "physical")
        yield Fact(label="Kernel", value=found.kernel or "not told")
    if identity is None:
        yield Fact(label="Identity", value="not learned: no Inventory passed")
        return
    yield Fact(label="System serial", value=(known(identity.system_serial) and identity.system_serial) or "not told")
    yield Fact(label="Board serial", value=(known(identity.board_serial) and identity.board_serial) or "not told")
    yield Fact(label="SMBIOS UUID", value=identity.smbios_uuid or "not told")
    yield Fact(label="MAC addresses", value=", ".join(identity.macs) or "none")


def _parts(found: Inventory) -> Iterator[Fact]:
    cpu = found.cpu
    yield Fact(
        label="Processor",
        value=f"{cpu.model}: {cpu.sockets} sockets, {cpu.cores} cores, {cpu.threads} threads"
        + (f", microcode {cpu.microcode}" if cpu.microcode else ""),
    )
    dimms = "modules unreadable" if found.dimms is None else f"{len(found.dimms)} modules"
    yield Fact(label="Memory", value=f"{size(found.memory_bytes)}, {dimms}")
    for dimm in found.dimms or ():
        told = " ".join(filter(None, (dimm.manufacturer, dimm.part_number, dimm.serial)))
        yield Fact(label=f"Module {dimm.locator}", value=f"{size(dimm.size_bytes)} {told}".strip())
    for disk in found.disks:
        told = ", ".join(filter(None, (disk.model, disk.serial, disk.firmware, disk.transport)))
        yield Fact(label=f"Disk {disk.name}", value=f"{disk_size(disk.size_bytes)}, {told}")
    for nic in found.nics:
        if nic.physical:
            speed = f"{nic.speed_mb_s} Mb/s" if nic.speed_mb_s else "speed unknown"
            link = {True: f"link at {speed}", False: "no link", None: "link unreadable"}[nic.link]
            told = ", ".join(filter(None, (nic.mac, nic.driver, link, nic.neighbour)))
            yield Fact(label=f"Network card {nic.name}", value=told)
    for gpu in found.gpus:
        yield Fact(label="GPU", value=", ".join(filter(None, (gpu.name, gpu.uuid, gpu.pci))))
    if found.psu_count is not None:
        yield Fact(label="Power supplies", value=str(found.psu_count))
    if found.absent_tools:
        yield Fact(label="Optional tools not there", value=", ".join(found.absent_tools))


def profile_facts(profile: Profile) -> tuple[Fact, ...]:
    """Every knob as it was seeded when the run was started."""
    return tuple(_knobs("", msgspec.to_builtins(profile)))


def _knobs(prefix: str, value: object) -> Iterator[Fact]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _knobs(f"{prefix}.{key}" if prefix else str(key), part)
    elif isinstance(value, list | tuple):
        yield Fact(label=prefix, value=", ".join(map(str, value)) or "none")
    else:
        yield Fact(label=prefix, value=str(value))


def image_shown(image: LiveImage | None) -> ImageShown | None:
    if image is None:
        return None
    packages = tuple(Fact(label=name, value=version) for name, version in sorted(image.packages.items()))
    return ImageShown(version=image.version, kernel=image.kernel, packages=packages)


def tools_used(records: Records) -> tuple[Fact, ...]:
    """Every program that a stage ran, with its version; two where a retry met another one."""
    found: dict[str, set[str]] = {}
    for outcome in records.outcomes.values():
        for tool in outcome.tools:
            if tool.argv:
                found.setdefault(_program(tool.argv), set()).add(tool.version)
    return tuple(
        Fact(label=name, value=", ".join(sorted(filter(None, told))) or "not told")
        for name, told in sorted(found.items())
    )


def _program(argv: tuple[str, ...]) -> str:
    """The program itself, not what spares or spoils it in the kernel's eyes."""
    at = argv.index("--") + 1 if argv[0] == "choom" and "--" in argv[:-1] else 0
    return PurePath(argv[at]).name


def versions() -> tuple[Fact, ...]:
    return (
        Fact(label="vetting", value=__version__),
        Fact(label="database", value=NAMES[-1]),
        Fact(label="report format", value=str(FORMAT)),
    )
