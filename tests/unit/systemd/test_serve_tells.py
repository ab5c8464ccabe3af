"""`vetting serve` under a service manager: what it says, in order, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import vetting.client
import vetting.serve  # noqa: F401 - now, for an import would hold the loop that a test watches
from tests.unit.systemd.manager import Listener
from vetting.clock import SystemClock
from vetting.config import Config
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.services import Services
from vetting.orchestrator.supervise import Health, Status
from vetting.readiness import Manager
from vetting.verbs import serve


def here(tmp_path: Path, *, port: int = 0) -> Config:
    plain = Config()
    server = replace(plain.server, listen="127.0.0.1", port=port, data_dir=str(tmp_path / "data"))
    return replace(plain, server=server, netconsole=replace(plain.netconsole, port=0))


@pytest.fixture(autouse=True)
def _no_freezing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What suits a server would slow the tests that come after."""
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr("sys.setswitchinterval", lambda seconds: None)


async def test_ready_comes_after_patience_and_stopping_before_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Listener(str(tmp_path / "notify")) as listener:
        serving = asyncio.ensure_future(serve.until_told(here(tmp_path), Manager(listener.address, 0.4)))
        await listener.until("WATCHDOG=1")
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        listener.listen()
        first = [listener.heard.index(word) for word in ("READY=1", "WATCHDOG=1", "STOPPING=1")]
        assert first == sorted(first)
        assert any(said.startswith("EXTEND_TIMEOUT_USEC=") for said in listener.heard[: first[0]])
        assert any(said.startswith("EXTEND_TIMEOUT_USEC=") for said in listener.heard[first[2] :])
        assert "WATCHDOG=1" not in listener.heard[first[2] :]
        assert any(said.startswith("STATUS=serving at https://127.0.0.1:") for said in listener.heard)
    out = capsys.readouterr().out
    assert "vetting serves at https://127.0.0.1:" in out
    code = (tmp_path / "data" / "setup.code").read_text()
    assert re.search(rf"open https://127\.0\.0\.1:\d+ with the setup code {code}\n", out)


def test_services_that_were_given_up_stand_first_and_stopped_ones_are_forgotten() -> None:
    services = Services(Bus(), SystemClock())
    for status in (
        Status("iperf3:5201", Health.WAITING, why="address in use"),
        Status("dnsmasq", Health.GIVEN_UP, why="no such interface"),
        Status("iperf3:5202", Health.UP),
        Status("iperf3:5203", Health.GIVEN_UP),
        Status("iperf3:5203", Health.STOPPED),
    ):
        services.told(status)
    assert services.troubles() == (
        "dnsmasq given up (no such interface)",
        "iperf3:5201 waiting to restart (address in use)",
    )
