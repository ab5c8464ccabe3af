"""The last step of the build refuses an image in which a program is missing, and says which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = "image/mkosi.finalize.d/20-whole.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree like the image's, with two programs that are wanted and stand there."""
    tree = tmp_path / "root"
    for folder in ("usr/bin", "usr/sbin", "usr/share/vetting"):
        (tree / folder).mkdir(parents=True)
    (tree / "bin").symlink_to("usr/bin")
    (tree / "usr/share/vetting/programs").write_text("/bin/sh\nfio\nsmartctl\n")
    for name in ("usr/bin/dash", "usr/bin/fio", "usr/sbin/smartctl"):
        (tree / name).write_text("program")
        (tree / name).chmod(0o755)
    (tree / "usr/bin/sh").symlink_to("dash")
    return tree


def checked(repository: Path, root: Path, lacking: str = "") -> subprocess.CompletedProcess[str]:
    """With a loader of the image that says `lacking`."""
    tools = root.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "mkosi-chroot").write_text(f"#!/bin/sh\nprintf '%s' '{lacking}'\n")
    (tools / "mkosi-chroot").chmod(0o755)
    return subprocess.run(
        [sys.executable, str(repository / CHECK)],
        env={"BUILDROOT": str(root), "PATH": f"{tools}:{os.environ['PATH']}"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_whole_image_passes(repository: Path, root: Path) -> None:
    assert checked(repository, root).returncode == 0


@pytest.mark.parametrize("gone", ["usr/bin/fio", "usr/sbin/smartctl", "usr/bin/dash"])
def test_a_missing_program_stops_the_build_with_its_name(repository: Path, root: Path, gone: str) -> None:
    (root / gone).unlink()
    ended = checked(repository, root)
    assert ended.returncode == 1
    named = {"usr/bin/dash": "/bin/sh"}.get(gone, Path(gone).name)
    assert ended.stderr == (
        f"image: the code starts programs that are not in it: {named}; add their packages to image/mkosi.conf\n"
    )


def test_a_file_that_cannot_be_run_is_no_program(repository: Path, root: Path) -> None:
    (root / "usr/bin/fio").chmod(0o644)
    assert "not in it: fio;" in checked(repository, root).stderr


def test_a_program_whose_library_was_taken_out_stops_the_build(repository: Path, root: Path) -> None:
    ended = checked(repository, root, lacking="/usr/bin/fio lacks librbd.so.1")
    assert ended.returncode == 1 and "/usr/bin/fio lacks librbd.so.1" in ended.stderr


def test_a_script_without_its_interpreter_goes_and_a_wanted_one_is_missed(repository: Path, root: Path) -> None:
    for name in ("usr/bin/fio", "usr/bin/unwanted"):
        (root / name).write_text("#!/usr/bin/perl\n")
        (root / name).chmod(0o755)
    assert "not in it: fio;" in checked(repository, root).stderr
    assert not (root / "usr/bin/unwanted").exists()
