"""The permit to write to disks: who may write what, for which run, until when. Signed elsewhere; the rules are here.

A permit travels as one JSON object `{"payload": "<JSON text>", "signature": "<hex>"}`; the signature is Ed25519 over the
payload's UTF-8 bytes exactly as they stand, so that nobody has to agree on how JSON is laid out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from vetting.domain.errors import BadInput

WIPE_PROBE = "wipe_probe"  # the override by which data found on a disk does not stop the run
DISK = "disk"
SCRATCH = "scratch"
LONGEST_S = 48 * 3600  # no permit outlives this; the orchestrator issues far shorter ones
CLOCK_SLACK_S = 300.0  # how far a host's clock may lag behind the issuer's


@dataclass(frozen=True, slots=True, kw_only=True)
class PermittedDisk:
    """A disk that a person saw and confirmed. `serial` is `loop:<uuid>` for a scratch disk."""

    serial: str
    size_bytes: int
    wwn: str = ""  # empty: the disk has none or nobody recorded it


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Times are seconds since the Unix epoch. `kind`: disk (real disks) or scratch (loop devices and files of our own)."""

    run_id: int
    host_id: str
    host_uuid: str = ""  # SMBIOS; must be there for kind disk
    kind: str = DISK
    disks: tuple[PermittedDisk, ...]
    overrides: tuple[str, ...] = ()
    non_destructive: bool = False
    scratch_dir: str = ""  # kind scratch: the directory in which the backing files lie
    issued_s: int
    expires_s: int
    nonce: str


def encode(permit: Permit) -> str:
    """The payload to sign."""
    return _canonical(asdict(permit))


def _canonical(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"))


def decode(payload: str) -> Permit:
    """A permit from its payload. Raises BadInput for anything that `encode` does not write."""
    try:
        row = json.loads(payload, parse_constant=_no_constant)
        disks = tuple(PermittedDisk(**disk) for disk in row.pop("disks"))
        permit = Permit(**{**row, "disks": disks, "overrides": tuple(row["overrides"])})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"the permit is not readable: {error}") from error
    # Compared as text: to Python 0 is False, and a text is as good a sequence as a list.
    if not encode(permit) == _canonical(_typed(permit)) == _canonical(json.loads(payload)):
        raise BadInput("the permit is not readable: a field has the wrong type")
    return permit


def permit_problems(permit: Permit, *, now_s: float, run_id: int, host_id: str, host_uuid: str) -> tuple[str, ...]:
    """Why a permit (whose signature was found good) does not hold here and now; empty when it does.

    `host_uuid` is what this host's firmware says, empty where it says nothing.
    """
    problems = []
    if permit.run_id != run_id or not permit.host_id or permit.host_id != host_id:
        problems.append(
            f"it is for run {permit.run_id} on host {permit.host_id!r}, not for run {run_id} on host {host_id!r}"
        )
    if permit.kind not in (DISK, SCRATCH):
        problems.append(f"its kind {permit.kind!r} is unknown")
    if permit.kind == DISK and (not permit.host_uuid or permit.host_uuid.casefold() != host_uuid.casefold()):
        problems.append(
            f"it is for the machine {permit.host_uuid or 'without a UUID'}, this one is {host_uuid or 'unknown'}"
        )
    if permit.kind == SCRATCH and not permit.scratch_dir.startswith("/"):
        problems.append("it is for scratch disks and names no directory for them")
    if not 0 < permit.expires_s - permit.issued_s <= LONGEST_S:
        problems.append(f"its validity of {permit.expires_s - permit.issued_s} s is not between 1 s and {LONGEST_S} s")
    if not (isfinite(now_s) and permit.issued_s - CLOCK_SLACK_S <= now_s < permit.expires_s):
        problems.append(f"it is valid from {permit.issued_s} to {permit.expires_s}, the clock here says {now_s:.0f}")
    if len(permit.nonce) < 16:
        problems.append("its nonce is too short to be used once")
    return tuple(problems)


def _typed(permit: Permit) -> dict[str, Any]:
    """The same permit with every field forced into its type; the same text only when nothing had to be forced."""
    disks = tuple(
        {"serial": _text(disk.serial), "size_bytes": _whole(disk.size_bytes), "wwn": _text(disk.wwn)}
        for disk in permit.disks
    )
    return {
        "run_id": _whole(permit.run_id),
        "host_id": _text(permit.host_id),
        "host_uuid": _text(permit.host_uuid),
        "kind": _text(permit.kind),
        "disks": disks,
        "overrides": tuple(_text(name) for name in permit.overrides),
        "non_destructive": permit.non_destructive is True,
        "scratch_dir": _text(permit.scratch_dir),
        "issued_s": _whole(permit.issued_s),
        "expires_s": _whole(permit.expires_s),
        "nonce": _text(permit.nonce),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
