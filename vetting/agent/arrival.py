"""Greeting the orchestrator and claiming the run, at the first start and after a restart within the same boot."""

from __future__ import annotations

import asyncio

from vetting import __version__, wire
from vetting.agent.eventlog import EventLog, newest
from vetting.agent.image import image_of
from vetting.agent.kept import Kept
from vetting.agent.logs import Logs
from vetting.agent.settings import Settings
from vetting.client import Client
from vetting.domain.errors import NotAllowed, ProtocolMismatch
from vetting.identity import identity


async def greet(client: Client, boot_id: str) -> None:
    """Before any token is sent: do we speak the same protocol? Raises ProtocolMismatch, WrongServer."""
    hello = wire.Hello(protocol=wire.PROTOCOL, agent_version=__version__, boot_id=boot_id)
    greeting = await client.insist("/api/agent/hello", hello, wire.HelloReply)
    if greeting.protocol != wire.PROTOCOL:
        raise ProtocolMismatch(
            f"this agent speaks protocol {wire.PROTOCOL} and the orchestrator {greeting.protocol}: "
            f"boot the host into the current live image. {greeting.message}".strip()
        )


async def _event_log_stands_at(settings: Settings) -> int | None:
    """The newest record of the BMC's event log: what comes after it, this run's host brought about."""
    bmc = EventLog(settings.root)
    return newest(await bmc.read(tries=1)) if bmc.there else None


async def claim_run(client: Client, settings: Settings, kept: Kept, logs: Logs) -> wire.ClaimReply:
    """With the token kept from before a restart, else with the ticket. Raises NotAllowed where neither is good, and the
    orchestrator's other refusals."""
    secrets = [secret for secret in (kept.token, settings.ticket) if secret]
    if not secrets:
        raise NotAllowed(
            "there is neither a boot ticket nor a token of this boot: give --ticket-file, or vetting.ticket= on the "
            "kernel command line"
        )
    message = wire.Claim(
        protocol=wire.PROTOCOL,
        agent_version=__version__,
        boot_id=kept.boot_id,
        identity=await asyncio.to_thread(identity, settings.root),
        live_image=settings.live_image,
        image=image_of(settings.root, logs) if settings.live_image else None,
        sel_record_id=None if kept.token else await _event_log_stands_at(settings),
    )
    client.token = secrets[0]
    try:
        claim = await client.insist("/api/agent/claim", message, wire.ClaimReply)
    except NotAllowed:
        if len(secrets) == 1:
            raise
        logs.say("the token of this boot is not good any more; claiming with the ticket", "warning")
        client.token = settings.ticket
        return await client.insist("/api/agent/claim", message, wire.ClaimReply)
    if kept.token:
        logs.say(
            f"the agent was restarted: going on with run {claim.run_id} at "
            f"{claim.current_stage or claim.current_state}, attempt {claim.attempt}"
        )
    return claim
