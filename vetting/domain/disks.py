"""Which disk may be written, and every reason why not: the disk-safety lines as rules over what was read.

The stage uses them beforehand to plan; the surface program uses them again, on what the opened descriptor says, right
before the first write. Each line suffices by itself, and only one of them, the wipe probe, can be overridden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk
from vetting.domain.permit import DISK, SCRATCH, WIPE_PROBE, Permit, PermittedDisk

# A disk on any other way to the machine may be somebody else's, or may be shared with another machine.
LOCAL_TRANSPORTS = frozenset({"sata", "ata", "sas", "nvme", "virtio", "scsi"})
SCRATCH_PREFIX = "scratch-"
SCRATCH_SUFFIX = ".img"


class Line(StrEnum):
    """The disk-safety lines, in the order in which they are told."""

    TEST_GUARD = "test guard"
    NON_DESTRUCTIVE = "non-destructive"
    STOP = "stop"
    PERMIT = "permit"
    ALLOWLIST = "allowlist"
    SCRATCH = "scratch"
    KIND = "kind of device"
    TRANSPORT = "transport"
    SYSTEM = "system disk"
    IN_USE = "in use"
    RECORDS = "checkpoint or heads"
    WIPE_PROBE = "wipe probe"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a disk must not be written. Any objection suffices."""

    line: Line
    reason: str

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """The file behind a scratch disk, as the open device itself names it."""

    path: str
    directory: str  # resolved, without links
    regular: bool
    ours: bool  # owned by the user we run as
    same_file: bool  # the path still leads to the very inode behind the device, from its first to its last byte
    shared: bool = False  # another loop device stands on the same file


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskIdentity:
    """What an opened descriptor says about its disk. Unknown texts are empty.

    `kind`: disk (a whole local block device), loop, file, partition, other. `serials` holds every serial that the disk goes
    by, the best source first.
    """

    name: str
    device: str  # major:minor, empty for a file
    kind: str
    serials: tuple[str, ...] = ()
    wwn: str = ""
    model: str = ""
    size_bytes: int
    logical_block_bytes: int = 512
    physical_block_bytes: int = 512
    transport: str = ""
    read_only: bool = False
    removable: bool = False
    rotational: bool | None = None
    zoned: str = ""  # none, host-aware, host-managed
    backing: Backing | None = None
    serial_shared: bool = False  # another device of this machine goes by the same serial (namespaces of one NVMe drive)

    @property
    def serial(self) -> str:
        return self.serials[0] if self.serials else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the running system does with a disk or any part of it. Each text says what and where."""

    system: tuple[str, ...] = ()  # the running system stands on it
    mounted: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # device-mapper, md, bcache …
    swap: tuple[str, ...] = ()
    multipath: tuple[str, ...] = ()  # other ways to the same disk
    unreadable: tuple[str, ...] = ()  # what could not be looked at: unknown is not free


@dataclass(frozen=True, slots=True)
class Hit:
    """Data that somebody may want to keep. `offset` in bytes of the disk."""

    kind: str  # ext4, LVM2_member, gpt …
    offset: int | None
    detail: str = ""
    source: str = "own look"  # or blkid

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.kind}{where}{f' ({self.detail})' if self.detail else ''}"


def normal_serial(text: str) -> str:
    """A serial as it is compared: outer blanks gone, inner ones single; case counts."""
    return " ".join(text.split())


def normal_wwn(text: str) -> str:
    """A World Wide Name as it is compared: `0x5000C500…`, `naa.5000c500…` and `5000c500…` are the same."""
    bare = text.strip().casefold()
    for prefix in ("naa.", "eui.", "uuid.", "0x"):
        bare = bare.removeprefix(prefix)
    return bare.replace(" ", "")


def identity_objections(disk: DiskIdentity, allowed: Sequence[PermittedDisk]) -> tuple[Objection, ...]:
    """Whether this is one of the disks that were named: by serial, by size, and by WWN where one is known."""
    serials = {normal_serial(serial) for serial in disk.serials} - {""}
    if not serials:
        return (Objection(Line.ALLOWLIST, f"{disk.name} tells no serial, so nobody can have named it"),)
    named = [entry for entry in allowed if normal_serial(entry.serial) in serials]
    if len(named) != 1:
        many = "is named more than once" if named else "is not among the disks that were named"
        return (Objection(Line.ALLOWLIST, f"{disk.name} with serial {disk.serial!r} {many}"),)
    (entry,) = named
    objections = []
    if entry.size_bytes != disk.size_bytes or disk.size_bytes <= 0:
        reason = f"serial {disk.serial!r} was named with {entry.size_bytes} bytes, {disk.name} has {disk.size_bytes}"
        objections.append(Objection(Line.ALLOWLIST, reason))
    if entry.wwn and normal_wwn(entry.wwn) != normal_wwn(disk.wwn):
        reason = f"serial {disk.serial!r} was named with WWN {entry.wwn}, {disk.name} has {disk.wwn or 'none'}"
        objections.append(Objection(Line.ALLOWLIST, reason))
    if disk.serial_shared and not entry.wwn:
        reason = f"serial {disk.serial!r} belongs to more than one device, and it was named without a WWN"
        objections.append(Objection(Line.ALLOWLIST, reason))
    return tuple(objections)


def scratch_objections(disk: DiskIdentity, permit: Permit) -> tuple[Objection, ...]:
    """A loop device or file may be written only with a scratch permit, and a scratch permit opens nothing else."""
    if permit.kind != SCRATCH:
        if disk.kind in ("loop", "file"):
            return (Objection(Line.SCRATCH, f"{disk.name} is a {disk.kind}, the permit is for real disks"),)
        return ()
    backing = disk.backing
    if disk.kind not in ("loop", "file") or backing is None:
        return (Objection(Line.SCRATCH, f"{disk.name} is no scratch disk, and the permit is for scratch disks alone"),)
    name = backing.path.rpartition("/")[2]
    reasons = []
    if not (name.startswith(SCRATCH_PREFIX) and name.endswith(SCRATCH_SUFFIX)):
        reasons.append(f"its file {name!r} is not named {SCRATCH_PREFIX}<uuid>{SCRATCH_SUFFIX}")
    if not permit.scratch_dir or backing.directory != permit.scratch_dir.rstrip("/"):
        reasons.append(f"its file lies in {backing.directory!r}, the permit says {permit.scratch_dir!r}")
    if not backing.regular:
        reasons.append("its backing is no regular file")
    if not backing.ours:
        reasons.append("its file belongs to another user")
    if not backing.same_file:
        reasons.append("its file is not, or not wholly, the one at that path")
    if backing.shared:
        reasons.append("another loop device stands on the same file")
    return tuple(Objection(Line.SCRATCH, f"{disk.name}: {reason}") for reason in reasons)


def device_objections(disk: DiskIdentity) -> tuple[Objection, ...]:
    """What kind of device is never written, whatever anybody signed."""
    objections = []
    if disk.kind not in ("disk", "loop", "file"):
        objections.append(Objection(Line.KIND, f"{disk.name} is a {disk.kind}, only whole disks are tested"))
    if disk.read_only:
        objections.append(Objection(Line.KIND, f"{disk.name} is read-only"))
    if disk.removable:
        objections.append(Objection(Line.KIND, f"{disk.name} is removable"))
    if disk.zoned == "host-managed":
        objections.append(Objection(Line.KIND, f"{disk.name} is host-managed zoned, which this test cannot write"))
    if disk.kind == "disk" and disk.transport not in LOCAL_TRANSPORTS:
        reason = f"{disk.name} is reached by {disk.transport or 'an unknown transport'}, only local disks are tested"
        objections.append(Objection(Line.TRANSPORT, reason))
    return tuple(objections)


def use_objections(disk: DiskIdentity, around: Surroundings) -> tuple[Objection, ...]:
    """What the running system uses is never written; there is no override."""
    lines = (
        (Line.SYSTEM, "the running system stands on it", around.system),
        (Line.IN_USE, "mounted", around.mounted),
        (Line.IN_USE, "held", around.held),
        (Line.IN_USE, "swap", around.swap),
        (Line.IN_USE, "more than one way leads to it", around.multipath),
        (Line.IN_USE, "cannot be told to be free", around.unreadable),
    )
    return tuple(Objection(line, f"{disk.name}: {what}: {', '.join(seen)}") for line, what, seen in lines if seen)


def probe_objections(disk: DiskIdentity, hits: Sequence[Hit], overrides: Sequence[str]) -> tuple[Objection, ...]:
    """UnexpectedData: one objection for every hit, unless a person has said that the data may go."""
    if WIPE_PROBE in overrides:
        return ()
    return tuple(Objection(Line.WIPE_PROBE, f"{disk.name} holds {hit}") for hit in hits)


def guard_objections(
    disk: DiskIdentity, permit: Permit, *, non_destructive: bool, under_test: bool
) -> tuple[Objection, ...]:
    """The run's own flag, and the guard by which a test never opens anything but scratch for writing."""
    objections = []
    if under_test and (permit.kind != SCRATCH or disk.kind not in ("loop", "file")):
        objections.append(Objection(Line.TEST_GUARD, f"{disk.name} is no scratch disk, and this is a test"))
    if non_destructive or permit.non_destructive:
        objections.append(Objection(Line.NON_DESTRUCTIVE, "the run is non-destructive"))
    return tuple(objections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An expected disk that is to be tested destructively and what was found for it; `why_not` is empty when it may be."""

    expected: ExpectedDisk
    found: FoundDisk | None
    why_not: str = ""


def plan_targets(
    expected: Sequence[ExpectedDisk], found: Sequence[FoundDisk], *, non_destructive: bool
) -> tuple[Target, ...]:
    """Which of the expected disks a stage may hand to the surface program. Scratch disks are made by the stage itself."""
    counts = Counter(normal_serial(disk.serial) for disk in found)
    wanted = Counter(normal_serial(disk.serial) for disk in expected)
    targets = []
    for disk in expected:
        serial = normal_serial(disk.serial)
        there = next((entry for entry in found if serial and normal_serial(entry.serial) == serial), None)
        targets.append(
            Target(expected=disk, found=there, why_not=_why_not(disk, there, counts, wanted, non_destructive))
        )
    return tuple(targets)


def _why_not(
    disk: ExpectedDisk, there: FoundDisk | None, counts: Counter[str], wanted: Counter[str], non_destructive: bool
) -> str:
    serial = normal_serial(disk.serial)
    if non_destructive:
        return "the run is non-destructive"
    if not disk.write:
        return "the host's spec says that it is never written"
    if not serial:
        return "the host's spec names no serial"
    if wanted[serial] > 1:
        return "the host's spec names this serial more than once"
    if disk.kind == SCRATCH:
        return ""
    if disk.kind != DISK:
        return f"its kind {disk.kind!r} is unknown"
    if there is None:
        return "no disk with this serial was found"
    if counts[serial] > 1:
        return f"{counts[serial]} devices carry this serial: more than one way leads to it"
    if disk.size_bytes and disk.size_bytes != there.size_bytes:
        return f"expected with {disk.size_bytes} bytes, found with {there.size_bytes}"
    if disk.wwn and normal_wwn(disk.wwn) != normal_wwn(there.wwn):
        return f"expected with WWN {disk.wwn}, found with {there.wwn or 'none'}"
    if there.transport and there.transport not in LOCAL_TRANSPORTS:  # RAID volumes have none; the program looks closer
        return f"it is reached by {there.transport}, only local disks are tested"
    return ""
