"""Artifacts: safely in place or not at all, never at a path that a host chose."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vetting.domain.errors import BadInput, Conflict, NotFound, TooLarge, Unavailable
from vetting.store import artifacts
from vetting.store.artifacts import Room, Stored
from vetting.store.db import Store
from vetting.store.rows import ArtifactRow, RunRow

DATA = b"smartctl 7.4 says\n" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path, quota_bytes=100_000)


def add(store: Store, run_id: int, name: str, stored: Stored) -> ArtifactRow:
    return store.write_now(lambda: artifacts.add(run_id, "SMART", 1, name, "text/plain", stored, now=1.0))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_received_artifact_lies_under_a_name_of_ours(room: Room, tmp_path: Path) -> None:
    with room.receive(7, used_bytes=0) as incoming:
        for at in range(0, len(DATA), 1000):
            incoming.write(DATA[at : at + 1000])
        stored = incoming.settle(SHA256.upper())
    assert stored == Stored(path=f"artifacts/7/{SHA256}", sha256=SHA256, size_bytes=len(DATA))
    assert files(tmp_path) == [stored.path]
    assert room.read(stored) == DATA
    assert room.place(stored).stat().st_mode & 0o077 == 0


def test_file_and_folders_are_synced_before_it_counts_as_stored(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    rename, fsync = Path.rename, os.fsync

    def synced(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        order.append("rename")
        return rename(path, target)

    monkeypatch.setattr("vetting.store.artifacts.os.fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    room.keep(7, DATA)
    assert order == ["file", "rename", "folder", "folder"]


def test_what_arrives_damaged_is_refused_and_gone(room: Room, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="arrived damaged"), room.receive(7, used_bytes=0) as incoming:
        incoming.write(DATA[:-1])
        incoming.settle(SHA256)
    assert files(tmp_path) == []


def test_what_breaks_off_leaves_nothing(room: Room, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), room.receive(7, used_bytes=0) as incoming:
        incoming.write(DATA)
        raise ConnectionError
    assert files(tmp_path) == []


def test_a_run_cannot_take_more_than_its_share(room: Room, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="500 bytes left"), room.receive(7, used_bytes=99_500) as incoming:
        incoming.write(b"x" * 501)
    with pytest.raises(TooLarge, match="has used its 100000 bytes"):
        room.receive(7, used_bytes=100_000)
    assert files(tmp_path) == []
    with room.receive(7, used_bytes=99_500) as incoming:
        incoming.write(b"x" * 500)
        incoming.settle()


def test_the_same_content_twice_is_one_file(room: Room, store: Store, run: RunRow, tmp_path: Path) -> None:
    first = add(store, run.id, "a.txt", room.keep(run.id, DATA))
    again = add(store, run.id, "a.txt", room.keep(run.id, DATA))
    other = add(store, run.id, "b.txt", room.keep(run.id, DATA))
    assert first == again
    assert other.id != first.id
    assert len([path for path in files(tmp_path) if path.startswith("artifacts/")]) == 1
    assert store.read_now(lambda: artifacts.used_bytes(run.id)) == 2 * len(DATA)
    assert store.read_now(artifacts.total_bytes) == 2 * len(DATA)


def test_another_content_under_a_name_that_is_taken_is_a_conflict(room: Room, store: Store, run: RunRow) -> None:
    first = add(store, run.id, "a.txt", room.keep(run.id, DATA))
    other = room.keep(run.id, b"other")
    with pytest.raises(Conflict, match=r"another artifact named 'a\.txt'"):
        add(store, run.id, "a.txt", other)
    assert store.read_now(lambda: artifacts.get(first.id)) == first
    store.write_now(lambda: artifacts.replace(run.id, "SMART", 1, "a.txt", "text/plain", other, now=2.0))
    (only,) = store.read_now(lambda: artifacts.artifacts_of(run.id, "SMART", 1))
    assert room.read(only) == b"other"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 5000, ""])
def test_a_hosts_name_for_it_is_only_text(room: Room, store: Store, run: RunRow, name: str, tmp_path: Path) -> None:
    row = add(store, run.id, name, room.keep(run.id, DATA))
    assert store.read_now(lambda: artifacts.find(run.id, "SMART", 1, name)) == row
    assert row.name == name
    assert room.place(row) == tmp_path / "artifacts" / str(run.id) / SHA256


@pytest.mark.parametrize("path", ["artifacts/1/../../x", "/etc/passwd", "artifacts/x/abc", "artifacts/1", "other/1/a"])
def test_a_path_that_we_did_not_make_is_never_opened(room: Room, path: str) -> None:
    with pytest.raises(NotFound):
        room.read(Stored(path=path, sha256="", size_bytes=0))


def test_a_file_that_changed_is_noticed(room: Room, store: Store, run: RunRow) -> None:
    row = add(store, run.id, "a", room.keep(run.id, DATA))
    assert room.objection(row) == ""
    place = room.place(row)
    place.write_bytes(DATA[:-1] + b"X")
    assert "has the SHA-256" in room.objection(row)
    place.write_bytes(DATA[:-1])
    assert f"has {len(DATA) - 1} bytes instead of {len(DATA)}" in room.objection(row)
    place.unlink()
    assert room.objection(row) == "cannot be read: No such file or directory"
    with pytest.raises(NotFound, match="is gone; restore it from a backup"):
        room.read(row)


def test_a_disk_that_is_full_is_said_in_a_sentence(room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="is full: free some space"), room.receive(7, used_bytes=0) as incoming:
        incoming.write(DATA)
        monkeypatch.setattr("vetting.store.artifacts.os.fsync", full)
        incoming.settle()
    assert files(tmp_path) == []


def test_a_run_is_removed_whole_and_what_a_crash_left_is_swept(
    room: Room, store: Store, run: RunRow, tmp_path: Path
) -> None:
    add(store, run.id, "a", room.keep(run.id, DATA))
    kept = room.keep(99, DATA)
    left = room.receive(99, used_bytes=0)
    assert room.sweep(older_than_at=0.0) == 0
    assert room.sweep(older_than_at=os.stat(tmp_path).st_mtime + 1000) == 1
    left.abandon()
    assert store.write_now(lambda: artifacts.forget(run.id)) == 1
    room.remove_run(run.id)
    assert [path for path in files(tmp_path) if path.startswith("artifacts/")] == [kept.path]
