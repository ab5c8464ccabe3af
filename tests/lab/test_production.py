"""A host in production: its reporter refuses while a guest runs, and sends it into vetting when none does."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import REPOSITORY
from tests.lab import production
from tests.lab.rack import Rack
from tests.lab.waiting import until
from vetting import wire
from vetting.domain.errors import Conflict

ZIPAPP = REPOSITORY / "dist" / "vetting"  # what the reporter installs is the file that the orchestrator runs from


@pytest.mark.timeout(900)
async def test_a_production_host_is_vetted_on_start_and_refuses_while_a_guest_runs(rack: Rack, image: None) -> None:
    serve = await rack.orchestrator(zipapp=ZIPAPP)
    host = await rack.host(production.hardware("pve"))
    await production.install(host)
    system = await host.disk_sha256(f"{production.SYSTEM_DISK}-pve")
    await serve.know(host)
    code = await serve.api.call("/api/hosts/pve/registration-code", wire.Because(), wire.RegistrationCode)

    await host.power_on()
    await host.console_says(production.UP, limit_s=300)
    assert not host.console.said("vetting:"), "it started from the network and not from its own disk"
    host.type(f"{code.command} -s -- --yes --allow-reboot")
    await host.console_says("Done.", limit_s=120)

    async def seen() -> wire.HostView | None:
        view = await serve.api.get("/api/hosts/pve", wire.HostView)
        return view if view.reporter_age_s is not None and view.reporter_allowed else None

    view = await until(seen, limit_s=120, said="the reporter's first heartbeat", context=serve.words)
    assert any("guest" in why or "kvm" in why for why in view.reporter_obstacles), view.reporter_obstacles
    with pytest.raises(Conflict, match=r"kvm|guest"):
        await serve.start_run(host, start_by="reporter", non_destructive=True)

    host.type("systemctl stop guest-100; echo the guest has been stopped: $?")
    await host.console_says("the guest has been stopped: 0", limit_s=60)

    left: list[str] = []  # a reporter looks anew every two minutes

    async def free() -> bool:
        left[:] = (await serve.api.get("/api/hosts/pve", wire.HostView)).reporter_obstacles
        return not left

    gone = "the reporter to see that nothing speaks against it any more"
    await until(free, limit_s=240, said=gone, context=lambda: f"{left}\n{serve.words()}", every_s=2.0)
    run = await serve.start_run(host, start_by="reporter", non_destructive=True)
    await run.reaches("Booting", limit_s=180)
    await run.claimed(limit_s=300)
    await run.passes(limit_s=400)
    assert await host.powered_off(limit_s=120) == "guest-shutdown"
    assert await host.disk_sha256(f"{production.SYSTEM_DISK}-pve") == system

    await host.power_on()  # the network was for once: next time it is its own disk again
    await host.console_says(production.UP, limit_s=300)
    await asyncio.sleep(0)
