"""A disk that is really full, and one that is really read-only: a sentence, nothing lost, and on it goes with room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from vetting.domain.errors import Unavailable
from vetting.store import artifacts, settings
from vetting.store.db import Store, reading

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root"),
]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB in memory, of this test's own."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "vetting-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_everything_goes_on_when_there_is_room(small: Path) -> None:
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * 2 * 1024**2)
    store = Store.open(small / "v.db")
    written: list[int] = []
    with pytest.raises(Unavailable, match=r"is full: free some space"):
        for number in range(10_000):
            store.write_now(partial(settings.put, f"k{number}", "x" * 20_000, now=1.0))
            written.append(number)
    assert len(written) > 10
    refused = len(written)
    assert store.read_now(lambda: settings.get(f"k{refused}", str)) is None
    with pytest.raises(Unavailable):
        store.write_now(partial(settings.put, "big", "x" * 200_000, now=1.0))
    assert "is full" in store.health().last_trouble
    for number in written:
        assert store.read_now(partial(settings.get, f"k{number}", str)) == "x" * 20_000
    ballast.unlink()
    store.write_now(partial(settings.put, f"k{refused}", "later", now=1.0))
    store.close()
    with reading(small / "v.db"):
        assert settings.get(f"k{refused}", str) == "later"
        assert all(settings.get(f"k{number}", str) == "x" * 20_000 for number in written)


def test_a_store_opens_on_a_full_disk_or_says_why_not(small: Path) -> None:
    ballast = small / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(b"x" * 8 * 1024**2)
    with pytest.raises(Unavailable, match=r"is full: free some space"):
        Store.open(small / "v.db")
    ballast.unlink()
    Store.open(small / "v.db").close()


def test_an_artifact_that_does_not_fit_on_the_disk_leaves_nothing(small: Path) -> None:
    room = artifacts.Room(small, quota_bytes=10**9)
    with pytest.raises(Unavailable, match="is full"), room.receive(1, used_bytes=0) as incoming:
        for _ in range(8):
            incoming.write(b"x" * 1024**2)
        incoming.settle()
    assert [path for path in small.rglob("*") if path.is_file()] == []
    assert room.keep(1, b"small").size_bytes == 5


def test_a_read_only_file_system_is_told_and_still_read(small: Path) -> None:
    store = Store.open(small / "v.db")
    store.write_now(partial(settings.put, "k", 1, now=1.0))
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(Unavailable, match=r"cannot be written: make it .*writable"):
        Store.open(small / "v.db")
    with pytest.raises(Unavailable, match=r"cannot be written: make it writable for this user, or name another"):
        Store.open(small / "new" / "v.db")
    with reading(small / "v.db"):
        assert settings.get("k", int) == 1
