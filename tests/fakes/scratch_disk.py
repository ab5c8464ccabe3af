"""A scratch disk of a test's own: a file behind a loop device, and a permit to write it and nothing else."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vetting.domain import seal
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.permit import SCRATCH, Permit, PermittedDisk

HOST = "bench"
RUN_ID = 7
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchDisk:
    file: Path
    device: str  # /dev/loopN
    expected: ExpectedDisk
    permit: str
    permit_key: str


@contextmanager
def scratch_disk(folder: Path, size_bytes: int = 64 * MIB, *, overrides: tuple[str, ...] = ()) -> Iterator[ScratchDisk]:
    """Needs root. The loop device is detached at the end; the file stays in the test's folder."""
    name = str(uuid.uuid4())
    file = folder.resolve() / f"scratch-{name}.img"
    with file.open("wb") as handle:
        handle.truncate(size_bytes)
    attached = subprocess.run(["losetup", "-f", "--show", str(file)], capture_output=True, text=True, check=True)
    device = attached.stdout.strip()
    try:
        private, public = seal.new_key()
        now_s = int(time.time())
        permit = Permit(
            run_id=RUN_ID,
            host_id=HOST,
            kind=SCRATCH,
            disks=(PermittedDisk(serial=f"loop:{name}", size_bytes=size_bytes),),
            overrides=overrides,
            scratch_dir=str(file.parent),
            issued_s=now_s,
            expires_s=now_s + 900,
            nonce=uuid.uuid4().hex,
        )
        expected = ExpectedDisk(serial=f"loop:{name}", kind="scratch", path=str(file), size_bytes=size_bytes)
        yield ScratchDisk(
            file=file, device=device, expected=expected, permit=seal.sign(permit, private), permit_key=public
        )
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
