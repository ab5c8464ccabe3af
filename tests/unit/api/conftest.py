"""A whole orchestrator that answers over TLS on loopback, and a session that speaks raw HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes import honest
from vetting import serve, wire
from vetting.config import Config


@dataclass
class Api:
    server: serve.Server
    session: aiohttp.ClientSession
    operator: str  # token

    async def send(
        self, method: str, path: str, body: object = None, *, token: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """(status, decoded JSON). Bytes are sent as they are, messages encoded."""
        raw = body if isinstance(body, bytes) or body is None else wire.encode(body)
        said = {"Authorization": f"Bearer {token}"} if token else {}
        kind = {"Content-Type": "application/json"} if raw is not None else {}
        async with self.session.request(
            method, self.server.url + path, data=raw, headers={**kind, **said, **(headers or {})}
        ) as response:
            answer = await response.json() if response.content_type == "application/json" else await response.read()
            return response.status, answer


@pytest.fixture
def config(tmp_path: Path) -> Config:
    plain = Config()
    return replace(
        plain,
        server=replace(plain.server, listen="127.0.0.1", port=0, data_dir=str(tmp_path / "data")),
        netconsole=replace(plain.netconsole, port=0),
        iperf=replace(plain.iperf, bind="127.0.0.1", host="127.0.0.1", ports=range(0)),
        profiles={**plain.profiles, "sprint": honest.SPRINT},
    )


@pytest.fixture
async def api(config: Config) -> AsyncIterator[Api]:
    async with serve.running(config, strict=True) as server:
        pin = aiohttp.Fingerprint(bytes.fromhex(server.certificate.fingerprint))
        operator = (Path(config.server.data_dir) / serve.LOCAL_TOKEN).read_text()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin)) as session:
            yield Api(server, session, operator)
