"""A command line beside a real orchestrator that answers over TLS."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.fakes import honest
from vetting import cli, serve
from vetting.config import Config


@dataclass
class Console:
    """Types commands as the operator of a server that runs in another thread."""

    server: serve.Server
    capsys: pytest.CaptureFixture[str]

    def type(self, *words: str) -> tuple[int, str, str]:
        """(exit status, stdout, stderr)."""
        return self.type_before(words, ())

    def type_before(self, words: tuple[str, ...], last: tuple[str, ...]) -> tuple[int, str, str]:
        """As `type`, with words that have to stand last."""
        where = ("--url", self.server.url, "--fingerprint", self.server.certificate.fingerprint)
        status = cli.main([*words, *where, *last])
        said = self.capsys.readouterr()
        return status, said.out, said.err


@pytest.fixture
def console(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    plain = Config()
    config = replace(
        plain,
        server=replace(plain.server, listen="127.0.0.1", port=0, data_dir=str(tmp_path)),
        netconsole=replace(plain.netconsole, port=0),
        iperf=replace(plain.iperf, ports=range(0)),
        profiles={**plain.profiles, "sprint": honest.SPRINT},
    )
    ready, stop = threading.Event(), asyncio.Event()
    found: list[serve.Server] = []
    loop = asyncio.new_event_loop()

    async def living() -> None:
        async with serve.running(config) as server:
            found.append(server)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(living()), daemon=True)
    thread.start()
    assert ready.wait(20)
    monkeypatch.setenv("VETTING_TOKEN", (tmp_path / serve.LOCAL_TOKEN).read_text())
    yield Console(found[0], capsys)
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()
