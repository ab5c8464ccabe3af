"""The files that hosts boot from: whole, as their manifest says, or no host is sent for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.boot_image import lay_out
from vetting.boot.shelf import Shelf
from vetting.config import Config


async def test_a_whole_image_can_be_booted(tmp_path: Path) -> None:
    shelf = Shelf(lay_out(tmp_path))
    assert "being looked at" in shelf.why_not()
    looked = await shelf.look()
    assert (looked.objection, looked.version) == ("", "test")
    assert shelf.why_not() == ""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda image: (image / "initrd.img").unlink(), "initrd.img cannot be read"),
        (lambda image: (image / "vmlinuz").write_bytes(b"k" * 999), "999 bytes long, the manifest says 1000"),
        (lambda image: (image / "vmlinuz").write_bytes(b"x" * 1000), "checksum differs"),
        (lambda image: (image / "snponly.efi").write_bytes(b""), "0 bytes long"),
        (lambda image: (image / "manifest.json").unlink(), "no readable manifest.json"),
        (lambda image: (image / "manifest.json").write_text("{"), "not the manifest"),
        (lambda image: (image / "manifest.json").write_text('{"files": {}}'), "not the manifest"),
        (lambda image: (image / "manifest.json").write_text('{"files": 7}'), "not the manifest"),
        (lambda image: (image / "manifest.json").write_text("[]"), "not the manifest"),
    ],
)
async def test_an_image_that_is_not_whole_is_refused_and_noticed_at_once(
    tmp_path: Path, spoil: object, words: str
) -> None:
    shelf = Shelf(lay_out(tmp_path))
    assert not (await shelf.look()).objection
    spoil(tmp_path)  # type: ignore[operator]
    looked = await shelf.look()
    assert words in looked.objection
    assert "./build.sh image" in looked.objection
    assert shelf.why_not() == looked.objection
    lay_out(tmp_path)
    assert not (await shelf.look()).objection


async def test_no_image_at_all_says_how_one_is_made(tmp_path: Path) -> None:
    looked = await Shelf(tmp_path / "none").look()
    assert looked.objection.startswith(
        f"there is no live image in {tmp_path / 'none'}: build it with `./build.sh image`"
    )


async def test_another_build_has_another_mark(tmp_path: Path) -> None:
    shelf = Shelf(lay_out(tmp_path))
    first = (await shelf.look()).build
    lay_out(tmp_path, kernel=b"other" * 200)
    assert (await shelf.look()).build != first


def test_a_switched_off_boot_service_has_no_image_for_anybody(tmp_path: Path) -> None:
    assert "boot.http_port is 0" in Shelf(tmp_path, open_to_hosts=False).why_not()


def test_the_image_lies_beside_the_program_where_none_is_named(repository: Path) -> None:
    assert Shelf.of(Config()).folder == repository / "dist" / "image"


def test_the_manifest_of_the_builder_is_the_one_that_is_read(repository: Path) -> None:
    """Where an image was built, its manifest is of the form that is read here."""
    built = repository / "dist" / "image" / "manifest.json"
    if not built.exists():
        pytest.skip("no live image was built in this checkout")
    files = json.loads(built.read_text())["files"]
    assert {"vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi"} <= set(files)
    assert all({"sha256", "size_bytes"} <= set(entry) for entry in files.values())
