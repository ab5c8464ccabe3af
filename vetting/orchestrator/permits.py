"""Permits to write to disks: issued for one attempt at one stage of one host, short-lived, signed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vetting.domain import permit as permits
from vetting.domain import seal
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.store.rows import RunRow

WRITING_STAGES = frozenset({"Storage", "Burn"})


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed permit as the surface engine takes it, or none; and why a stage that writes gets none."""

    text: str = ""
    why_not: str = ""


def issue(
    run: RunRow,
    inventory: Inventory | None,
    *,
    flags: tuple[str, ...],
    now_s: float,
    valid_s: float,
    key: Ed25519PrivateKey,
    stopped: str = "",
) -> Issued:
    """The permit for the run's current stage; none where nothing may be written, or while `stopped` says why not.

    Disks are those of the expected spec that a person confirmed, with the size that this run's inventory found.
    """
    if not writes(run):
        return Issued()
    if stopped:
        return Issued(why_not=stopped)
    if inventory is None:
        return Issued(why_not="this run has no inventory, so nobody knows which disks it would write")
    writable = [disk for disk in run.expected_disks if disk.write]
    return for_disks(run, inventory, writable, flags=flags, now_s=now_s, valid_s=valid_s, key=key)


def for_disks(
    run: RunRow,
    inventory: Inventory | None,
    writable: Sequence[ExpectedDisk],
    *,
    flags: tuple[str, ...],
    now_s: float,
    valid_s: float,
    key: Ed25519PrivateKey,
) -> Issued:
    """A permit for these disks of a run, whatever stage it is in; none where it would be for nothing that was found."""
    scratch = [disk for disk in writable if disk.kind == permits.SCRATCH]
    if inventory is None and not scratch:
        return Issued(why_not="this run has no inventory, so nobody knows which disks it would write")
    found = inventory.disks if inventory else ()
    disks = tuple(d for d in (_permitted(disk, found) for disk in scratch or writable) if d is not None)
    if not disks:
        return Issued(why_not="the inventory of this run has none of the disks that it would write")
    permit = permits.Permit(
        run_id=run.id,
        host_id=run.host_name,
        host_uuid=inventory.identity.smbios_uuid if inventory else "",
        kind=permits.SCRATCH if scratch else permits.DISK,
        disks=disks,
        overrides=tuple(flag for flag in flags if flag == permits.WIPE_PROBE),
        scratch_dir=scratch[0].path.rpartition("/")[0] if scratch else "",
        issued_s=int(now_s),
        expires_s=int(now_s + min(valid_s, permits.LONGEST_S)),
        nonce=secrets.token_hex(16),
    )
    return Issued(seal.sign(permit, key.private_bytes_raw().hex()))


def writes(run: RunRow) -> bool:
    """Whether the run's current stage writes to disks."""
    return run.stage in WRITING_STAGES and not run.non_destructive and any(disk.write for disk in run.expected_disks)


def _permitted(disk: ExpectedDisk, disks: Sequence[FoundDisk]) -> permits.PermittedDisk | None:
    if disk.size_bytes:
        return permits.PermittedDisk(serial=disk.serial, size_bytes=disk.size_bytes, wwn=disk.wwn)
    for found in disks:
        if found.serial.strip() == disk.serial.strip():
            return permits.PermittedDisk(serial=disk.serial, size_bytes=found.size_bytes, wwn=disk.wwn or found.wwn)
    return None
