"""What stands in the way of `vetting serve`: one sentence on what to do, a status, and never a traceback."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.rig import READY_S, ServeProcess, serving
from vetting import wire
from vetting.client import Unreachable

pytestmark = pytest.mark.machine
needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServeProcess]:
    """Not started yet; killed at the end if it lives."""
    server = ServeProcess(tmp_path)
    yield server
    if server.process is not None and server.process.returncode is None:
        await server.kill()


async def refused(server: ServeProcess, status: int = 1) -> str:
    """The one sentence with which it ends."""
    await server.spawn()
    assert server.process is not None
    try:
        async with asyncio.timeout(READY_S):
            ended = await server.process.wait()
    finally:
        if server.process.returncode is None:
            await server.kill()
    said = server.log.read_text()
    assert "Traceback" not in said, said
    *before, sentence = said.strip().splitlines()
    assert all(line.startswith("INFO ") for line in before), said
    assert sentence.startswith("vetting: "), said
    assert ended == status, (ended, said)
    return sentence


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A small file system in memory, of this test's own."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "vetting-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_port_in_use(server: ServeProcess) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        said = await refused(server)
    assert f"cannot listen on 127.0.0.1 port {server.port}: Address already in use" in said
    assert "set server.port" in said
    await server.start()  # nothing of the failed start is in the way
    assert await server.stop() == 0


async def test_a_file_where_the_data_directory_should_be(server: ServeProcess, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = await refused(server)
    assert f"the data directory {tmp_path / 'data'} cannot be written" in said
    assert "server.data_dir" in said


@needs_mounts
async def test_a_data_directory_on_a_disk_mounted_read_only(server: ServeProcess) -> None:
    with mounted(server.data, "size=1m", "ro"):
        said = await refused(server)
    assert "cannot be written (Read-only file system)" in said


@needs_mounts
async def test_a_database_on_a_disk_that_became_read_only(server: ServeProcess) -> None:
    with mounted(server.data, "size=16m"):
        await server.start()
        assert await server.stop() == 0
        server.log.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(server.data)], check=True)
        assert "cannot be written (Read-only file system)" in await refused(server)


@needs_mounts
async def test_a_disk_that_is_full_at_the_start(server: ServeProcess) -> None:
    with mounted(server.data, "size=64k"):
        (server.data / "ballast").write_bytes(b"x" * 60 * 1024)
        said = await refused(server)
        assert "is full: free some space" in said
        (server.data / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", str(server.data)], check=True)
        await server.start()
        async with server.operator() as operator:
            assert await operator.get("/api/hosts", tuple[wire.HostView, ...]) == ()
        assert await server.stop() == 0


@needs_mounts
async def test_a_disk_that_fills_up_while_we_serve_is_told_and_got_over(server: ServeProcess) -> None:
    with mounted(server.data, "size=16m"):
        await server.start()
        async with server.operator() as operator:
            ballast = server.data / "ballast"
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(b"x" * 4096)
            long = wire.HostEdit(name="one", note="n" * 100_000)
            with pytest.raises(Unreachable, match=r"is full: free some space.*\(503\)"):
                await operator.call("/api/hosts", long, wire.HostView)
            assert await operator.get("/api/hosts", tuple[wire.HostView, ...]) == ()
            ballast.unlink()
            assert (await operator.call("/api/hosts", long, wire.HostView)).name == "one"
        assert await server.stop() == 0
    assert "Traceback" not in server.log.read_text()


async def test_a_database_of_a_newer_version(server: ServeProcess) -> None:
    await started_and_stopped(server)
    database = sqlite3.connect(server.data / "vetting.db")
    with database:
        database.execute("INSERT INTO schema_migration (name, applied) VALUES ('m9999_later', '2099-01-01 00:00:00')")
    database.close()
    said = await refused(server, 2)
    assert "m9999_later" in said


async def test_a_file_that_is_no_database(server: ServeProcess) -> None:
    await started_and_stopped(server)
    for part in server.data.glob("vetting.db*"):
        part.unlink()
    (server.data / "vetting.db").write_bytes(b"a letter to my aunt, quite long\n" * 500)
    assert "is not a database" in await refused(server)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "permit.key"])
async def test_a_key_that_cannot_be_read(server: ServeProcess, name: str) -> None:
    await started_and_stopped(server)
    (server.data / "keys" / name).write_text("no key at all\n")
    said = await refused(server)
    assert str(server.data / "keys" / name) in said
    assert "move it away" in said


async def test_a_data_directory_that_another_orchestrator_serves(tmp_path: Path) -> None:
    async with serving(tmp_path) as first:
        second = ServeProcess(tmp_path / "second")
        second.folder.mkdir()
        second.data.symlink_to(first.data)
        said = await refused(second)
        assert "another" in said
        async with first.operator() as operator:
            assert await operator.get("/api/hosts", tuple[wire.HostView, ...]) == ()


def test_a_configuration_with_mistakes_starts_nothing(tmp_path: Path) -> None:
    server = ServeProcess(tmp_path)
    path = server.write_config()
    path.write_text("server:\n  prot: 8443\n  data_dir: here\n")
    ended = subprocess.run(
        [sys.executable, "-m", "vetting", "serve", "--config", str(path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=READY_S,
    )
    assert ended.returncode == 2
    assert "server.prot" in ended.stderr
    assert "server.data_dir" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not server.data.exists()


async def started_and_stopped(server: ServeProcess) -> None:
    await server.start()
    assert await server.stop() == 0
    server.log.unlink()
