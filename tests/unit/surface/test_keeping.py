"""Checkpoints and heads: bound to their disk, whole or refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from vetting.domain.disks import DiskIdentity
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.permit import Permit
from vetting.surface import checkpoint, heads
from vetting.surface.checkpoint import Binding, Saved
from vetting.surface.files import create_durably, replace_durably

MIB = 1024 * 1024
BINDING = Binding(serial="A", wwn="", size_bytes=MIB, run_id=1, cycles=1, sample_bytes=0, read_only=False)
SAVED = Saved(salt=bytes(range(16)), heads="/x", heads_sha256="ab" * 32, standing={"phase_index": 1})
DISK = DiskIdentity(name="x", device="8:0", kind="disk", serials=("A",), wwn="w", size_bytes=20 * MIB)
PERMIT = Permit(run_id=1, host_id="h", disks=(), issued_s=0, expires_s=1, nonce="0123456789abcdef")


def test_a_checkpoint_comes_back_and_an_absent_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    assert checkpoint.load(path, BINDING) is None
    checkpoint.save(path, BINDING, SAVED)
    checkpoint.save(path, BINDING, SAVED)
    assert checkpoint.load(path, BINDING) == SAVED
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "B"},
        {"wwn": "other"},
        {"size_bytes": MIB + 512},
        {"run_id": 2},
        {"cycles": 2},
        {"sample_bytes": 4096},
        {"read_only": True},
        {"chunk_bytes": 4096},
    ],
)
def test_a_checkpoint_of_another_scan_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    checkpoint.save(tmp_path / "c", BINDING, SAVED)
    with pytest.raises(Conflict, match=f"another scan .*{next(iter(change))}"):
        checkpoint.load(tmp_path / "c", replace(BINDING, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [0, 1, 65, 70, 200])
def test_a_checkpoint_that_was_cut_or_changed_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "c"
    checkpoint.save(path, BINDING, SAVED)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(Conflict, match="damaged"):
        checkpoint.load(path, BINDING)
    path.write_bytes(whole.replace(b'"phase_index": 1', b'"phase_index": 2'))
    with pytest.raises(Conflict, match="damaged"):
        checkpoint.load(path, BINDING)


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    create_durably(tmp_path / "f", b"one")
    with pytest.raises(FileExistsError):
        create_durably(tmp_path / "f", b"two")
    replace_durably(tmp_path / "f", b"three")
    assert (tmp_path / "f").read_bytes() == b"three"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [512, 4096, MIB, 5 * MIB + 512, 8 * MIB, 20 * MIB + 1536])
def test_heads_are_taken_from_disks_of_any_size_and_put_back(tmp_path: Path, size: int) -> None:
    path = tmp_path / "disk"
    before = os.urandom(min(size, 4096)) + bytes(max(0, size - 4096 - 512)) + os.urandom(min(512, max(0, size - 4096)))
    path.write_bytes(before)
    disk = replace(DISK, size_bytes=size)
    fd = os.open(path, os.O_RDWR)
    try:
        taken = heads.taken(fd, disk, 1)
        heads.save(tmp_path / "heads", taken)
        os.pwrite(fd, b"\xff" * size, 0)
        assert heads.put_back(fd, disk, heads.load(tmp_path / "heads")) >= min(size, 8 * MIB)
    finally:
        os.close(fd)
    after = path.read_bytes()
    assert after[: 4 * MIB] == before[: 4 * MIB] and after[-4 * MIB :] == before[-4 * MIB :]


def some_heads(folder: Path) -> Path:
    (folder / "disk").write_bytes(os.urandom(1024) + bytes(20 * MIB - 1024))
    fd = os.open(folder / "disk", os.O_RDONLY)
    heads.save(folder / "heads", heads.taken(fd, DISK, 1))
    os.close(fd)
    return folder / "heads"


@pytest.mark.parametrize("change", [{"serials": ("B",)}, {"wwn": "v"}, {"size_bytes": 20 * MIB + 512}])
def test_heads_of_another_disk_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(Conflict, match="heads are of the disk"):
        heads.check_owner(heads.load(some_heads(tmp_path)), replace(DISK, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["first byte", "last byte", "cut", "label", "empty", "huge"])
def test_damaged_heads_are_refused(tmp_path: Path, damage: str) -> None:
    path = some_heads(tmp_path)
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    path.write_bytes(
        {
            "first byte": data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :],
            "last byte": data[:-1] + b"\x01",
            "cut": data[:-512],
            "label": data.replace(b'"tail_at": ', b'"tail_at": 1'),
            "empty": b"",
            "huge": bytes(17 * MIB),
        }[damage]
    )
    with pytest.raises(BadInput):
        heads.load(path)


def test_the_name_of_a_heads_file_is_no_text_of_the_hosts(tmp_path: Path) -> None:
    hostile = replace(DISK, serials=("../../etc/passwd",))
    one, two = heads.file_for(tmp_path, hostile, PERMIT), heads.file_for(tmp_path, DISK, PERMIT)

    assert one.parent == two.parent == tmp_path and one != two
    assert one != heads.file_for(tmp_path, hostile, replace(PERMIT, nonce="fedcba9876543210"))
    assert one.name.removesuffix(".heads").isalnum()
