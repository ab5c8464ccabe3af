"""Beside the site's own DHCP server: ours names the loader and nothing else. And a ticket opens the door once."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

from tests.lab.dhcp import ROUTER, SITE_RANGE
from tests.lab.hardware import Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.network import ADDRESS
from tests.lab.orchestrator import Orchestrator
from tests.lab.rack import Rack
from tests.lab.run import Run
from tests.lab.settings import API_PORT, Boot
from vetting import proc
from vetting.domain.outcome import ToolRun

TICKET = re.compile(r"vetting\.ticket=(\S+)")
REFUSED = "a second agent presented the used boot ticket of this run and was refused"


async def second_agent(serve: Orchestrator, host: Host) -> ToolRun:
    """Somebody who read the ticket off the host's console, on another machine of the network."""
    found = TICKET.search(host.console.text())
    assert found is not None, f"no ticket on the console of {host.name}\n{host.words()}"
    folder = serve.folder / "second-agent"
    folder.mkdir()
    ticket = folder / "ticket"
    ticket.touch(mode=0o600)
    ticket.write_text(found[1])
    words = (
        sys.executable, "-m", "vetting", "agent", "--url", f"https://{ADDRESS}:{API_PORT}", "--fingerprint",
        serve.fingerprint, "--ticket-file", str(ticket), "--state-dir", str(folder / "state"), "--on-end", "exit",
    )  # fmt: skip
    return await proc.run((*serve.inside, *words), limit_s=60)


@pytest.mark.timeout(600)
async def test_hosts_come_through_proxydhcp_beside_a_foreign_server_and_a_used_ticket_opens_nothing(
    rack: Rack, image: None
) -> None:
    site = await rack.foreign_dhcp()
    serve = await rack.orchestrator(boot=Boot(proxy=True))
    hosts = [
        await rack.host(Hardware(name=firmware.value, firmware=firmware, disks=(Disk(serial=f"DATA-{firmware}"),)))
        for firmware in (Firmware.BIOS, Firmware.UEFI)
    ]

    async def comes(host: Host) -> Run:
        await serve.know(host)
        run = await serve.start_run(host, non_destructive=True)
        await host.power_on()
        await run.claimed(limit_s=300)
        return run

    runs = await asyncio.gather(*(comes(host) for host in hosts))

    leases = {lease.mac: lease.address for lease in site.leases()}
    assert set(leases) == {host.macs[0] for host in hosts}
    first, last = (int(end.rpartition(".")[2]) for end in SITE_RANGE)
    assert all(first <= int(address.rpartition(".")[2]) <= last for address in leases.values())
    assert f"option:  3 router  {ROUTER}" in site.said and "site.example" in site.said
    told = [line for line in site.said.splitlines() if "sent size" in line or "bootfile name" in line]
    assert told and not [line for line in told if "bootfile" in line], "the foreign server named a loader"
    ours = [path for path in serve.data.rglob("*leases*") if path.is_file() and path.read_text().strip()]
    assert not ours, f"our dnsmasq gave addresses away: {ours}"

    await runs[0].reaches("CPUStress", limit_s=120)
    ended = await second_agent(serve, hosts[0])
    assert ended.exit_code != 0 and not ended.timed_out, ended.stdout + ended.stderr
    view = await runs[0].held(limit_s=30)
    assert REFUSED in view.reason, runs[0].words()
