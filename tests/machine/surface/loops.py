"""Scratch disks for the tests: a file of our own, a loop device on it, a permit for it, and the program on top."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vetting.domain.permit import Permit, PermittedDisk
from vetting.domain.seal import new_key, sign
from vetting.parsers.surface import Report, parse

MIB = 1024 * 1024
RUN_ID, HOST_ID = 7, "host-under-test"
PROGRAM = """
import argparse, sys
from vetting.verbs import surface
parser = argparse.ArgumentParser()
surface.add_arguments(parser)
status = surface.main(parser.parse_args())
print(*[line for line in open("/proc/self/status") if line.startswith("VmHWM")], file=sys.stderr)
sys.exit(status)
"""


@dataclass
class Said:
    """How the program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> Report:
        return parse(self.stdout)

    @property
    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return row

    @property
    def peak_kib(self) -> int:
        """The most memory it held at once; the kernel's own figure since the program was started."""
        return int(self.stderr.rpartition("VmHWM:")[2].split()[0])

    @property
    def lines(self) -> set[str]:
        return {line for line, _ in self.report.objections}


@dataclass
class Scratch:
    """A backing file and its loop device; both are gone when the test ends."""

    folder: Path
    size_bytes: int
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    device: str = ""

    @property
    def file(self) -> Path:
        return self.folder / f"scratch-{self.uuid}.img"

    @property
    def permitted(self) -> PermittedDisk:
        return PermittedDisk(serial=f"loop:{self.uuid}", size_bytes=self.size_bytes)

    def attach(self, *options: str) -> str:
        done = tool("losetup", "--find", "--show", *options, str(self.file))
        self.device = done.stdout.strip()
        return self.device

    def detach(self) -> None:
        if self.device:
            tool("losetup", "--detach", self.device)
            self.device = ""

    def digest(self) -> str:
        """Of every byte, as they lie in the backing file."""
        os.sync()
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Bench:
    """A place for scratch disks and the key that signs their permits."""

    folder: Path
    private: str
    public: str

    def permit(self, *disks: Scratch, **changes: Any) -> Permit:
        now = int(time.time())
        permit = Permit(
            run_id=RUN_ID,
            host_id=HOST_ID,
            kind="scratch",
            disks=tuple(disk.permitted for disk in disks),
            scratch_dir=str(self.folder),
            issued_s=now - 5,
            expires_s=now + 600,
            nonce=uuid.uuid4().hex,
        )
        return replace(permit, **changes)

    def argv(self, action: str, disk: str | Path, permit: Permit | str | None, *more: str) -> list[str]:
        argv = [
            sys.executable,
            "-c",
            PROGRAM,
            action,
            "--disk",
            str(disk),
            "--run-id",
            str(RUN_ID),
            "--host-id",
            HOST_ID,
        ]
        if permit is not None:
            text = permit if isinstance(permit, str) else sign(permit, self.private)
            file = self.folder / f"permit-{uuid.uuid4().hex}.json"
            file.write_text(text)
            argv += ["--permit", str(file), "--permit-key", self.public]
        return [*argv, "--heads-dir", str(self.heads), *more]

    @property
    def heads(self) -> Path:
        folder = self.folder / "heads"
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, action: str, disk: str | Path, permit: Permit | str | None, *more: str, **env: str) -> Said:
        done = subprocess.run(
            self.argv(action, disk, permit, *more), capture_output=True, text=True, timeout=100, env=environment(**env)
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def scratch(self, size_bytes: int = 64 * MIB, *, loop: bool = True) -> Iterator[Scratch]:
        disk = Scratch(self.folder, size_bytes)
        with disk.file.open("xb") as file:
            file.truncate(size_bytes)
        try:
            if loop:
                disk.attach()
            yield disk
        finally:
            disk.detach()
            disk.file.unlink(missing_ok=True)


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "VETTING_TEST": "1", "PYTHONPATH": os.getcwd(), **extra}


def tool(*argv: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A real program; what it said is part of the failure."""
    done = subprocess.run(argv, capture_output=True, text=True, input=stdin, timeout=60)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def new_bench(folder: Path) -> Bench:
    private, public = new_key()
    return Bench(folder.resolve(), private, public)
