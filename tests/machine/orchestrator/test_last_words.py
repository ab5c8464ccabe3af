"""A real `vetting serve` hears datagrams on loopback: the run's own, a stranger's, and far too many."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.fakes import honest
from tests.fakes.rig import ServeProcess, claim_by_hand, serving, until
from vetting import wire
from vetting.client import Client
from vetting.store import artifacts, findings, logs, runs
from vetting.store.db import reading

pytestmark = [pytest.mark.machine, pytest.mark.timeout(180)]
RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "crash" / "netconsole-extended.hex"
PANIC = "Kernel panic - not syncing: sysrq triggered crash"
FLOOD = 60_000


@contextlib.contextmanager
def sender(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((address, 0))
        yield made


def free_udp_port() -> int:
    with sender("127.0.0.1") as made:
        return int(made.getsockname()[1])


@dataclass
class Host:
    """An agent's words without an agent."""

    server: ServeProcess
    agent: Client
    boot_id: str = "boot-one"

    async def claim(self, secret: str) -> wire.ClaimReply:
        return await claim_by_hand(self.agent, secret, boot_id=self.boot_id)

    async def heard(self) -> None:
        """Sends a line until it stands in the run's log: from then on the orchestrator knows whose address it is."""

        async def there() -> bool:
            self.send(b"3,1,1,-;are you there\n")
            with reading(self.server.data / "vetting.db"):
                return any(line.source == "netconsole" for line in logs.last_lines(1))

        await until(there, 20, every_s=0.2, said="the orchestrator to hear")

    def send(self, *datagrams: bytes, by: str = "127.0.0.1") -> None:
        with sender(by) as made:
            for datagram in datagrams:
                made.sendto(datagram, ("127.0.0.1", self.server.netconsole))


@asynccontextmanager
async def a_host(folder: Path) -> AsyncIterator[Host]:
    async with serving(folder, netconsole=free_udp_port()) as server, server.operator() as operator:
        edit = wire.HostEdit(name="honest", macs=(honest.MAC,), spec=honest.SPEC)
        await operator.call("/api/hosts", edit, wire.HostView)
        request = wire.StartRun(host="honest", profile="sprint", start_by="manual", confirm_serials=("D1",))
        started = await operator.call("/api/runs", request, wire.RunStarted)
        async with Client(server.url, server.fingerprint) as agent:
            host = Host(server, agent)
            await host.claim(started.ticket)
            yield host


async def test_a_panic_that_came_by_udp_is_in_the_report_after_the_reboot(tmp_path: Path) -> None:
    async with a_host(tmp_path) as host:
        await host.heard()
        host.send(b"0,1,1,-;Kernel panic - not syncing: forged\n", by="127.0.0.2")
        host.send(*(bytes.fromhex(line) for line in RECORDED.read_text().split()))
        await asyncio.sleep(0.2)  # the kernel has it by now, and nothing else tells when we have read it
        host.boot_id = "boot-two"
        reply = await host.claim(host.agent.token)
        assert (reply.holding, reply.failed_stage, reply.failed_attempt) == (True, "Inventory", 1)
        hold = wire.Hold(boot_id=host.boot_id, addresses=("127.0.0.1",), reason="it rebooted")
        await host.agent.insist("/api/agent/hold", hold, wire.HoldReply)
        report = host.server.data / "reports/run-1/report.html"

        async def told() -> bool:
            return report.exists() and PANIC in report.read_text()

        await until(told, 20, said="the last words in the report on disk")
    with reading(host.server.data / "vetting.db"):
        assert runs.get(1).peer == "127.0.0.1"
        texts = [one.text for one in findings.findings_of(1)]
        assert f"the kernel's last words: {PANIC}" in texts and not any("forged" in text for text in texts)
        assert [(one.stage, one.attempt) for one in artifacts.artifacts_of(1) if one.name == "last-words.txt"] == [
            ("Inventory", 1)
        ]


async def test_a_flood_costs_neither_memory_nor_the_api_its_answers(tmp_path: Path) -> None:
    async with a_host(tmp_path) as host:
        await host.heard()
        assert host.server.process is not None
        process = psutil.Process(host.server.process.pid)
        before = process.memory_info().rss
        line = b"0,%d,1,-;Kernel panic - not syncing: " + b"x" * 900
        loop = asyncio.get_running_loop()

        def flood(by: str) -> None:
            with sender(by) as made:
                for number in range(FLOOD):
                    made.sendto(line % number, ("127.0.0.1", host.server.netconsole))

        floods = [loop.run_in_executor(None, flood, by) for by in ("127.0.0.1", "127.0.0.2")]
        slowest = 0.0
        while not all(one.done() for one in floods):
            began = loop.time()
            beat = wire.Heartbeat(boot_id=host.boot_id, seq=1, doing="running", stage="Inventory", attempt=1)
            answer = await host.agent.insist("/api/agent/heartbeat", beat, wire.HeartbeatReply)
            slowest = max(slowest, loop.time() - began)
            assert answer.state == "InventoryCheck", "nobody was judged by it"
        await asyncio.gather(*floods)
        await asyncio.sleep(1.0)
        grown = process.memory_info().rss - before
        with reading(host.server.data / "vetting.db"):
            assert logs.count(1) < 3000
            assert findings.findings_of(1) == []
        print(f"{2 * FLOOD} datagrams: slowest answer {slowest:.3f} s, memory {grown / 1024**2:+.1f} MiB")
        assert slowest < 5.0 and grown < 32 * 1024**2
