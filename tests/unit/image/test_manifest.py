"""Half an image is none: the manifest comes last, and tells of every file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.image import manifest

TOLD = {"version": "0.1.0+abc", "kernel": "6.12.0", "packages": {"fio": "3.39-1"}}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in manifest.FILES:
        (folder / name).write_text(f"the {name} of this build")
    (folder / "image.json").write_text(json.dumps(TOLD))
    (folder / "vetting").write_text("zipapp")
    return folder


def made(built: Path, target: Path) -> None:
    manifest.hand_over(built, target, manifest.described(built, built / "vetting"))


def test_an_image_is_told_with_version_kernel_packages_and_the_digest_of_every_file(
    built: Path, tmp_path: Path
) -> None:
    made(built, tmp_path / "image")
    told = json.loads((tmp_path / "image" / "manifest.json").read_text())
    assert {name: told[name] for name in TOLD} == TOLD
    assert told["format"] == 1
    assert set(told["files"]) == {"vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi"}
    initrd = tmp_path / "image" / "initrd.img"
    assert told["files"]["initrd.img"] == {"sha256": manifest.digest(initrd), "size_bytes": initrd.stat().st_size}
    assert manifest.check(tmp_path / "image").startswith("version 0.1.0+abc, kernel 6.12.0")


def test_the_folder_holds_these_files_and_no_other(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "image"
    target.mkdir()
    (target / "left-over.bin").write_text("of an older build")
    made(built, target)
    assert {path.name for path in target.iterdir()} == {*manifest.FILES, "manifest.json"}


def test_a_build_that_lacks_a_file_leaves_the_image_that_was_there(built: Path, tmp_path: Path) -> None:
    made(built, tmp_path / "image")
    (built / "vmlinuz").write_text("of the next build")  # and no initrd.img
    with pytest.raises(FileNotFoundError):
        manifest.described(built, built / "vetting")
    assert manifest.check(tmp_path / "image")


def test_an_image_that_is_exchanged_halfway_is_taken_for_none(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "image"
    made(built, target)
    (built / "vmlinuz").write_text("of the next build")
    with pytest.raises(FileNotFoundError):  # as if the machine had stopped there
        manifest.hand_over(built, target, dict(TOLD))
    assert not (target / "manifest.json").exists()
    with pytest.raises(SystemExit, match="holds no whole image"):
        manifest.check(target)


def test_a_file_of_another_size_than_told_is_refused(built: Path, tmp_path: Path) -> None:
    made(built, tmp_path / "image")
    (tmp_path / "image" / "initrd.img").write_text("cut short")
    with pytest.raises(SystemExit, match=r"initrd\.img is not the file"):
        manifest.check(tmp_path / "image")
