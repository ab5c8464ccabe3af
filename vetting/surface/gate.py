"""The gate: every disk-safety line, right before the first write, on the descriptor that will do the writing.

Each line suffices. The disk is first opened for reading and asked who it is; only when nothing speaks against it is it opened
for writing, exclusively, through the very same inode, and asked everything again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vetting.domain.disks import (
    DiskIdentity,
    Line,
    Objection,
    Surroundings,
    device_objections,
    guard_objections,
    identity_objections,
    probe_objections,
    scratch_objections,
    use_objections,
)
from vetting.domain.errors import Refusal
from vetting.domain.permit import Permit, permit_problems
from vetting.domain.seal import verified
from vetting.surface.device import OpenDisk
from vetting.surface.files import create_durably
from vetting.surface.identity import read_identity
from vetting.surface.probe import Probe, probe
from vetting.surface.surroundings import look_around
from vetting.surface.sysfs import World, text_of


class Refused(Exception):
    """A safety line stands against it. Nothing was written."""

    def __init__(
        self, objections: tuple[Objection, ...], disk: DiskIdentity | None = None, found: Probe | None = None
    ) -> None:
        super().__init__("; ".join(map(str, objections)))
        self.objections = objections
        self.disk = disk
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the caller says and what holds around us; everything that the lines are judged by except the disk itself."""

    permit_text: str
    permit_key: str
    run_id: int
    host_id: str
    now: Callable[[], float]  # Unix time
    non_destructive: bool
    under_test: bool
    stop: Callable[[], str]
    world: World


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A disk that may be written: opened, identified, probed."""

    device: OpenDisk
    disk: DiskIdentity
    permit: Permit
    found: Probe


def permit_of(terms: Terms) -> Permit:
    """The permit that holds here and now. Raises Refused."""
    try:
        permit = verified(terms.permit_text, terms.permit_key)
    except Refusal as error:
        raise Refused((Objection(Line.PERMIT, str(error)),)) from error
    problems = permit_problems(
        permit,
        now_s=terms.now(),
        run_id=terms.run_id,
        host_id=terms.host_id,
        host_uuid=text_of(terms.world.sys / "class" / "dmi" / "id" / "product_uuid"),
    )
    if problems:
        raise Refused(tuple(Objection(Line.PERMIT, f"the permit does not hold: {problem}") for problem in problems))
    return permit


def admit(path: Path, terms: Terms) -> Admitted:
    """Opens a disk for writing, if every line agrees. Raises Refused, OSError, CannotProbe, ToolMissing."""
    if terms.non_destructive:
        raise Refused((Objection(Line.NON_DESTRUCTIVE, "the run is non-destructive"),))
    permit = permit_of(terms)
    looking = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        disk = check(looking, permit, terms)
        fd, direct = _open_for_writing(looking, disk)
    finally:
        os.close(looking)
    try:
        again = check(fd, permit, terms)
        if again != disk:
            raise Refused((Objection(Line.ALLOWLIST, f"{disk.name} changed while it was opened"),), again)
        found = probe(fd, disk)
        objections = probe_objections(disk, found.hits, permit.overrides)
        if objections:
            raise Refused(objections, disk, found)
    except BaseException:
        os.close(fd)
        raise
    device = OpenDisk(fd, disk.size_bytes, disk.logical_block_bytes, direct)
    return Admitted(device=device, disk=disk, permit=permit, found=found)


def check(fd: int, permit: Permit, terms: Terms) -> DiskIdentity:
    """Every line but the wipe probe, on an open descriptor. Raises Refused."""
    disk = read_identity(fd, terms.world)
    around = look_around(disk, terms.world)
    why_stopped = terms.stop()
    objections = (
        *guard_objections(disk, permit, non_destructive=terms.non_destructive, under_test=terms.under_test),
        *((Objection(Line.STOP, why_stopped),) if why_stopped else ()),
        *identity_objections(disk, permit.disks),
        *scratch_objections(disk, permit),
        *device_objections(disk),
        *use_objections(disk, around),
    )
    if objections:
        raise Refused(objections, disk)
    return disk


def check_once_more(admitted: Admitted, terms: Terms) -> None:
    """The last look, when the heads are saved and nothing but the first write is left. Raises Refused."""
    permit_of(terms)
    if check(admitted.device.fd, admitted.permit, terms) != admitted.disk:
        raise Refused((Objection(Line.ALLOWLIST, f"{admitted.disk.name} changed"),), admitted.disk)


def open_for_reading(path: Path, world: World) -> tuple[OpenDisk, DiskIdentity, Surroundings]:
    """A disk opened read-only, past the page cache where that can be. Raises OSError."""
    looking = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        disk = read_identity(looking, world)
        fd, direct = _reopened(looking, os.O_RDONLY)
    finally:
        os.close(looking)
    return OpenDisk(fd, disk.size_bytes, disk.logical_block_bytes, direct), disk, look_around(disk, world)


def mark_used(path: Path, admitted: Admitted, *, again: bool) -> None:
    """A permit is used once for each disk; a scan that goes on after its process died may use it again."""
    try:
        create_durably(path, b"")
    except FileExistsError:
        if not again:
            reason = f"this permit was already used for {admitted.disk.name}; ask for a new one"
            raise Refused((Objection(Line.PERMIT, reason),), admitted.disk) from None


def refuse_foreign(disk: DiskIdentity, around: Surroundings, permit_disks: list[str]) -> None:
    """For what only reads a disk that a permit is about. Raises Refused."""
    objections = use_objections(disk, around)
    if disk.serial not in permit_disks:
        objections += (Objection(Line.ALLOWLIST, f"{disk.name} with serial {disk.serial!r} was not named"),)
    if objections:
        raise Refused(objections, disk)


def _open_for_writing(looking: int, disk: DiskIdentity) -> tuple[int, bool]:
    """Through the inode that was looked at, not through a name; exclusively, so that nobody can mount it meanwhile."""
    exclusive = os.O_EXCL if stat.S_ISBLK(os.fstat(looking).st_mode) else 0
    try:
        return _reopened(looking, os.O_RDWR | exclusive)
    except OSError as error:
        if error.errno == errno.EBUSY:
            reason = f"{disk.name} is held by somebody else, it cannot be opened exclusively"
            raise Refused((Objection(Line.IN_USE, reason),), disk) from error
        raise


def _reopened(looking: int, flags: int) -> tuple[int, bool]:
    """A descriptor for direct I/O. Only a scratch file may lie on a file system that has none, and says so."""
    path = f"/proc/self/fd/{looking}"
    status = os.fstat(looking)
    if stat.S_ISREG(status.st_mode) and status.st_size % 4096:  # its last bytes are out of direct I/O's reach
        return os.open(path, flags | os.O_CLOEXEC), False
    try:
        return os.open(path, flags | os.O_DIRECT | os.O_CLOEXEC), True
    except OSError as error:
        if error.errno != errno.EINVAL or stat.S_ISBLK(status.st_mode):
            raise
    return os.open(path, flags | os.O_CLOEXEC), False
