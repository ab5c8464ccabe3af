"""dnsmasq dies, hangs, meets another DHCP server, or lacks its network card: each is told, and nothing of it stops `serve`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.fakes.network_card import BIOS
from tests.fakes.rig import until
from tests.lab.network import BRIDGE, ip
from tests.machine.boot.conftest import HOST, Yard
from tests.machine.boot.conftest import yard as yard
from vetting import wire

pytestmark = pytest.mark.machine


async def serves(yard: Yard) -> bool:
    return bool(await yard.orchestrator.api.get("/api/hosts", tuple[wire.HostView, ...]))


async def gone(pid: int) -> None:
    async def look() -> bool:
        return not Path(f"/proc/{pid}").exists()

    await until(look, 10, said=f"process {pid} to end")


async def another(yard: Yard, than: int, limit_s: float = 40) -> int:
    async def look() -> int:
        found = await yard._dnsmasq()
        return found if found != than else 0

    return await until(look, limit_s, said="dnsmasq to be started again")


async def test_it_never_runs_as_root_and_has_no_more_rights_than_it_needs(yard: Yard) -> None:
    await yard.serve(proxy=True)
    status = Path(f"/proc/{await yard.dnsmasq()}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert fields["NoNewPrivs"] == "1"
    low_ports, admin, raw = 10, 12, 13
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 1 << low_ports | 1 << admin | 1 << raw


async def test_one_that_is_killed_is_started_again_and_answers(yard: Yard) -> None:
    await yard.serve(proxy=True)
    first = await yard.knows(HOST)
    os.kill(first, signal.SIGKILL)
    await another(yard, first)
    await yard.knows(HOST)
    assert await asyncio.to_thread(yard.card.asks, BIOS)


async def test_one_that_dies_again_and_again_is_given_up_loudly_and_the_orchestrator_goes_on(yard: Yard) -> None:
    await yard.serve(proxy=True)
    pid = 0
    for _ in range(6):
        pid = await another(yard, pid)
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
    await yard.says("dnsmasq: gave up after 5 restarts")
    assert await serves(yard)


async def test_when_serve_is_killed_outright_it_dies_too(yard: Yard) -> None:
    await yard.serve(proxy=True)
    pid = await yard.dnsmasq()
    assert yard.orchestrator.program is not None
    yard.orchestrator.program.send(signal.SIGKILL)
    await gone(pid)


async def test_it_ends_with_serve_and_leaves_nothing_behind(yard: Yard) -> None:
    await yard.serve(proxy=True)
    pid = await yard.dnsmasq()
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    folder = Path(words.partition("--conf-file=")[2].rstrip("\0")).parent
    assert folder.is_dir()
    await yard.orchestrator.stop()
    await gone(pid)
    assert not folder.exists()


@pytest.mark.slow
async def test_one_that_hangs_is_noticed_and_started_again(yard: Yard) -> None:
    await yard.serve(proxy=True)
    pid = await yard.dnsmasq()
    os.kill(pid, signal.SIGSTOP)
    await yard.says("dnsmasq runs and answers nothing", 100)
    await another(yard, pid)


async def test_where_another_server_answers_no_address_is_given_out_and_its_address_is_told(yard: Yard) -> None:
    await yard.another_dhcp_server()
    await yard.serve(proxy=False)
    await yard.says("another DHCP server answers on rack0: 10.77.0.2 (")
    assert "boot.mode to proxy" in yard.orchestrator.said()
    assert await yard._dnsmasq() == 0
    assert await serves(yard)
    await yard.foreign[0].program.stop()
    await yard.dnsmasq()  # switched off: now it is ours to serve


@pytest.mark.slow
async def test_where_another_server_appears_ours_is_stopped(yard: Yard) -> None:
    await yard.serve(proxy=False)
    pid = await yard.dnsmasq()
    await yard.another_dhcp_server()
    await yard.says("another DHCP server answers on rack0: 10.77.0.2 (", 90)
    await gone(pid)
    assert await serves(yard)


async def test_beside_another_server_the_proxy_is_not_afraid(yard: Yard) -> None:
    await yard.another_dhcp_server()
    await yard.serve(proxy=True)
    await yard.dnsmasq()


async def test_a_network_card_that_is_not_there_is_told_and_waited_for(yard: Yard) -> None:
    await yard.serve(proxy=True, interface="late0", address="")
    await yard.says("this machine has no network interface 'late0'")
    assert await serves(yard)
    inside = ("-n", yard.net.name)
    await ip(*inside, "link", "add", "late0", "type", "bridge")
    await yard.says("the network interface late0 is down; bring it up")
    await ip(*inside, "link", "set", "late0", "up")
    await yard.says("the network interface late0 has no IPv4 address")
    await ip(*inside, "addr", "add", "10.79.0.1/24", "dev", "late0")
    await yard.dnsmasq()


async def test_a_network_card_that_loses_its_address_and_gets_another_one_is_followed(yard: Yard) -> None:
    await yard.serve(proxy=True, address="")
    pid = await yard.dnsmasq()
    await ip("-n", yard.net.name, "addr", "add", "10.79.0.1/24", "dev", BRIDGE)
    await ip("-n", yard.net.name, "addr", "del", "10.77.0.1/24", "dev", BRIDGE)
    await yard.says("our address on rack0 changed")
    await another(yard, pid)
    await ip("-n", yard.card.namespace, "addr", "add", "10.79.0.7/24", "dev", "eth0")

    async def answers() -> bool:
        return (await yard.fetch("http://10.79.0.1:8480/boot.ipxe", "--fail"))[1].startswith("#!ipxe")

    await until(answers, 20, said="boot scripts at the new address")
